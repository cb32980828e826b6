#include "server/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void qn_log_fields(const char *level, const char *message, json_t *fields) {
  struct timeval now;
  struct tm utc;
  gettimeofday(&now, NULL);
  gmtime_r(&now.tv_sec, &utc);
  char stamp[40];
  size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(stamp + used, sizeof stamp - used, ".%03dZ", (int)(now.tv_usec / 1000));

  json_t *line = json_pack("{s:s, s:s, s:i}", "time", stamp, "level", level, "pid", (int)getpid());
  json_t *text = json_string(message);
  json_object_set_new(line, "message", text != NULL ? text : json_string("(not UTF-8)"));
  if (fields != NULL) json_object_update(line, fields);
  json_decref(fields);
  char *printed = line != NULL ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  /* One call a line: the lines of several threads do not mix. */
  if (printed != NULL) fprintf(stderr, "%s\n", printed);
  free(printed);
  json_decref(line);
}

void qn_log(const char *level, const char *format, ...) {
  char message[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  qn_log_fields(level, message, NULL);
}
