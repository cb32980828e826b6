/* quenchd analyse: the analyses of a spec on any trajectory. The spec is that of a simulation, an object with "analyses" alone, or one
 * analysis; its stages mean nothing here, the trajectory is the one given. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/slice.h"
#include "api/upload.h"
#include "server/cli/commands.h"
#include "server/cli/potential.h"
#include "server/cli/progress.h"
#include "server/cli/report.h"
#include "server/job/job.h"

static const double PS_PER_FS = 1e-3;

/* Faults of `part` point into the whole. */
static void read_one(const json_t *part, const char *where, qn_analysis_spec *analysis, qn_faults *faults) {
  qn_faults found = {0};
  char *text = qn_json_write(part, false);
  qn_spec_parse_analysis(text != NULL ? text : "", text != NULL ? strlen(text) : 0, analysis, &found);
  for (int i = 0; i < found.count; i++) {
    char pointer[QN_POINTER_SIZE + 32];
    snprintf(pointer, sizeof pointer, "%s%s", where, found.items[i].pointer);
    qn_faults_add(faults, pointer, "%s", found.items[i].detail);
  }
  qn_faults_fini(&found);
  free(text);
}

/* One analysis by itself has no other to take a parameter from. */
static void refuse_sources(const qn_analysis_spec *analysis, qn_faults *faults) {
  for (int s = 0; analysis->type != NULL && s < analysis->source_count; s++) {
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/%.60s", analysis->type->parameters[analysis->sources[s].parameter].name);
    qn_faults_add(faults, pointer, "needs a %s beside it: {\"analyses\": [{\"type\": \"%s\"}, ...]}", analysis->sources[s].source->type,
                  analysis->sources[s].source->type);
  }
}

static int read_analyses(const char *text, size_t size, qn_analysis_spec analyses[QN_MAX_ANALYSES], qn_faults *faults) {
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return 0;
  const json_t *list = json_object_get(root, "analyses");
  int count = 0;
  if (list == NULL && json_object_get(root, "type") != NULL) {
    read_one(root, "", &analyses[count++], faults);
    refuse_sources(&analyses[0], faults);
  } else if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > QN_MAX_ANALYSES) {
    qn_faults_add(faults, "/analyses", "accepted is an array of 1 to %d analyses, or one analysis by itself", QN_MAX_ANALYSES);
  } else {
    for (; count < (int)json_array_size(list); count++) {
      char where[32];
      snprintf(where, sizeof where, "/analyses/%d", count);
      read_one(json_array_get(list, (size_t)count), where, &analyses[count], faults);
    }
    if (qn_faults_total(faults) == 0) qn_spec_resolve_sources(analyses, count, "/analyses", faults);
  }
  json_decref(root);
  return count;
}

/* What the settings say where the file does not. */
static qn_status read_options(const qn_config *config, qn_species_list *species, qn_trajectory_options *options, qn_error *error) {
  char detail[QN_DETAIL_SIZE];
  if (!qn_species_list_parse(species, config->species, detail)) return qn_error_set(error, QN_INVALID, "--species: %s", detail);
  *options = (qn_trajectory_options){.timestep = config->timestep_fs * PS_PER_FS,
                                     .interval = config->interval_ps,
                                     .species = species->count > 0 ? species->species : NULL,
                                     .species_count = species->count,
                                     .species_atoms = species->counted ? species->atoms : NULL};
  return QN_OK;
}

/* What will be missed, before it is. */
static void warn(const char *path, const qn_trajectory_info *info) {
  if (info->frames > 1 && isnan(info->time[0]))
    fprintf(stderr, "quenchd: %s: the frames have no times; --timestep-fs (of a LAMMPS dump) or --interval-ps gives them\n", path);
  if (!info->named)
    fprintf(stderr, "quenchd: %s: nothing tells the elements: species are called A, B, ... with equal masses; --species Cu,Zr names them\n", path);
}

/* All analyses in one reading, or two. */
static qn_status analyse(const qn_config *config, const char *path, const qn_analysis_spec *analyses, int count, const qn_eam *potential,
                         qn_cli_report *collected, qn_error *error) {
  qn_job_wanted wanted[QN_MAX_ANALYSES];
  for (int i = 0; i < count; i++) wanted[i].spec = &analyses[i];
  qn_trajectory *trajectory;
  qn_trajectory_options options;
  qn_species_list species;
  qn_slice slice;
  bool sliced = config->frames[0] != '\0';
  qn_status status = read_options(config, &species, &options, error);
  if (status == QN_OK) status = qn_trajectory_open_with(&trajectory, path, &options, error);
  if (status != QN_OK) return status;
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  warn(path, info);
  const qn_provenance *provenance = &info->provenance;
  qn_cli_report_provenance(collected, provenance->potential, provenance->potential_sha256, provenance->spec_sha256);
  if (sliced && qn_slice_parse(config->frames, info->frames, &slice, error) != QN_OK) status = qn_error_prefix(error, "--frames %.60s", config->frames);
  if (status == QN_OK) {
    qn_cli_progress progress;
    qn_job_control control = qn_cli_progress_control(&progress, "analysing", 0);
    status = qn_job_analyse_trajectory(trajectory, sliced ? &slice : NULL, wanted, count, potential, qn_cli_threads(config->threads), &control, error);
    qn_cli_progress_end(&progress);
  }
  qn_trajectory_close(trajectory);
  double temperature = config->temperature_k > 0 ? config->temperature_k : (double)NAN;
  for (int i = 0; i < count && status == QN_OK; i++) qn_cli_report_add(collected, &wanted[i], temperature);
  return status;
}

static qn_status print(const qn_config *config, const char *path, const qn_cli_report *collected, qn_error *error) {
  if (config->csv) return qn_cli_report_write_csv(collected, stdout, error);
  json_t *object = json_object();
  json_object_set_new(object, "trajectory", qn_json_text(path));
  json_object_update(object, collected->provenance);
  json_object_set(object, "results", collected->results);
  json_object_set(object, "curves", collected->curves);
  if (json_array_size(collected->failures) > 0) json_object_set(object, "failures", collected->failures);
  qn_status status = qn_cli_write_json(object, stdout, error);
  json_decref(object);
  return status;
}

int qn_command_analyse(const qn_config *config, const char *const *arguments, int argument_count) {
  (void)argument_count;
  qn_error error;
  qn_faults faults = {0};
  qn_analysis_spec analyses[QN_MAX_ANALYSES];
  qn_cli_report collected = {0};
  char *text = NULL;
  size_t size = 0;
  int count = 0;
  qn_cli_progress_watch();
  qn_status status = qn_cli_read_file(arguments[1], &text, &size, &error);
  if (status == QN_OK) {
    count = read_analyses(text, size, analyses, &faults);
    for (int i = 0; i < count; i++) analyses[i].stage = analyses[i].sampling = -1;
    if (qn_cli_print_faults(arguments[1], &faults)) status = qn_error_set(&error, QN_INVALID, "%s holds no analyses to run", arguments[1]);
  }
  if (status == QN_OK) status = qn_cli_report_init(&collected, &error);
  qn_eam potential = {0};
  bool given = config->potential[0] != '\0';
  if (status == QN_OK && given) status = qn_cli_potential(config->potential, &potential, &error);
  if (status == QN_OK) status = analyse(config, arguments[0], analyses, count, given ? &potential : NULL, &collected, &error);
  qn_eam_fini(&potential);
  if (status == QN_OK) status = print(config, arguments[0], &collected, &error);
  int code = status == QN_OK ? qn_cli_report_failures(&collected) : qn_command_failed(&error);
  qn_cli_report_fini(&collected);
  qn_faults_fini(&faults);
  free(text);
  return code;
}
