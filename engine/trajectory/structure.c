#include "engine/trajectory/structure.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "engine/trajectory/lammps_data.h"
#include "engine/trajectory/lines.h"

/* Extended XYZ begins with a number of atoms; the first line of a data file is for people, and a number there would be odd. */
static qn_status sniff(const char *path, const qn_reading_watch *watch, bool *xyz, qn_error *error) {
  qn_lines *lines;
  char *line = NULL;
  int64_t atoms;
  *xyz = false;
  qn_status status = qn_lines_open(&lines, path, error);
  if (status != QN_OK) return status;
  qn_lines_set_watch(lines, watch);
  do status = qn_lines_next(lines, &line, error);
  while (status == QN_OK && line != NULL && line[strspn(line, " \t")] == '\0');
  if (status == QN_OK && line == NULL) status = qn_error_set(error, QN_PARSE, "line 1: the file is empty");
  if (status == QN_OK) {
    char *word = qn_lines_word(&line);
    *xyz = qn_lines_integer_token(word, &atoms) && qn_lines_word(&line) == NULL;
  }
  qn_lines_free(lines);
  return status == QN_OK ? QN_OK : qn_error_prefix(error, "%s", path);
}

static qn_status read_xyz(qn_extxyz *structure, const char *path, const qn_reading_watch *watch, qn_error *error) {
  qn_extxyz_reader *reader;
  bool found = false;
  qn_status status = qn_extxyz_open(&reader, path, NULL, 0, error);
  if (status != QN_OK) return status;
  qn_extxyz_set_watch(reader, watch);
  status = qn_extxyz_next(reader, structure, &found, error);
  qn_extxyz_close(reader);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_PARSE, "line 1: the file is empty");
  if (status == QN_OK) status = qn_atoms_wrap(&structure->atoms, &structure->box, error);
  if (status == QN_OK) return QN_OK;
  qn_extxyz_fini(structure);
  return qn_error_prefix(error, "%s", path);
}

qn_status qn_structure_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, const qn_reading_watch *watch,
                            const char **format, qn_error *error) {
  memset(structure, 0, sizeof *structure);
  bool xyz;
  qn_status status = sniff(path, watch, &xyz, error);
  if (status != QN_OK) return status;
  if (format != NULL) *format = xyz ? "extxyz" : "lammps-data";
  return xyz ? read_xyz(structure, path, watch, error) : qn_lammps_data_read(structure, path, species, species_count, watch, error);
}
