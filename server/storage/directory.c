#include "server/storage/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark_name[] = ".quenchd";
enum { PROBE = 1 << 20 };

static const qn_statement read_row = {
    "directory_read",
    "SELECT id, marked_at IS NOT NULL, EXISTS (SELECT 1 FROM artifacts) FROM data_directory"};
static const qn_statement confirm = {"directory_confirm", "UPDATE data_directory SET marked_at = coalesce(marked_at, now())"};

qn_status qn_directory_read(qn_connection *connection, qn_directory *directory, qn_error *error) {
  memset(directory, 0, sizeof *directory);
  PGresult *row;
  qn_status status = qn_connection_run(connection, &read_row, NULL, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 1) {
    snprintf(directory->id, sizeof directory->id, "%s", qn_field(row, 0, 0));
    directory->marked = qn_field_bool(row, 0, 1);
    directory->used = qn_field_bool(row, 0, 2);
  } else {
    status = qn_error_set(error, QN_CORRUPT, "the database has no id for its data directory");
  }
  PQclear(row);
  return status;
}

qn_status qn_directory_confirm(qn_connection *connection, qn_error *error) {
  return qn_connection_run(connection, &confirm, NULL, NULL, error);
}

static qn_status fail(int code, const char *path, qn_error *error) {
  return qn_error_set(error, QN_NO_STORAGE, "data directory %s: %s", path, strerror(code));
}

/* The id in the mark of a directory; "" when there is no mark. */
static qn_status read_mark(int descriptor, const char *path, char id[40], qn_error *error) {
  id[0] = '\0';
  int file = openat(descriptor, mark_name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno == ENOENT ? QN_OK : fail(errno, path, error);
  ssize_t got = read(file, id, 39);
  int code = errno;
  close(file);
  if (got < 0) return fail(code, path, error);
  id[got] = '\0';
  id[strcspn(id, "\n")] = '\0';
  if (id[0] == '\0') snprintf(id, 40, "(empty)");
  return QN_OK;
}

qn_status qn_directory_check_at(int descriptor, const char *path, const char *id, qn_error *error) {
  char found[40];
  qn_status status = read_mark(descriptor, path, found, error);
  if (status != QN_OK || strcmp(found, id) == 0) return status;
  if (found[0] == '\0')
    return qn_error_set(error, QN_NO_STORAGE, "data directory %s: it has no file %s with the id %s, so it is not that of this database; is it "
                                              "mounted?", path, mark_name, id);
  return qn_error_set(error, QN_NO_STORAGE, "data directory %s: its file %s holds the id %s, but this database's is %s", path, mark_name, found, id);
}

qn_status qn_directory_check(const char *path, const char *id, qn_error *error) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail(errno, path, error);
  qn_status status = qn_directory_check_at(descriptor, path, id, error);
  close(descriptor);
  return status;
}

static qn_status make(const char *path, qn_error *error) {
  char part[PATH_MAX];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part) return fail(ENAMETOOLONG, path, error);
  for (size_t i = 1; i <= length; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST) return fail(errno, part, error);
  }
  return QN_OK;
}

/* Whole or not there, and on the disk. Two that do this at once write the same. */
static qn_status write_mark(int descriptor, const char *path, const char *id, qn_error *error) {
  char name[64], text[48];
  snprintf(name, sizeof name, "%s.%d", mark_name, (int)gettid());
  snprintf(text, sizeof text, "%s\n", id);
  int file = openat(descriptor, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return fail(errno, path, error);
  ssize_t size = (ssize_t)strlen(text), put = write(file, text, (size_t)size);
  int code = put == size && fsync(file) == 0 ? 0 : put >= 0 && put < size ? ENOSPC : errno;
  close(file);
  if (code == 0 && renameat(descriptor, name, descriptor, mark_name) != 0) code = errno;
  if (code == 0 && fsync(descriptor) != 0 && errno != EINVAL) code = errno;
  if (code == 0) return QN_OK;
  unlinkat(descriptor, name, 0);
  return fail(code, path, error);
}

qn_status qn_directory_enter(const char *path, const qn_directory *directory, qn_error *error) {
  if (directory->marked) return qn_directory_check(path, directory->id, error);
  qn_status status = directory->used ? QN_OK : make(path, error);
  if (status != QN_OK) return status;
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail(errno, path, error);
  char found[40];
  status = read_mark(descriptor, path, found, error);
  if (status == QN_OK && found[0] != '\0') {
    status = qn_directory_check_at(descriptor, path, directory->id, error);
  } else if (status == QN_OK && directory->used && faccessat(descriptor, "simulations", F_OK, 0) != 0) {
    status = qn_error_set(error, QN_NO_STORAGE, "data directory %s: it holds none of the files that the database knows of; is it mounted?", path);
  } else if (status == QN_OK) {
    status = write_mark(descriptor, path, directory->id, error);
  }
  close(descriptor);
  return status;
}

qn_status qn_directory_use(qn_connection *connection, const char *path, qn_error *error) {
  qn_directory directory;
  qn_status status = qn_directory_read(connection, &directory, error);
  if (status == QN_OK) status = qn_directory_enter(path, &directory, error);
  return status == QN_OK && !directory.marked ? qn_directory_confirm(connection, error) : status;
}

qn_status qn_directory_probe(const char *path, qn_error *error) {
  char name[PATH_MAX];
  if ((size_t)snprintf(name, sizeof name, "%s/.probe.%d", path, (int)getpid()) >= sizeof name) return fail(ENAMETOOLONG, path, error);
  char *bytes = calloc(1, PROBE);
  if (bytes == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory to try out the data directory");
  int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code = file < 0 ? errno : 0;
  for (size_t done = 0; code == 0 && done < PROBE;) {
    ssize_t put = write(file, bytes + done, PROBE - done);
    if (put <= 0) code = put == 0 ? ENOSPC : errno;
    else done += (size_t)put;
  }
  if (code == 0 && fsync(file) != 0) code = errno;
  if (file >= 0) {
    if (close(file) != 0 && code == 0) code = errno;
    unlink(name);
  }
  free(bytes);
  return code == 0 ? QN_OK : fail(code, path, error);
}
