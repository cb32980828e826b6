#include "engine/trajectory/watch.h"

#include <stddef.h>

qn_status qn_reading_watch_check(const qn_reading_watch *watch, int64_t bytes, qn_error *error) {
  if (watch == NULL) return QN_OK;
  if (watch->most_bytes > 0 && bytes > watch->most_bytes)
    return qn_error_set(error, QN_UNSUPPORTED, "unpacks to more than %lld bytes, the most that is read", (long long)watch->most_bytes);
  return watch->check != NULL ? watch->check(watch->context, error) : QN_OK;
}
