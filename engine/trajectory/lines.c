#include "engine/trajectory/lines.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "engine/base/memory.h"

enum { CHUNK = 1 << 18, DEFLATE_MAX_RATIO = 1032 };

struct qn_lines {
  gzFile file;      /* NULL when the text is in memory */
  const char *text; /* what is left of it */
  size_t left;
  int64_t bound;    /* bytes that can still come from the file, not counting the buffer */
  int64_t number;
  int64_t total;    /* bytes that came so far */
  const qn_reading_watch *watch;
  char *buffer;     /* [begin, end) is read and not yet handed out; one byte is kept free for a NUL */
  size_t begin, end, size;
  bool ended;
};

static qn_status make(qn_lines **lines, qn_error *error) {
  *lines = qn_memory_alloc(1, sizeof **lines);
  if (*lines == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  (*lines)->size = 2 * CHUNK;
  (*lines)->buffer = qn_memory_alloc(1, (*lines)->size);
  if ((*lines)->buffer != NULL) return QN_OK;
  free(*lines);
  *lines = NULL;
  return qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

qn_status qn_lines_open(qn_lines **lines, const char *path, qn_error *error) {
  *lines = NULL;
  struct stat info;
  if (stat(path, &info) != 0) return qn_error_system(error, errno, "%s", path);
  if (S_ISDIR(info.st_mode)) return qn_error_set(error, QN_IO, "%s: is a directory", path);
  gzFile file = gzopen(path, "rb");
  if (file == NULL) return qn_error_system(error, errno, "%s", path);
  gzbuffer(file, CHUNK);
  qn_status status = make(lines, error);
  if (status != QN_OK) {
    gzclose(file);
    return status;
  }
  (*lines)->file = file;
  (*lines)->bound = INT64_MAX;
  if (S_ISREG(info.st_mode)) (*lines)->bound = gzdirect(file) ? info.st_size : info.st_size * DEFLATE_MAX_RATIO;
  return QN_OK;
}

qn_status qn_lines_from_text(qn_lines **lines, const char *text, size_t size, qn_error *error) {
  qn_status status = make(lines, error);
  if (status != QN_OK) return status;
  (*lines)->text = text;
  (*lines)->left = size;
  (*lines)->bound = (int64_t)size;
  return QN_OK;
}

void qn_lines_free(qn_lines *lines) {
  if (lines == NULL) return;
  if (lines->file != NULL) gzclose(lines->file);
  free(lines->buffer);
  free(lines);
}

void qn_lines_set_watch(qn_lines *lines, const qn_reading_watch *watch) { lines->watch = watch; }

int64_t qn_lines_number(const qn_lines *lines) { return lines->number; }

int64_t qn_lines_remaining(const qn_lines *lines) {
  int64_t buffered = (int64_t)(lines->end - lines->begin);
  return lines->bound > INT64_MAX - buffered ? INT64_MAX : lines->bound + buffered;
}

/* Append a chunk to the buffer. */
static qn_status fill(qn_lines *lines, qn_error *error) {
  if (lines->begin > 0) {
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
  }
  if (lines->end + CHUNK + 1 > lines->size) {
    if (lines->size > QN_LINE_MAX)
      return qn_error_set(error, QN_PARSE, "line %lld: longer than %d bytes", (long long)lines->number + 1, QN_LINE_MAX);
    char *larger = realloc(lines->buffer, 2 * lines->size);
    if (larger == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
    lines->buffer = larger;
    lines->size *= 2;
  }
  size_t got;
  if (lines->file != NULL) {
    int count = gzread(lines->file, lines->buffer + lines->end, CHUNK), code = Z_OK;
    const char *reason = gzerror(lines->file, &code);
    if (count < 0 || (code != Z_OK && code != Z_STREAM_END))
      return code == Z_ERRNO ? qn_error_system(error, errno, "after line %lld", (long long)lines->number)
                             : qn_error_set(error, QN_CORRUPT, "after line %lld: %s", (long long)lines->number, reason);
    got = (size_t)count;
  } else {
    got = lines->left < CHUNK ? lines->left : CHUNK;
    memcpy(lines->buffer + lines->end, lines->text, got);
    lines->text += got;
    lines->left -= got;
  }
  if (memchr(lines->buffer + lines->end, '\0', got) != NULL)
    return qn_error_set(error, QN_PARSE, "after line %lld: a NUL byte; this is not text", (long long)lines->number);
  lines->bound = lines->bound == INT64_MAX ? lines->bound : lines->bound < (int64_t)got ? 0 : lines->bound - (int64_t)got;
  lines->end += got;
  lines->ended = got == 0;
  lines->total += (int64_t)got;
  return qn_reading_watch_check(lines->watch, lines->total, error);
}

qn_status qn_lines_next(qn_lines *lines, char **line, qn_error *error) {
  *line = NULL;
  size_t searched = 0;
  char *newline = NULL;
  for (;;) {
    size_t have = lines->end - lines->begin;
    newline = memchr(lines->buffer + lines->begin + searched, '\n', have - searched);
    if (newline != NULL || lines->ended) break;
    searched = have;
    qn_status status = fill(lines, error);
    if (status != QN_OK) return status;
  }
  char *start = lines->buffer + lines->begin;
  char *stop = newline != NULL ? newline : lines->buffer + lines->end;
  if (newline == NULL && start == stop) return QN_OK;
  lines->begin = (size_t)(stop - lines->buffer) + (newline != NULL);
  lines->number++;
  if (stop - start > QN_LINE_MAX) return qn_lines_fault(lines, error, "longer than %d bytes", QN_LINE_MAX);
  if (stop > start && stop[-1] == '\r') stop--;
  *stop = '\0';
  *line = start;
  return QN_OK;
}

qn_status qn_lines_fault(const qn_lines *lines, qn_error *error, const char *format, ...) {
  char text[800];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return qn_error_set(error, QN_PARSE, "line %lld: %s", (long long)lines->number, text);
}

int qn_lines_number_token(const char *token, double *value) {
  /* strtod would also take hexadecimal, "inf" and "nan". */
  if (token[0] == '\0' || token[strspn(token, "+-.0123456789eE")] != '\0') return 0;
  char *end;
  *value = strtod(token, &end);
  return *end == '\0' && isfinite(*value);
}

int qn_lines_integer_token(const char *token, int64_t *value) {
  if (token[0] == '\0' || token[strspn(token, "+-0123456789")] != '\0') return 0;
  char *end;
  errno = 0;
  long long number = strtoll(token, &end, 10);
  *value = number;
  return *end == '\0' && errno == 0;
}

char *qn_lines_word(char **cursor) {
  char *start = *cursor + strspn(*cursor, " \t");
  if (*start == '\0') return NULL;
  char *stop = start + strcspn(start, " \t");
  *cursor = *stop == '\0' ? stop : stop + 1;
  *stop = '\0';
  return start;
}
