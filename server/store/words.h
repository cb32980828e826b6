/* What libpq says ends in line breaks and holds some; errors and lines of the log do not. */
#ifndef QN_SERVER_STORE_WORDS_H
#define QN_SERVER_STORE_WORDS_H

#include "engine/base/status.h"

/* Make one line of it, in place. */
void qn_words_join(char *text);
void qn_words_join_error(qn_error *error); /* of its message; `error` may be NULL */

#endif
