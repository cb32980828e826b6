#include "engine/trajectory/gunzip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 1 << 16 };

static qn_status copy(gzFile from, int to, const char *path, qn_error *error) {
  char buffer[CHUNK];
  for (;;) {
    int got = gzread(from, buffer, CHUNK), code = Z_OK;
    const char *reason = gzerror(from, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
      return code == Z_ERRNO ? qn_error_system(error, errno, "%s", path) : qn_error_set(error, QN_CORRUPT, "%s: %s", path, reason);
    if (got == 0) return QN_OK;
    for (int done = 0; done < got;) {
      ssize_t put = write(to, buffer + done, (size_t)(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return qn_error_system(error, errno, "cannot unpack %s", path);
      done += (int)put;
    }
  }
}

qn_status qn_gunzip(const char *path, char *plain, size_t size, qn_error *error) {
  const char *folder = getenv("TMPDIR");
  int length = snprintf(plain, size, "%s/quenchd-XXXXXX", folder != NULL && folder[0] != '\0' ? folder : "/tmp");
  if (length < 0 || (size_t)length >= size) return qn_error_set(error, QN_INVALID, "TMPDIR is too long a path");
  gzFile from = gzopen(path, "rb");
  if (from == NULL) return qn_error_system(error, errno, "%s", path);
  int to = mkstemp(plain);
  qn_status status = to < 0 ? qn_error_system(error, errno, "cannot make %s", plain) : copy(from, to, path, error);
  gzclose(from);
  if (to >= 0 && close(to) != 0 && status == QN_OK) status = qn_error_system(error, errno, "cannot unpack %s", path);
  if (status != QN_OK && to >= 0) unlink(plain);
  return status;
}
