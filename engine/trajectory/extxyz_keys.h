/* The keys of an extended-XYZ comment line, as text: cut apart and put together. Inside of the extended-XYZ reader and writer. */
#ifndef QN_TRAJECTORY_EXTXYZ_KEYS_H
#define QN_TRAJECTORY_EXTXYZ_KEYS_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/trajectory/lines.h"

/* Cut name and value of the next key out of the line at *cursor, in place; *name is NULL at its end. A value is a bare word, or stands in "..." or
 * '...' with \", \\, \n and \r for a quote, a backslash and line ends, in {...}, or in [...], nested, whose brackets stay part of it. A key
 * without = is true. */
qn_status qn_extxyz_cut_key(const qn_lines *lines, char **cursor, char **name, char **value, qn_error *error);

/* Exactly `count` finite numbers, parted by blanks, commas or brackets: "1 2 3" and "[[1, 2, 3]]". */
bool qn_extxyz_parse_numbers(const char *text, int count, double *numbers);

/* Write " name=value" so that it reads back. A name that cannot be one is QN_INVALID. */
qn_status qn_extxyz_put_key(FILE *file, const char *name, const char *value, qn_error *error);
qn_status qn_extxyz_check_name(const char *name, qn_error *error);

#endif
