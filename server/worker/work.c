#include "server/worker/work_parts.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/job/durable.h"
#include "server/log.h"
#include "server/worker/rows.h"

enum { EARLIER = 16 };

static const qn_statement read_simulation = {
    "work_simulation",
    "SELECT s.spec_text, p.content, p.sha256 FROM simulations s JOIN potentials p ON p.id = s.potential_id WHERE s.id = $1::bigint"};
static const qn_statement find_snapshot = {
    "work_snapshot",
    "SELECT path FROM artifacts WHERE simulation_id = $1::bigint AND kind = 'snapshot' AND stage = $2::integer"
    " ORDER BY abs(temperature_k - $3::float8), id DESC LIMIT 1"};
static const qn_statement find_structure = {"work_structure",
                                            "SELECT path FROM artifacts WHERE id = $1::bigint AND kind = 'snapshot'"};

qn_status qn_work_row(const PGresult *result, const char *what, qn_error *error) {
  return PQntuples(result) > 0 ? QN_OK : qn_error_set(error, QN_CORRUPT, "%s is not in the database", what);
}

qn_status qn_work_judge(const qn_faults *faults, qn_error *error) {
  if (qn_faults_total(faults) == 0) return QN_OK;
  return qn_error_set(error, QN_INVALID, "this quenchd does not take the stored spec: %s: %s", faults->count > 0 ? faults->items[0].pointer : "",
                      faults->count > 0 ? faults->items[0].detail : "no memory");
}

/* ---- simulations ---- */

static int newest_first(const void *a, const void *b) {
  long x = *(const long *)a, y = *(const long *)b;
  return (x < y) - (x > y);
}

/* Folders of the attempts before this one, newest first; at most EARLIER. */
static void list_earlier(const char *folder, int attempt, char *names[EARLIER + 1]) {
  long numbers[EARLIER];
  int count = 0;
  DIR *directory = opendir(folder);
  if (directory != NULL) {
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
      char *end;
      long number = strtol(entry->d_name, &end, 10);
      if (*end != '\0' || number <= 0 || number >= attempt) continue;
      if (count < EARLIER) numbers[count++] = number;
      else { /* keep the newest */
        qsort(numbers, EARLIER, sizeof numbers[0], newest_first);
        if (number > numbers[EARLIER - 1]) numbers[EARLIER - 1] = number;
      }
    }
    closedir(directory);
  }
  qsort(numbers, (size_t)count, sizeof numbers[0], newest_first);
  int kept = 0;
  for (int i = 0; i < count; i++)
    if (asprintf(&names[kept], "%s/%ld", folder, numbers[i]) > 0) kept++;
  names[kept] = NULL;
}

static qn_status start_path(const qn_work *work, const qn_simulation_spec *spec, char path[QN_PATH_SIZE], qn_error *error) {
  qn_params params = {0};
  bool snapshot = spec->initial == QN_INITIAL_SNAPSHOT;
  if (snapshot) {
    qn_params_int(&params, spec->snapshot_simulation);
    qn_params_int(&params, spec->snapshot_stage);
    qn_params_real(&params, spec->snapshot_temperature);
  } else {
    qn_params_int(&params, spec->structure);
  }
  PGresult *row;
  qn_status status = qn_pool_run(work->store, snapshot ? &find_snapshot : &find_structure, &params, &row, error);
  if (status != QN_OK) return status;
  status = qn_work_row(row, snapshot ? "the snapshot to start from" : "the structure to start from", error);
  if (status == QN_OK) status = qn_durable_join(path, qn_store_data_directory(work->store), qn_field(row, 0, 0), error);
  PQclear(row);
  return status;
}

static qn_status run_simulation(const qn_work *work, const qn_simulation_spec *spec, const qn_eam *potential, qn_work_result *result,
                                qn_error *error) {
  char base[QN_PATH_SIZE], folder[QN_PATH_SIZE], name[64], snapshot[QN_PATH_SIZE];
  qn_job_simulation job = {.spec = spec, .potential = potential, .directory = folder, .threads = work->threads};
  snprintf(name, sizeof name, "simulations/%lld", (long long)work->claim->resource);
  snprintf(result->folder, sizeof result->folder, "%s/%d", name, work->claim->lease.attempt);
  qn_status status = qn_durable_join(base, qn_store_data_directory(work->store), name, error);
  if (status == QN_OK) status = qn_durable_join(folder, qn_store_data_directory(work->store), result->folder, error);
  if (status == QN_OK && spec->initial != QN_INITIAL_LATTICE) {
    status = start_path(work, spec, snapshot, error);
    job.snapshot_path = snapshot;
  }
  if (status == QN_OK) status = qn_durable_make(folder, error);
  if (status == QN_OK) status = qn_durable_sync(base, error);
  if (status != QN_OK) return status;
  char *earlier[EARLIER + 1];
  list_earlier(base, work->claim->lease.attempt, earlier);
  job.earlier = (const char *const *)earlier;
  status = qn_job_simulate(&job, work->control, &result->output, error);
  for (int i = 0; earlier[i] != NULL; i++) free(earlier[i]);
  return status;
}

qn_status qn_work_load_simulation(const qn_work *work, int64_t id, qn_simulation_spec *spec, qn_eam *potential, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &read_simulation, &params, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  unsigned char *setfl = NULL;
  size_t size = 0;
  status = qn_work_row(row, "the simulation", error);
  if (status == QN_OK) {
    qn_spec_parse_stored(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), spec, &faults);
    status = qn_work_judge(&faults, error);
  }
  if (status == QN_OK && strcmp(spec->potential_sha256, qn_field(row, 0, 2)) != 0)
    status = qn_error_set(error, QN_CORRUPT, "the potential is not the one that the spec was made for");
  if (status == QN_OK) {
    setfl = PQunescapeBytea((const unsigned char *)qn_field(row, 0, 1), &size);
    status = setfl != NULL ? qn_eam_parse(potential, (const char *)setfl, size, error)
                           : qn_error_set(error, QN_NO_MEMORY, "no memory for a potential");
  }
  PQclear(row);
  PQfreemem(setfl);
  qn_faults_fini(&faults);
  return status;
}

static qn_status simulate(const qn_work *work, qn_work_result *result, qn_error *error) {
  qn_simulation_spec *spec = calloc(1, sizeof *spec);
  if (spec == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  qn_eam potential = {0};
  qn_status status = qn_work_load_simulation(work, work->claim->resource, spec, &potential, error);
  if (status == QN_OK) status = run_simulation(work, spec, &potential, result, error);
  qn_eam_fini(&potential);
  free(spec);
  return status;
}

static qn_status write_simulation(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  return qn_rows_of_output(connection, result->claim->resource, &result->output, result->folder, error);
}

static void tidy_simulation(const qn_work *work, qn_ending ending) {
  char base[QN_PATH_SIZE];
  qn_error error;
  snprintf(base, sizeof base, "%s/simulations/%lld", qn_store_data_directory(work->store), (long long)work->claim->resource);
  if (ending == QN_ENDING_CANCELLED) {
    if (qn_durable_remove(base, &error) != QN_OK) qn_log("warning", "%s", error.message);
    return;
  }
  if (ending != QN_ENDING_SUCCEEDED) return;
  char *earlier[EARLIER + 1];
  list_earlier(base, work->claim->lease.attempt, earlier);
  for (int i = 0; earlier[i] != NULL; i++) {
    if (qn_durable_remove(earlier[i], &error) != QN_OK) qn_log("warning", "%s", error.message);
    free(earlier[i]);
  }
  static const char *const leftovers[] = {"checkpoint", "checkpoint.previous", "checkpoint.damaged"};
  for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++) {
    char path[QN_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%d/%s", base, work->claim->lease.attempt, leftovers[i]);
    unlink(path);
  }
}

/* ---- every kind ---- */

static const qn_work_kind *kind_of(const qn_claim *claim) {
  static const qn_work_kind kinds[] = {
      {"simulation", simulate, write_simulation, tidy_simulation},
      {"analysis", qn_work_analyse, qn_work_write_analysis, NULL},
      {"fit", qn_work_fit, qn_work_write_fit, NULL},
      {"import", qn_work_import, qn_work_write_import, qn_work_tidy_import},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i].name, claim->kind) == 0) return &kinds[i];
  return NULL;
}

qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error) {
  *result = calloc(1, sizeof **result);
  if (*result == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a job");
  (*result)->claim = work->claim;
  const qn_work_kind *kind = kind_of(work->claim);
  qn_status status = kind != NULL ? kind->run(work, *result, error)
                                  : qn_error_set(error, QN_UNSUPPORTED, "this quenchd knows no jobs of the kind %s", work->claim->kind);
  if (status == QN_OK) return QN_OK;
  qn_work_result_free(*result);
  *result = NULL;
  return status;
}

void qn_work_result_free(qn_work_result *result) {
  if (result == NULL) return;
  qn_job_output_fini(&result->output);
  qn_report_fini(&result->report);
  qn_job_imported_fini(&result->imported);
  qn_fit_spec_fini(&result->fit_spec);
  free(result->parameters);
  free(result->inputs);
  free(result);
}

qn_status qn_work_write(qn_connection *connection, void *context, qn_error *error) {
  const qn_work_result *result = context;
  return kind_of(result->claim)->write(connection, result, error);
}

void qn_work_tidy(const qn_work *work, qn_ending ending) {
  const qn_work_kind *kind = kind_of(work->claim);
  if (kind != NULL && kind->tidy != NULL) kind->tidy(work, ending);
}
