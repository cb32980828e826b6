#include "server/httpd/body.h"

#include <stdlib.h>
#include <string.h>

static bool grow(qn_body *body, qn_httpd *httpd, size_t needed, uint64_t declared) {
  if (needed <= body->capacity) return true;
  size_t capacity = declared + 1 >= needed ? (size_t)declared + 1 : body->capacity * 2 > needed ? body->capacity * 2 : needed;
  size_t extra = capacity - body->capacity;
  bool room = atomic_fetch_add(&httpd->body_memory, extra) + extra <= httpd->options.body_memory;
  char *grown = room ? realloc(body->bytes, capacity) : NULL;
  if (grown == NULL) {
    atomic_fetch_sub(&httpd->body_memory, extra);
    return false;
  }
  body->bytes = grown;
  body->capacity = capacity;
  return true;
}

bool qn_body_add(qn_body *body, qn_httpd *httpd, const char *data, size_t size, uint64_t declared) {
  if (!grow(body, httpd, body->size + size + 1, declared)) return false;
  memcpy(body->bytes + body->size, data, size);
  body->size += size;
  body->bytes[body->size] = '\0';
  return true;
}

void qn_body_fini(qn_body *body, qn_httpd *httpd) {
  atomic_fetch_sub(&httpd->body_memory, body->capacity);
  free(body->bytes);
  memset(body, 0, sizeof *body);
}
