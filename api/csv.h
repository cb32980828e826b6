/* CSV as RFC 4180 has it, written cell by cell. */
#ifndef QN_API_CSV_H
#define QN_API_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "api/text.h"

typedef struct qn_csv {
  qn_text text; /* its bytes are the caller's to free */
  bool inside;  /* a row has begun */
} qn_csv;

/* Quoted when it has to be. A cell that a spreadsheet would run as a formula gets an apostrophe in front. */
void qn_csv_text(qn_csv *csv, const char *text);
void qn_csv_number(qn_csv *csv, double value); /* shortest exact spelling; empty when not finite */
void qn_csv_integer(qn_csv *csv, int64_t value);
void qn_csv_end(qn_csv *csv);

#endif
