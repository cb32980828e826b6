/* The thermo series of a run that goes on or has failed: read where its worker writes it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/store.h"

/* The folder of the newest attempt; 0 without one. */
static long newest_attempt(const char *folder) {
  long newest = 0;
  DIR *directory = opendir(folder);
  if (directory == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char *end;
    long number = strtol(entry->d_name, &end, 10);
    if (*end == '\0' && number > newest) newest = number;
  }
  closedir(directory);
  return newest;
}

/* Bytes up to the end of the last whole line: a writer may be in the middle of the next. */
static int64_t whole_lines(int file, int64_t size) {
  char tail[4096]; /* longer than a line */
  int64_t from = size > (int64_t)sizeof tail ? size - (int64_t)sizeof tail : 0;
  ssize_t got = pread(file, tail, sizeof tail, from);
  while (got > 0 && tail[got - 1] != '\n') got--;
  return got > 0 ? from + got : 0;
}

qn_status qn_store_open_series(qn_store *store, int64_t simulation, int *descriptor, int64_t *size, qn_error *error) {
  static const char *const names[] = {"thermo.csv.part", "thermo.csv"}; /* the run may just have ended */
  char folder[4096], path[4200];
  struct stat what;
  *descriptor = -1;
  if ((size_t)snprintf(folder, sizeof folder, "%s/simulations/%lld", qn_store_data_directory(store), (long long)simulation) >= sizeof folder)
    return qn_error_set(error, QN_IO, "the path of simulation %lld is too long", (long long)simulation);
  /* An attempt that has only begun has no rows yet, and the one before it may be gone already: what can be opened counts. */
  for (long attempt = newest_attempt(folder); attempt > 0; attempt--)
    for (int n = 0; n < 2; n++) {
      snprintf(path, sizeof path, "%s/%ld/%s", folder, attempt, names[n]);
      int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
      if (file < 0) continue;
      *size = fstat(file, &what) == 0 && S_ISREG(what.st_mode) ? whole_lines(file, what.st_size) : 0;
      if (*size > 0) {
        *descriptor = file;
        return QN_OK;
      }
      close(file);
    }
  return qn_error_set(error, QN_NOT_FOUND, "simulation %lld has no thermo series yet", (long long)simulation);
}
