#include "server/worker/work.h"

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

struct qn_work_result {
  const qn_claim *claim;
  qn_job_output output;      /* of a simulation */
  char folder[128];          /* where its files are, relative to the data directory */
  qn_report report;          /* of an analysis */
  double temperature_k;
};

static const qn_statement read_simulation = {
    "work_simulation",
    "SELECT s.spec_text, p.content, p.sha256 FROM simulations s JOIN potentials p ON p.id = s.potential_id WHERE s.id = $1::bigint"};
static const qn_statement find_snapshot = {
    "work_snapshot",
    "SELECT path FROM artifacts WHERE simulation_id = $1::bigint AND kind = 'snapshot' AND stage = $2::integer"
    " ORDER BY abs(temperature_k - $3::float8), id DESC LIMIT 1"};
static const qn_statement read_analysis = {
    "work_analysis",
    "SELECT a.spec_text, a.simulation_id, s.atoms FROM analyses a JOIN simulations s ON s.id = a.simulation_id WHERE a.id = $1::bigint"};
/* A file of the simulation that the analysis needs: the others lie beside it. */
static const qn_statement find_files = {
    "work_files",
    "SELECT path, temperature_k FROM artifacts WHERE simulation_id = $1::bigint AND kind = $2 AND ($3::integer < 0 OR stage = $3::integer)"
    " ORDER BY id LIMIT 1"};

static qn_status no_row(const PGresult *result, const char *what, qn_error *error) {
  return PQntuples(result) > 0 ? QN_OK : qn_error_set(error, QN_CORRUPT, "%s is not in the database", what);
}

/* The first fault of a stored spec: it was checked when it came in, so this program is another than the one that took it. */
static qn_status judge(const qn_faults *faults, qn_error *error) {
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

static qn_status snapshot_path(const qn_work *work, const qn_simulation_spec *spec, char path[QN_PATH_SIZE], qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, spec->snapshot_simulation);
  qn_params_int(&params, spec->snapshot_stage);
  qn_params_real(&params, spec->snapshot_temperature);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &find_snapshot, &params, &row, error);
  if (status != QN_OK) return status;
  status = no_row(row, "the snapshot to start from", error);
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
  if (status == QN_OK && spec->initial == QN_INITIAL_SNAPSHOT) {
    status = snapshot_path(work, spec, snapshot, error);
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

/* Spec and potential of a simulation, as they are stored. */
static qn_status load_simulation(const qn_work *work, int64_t id, qn_simulation_spec *spec, qn_eam *potential, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &read_simulation, &params, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  unsigned char *setfl = NULL;
  size_t size = 0;
  status = no_row(row, "the simulation", error);
  if (status == QN_OK) {
    qn_spec_parse_simulation(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), spec, &faults);
    status = judge(&faults, error);
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
  qn_status status = load_simulation(work, work->claim->resource, spec, &potential, error);
  if (status == QN_OK) status = run_simulation(work, spec, &potential, result, error);
  qn_eam_fini(&potential);
  free(spec);
  return status;
}

/* ---- analyses ---- */

/* The folder of the simulation's files, and the temperature of the stage that is analysed. */
static qn_status locate_files(const qn_work *work, int64_t simulation, const qn_analysis_spec *spec, char folder[QN_PATH_SIZE], double *temperature_k,
                              qn_error *error) {
  qn_params which = {0};
  qn_params_int(&which, simulation);
  qn_params_text(&which, spec->type->summarise != NULL ? "thermo" : "trajectory");
  qn_params_int(&which, spec->type->summarise != NULL ? -1 : spec->stage);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &find_files, &which, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0) {
    status = spec->type->summarise != NULL ? qn_error_set(error, QN_NOT_FOUND, "the simulation left no thermo series")
                                           : qn_error_set(error, QN_NOT_FOUND, "stage %d of the simulation left no trajectory", spec->stage);
  } else {
    *temperature_k = qn_field_real(row, 0, 1);
    status = qn_durable_join(folder, qn_store_data_directory(work->store), qn_field(row, 0, 0), error);
    char *slash = status == QN_OK ? strrchr(folder, '/') : NULL;
    if (slash != NULL) *slash = '\0';
  }
  PQclear(row);
  return status;
}

static qn_status run_analysis(const qn_work *work, int64_t simulation, int64_t atoms, const qn_analysis_spec *spec, qn_simulation_spec *of,
                              qn_work_result *result, qn_error *error) {
  char folder[QN_PATH_SIZE];
  qn_eam potential = {0};
  qn_status status = load_simulation(work, simulation, of, &potential, error);
  if (status == QN_OK) status = locate_files(work, simulation, spec, folder, &result->temperature_k, error);
  if (status == QN_OK) {
    const qn_job_simulated simulated = {.spec = of, .directory = folder, .atoms = atoms, .potential = &potential};
    qn_job_wanted wanted = {.spec = spec};
    status = qn_job_analyse_simulation(&simulated, &wanted, 1, work->threads, work->control, error);
    if (status == QN_OK && wanted.status != QN_OK) *error = wanted.error;
    if (status == QN_OK) status = wanted.status;
    result->report = wanted.report;
  }
  qn_eam_fini(&potential);
  return status;
}

static qn_status analyse(const qn_work *work, qn_work_result *result, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, work->claim->resource);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &read_analysis, &params, &row, error);
  if (status != QN_OK) return status;
  qn_analysis_spec spec = {0};
  qn_faults faults = {0};
  int64_t simulation = 0, atoms = 0;
  status = no_row(row, "the analysis", error);
  if (status == QN_OK) {
    qn_spec_parse_analysis(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), &spec, &faults);
    status = judge(&faults, error);
    simulation = qn_field_int(row, 0, 1);
    atoms = qn_field_int(row, 0, 2);
  }
  PQclear(row);
  qn_faults_fini(&faults);
  qn_simulation_spec *of = status == QN_OK ? calloc(1, sizeof *of) : NULL;
  if (status == QN_OK && of == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  if (status == QN_OK) status = run_analysis(work, simulation, atoms, &spec, of, result, error);
  free(of);
  return status;
}

/* ---- both ---- */

qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error) {
  *result = calloc(1, sizeof **result);
  if (*result == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a job");
  (*result)->claim = work->claim;
  qn_status status = work->claim->analysis ? analyse(work, *result, error) : simulate(work, *result, error);
  if (status == QN_OK) return QN_OK;
  qn_work_result_free(*result);
  *result = NULL;
  return status;
}

void qn_work_result_free(qn_work_result *result) {
  if (result == NULL) return;
  qn_job_output_fini(&result->output);
  qn_report_fini(&result->report);
  free(result);
}

qn_status qn_work_write(qn_connection *connection, void *context, qn_error *error) {
  const qn_work_result *result = context;
  int64_t id = result->claim->resource;
  return result->claim->analysis ? qn_rows_of_report(connection, id, &result->report, result->temperature_k, error)
                                 : qn_rows_of_output(connection, id, &result->output, result->folder, error);
}

void qn_work_tidy(const qn_work *work, qn_ending ending) {
  if (work->claim->analysis || (ending != QN_ENDING_SUCCEEDED && ending != QN_ENDING_CANCELLED)) return;
  char base[QN_PATH_SIZE];
  qn_error error;
  snprintf(base, sizeof base, "%s/simulations/%lld", qn_store_data_directory(work->store), (long long)work->claim->resource);
  if (ending == QN_ENDING_CANCELLED) {
    if (qn_durable_remove(base, &error) != QN_OK) qn_log("warning", "%s", error.message);
    return;
  }
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
