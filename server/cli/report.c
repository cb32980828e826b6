#include "server/cli/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/filters.h"
#include "api/json.h"
#include "engine/base/version.h"
#include "server/cli/commands.h"

/* Behind these: the parameters of the analyses, each a column, and what all values rest on. */
static const char *const columns[] = {"analysis", "quantity", "value", "standard_error", "unit", "status", "temperature_k", "species",
                                      "region", "window_start_ps", "window_end_ps", "samples", "error"};
static const char *const parameter_columns[] = {"stage", "sampling"}; /* behind them those of the types */
static const char *const provenance_columns[] = {"potential", "potential_sha256", "spec_sha256", "engine_version"};
enum {
  COLUMNS = sizeof columns / sizeof columns[0],
  PARAMETER_COLUMNS = sizeof parameter_columns / sizeof parameter_columns[0],
  PROVENANCE_COLUMNS = sizeof provenance_columns / sizeof provenance_columns[0]
};

qn_status qn_cli_report_init(qn_cli_report *collected, qn_error *error) {
  *collected = (qn_cli_report){json_object(), json_array(), json_array(), json_array()};
  if (collected->provenance != NULL && collected->results != NULL && collected->curves != NULL && collected->failures != NULL) return QN_OK;
  qn_cli_report_fini(collected);
  return qn_error_set(error, QN_NO_MEMORY, "out of memory for results");
}

void qn_cli_report_fini(qn_cli_report *collected) {
  json_decref(collected->provenance);
  json_decref(collected->results);
  json_decref(collected->curves);
  json_decref(collected->failures);
  *collected = (qn_cli_report){0};
}

void qn_cli_report_provenance(qn_cli_report *collected, const char *potential, const char *potential_sha256, const char *spec_sha256) {
  json_object_set_new(collected->provenance, "potential", qn_json_text(potential));
  json_object_set_new(collected->provenance, "potential_sha256", qn_json_text(potential_sha256));
  json_object_set_new(collected->provenance, "spec_sha256", qn_json_text(spec_sha256));
  json_object_set_new(collected->provenance, "engine_version", json_string(qn_version()));
}

/* As they were used: everything of the spec but its type. */
static json_t *parameters_json(const qn_analysis_spec *used) {
  char hash[QN_HASH_SIZE];
  char *text = qn_spec_render_analysis(used, hash);
  json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
  json_object_del(object, "type");
  free(text);
  return object != NULL ? object : json_object();
}

static json_t *inputs_json(const qn_job_wanted *wanted) {
  json_t *object = json_object();
  for (int i = 0; i < wanted->input_count; i++) {
    const qn_job_input *from = &wanted->inputs[i];
    json_t *input = json_object();
    json_object_set_new(input, "type", json_string(from->source->type));
    json_object_set_new(input, "quantity", json_string(from->source->quantity));
    json_object_set_new(input, "value", qn_json_number(from->value));
    json_object_set_new(input, "standard_error", qn_json_number(from->standard_error));
    json_object_set_new(object, from->source->parameter, input);
  }
  return object;
}

static json_t *value_json(const char *analysis, const qn_value *value, double temperature_k) {
  json_t *object = json_object();
  json_object_set_new(object, "analysis", qn_json_text(analysis));
  json_object_set_new(object, "quantity", qn_json_text(value->quantity));
  json_object_set_new(object, "value", qn_json_number(value->value));
  json_object_set_new(object, "standard_error", qn_json_number(value->standard_error));
  json_object_set_new(object, "unit", qn_json_text(value->unit));
  json_object_set_new(object, "status", qn_json_text(qn_value_status_name(value->status)));
  json_object_set_new(object, "temperature_k", qn_json_number(isnan(value->temperature_k) ? temperature_k : value->temperature_k));
  json_object_set_new(object, "species", qn_json_text(value->species));
  json_object_set_new(object, "region", qn_json_text(value->region));
  json_object_set_new(object, "window_start_ps", qn_json_number(value->window_start_ps));
  json_object_set_new(object, "window_end_ps", qn_json_number(value->window_end_ps));
  json_object_set_new(object, "samples", json_integer(value->samples));
  return object;
}

static json_t *curve_json(const char *analysis, const qn_curve *curve) {
  json_t *object = json_object(), *names = json_array(), *data = json_array();
  for (int c = 0; c < curve->columns; c++) json_array_append_new(names, qn_json_text(curve->column_name[c]));
  for (int64_t r = 0; r < curve->rows; r++) {
    json_t *row = json_array();
    for (int c = 0; c < curve->columns; c++) json_array_append_new(row, qn_json_number(curve->data[r * curve->columns + c]));
    json_array_append_new(data, row);
  }
  json_object_set_new(object, "analysis", qn_json_text(analysis));
  json_object_set_new(object, "name", qn_json_text(curve->name));
  json_object_set_new(object, "species", qn_json_text(curve->species));
  json_object_set_new(object, "region", qn_json_text(curve->region));
  json_object_set_new(object, "columns", names);
  json_object_set_new(object, "data", data);
  return object;
}

static json_t *failure_json(const qn_job_wanted *wanted) {
  json_t *object = json_object();
  json_object_set_new(object, "analysis", json_string(wanted->spec->type->name));
  json_object_set_new(object, "status", json_string("failed"));
  json_object_set_new(object, "error", qn_json_text(wanted->error.message));
  return object;
}

void qn_cli_report_add(qn_cli_report *collected, qn_job_wanted *wanted, double temperature_k) {
  const char *name = wanted->spec->type->name;
  json_t *parameters = parameters_json(&wanted->used), *inputs = inputs_json(wanted);
  for (int i = 0; wanted->status == QN_OK && i < wanted->report.value_count; i++) {
    json_t *value = value_json(name, &wanted->report.values[i], temperature_k);
    json_object_set(value, "parameters", parameters);
    json_object_set(value, "inputs", inputs);
    json_array_append_new(collected->results, value);
  }
  for (int i = 0; wanted->status == QN_OK && i < wanted->report.curve_count; i++)
    json_array_append_new(collected->curves, curve_json(name, &wanted->report.curves[i]));
  if (wanted->status == QN_OK) {
    qn_report_fini(&wanted->report);
  } else {
    json_t *failure = failure_json(wanted);
    json_object_set(failure, "parameters", parameters);
    json_array_append_new(collected->failures, failure);
  }
  json_decref(parameters);
  json_decref(inputs);
}

int qn_cli_report_failures(const qn_cli_report *collected) {
  size_t i;
  json_t *failure;
  json_array_foreach(collected->failures, i, failure)
    fprintf(stderr, "quenchd: %s: %s\n", json_string_value(json_object_get(failure, "analysis")), json_string_value(json_object_get(failure, "error")));
  return json_array_size(collected->failures) > 0 ? QN_EXIT_FAILURE : QN_EXIT_OK;
}

static qn_status write_text(FILE *file, const char *text, size_t size, qn_error *error) {
  if (fwrite(text, 1, size, file) == size) return QN_OK;
  return qn_error_set(error, QN_IO, "cannot write results: %s", strerror(errno));
}

static void write_cell(qn_csv *csv, const json_t *cell) {
  if (json_is_string(cell)) qn_csv_text(csv, json_string_value(cell));
  else if (json_is_integer(cell)) qn_csv_integer(csv, json_integer_value(cell));
  else if (json_is_real(cell)) qn_csv_number(csv, json_real_value(cell));
  else qn_csv_text(csv, "");
}

static void write_rows(qn_csv *csv, const json_t *rows, const json_t *provenance, const qn_filter_list *list) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    const json_t *parameters = json_object_get(row, "parameters");
    for (int c = 0; c < COLUMNS; c++) write_cell(csv, json_object_get(row, columns[c]));
    for (int c = 0; c < PARAMETER_COLUMNS; c++) write_cell(csv, json_object_get(parameters, parameter_columns[c]));
    for (int p = 0; p < list->count; p++) write_cell(csv, json_object_get(parameters, list->parameter[p]->name));
    for (int c = 0; c < PROVENANCE_COLUMNS; c++) write_cell(csv, json_object_get(provenance, provenance_columns[c]));
    qn_csv_end(csv);
  }
}

qn_status qn_cli_report_write_csv(const qn_cli_report *collected, FILE *file, qn_error *error) {
  qn_csv csv = {0};
  qn_filter_list list;
  qn_filters_list(&list);
  for (int c = 0; c < COLUMNS; c++) qn_csv_text(&csv, columns[c]);
  for (int c = 0; c < PARAMETER_COLUMNS; c++) qn_csv_text(&csv, parameter_columns[c]);
  for (int p = 0; p < list.count; p++) qn_csv_text(&csv, list.parameter[p]->name);
  for (int c = 0; c < PROVENANCE_COLUMNS; c++) qn_csv_text(&csv, provenance_columns[c]);
  qn_csv_end(&csv);
  write_rows(&csv, collected->results, collected->provenance, &list);
  write_rows(&csv, collected->failures, collected->provenance, &list);
  qn_status status = csv.text.failed ? qn_error_set(error, QN_NO_MEMORY, "out of memory for CSV") : write_text(file, csv.text.bytes, csv.text.size, error);
  free(csv.text.bytes);
  return status;
}

qn_status qn_cli_write_json(const json_t *object, FILE *file, qn_error *error) {
  /* The shortest spelling of each number, as the API writes them; a line for each member keeps it readable. */
  const char *key;
  json_t *member;
  const char *before = "{\n";
  json_object_foreach((json_t *)object, key, member) {
    qn_status status = QN_OK;
    char *name = NULL;
    if (asprintf(&name, "%s  \"%s\": ", before, key) < 0) return qn_error_set(error, QN_NO_MEMORY, "out of memory for results");
    status = write_text(file, name, strlen(name), error);
    free(name);
    size_t count = json_is_array(member) ? json_array_size(member) : 1;
    if (status == QN_OK && json_is_array(member)) status = write_text(file, "[", 1, error);
    for (size_t i = 0; i < count && status == QN_OK; i++) {
      char *text = qn_json_write(json_is_array(member) ? json_array_get(member, i) : member, false);
      if (text == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for results");
      if (json_is_array(member)) status = write_text(file, i > 0 ? ",\n    " : "\n    ", i > 0 ? 6 : 5, error);
      if (status == QN_OK) status = write_text(file, text, strlen(text), error);
      free(text);
    }
    if (status == QN_OK && json_is_array(member)) status = write_text(file, "\n  ]", 4, error);
    if (status != QN_OK) return status;
    before = ",\n";
  }
  return write_text(file, "\n}\n", 3, error);
}

bool qn_cli_print_faults(const char *name, const qn_faults *faults) {
  for (int i = 0; i < faults->count; i++)
    fprintf(stderr, "quenchd: %s: %s%s%s\n", name, faults->items[i].pointer, faults->items[i].pointer[0] != '\0' ? ": " : "",
            faults->items[i].detail);
  if (faults->dropped > 0) fprintf(stderr, "quenchd: %s: and %d faults more\n", name, faults->dropped);
  return qn_faults_total(faults) > 0;
}
