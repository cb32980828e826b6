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

/* Behind the header: does it name these columns? */
static bool has_columns(FILE *file, const char *const *names, int columns) {
  for (int c = 0; c < columns; c++) {
    for (const char *letter = names[c]; *letter != '\0'; letter++)
      if (getc_unlocked(file) != *letter) return false;
    if (getc_unlocked(file) != (c + 1 < columns ? ',' : '\n')) return false;
  }
  return true;
}

/* The offset behind `keep` more lines; *found, of how many there are, is less when the file ends before. */
static off_t skip_lines(FILE *file, int64_t keep, int64_t *found) {
  off_t offset = ftello(file);
  *found = 0;
  for (int c; *found < keep && (c = getc_unlocked(file)) != EOF; offset++)
    if (c == '\n') ++*found;
  return offset;
}

static qn_status cut(qn_series_writer *writer, int64_t keep, const char *const *names, qn_error *error) {
  if (!has_columns(writer->file, names, writer->columns))
    return ferror(writer->file) ? fail(writer->path, error) : qn_error_set(error, QN_INVALID, "%s: has other columns", writer->path);
  off_t end = skip_lines(writer->file, keep, &writer->rows);
  if (ferror(writer->file)) return fail(writer->path, error);
  if (keep < 0 || writer->rows < keep)
    return qn_error_set(error, QN_CORRUPT, "%s: %lld rows are to be kept, %lld are there", writer->path, (long long)keep, (long long)writer->rows);
  if (ftruncate(fileno(writer->file), end) != 0 || fseeko(writer->file, end, SEEK_SET) != 0) return fail(writer->path, error);
  return QN_OK;
}

/* What lies behind the rows to be kept is not looked at: after a full disk or a loss of power it may be anything. */
qn_status qn_series_append(qn_series_writer **writer, const char *path, int64_t keep, const char *const *names, int columns, qn_error *error) {
  *writer = NULL;
  qn_status status = check_names(names, columns, error);
  if (status == QN_OK) status = open_writer(writer, path, "r+", columns, error);
  if (status == QN_OK) status = cut(*writer, keep, names, error);
  if (status == QN_OK || *writer == NULL) return status;
  qn_error ignored;
  qn_series_close(*writer, &ignored);
  *writer = NULL;
  return status;
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
