/* quenchd simulate: the job of a worker, without queue or database. Its folder holds what the service would keep: trajectories, the thermo
 * series, snapshots; and results.json and results.csv instead of rows. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/json.h"
#include "server/cli/commands.h"
#include "server/cli/potential.h"
#include "server/cli/progress.h"
#include "server/cli/report.h"
#include "server/job/job.h"

typedef struct batch {
  const qn_config *config;
  const char *path;               /* of the spec */
  qn_simulation_spec *spec;
  char *canonical, hash[QN_HASH_SIZE];
  qn_eam potential;
  qn_job_output output;
  qn_cli_report report;
} batch;

static qn_status read_spec(batch *at, qn_error *error) {
  char *text = NULL, *setfl = NULL;
  size_t size = 0, setfl_size = 0;
  qn_faults faults = {0};
  qn_potential_facts facts;
  qn_status status = qn_cli_read_file(at->path, &text, &size, error);
  if (status != QN_OK) return status;
  qn_spec_parse_simulation(text, size, at->spec, &faults);
  if (at->spec->initial != QN_INITIAL_LATTICE)
    qn_faults_add(&faults, "/initial/type", "without a database a simulation begins from a lattice");
  const char *name = at->config->potential[0] != '\0' ? at->config->potential : at->spec->potential;
  if (name[0] != '\0') { /* otherwise a fault already */
    status = qn_cli_potential_text(name, &setfl, &setfl_size, error);
    if (status == QN_OK) status = qn_potential_describe(setfl, setfl_size, &facts, error);
    if (status == QN_OK) qn_spec_resolve_potential(at->spec, &facts, &faults);
    else if (qn_faults_total(&faults) > 0) qn_faults_add(&faults, "/potential", "%s", error->message);
  }
  if (qn_cli_print_faults(at->path, &faults)) status = qn_error_set(error, QN_INVALID, "%s is no spec to run", at->path);
  if (status == QN_OK) status = qn_eam_parse(&at->potential, setfl, setfl_size, error);
  if (status == QN_OK && (at->canonical = qn_spec_render_simulation(at->spec, at->hash)) == NULL)
    status = qn_error_set(error, QN_NO_MEMORY, "out of memory for the spec");
  qn_faults_fini(&faults);
  free(setfl);
  free(text);
  return status;
}

/* Temperature of a stage that left a trajectory, K; NAN of another. */
static double stage_temperature(const qn_job_output *output, int stage) {
  for (int i = 0; i < output->count; i++)
    if (strcmp(output->artifacts[i].kind, "trajectory") == 0 && output->artifacts[i].stage == stage) return output->artifacts[i].temperature_k;
  return NAN;
}

static qn_status analyse(batch *at, int threads, qn_error *error) {
  int count = at->spec->analysis_count;
  qn_job_wanted wanted[QN_MAX_ANALYSES];
  for (int i = 0; i < count; i++) wanted[i].spec = &at->spec->analyses[i];
  const qn_job_simulated simulated = {
      .spec = at->spec, .directory = at->config->out, .atoms = at->output.atoms, .potential = &at->potential};
  qn_cli_progress progress;
  qn_job_control control = qn_cli_progress_control(&progress, "analysing", 0);
  qn_status status = qn_job_analyse_simulation(&simulated, wanted, count, threads, &control, error);
  qn_cli_progress_end(&progress);
  for (int i = 0; i < count && status == QN_OK; i++)
    qn_cli_report_add(&at->report, &wanted[i], stage_temperature(&at->output, wanted[i].spec->stage));
  return status;
}

static json_t *artifacts_json(const qn_job_output *output) {
  json_t *list = json_array();
  for (int i = 0; i < output->count; i++) {
    const qn_job_artifact *artifact = &output->artifacts[i];
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string(artifact->kind));
    json_object_set_new(object, "path", json_string(artifact->path));
    json_object_set_new(object, "sha256", json_string(artifact->sha256));
    json_object_set_new(object, "size_bytes", json_integer(artifact->size));
    if (artifact->stage >= 0) json_object_set_new(object, "stage", json_integer(artifact->stage));
    if (artifact->sampling >= 0) json_object_set_new(object, "sampling", json_integer(artifact->sampling));
    if (strcmp(artifact->kind, "thermo") != 0) json_object_set_new(object, "temperature_k", qn_json_number(artifact->temperature_k));
    if (strcmp(artifact->kind, "trajectory") == 0) {
      json_object_set_new(object, "frames", json_integer(artifact->frames));
      json_object_set_new(object, "interval_ps", qn_json_number(artifact->interval_ps));
    }
    json_array_append_new(list, object);
  }
  return list;
}

static qn_status write_file(const char *folder, const char *name, qn_status (*write)(const batch *at, FILE *file, qn_error *error),
                            const batch *at, qn_error *error) {
  char *path = NULL, *part = NULL;
  if (asprintf(&path, "%s/%s", folder, name) < 0 || asprintf(&part, "%s/%s.part", folder, name) < 0)
    return qn_error_set(error, QN_NO_MEMORY, "out of memory for a path");
  FILE *file = fopen(part, "w");
  qn_status status = file != NULL ? write(at, file, error) : qn_error_set(error, QN_IO, "cannot write %s: %s", part, strerror(errno));
  if (file != NULL && fclose(file) != 0 && status == QN_OK) status = qn_error_set(error, QN_IO, "cannot write %s: %s", part, strerror(errno));
  if (status == QN_OK && rename(part, path) != 0) status = qn_error_set(error, QN_IO, "cannot write %s: %s", path, strerror(errno));
  free(part);
  free(path);
  return status;
}

static qn_status write_json(const batch *at, FILE *file, qn_error *error) {
  json_t *object = json_object();
  json_object_set_new(object, "name", qn_json_text(at->spec->name));
  json_object_set_new(object, "composition", json_string(at->output.composition));
  json_object_set_new(object, "atoms", json_integer(at->output.atoms));
  json_object_update(object, at->report.provenance);
  json_object_set_new(object, "spec", json_loads(at->canonical, JSON_DECODE_ANY, NULL));
  json_object_set_new(object, "artifacts", artifacts_json(&at->output));
  json_object_set(object, "results", at->report.results);
  json_object_set(object, "curves", at->report.curves);
  if (json_array_size(at->report.failures) > 0) json_object_set(object, "failures", at->report.failures);
  qn_status status = qn_cli_write_json(object, file, error);
  json_decref(object);
  return status;
}

static qn_status write_csv(const batch *at, FILE *file, qn_error *error) { return qn_cli_report_write_csv(&at->report, file, error); }

static qn_status run(batch *at, qn_error *error) {
  int threads = qn_cli_threads(at->config->threads);
  qn_status status = read_spec(at, error);
  if (status != QN_OK) return status;
  qn_cli_report_provenance(&at->report, at->spec->potential, at->spec->potential_sha256, at->hash);
  qn_cli_progress progress;
  qn_job_control control = qn_cli_progress_control(&progress, "simulating", 30);
  qn_job_simulation job = {.spec = at->spec, .potential = &at->potential, .directory = at->config->out, .threads = threads};
  status = qn_job_simulate(&job, &control, &at->output, error);
  qn_cli_progress_end(&progress);
  if (status == QN_CANCELLED) qn_error_prefix(error, "the same command goes on from the checkpoint in %s", at->config->out);
  if (status == QN_OK) status = analyse(at, threads, error);
  if (status == QN_OK) status = write_file(at->config->out, "results.json", write_json, at, error);
  if (status == QN_OK) status = write_file(at->config->out, "results.csv", write_csv, at, error);
  return status;
}

int qn_command_simulate(const qn_config *config, const char *const *arguments, int count) {
  (void)count;
  qn_error error;
  if (config->out[0] == '\0') {
    fputs("quenchd simulate: --out DIR is needed: the folder for the files\nTry: quenchd simulate --help\n", stderr);
    return QN_EXIT_USAGE;
  }
  qn_cli_progress_watch();
  batch at = {.config = config, .path = arguments[0], .spec = calloc(1, sizeof *at.spec)};
  qn_status status = at.spec != NULL ? QN_OK : qn_error_set(&error, QN_NO_MEMORY, "out of memory for the spec");
  if (status == QN_OK) status = qn_cli_report_init(&at.report, &error);
  if (status == QN_OK) status = run(&at, &error);
  if (status == QN_OK) status = qn_cli_report_write_csv(&at.report, stdout, &error);
  int code = status == QN_OK ? qn_cli_report_failures(&at.report) : qn_command_failed(&error);
  qn_cli_report_fini(&at.report);
  qn_job_output_fini(&at.output);
  qn_eam_fini(&at.potential);
  free(at.canonical);
  free(at.spec);
  return code;
}
