/* Text files line by line: plain or gzipped files (told by their content), or text in memory.
 *
 * Lines end in \n or \r\n. A line longer than QN_LINE_MAX bytes, a NUL byte and a damaged gzip stream are errors. */
#ifndef QN_TRAJECTORY_LINES_H
#define QN_TRAJECTORY_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/trajectory/watch.h"

enum { QN_LINE_MAX = 1 << 20 };

typedef struct qn_lines qn_lines;

qn_status qn_lines_open(qn_lines **lines, const char *path, qn_error *error);
/* `text` is borrowed and must outlive the reader. */
qn_status qn_lines_from_text(qn_lines **lines, const char *text, size_t size, qn_error *error);
void qn_lines_free(qn_lines *lines);

/* From now on `watch` (borrowed; NULL: nobody) is asked whenever more of a file is read. */
void qn_lines_set_watch(qn_lines *lines, const qn_reading_watch *watch);

/* The next line, without its end, NUL-terminated, valid and writable until the next call; NULL at the end. */
qn_status qn_lines_next(qn_lines *lines, char **line, qn_error *error);

int64_t qn_lines_number(const qn_lines *lines); /* of the line last returned, from 1 */

/* No more than this many bytes can still come: lets a reader refuse a count that the file cannot hold before it allocates. */
int64_t qn_lines_remaining(const qn_lines *lines);

/* Fill `error` with "line N: ..." and QN_PARSE. */
qn_status qn_lines_fault(const qn_lines *lines, qn_error *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A whole token as a finite decimal number or integer; 0 when it is none. */
int qn_lines_number_token(const char *token, double *value);
int qn_lines_integer_token(const char *token, int64_t *value);

/* Cut the next word (blanks and tabs part them) out of *cursor, in place; NULL when none is left. */
char *qn_lines_word(char **cursor);

#endif
