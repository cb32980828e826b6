/* A table of numbers that grows row by row, as CSV: one header line of keys with units ("time_ps,temperature_k,..."), one line a row,
 * each in the shortest spelling that reads back as the same. The thermo series of a run is kept so. */
#ifndef QN_TRAJECTORY_SERIES_H
#define QN_TRAJECTORY_SERIES_H

#include <stdint.h>

#include "engine/base/status.h"

enum { QN_SERIES_MAX_COLUMNS = 64, QN_SERIES_NAME_SIZE = 64 };

typedef struct qn_series_writer qn_series_writer;

/* A new file, an old one is replaced. Names hold letters, digits and '_' only. */
qn_status qn_series_create(qn_series_writer **writer, const char *path, const char *const *names, int columns, qn_error *error);
/* Go on after the first `keep` rows; later rows are dropped. QN_CORRUPT when the file has fewer, QN_INVALID when its columns are others. */
qn_status qn_series_append(qn_series_writer **writer, const char *path, int64_t keep, const char *const *names, int columns, qn_error *error);
qn_status qn_series_write(qn_series_writer *writer, const double *row, qn_error *error);
qn_status qn_series_sync(qn_series_writer *writer, qn_error *error); /* to the disk */
int64_t qn_series_written(const qn_series_writer *writer);           /* rows in the file */
qn_status qn_series_close(qn_series_writer *writer, qn_error *error); /* syncs, frees; NULL is fine */

typedef struct qn_series {
  int columns;
  char name[QN_SERIES_MAX_COLUMNS][QN_SERIES_NAME_SIZE];
  int64_t rows;
  double *data; /* [rows][columns] */
} qn_series;

/* A last line that has no end yet (a writer is at it) is left out. QN_PARSE with line and reason. Free with qn_series_fini. */
qn_status qn_series_read(qn_series *series, const char *path, qn_error *error);
void qn_series_fini(qn_series *series);
int qn_series_find(const qn_series *series, const char *name); /* column index, or -1 */

#endif
