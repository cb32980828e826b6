/* Reading setfl text token by token, with the line number at hand for messages. Used by eam.c alone. */
#ifndef QN_POTENTIAL_SETFL_H
#define QN_POTENTIAL_SETFL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

typedef struct qn_setfl {
  const char *at, *end; /* what is still to be read */
  int64_t line;         /* of `at`, from 1 */
  int64_t last;         /* line of the token last given; 0: none yet */
} qn_setfl;

typedef struct qn_setfl_token {
  const char *text; /* not NUL-terminated */
  size_t size;
} qn_setfl_token;

/* Tokens (separated by white space) from here to the end. */
int64_t qn_setfl_count(const qn_setfl *setfl);

/* Number of the last line that holds a token. */
int64_t qn_setfl_last_line(const qn_setfl *setfl);

/* The rest of the current line into `text` (cut to `size`, bytes that are not printable ASCII become '?'), and on to the next line.
 * False at the end of the text. */
bool qn_setfl_line(qn_setfl *setfl, char *text, size_t size);

/* The next token, over line ends; false at the end of the text. */
bool qn_setfl_next(qn_setfl *setfl, qn_setfl_token *token);

/* The next token of this line; false, and on to the next line, when there is none left. */
bool qn_setfl_next_in_line(qn_setfl *setfl, qn_setfl_token *token);

/* Numbers: decimal, exponent written with E or D; QN_PARSE for anything else, and for what is not finite. */
qn_status qn_setfl_double(const qn_setfl *setfl, qn_setfl_token token, double *value, qn_error *error);
qn_status qn_setfl_int(const qn_setfl *setfl, qn_setfl_token token, int64_t *value, qn_error *error);

#endif
