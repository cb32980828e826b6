#include "engine/trajectory/series.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "engine/base/number.h"

struct qn_series_writer {
  FILE *file;
  int columns;
  int64_t rows;
  char *path;
};

static qn_status fail(const char *path, qn_error *error) { return qn_error_system(error, errno, "%s", path); }

static qn_status check_names(const char *const *names, int columns, qn_error *error) {
  if (columns < 1 || columns > QN_SERIES_MAX_COLUMNS)
    return qn_error_set(error, QN_INVALID, "a series has 1 to %d columns, not %d", QN_SERIES_MAX_COLUMNS, columns);
  for (int c = 0; c < columns; c++) {
    size_t length = strlen(names[c]), good = 0;
    while (isalnum((unsigned char)names[c][good]) || names[c][good] == '_') good++;
    if (length == 0 || length >= QN_SERIES_NAME_SIZE || good != length)
      return qn_error_set(error, QN_INVALID, "\"%.80s\" is no name for a column", names[c]);
  }
  return QN_OK;
}

static qn_status open_writer(qn_series_writer **writer, const char *path, const char *mode, int columns, qn_error *error) {
  qn_series_writer *made = qn_memory_alloc(1, sizeof *made);
  char *copy = strdup(path);
  if (made == NULL || copy == NULL) {
    free(made);
    free(copy);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  *made = (qn_series_writer){.file = fopen(path, mode), .columns = columns, .path = copy};
  if (made->file == NULL) {
    qn_status status = fail(path, error);
    free(copy);
    free(made);
    return status;
  }
  *writer = made;
  return QN_OK;
}

qn_status qn_series_create(qn_series_writer **writer, const char *path, const char *const *names, int columns, qn_error *error) {
  *writer = NULL;
  qn_status status = check_names(names, columns, error);
  if (status == QN_OK) status = open_writer(writer, path, "w", columns, error);
  if (status != QN_OK) return status;
  for (int c = 0; c < columns; c++) fprintf((*writer)->file, "%s%c", names[c], c + 1 < columns ? ',' : '\n');
  return QN_OK;
}

/* The offset after the header and `keep` rows, or -1 when there are fewer whole lines. */
static off_t offset_of(FILE *file, int64_t keep) {
  int64_t lines = 0;
  off_t offset = 0;
  for (int c; lines <= keep && (c = getc_unlocked(file)) != EOF; offset++)
    if (c == '\n') lines++;
  return lines == keep + 1 ? offset : -1;
}

qn_status qn_series_append(qn_series_writer **writer, const char *path, int64_t keep, const char *const *names, int columns, qn_error *error) {
  *writer = NULL;
  qn_series series;
  qn_status status = check_names(names, columns, error);
  if (status == QN_OK) status = qn_series_read(&series, path, error);
  if (status != QN_OK) return status;
  bool same = series.columns == columns;
  for (int c = 0; same && c < columns; c++) same = strcmp(series.name[c], names[c]) == 0;
  int64_t rows = series.rows;
  qn_series_fini(&series);
  if (!same) return qn_error_set(error, QN_INVALID, "%s: has other columns", path);
  if (keep < 0 || keep > rows)
    return qn_error_set(error, QN_CORRUPT, "%s: %lld rows are to be kept, %lld are there", path, (long long)keep, (long long)rows);
  status = open_writer(writer, path, "r+", columns, error);
  if (status != QN_OK) return status;
  off_t end = offset_of((*writer)->file, keep);
  if (end < 0 || ftruncate(fileno((*writer)->file), end) != 0 || fseeko((*writer)->file, end, SEEK_SET) != 0) {
    status = fail(path, error);
    qn_error ignored;
    qn_series_close(*writer, &ignored);
    *writer = NULL;
    return status;
  }
  (*writer)->rows = keep;
  return QN_OK;
}

qn_status qn_series_write(qn_series_writer *writer, const double *row, qn_error *error) {
  for (int c = 0; c < writer->columns; c++) {
    char number[QN_NUMBER_SIZE] = "nan";
    if (!isnan(row[c])) qn_number_spell(row[c], number);
    fprintf(writer->file, "%s%c", number, c + 1 < writer->columns ? ',' : '\n');
  }
  if (ferror(writer->file)) return fail(writer->path, error);
  writer->rows++;
  return QN_OK;
}

qn_status qn_series_sync(qn_series_writer *writer, qn_error *error) {
  return fflush(writer->file) == 0 && fsync(fileno(writer->file)) == 0 ? QN_OK : fail(writer->path, error);
}

int64_t qn_series_written(const qn_series_writer *writer) { return writer->rows; }

qn_status qn_series_close(qn_series_writer *writer, qn_error *error) {
  if (writer == NULL) return QN_OK;
  qn_status status = qn_series_sync(writer, error);
  if (fclose(writer->file) != 0 && status == QN_OK) status = fail(writer->path, error);
  free(writer->path);
  free(writer);
  return status;
}

void qn_series_fini(qn_series *series) {
  free(series->data);
  memset(series, 0, sizeof *series);
}

int qn_series_find(const qn_series *series, const char *name) {
  for (int c = 0; c < series->columns; c++)
    if (strcmp(series->name[c], name) == 0) return c;
  return -1;
}

static qn_status parse_header(qn_series *series, char *line, const char *path, qn_error *error) {
  for (char *name; (name = strsep(&line, ",")) != NULL;) {
    if (series->columns == QN_SERIES_MAX_COLUMNS || strlen(name) >= QN_SERIES_NAME_SIZE || name[0] == '\0')
      return qn_error_set(error, QN_PARSE, "%s: line 1: the header is no list of up to %d column names", path, QN_SERIES_MAX_COLUMNS);
    strcpy(series->name[series->columns++], name);
  }
  return QN_OK;
}

static qn_status parse_row(qn_series *series, int64_t *room, char *line, const char *path, qn_error *error) {
  if (series->rows == *room) {
    *room = *room > 0 ? 2 * *room : 1024;
    double *larger = realloc(series->data, (size_t)*room * (size_t)series->columns * sizeof *larger);
    if (larger == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
    series->data = larger;
  }
  double *row = series->data + series->rows * series->columns;
  int c = 0;
  for (char *cell; c < series->columns && (cell = strsep(&line, ",")) != NULL; c++) {
    char *end;
    row[c] = strtod(cell, &end);
    if (end == cell || *end != '\0')
      return qn_error_set(error, QN_PARSE, "%s: line %lld: \"%.40s\" is no number", path, (long long)series->rows + 2, cell);
  }
  if (c < series->columns || line != NULL)
    return qn_error_set(error, QN_PARSE, "%s: line %lld: the header has %d columns, this line has not", path, (long long)series->rows + 2,
                        series->columns);
  series->rows++;
  return QN_OK;
}

qn_status qn_series_read(qn_series *series, const char *path, qn_error *error) {
  memset(series, 0, sizeof *series);
  FILE *file = fopen(path, "r");
  if (file == NULL) return fail(path, error);
  char *line = NULL;
  size_t size = 0;
  int64_t room = 0;
  qn_status status = QN_OK;
  ssize_t length;
  while (status == QN_OK && (length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n') {
    line[length - 1] = '\0';
    status = series->columns == 0 ? parse_header(series, line, path, error) : parse_row(series, &room, line, path, error);
  }
  if (status == QN_OK && ferror(file)) status = fail(path, error);
  if (status == QN_OK && series->columns == 0) status = qn_error_set(error, QN_PARSE, "%s: line 1: there is no header", path);
  free(line);
  fclose(file);
  if (status != QN_OK) qn_series_fini(series);
  return status;
}
