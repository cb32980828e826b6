/* quenchd analyse: the analyses of a spec on any trajectory. The spec is that of a simulation, an object with "analyses" alone, or one
 * analysis; its stages mean nothing here, the trajectory is the one given. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "engine/trajectory/netcdf.h"
#include "server/cli/commands.h"
#include "server/cli/potential.h"
#include "server/cli/progress.h"
#include "server/cli/report.h"
#include "server/job/job.h"

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

static int read_analyses(const char *text, size_t size, qn_analysis_spec analyses[QN_MAX_ANALYSES], qn_faults *faults) {
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return 0;
  const json_t *list = json_object_get(root, "analyses");
  int count = 0;
  if (list == NULL && json_object_get(root, "type") != NULL) {
    read_one(root, "", &analyses[count++], faults);
  } else if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > QN_MAX_ANALYSES) {
    qn_faults_add(faults, "/analyses", "accepted is an array of 1 to %d analyses, or one analysis by itself", QN_MAX_ANALYSES);
  } else {
    for (; count < (int)json_array_size(list); count++) {
      char where[32];
      snprintf(where, sizeof where, "/analyses/%d", count);
      read_one(json_array_get(list, (size_t)count), where, &analyses[count], faults);
    }
  }
  json_decref(root);
  return count;
}

static qn_status analyse(const char *path, const qn_analysis_spec *analyses, int count, int threads, qn_cli_report *collected,
                         qn_error *error) {
  for (int i = 0; i < count; i++) {
    qn_report report = {0};
    qn_cli_progress progress;
    qn_job_control control = qn_cli_progress_control(&progress, analyses[i].type->name, 0);
    qn_status status = qn_job_analyse(path, &analyses[i], threads, &control, &report, error);
    qn_cli_progress_end(&progress);
    if (status != QN_OK) {
      qn_error_prefix(error, "%s", analyses[i].type->name);
      return status;
    }
    qn_cli_report_add(collected, &analyses[i], &report, NAN);
    qn_report_fini(&report);
  }
  return QN_OK;
}

static qn_status print(const qn_config *config, const char *path, const qn_cli_report *collected, qn_error *error) {
  if (config->csv) return qn_cli_report_write_csv(collected, stdout, error);
  json_t *object = json_object();
  json_object_set_new(object, "trajectory", qn_json_text(path));
  json_object_update(object, collected->provenance);
  json_object_set(object, "results", collected->results);
  json_object_set(object, "curves", collected->curves);
  qn_status status = qn_cli_write_json(object, stdout, error);
  json_decref(object);
  return status;
}

int qn_command_analyse(const qn_config *config, const char *const *arguments, int given) {
  (void)given;
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
    if (qn_cli_print_faults(arguments[1], &faults)) status = qn_error_set(&error, QN_INVALID, "%s holds no analyses to run", arguments[1]);
  }
  if (status == QN_OK) status = qn_cli_report_init(&collected, &error);
  if (status == QN_OK) {
    qn_provenance provenance;
    qn_netcdf_provenance(arguments[0], &provenance);
    qn_cli_report_provenance(&collected, provenance.potential, provenance.potential_sha256, provenance.spec_sha256);
  }
  if (status == QN_OK) status = analyse(arguments[0], analyses, count, qn_cli_threads(config->threads), &collected, &error);
  if (status == QN_OK) status = print(config, arguments[0], &collected, &error);
  qn_cli_report_fini(&collected);
  qn_faults_fini(&faults);
  free(text);
  return status == QN_OK ? QN_EXIT_OK : qn_command_failed(&error);
}
