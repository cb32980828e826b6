/* JSON as this service writes and reads it: numbers in their shortest exact spelling, texts that are always valid UTF-8, and one parser
 * setting for every body. */
#ifndef QN_API_JSON_H
#define QN_API_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "api/problem.h"
#include "engine/base/number.h"

/* Compact text of `value` (malloc'ed; NULL: no memory, or `value` is NULL). With `sorted` the keys of every object are in byte order: the canonical form. */
char *qn_json_write(const json_t *value, bool sorted);

/* A number; null when it is not finite. */
json_t *qn_json_number(double value);

/* A string, made UTF-8 (qn_utf8_repair). NULL counts as "". */
json_t *qn_json_text(const char *text);

/* Parse a body. NULL with a fault (and faults->syntax) when it is not JSON, repeats a key, or nests too deeply. */
json_t *qn_json_parse(const char *text, size_t size, qn_faults *faults);

#endif
