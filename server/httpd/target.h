/* The request target: "/v1/results?quantity=x" taken apart and percent-decoded.
 *
 * Decoding is strict: a stray %, a NUL, a control character, an encoded slash in the path, or bytes that are no UTF-8 make the target bad,
 * so that no handler ever sees two spellings of one path or a text cut short by a NUL. */
#ifndef QN_SERVER_HTTPD_TARGET_H
#define QN_SERVER_HTTPD_TARGET_H

#include <stddef.h>

#include "api/message.h"

enum { QN_TARGET_PATH = 480, QN_TARGET_SIZE = 8192, QN_TARGET_PAIRS = 64 };

typedef struct qn_target {
  char *text;          /* backs path and query */
  const char *path;
  int query_count;
  qn_pair query[QN_TARGET_PAIRS];
} qn_target;

/* 0, or the HTTP status that the target deserves (400, 414; 500 without memory) with the reason in *fault. The caller owns `target` in any case. */
int qn_target_parse(qn_target *target, const char *raw, const char **fault);
void qn_target_fini(qn_target *target);

#endif
