/* quenchd fit: a law fitted to the points of a spec, the body of POST /v1/fits, without server or database. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/fit.h"
#include "api/json.h"
#include "engine/base/version.h"
#include "server/cli/commands.h"
#include "server/cli/potential.h"
#include "server/cli/report.h"

static qn_status read_spec(const char *path, qn_fit_spec *spec, qn_error *error) {
  char *text = NULL;
  size_t size = 0;
  qn_faults faults = {0};
  qn_status status = qn_cli_read_file(path, &text, &size, error);
  if (status != QN_OK) return status;
  qn_fit_parse(text, size, spec, &faults);
  free(text);
  if (qn_faults_total(&faults) == 0 && spec->query != NULL) qn_faults_add(&faults, "/query", "needs the results of a server; without one points are accepted");
  if (qn_faults_total(&faults) == 0) qn_fit_settle(spec, &faults);
  if (qn_cli_print_faults(path, &faults)) status = qn_error_set(error, QN_INVALID, "%s is no fit to run", path);
  qn_faults_fini(&faults);
  return status;
}

static qn_status write_csv(const json_t *found, qn_error *error) {
  static const char *const columns[] = {"quantity", "value", "standard_error", "bootstrap_error", "unit"};
  enum { COLUMNS = sizeof columns / sizeof columns[0] };
  qn_csv csv = {0};
  size_t i;
  json_t *value;
  for (int c = 0; c < COLUMNS; c++) qn_csv_text(&csv, columns[c]);
  qn_csv_text(&csv, "status");
  qn_csv_end(&csv);
  json_array_foreach(json_object_get(found, "values"), i, value) {
    for (int c = 0; c < COLUMNS; c++) {
      const json_t *cell = json_object_get(value, columns[c]);
      if (json_is_number(cell)) qn_csv_number(&csv, json_number_value(cell));
      else qn_csv_text(&csv, json_is_string(cell) ? json_string_value(cell) : "");
    }
    qn_csv_text(&csv, json_string_value(json_object_get(found, "status")));
    qn_csv_end(&csv);
  }
  qn_status status = csv.text.failed ? qn_error_set(error, QN_NO_MEMORY, "out of memory for CSV") : QN_OK;
  if (status == QN_OK && fwrite(csv.text.bytes, 1, csv.text.size, stdout) != csv.text.size) status = qn_error_set(error, QN_IO, "cannot write results");
  free(csv.text.bytes);
  return status;
}

/* The keys of a fit as the API gives it. */
static qn_status write_json(const qn_fit_spec *spec, json_t *found, qn_error *error) {
  char hash[QN_HASH_SIZE];
  char *canonical = qn_fit_render(spec, hash);
  if (canonical == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the spec");
  json_t *object = json_object();
  json_object_set_new(object, "law", json_string(spec->law->name));
  json_object_set_new(object, "name", qn_json_text(spec->name));
  json_object_set_new(object, "engine_version", json_string(qn_version()));
  json_object_set_new(object, "spec_sha256", json_string(hash));
  json_object_set_new(object, "spec", json_loads(canonical, JSON_DECODE_ANY, NULL));
  json_object_set(object, "result", found);
  qn_status status = qn_cli_write_json(object, stdout, error);
  json_decref(object);
  free(canonical);
  return status;
}

int qn_command_fit(const qn_config *config, const char *const *arguments, int count) {
  (void)count;
  qn_error error;
  qn_fit_spec spec = {0};
  qn_fit fit = {0};
  qn_status status = read_spec(arguments[0], &spec, &error);
  if (status == QN_OK) status = qn_fit_run_spec(&spec, &fit, &error);
  if (status == QN_OK) {
    json_t *found = qn_fit_json(&fit);
    status = config->csv ? write_csv(found, &error) : write_json(&spec, found, &error);
    json_decref(found);
  }
  if (status == QN_OK && fit.outcome != QN_FIT_OK)
    status = qn_error_set(&error, QN_UNSUPPORTED, "%s: %s", arguments[0],
                          fit.outcome == QN_FIT_NOT_CONVERGED ? "the points do not show the law: its best parameters lie at the edge of what it allows"
                                                              : "too few points are left for the law");
  qn_fit_spec_fini(&spec);
  return status == QN_OK ? QN_EXIT_OK : qn_command_failed(&error);
}
