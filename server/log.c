#include "server/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void qn_log(const char *level, const char *format, ...) {
  char message[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);

  struct timeval now;
  struct tm utc;
  gettimeofday(&now, NULL);
  gmtime_r(&now.tv_sec, &utc);
  char stamp[40];
  size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(stamp + used, sizeof stamp - used, ".%03dZ", (int)(now.tv_usec / 1000));

  json_t *line = json_pack("{s:s, s:s, s:i, s:s+}", "time", stamp, "level", level, "pid", (int)getpid(),
                           "message", message, "");
  char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
  if (text != NULL) fprintf(stderr, "%s\n", text);
  free(text);
  json_decref(line);
}
