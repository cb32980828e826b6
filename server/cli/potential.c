#include "server/cli/potential.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/embedded.h"

qn_status qn_cli_read_file(const char *path, char **text, size_t *size, qn_error *error) {
  *text = NULL;
  *size = 0;
  FILE *file = fopen(path, "rb");
  if (file == NULL) return qn_error_set(error, QN_IO, "cannot read %s: %s", path, strerror(errno));
  size_t capacity = 1 << 16;
  char *buffer = malloc(capacity);
  while (buffer != NULL) {
    *size += fread(buffer + *size, 1, capacity - 1 - *size, file);
    if (*size < capacity - 1) break;
    capacity *= 2;
    char *grown = realloc(buffer, capacity);
    if (grown == NULL) free(buffer);
    buffer = grown;
  }
  int failed = ferror(file) != 0 ? errno : 0;
  fclose(file);
  if (buffer == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for %s", path);
  if (failed != 0) {
    free(buffer);
    return qn_error_set(error, QN_IO, "cannot read %s: %s", path, strerror(failed));
  }
  buffer[*size] = '\0';
  *text = buffer;
  return QN_OK;
}

qn_status qn_cli_potential_text(const char *name, char **text, size_t *size, qn_error *error) {
  qn_embedded built_in = qn_embedded_mendelev();
  if (name[0] == '\0')
    return qn_error_set(error, QN_INVALID, "a potential is needed: --potential %s, or the path of a setfl file", built_in.name);
  if (strcmp(name, built_in.name) != 0) {
    qn_status status = qn_cli_read_file(name, text, size, error);
    if (status == QN_IO && strchr(name, '/') == NULL)
      qn_error_set(error, QN_IO, "\"%.200s\" is neither a file nor the potential that comes with quenchd, %s", name, built_in.name);
    return status;
  }
  *text = malloc(built_in.size + 1);
  if (*text == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the potential");
  memcpy(*text, built_in.text, built_in.size);
  (*text)[built_in.size] = '\0';
  *size = built_in.size;
  return QN_OK;
}

qn_status qn_cli_potential(const char *name, qn_eam *potential, qn_error *error) {
  char *text = NULL;
  size_t size = 0;
  qn_status status = qn_cli_potential_text(name, &text, &size, error);
  if (status == QN_OK) {
    status = qn_eam_parse(potential, text, size, error);
    if (status != QN_OK) qn_error_prefix(error, "%.200s", name);
  }
  free(text);
  return status;
}

int qn_cli_threads(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }
