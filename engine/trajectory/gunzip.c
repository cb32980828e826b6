#include "engine/trajectory/gunzip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 1 << 18 };

static qn_status copy_with(char *buffer, gzFile from, int to, const char *path, const qn_reading_watch *watch, qn_error *error) {
  for (int64_t total = 0;;) {
    int got = gzread(from, buffer, CHUNK), code = Z_OK;
    const char *reason = gzerror(from, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
      return code == Z_ERRNO ? qn_error_system(error, errno, "%s", path) : qn_error_set(error, QN_CORRUPT, "%s: %s", path, reason);
    if (got == 0) return QN_OK;
    total += got;
    qn_status status = qn_reading_watch_check(watch, total, error);
    if (status != QN_OK) return qn_error_prefix(error, "%s", path);
    for (int done = 0; done < got;) {
      ssize_t put = write(to, buffer + done, (size_t)(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return qn_error_system(error, errno, "cannot unpack %s", path);
      done += (int)put;
    }
  }
}

static qn_status copy(gzFile from, int to, const char *path, const qn_reading_watch *watch, qn_error *error) {
  char *buffer = malloc(CHUNK);
  if (buffer == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = copy_with(buffer, from, to, path, watch, error);
  free(buffer);
  return status;
}

qn_status qn_gunzip(const char *path, const char *folder, const qn_reading_watch *watch, char *plain, size_t size, qn_error *error) {
  if (folder == NULL) folder = getenv("TMPDIR");
  int length = snprintf(plain, size, "%s/quenchd-XXXXXX", folder != NULL && folder[0] != '\0' ? folder : "/tmp");
  if (length < 0 || (size_t)length >= size) return qn_error_set(error, QN_INVALID, "the path of the folder for temporary files is too long");
  gzFile from = gzopen(path, "rb");
  if (from == NULL) return qn_error_system(error, errno, "%s", path);
  int to = mkstemp(plain);
  qn_status status = to < 0 ? qn_error_system(error, errno, "cannot make %s", plain) : copy(from, to, path, watch, error);
  gzclose(from);
  if (to >= 0 && close(to) != 0 && status == QN_OK) status = qn_error_system(error, errno, "cannot unpack %s", path);
  if (status != QN_OK && to >= 0) unlink(plain);
  return status;
}
