#include "api/fake_store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/potential.h"

static char *copy(const char *text) {
  char *made = strdup(text != NULL ? text : "");
  assert_non_null(made);
  return made;
}

static qn_status broken(const qn_store *store, qn_error *error) {
  return store->broken == QN_OK ? QN_OK : qn_error_set(error, store->broken, "storage is broken on purpose");
}

#define FAIL_WHEN_BROKEN(store)                                                                                        \
  do {                                                                                                                 \
    if (broken(store, error) != QN_OK) return (store)->broken;                                                         \
  } while (0)

char *fake_setfl(const char *symbol, int points) {
  char *text;
  size_t size;
  FILE *file = open_memstream(&text, &size);
  fprintf(file, "made for a test\nno physics\nnone\n1 %s\n%d 0.1 %d 0.05 %.3f\n29 63.5 3.6 fcc\n", symbol, points,
          points, 0.05 * (points - 1));
  for (int i = 0; i < points; i++) fprintf(file, "%.6f\n", -sqrt(0.1 * i));
  for (int i = 0; i < 2 * points; i++) fprintf(file, "%.6f\n", 1.0 / (1.0 + i % points));
  fclose(file);
  return text;
}

qn_store *fake_store_alloc(void) {
  qn_store *store = calloc(1, sizeof *store);
  assert_non_null(store);
  qn_potential_facts facts = {.finnis_sinclair = true,
                              .cutoff_a = 7.6,
                              .smallest_length_a = 15.2,
                              .species_count = 2,
                              .species = {{"Cu", 63.546}, {"Zr", 91.224}},
                              .lattice = {"fcc", "hcp"},
                              .lattice_constant_a = {3.639087, 3.233891}};
  memset(facts.sha256, 'a', 64);
  qn_error error;
  assert_int_equal(
      qn_potential_row_make("cu-zr", "a paper", "CDDL-1.0", &facts, 2232370, &store->potentials[0], &error), QN_OK);
  store->potentials[0].id = ++store->last_id;
  store->potential_text[0] = fake_setfl("Cu", 40);
  store->potential_count = 1;
  return store;
}

void fake_store_free(qn_store *store) {
  for (int i = 0; i < store->potential_count; i++) {
    qn_potential_row_fini(&store->potentials[i]);
    free(store->potential_text[i]);
  }
  for (int i = 0; i < store->simulation_count; i++) qn_simulation_row_fini(&store->simulations[i]);
  for (int i = 0; i < store->analysis_count; i++) qn_analysis_row_fini(&store->analyses[i]);
  for (int i = 0; i < store->job_count; i++) qn_job_row_fini(&store->jobs[i]);
  for (int i = 0; i < store->artifact_count; i++) qn_artifact_row_fini(&store->artifacts[i]);
  qn_result_page page = {store->result_count, malloc(sizeof store->results), false};
  memcpy(page.rows, store->results, sizeof store->results);
  qn_result_page_fini(&page);
  free(store);
}

/* Rows of an array, newest first, below the cursor; `clone` copies one, `keep` chooses. */
#define LIST(rows_, count_, type_, keep_, clone_)                                                                      \
  do {                                                                                                                 \
    page->rows = calloc((size_t)query.limit, sizeof(type_));                                                           \
    for (int i = (count_)-1; i >= 0; i--) {                                                                            \
      const type_ *row = &(rows_)[i];                                                                                  \
      if ((query.before > 0 && row->id >= query.before) || !(keep_)) continue;                                         \
      if (page->count == query.limit) {                                                                                \
        page->more = true;                                                                                             \
        break;                                                                                                         \
      }                                                                                                                \
      page->rows[page->count++] = clone_(row);                                                                         \
    }                                                                                                                  \
    return QN_OK;                                                                                                      \
  } while (0)

/* ---- potentials ---- */

static qn_potential_row clone_potential(const qn_potential_row *row) {
  qn_potential_row made = *row;
  made.name = copy(row->name), made.sha256 = copy(row->sha256), made.species = copy(row->species),
  made.format = copy(row->format);
  made.citation = copy(row->citation), made.licence = copy(row->licence),
  made.created_at = copy("2026-01-02T03:04:05Z"), made.details = copy(row->details);
  return made;
}

static int find_potential(const qn_store *store, const char *name) {
  for (int i = 0; i < store->potential_count; i++)
    if (strcmp(store->potentials[i].name, name) == 0) return i;
  return -1;
}

qn_status qn_store_add_potential(qn_store *store, const qn_potential_row *row, const char *text, size_t size,
                                 int64_t *id, bool *created, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  int known = find_potential(store, row->name);
  *created = known < 0;
  if (known >= 0 && strcmp(store->potentials[known].sha256, row->sha256) != 0)
    return qn_error_set(error, QN_CONFLICT, "%s has another text", row->name);
  int at = known >= 0 ? known : store->potential_count++;
  if (known < 0) {
    store->potentials[at] = clone_potential(row);
    store->potentials[at].id = ++store->last_id;
    store->potential_text[at] = strndup(text, size);
  }
  *id = store->potentials[at].id;
  return QN_OK;
}

qn_status qn_store_list_potentials(qn_store *store, qn_page_query query, qn_potential_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->potentials, store->potential_count, qn_potential_row, true, clone_potential);
}

qn_status qn_store_get_potential(qn_store *store, const char *name, qn_potential_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  int at = find_potential(store, name);
  if (at < 0) return qn_error_set(error, QN_NOT_FOUND, "there is no potential %s", name);
  *row = clone_potential(&store->potentials[at]);
  return QN_OK;
}

qn_status qn_store_get_potential_text(qn_store *store, const char *name, char **text, size_t *size, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  int at = find_potential(store, name);
  if (at < 0) return qn_error_set(error, QN_NOT_FOUND, "there is no potential %s", name);
  *text = copy(store->potential_text[at]);
  *size = strlen(*text);
  return QN_OK;
}

/* ---- submitting ---- */

static int64_t add_job(qn_store *store, const char *kind, int64_t resource, const char *by) {
  qn_job_row *job = &store->jobs[store->job_count++];
  *job = (qn_job_row){.id = ++store->last_id,
                      .kind = copy(kind),
                      .resource = resource,
                      .state = QN_JOB_QUEUED,
                      .max_attempts = 3,
                      .eta_s = NAN,
                      .waiting = copy("for a worker"),
                      .error = copy(""),
                      .worker = copy(""),
                      .submitted_by = copy(by),
                      .created_at = copy("2026-01-02T03:04:05Z"),
                      .started_at = copy(""),
                      .finished_at = copy("")};
  return job->id;
}

static void add_analysis(qn_store *store, int64_t simulation, const char *type, const char *spec, const char *sha256,
                         const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->analysis_count; i++)
    if (store->analyses[i].simulation == simulation && strcmp(store->analyses[i].sha256, sha256) == 0) {
      *submitted = (qn_submitted){store->analyses[i].id, store->analyses[i].job, false};
      return;
    }
  qn_analysis_row *row = &store->analyses[store->analysis_count++];
  *row = (qn_analysis_row){.id = ++store->last_id,
                           .simulation = simulation,
                           .type = copy(type),
                           .spec = copy(spec),
                           .sha256 = copy(sha256),
                           .created_at = copy("2026-01-02T03:04:05Z"),
                           .state = QN_JOB_QUEUED};
  row->job = add_job(store, "analysis", row->id, by);
  *submitted = (qn_submitted){row->id, row->job, true};
}

static void add_simulation(qn_store *store, const qn_submission *submission, const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->simulation_count; i++)
    if (strcmp(store->simulations[i].sha256, submission->sha256) == 0) {
      *submitted = (qn_submitted){store->simulations[i].id, store->simulations[i].job, false};
      return;
    }
  qn_simulation_row *row = &store->simulations[store->simulation_count++];
  *row = (qn_simulation_row){.id = ++store->last_id,
                             .name = copy(submission->name),
                             .sha256 = copy(submission->sha256),
                             .spec = copy(submission->spec),
                             .potential = copy(submission->potential),
                             .potential_sha256 = copy(store->potentials[0].sha256),
                             .engine_version = copy(""),
                             .created_at = copy("2026-01-02T03:04:05Z"),
                             .state = QN_JOB_QUEUED};
  row->job = add_job(store, "simulation", row->id, by);
  *submitted = (qn_submitted){row->id, row->job, true};
}

qn_status qn_store_submit(qn_store *store, const qn_submission *submission, const qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; idempotency->key != NULL && i < store->key_count; i++) {
    if (strcmp(store->keys[i].key, idempotency->key) != 0) continue;
    if (strcmp(store->keys[i].body, idempotency->body_sha256) != 0)
      return qn_error_set(error, QN_INVALID, "the key was used with another body");
    *submitted = store->keys[i].answer;
    return QN_OK;
  }
  snprintf(store->last_spec, sizeof store->last_spec, "%s", submission->spec);
  if (strcmp(submission->kind, "simulation") == 0) {
    qn_submitted child;
    add_simulation(store, submission, principal->name, submitted);
    for (int i = 0; i < submission->child_count; i++)
      add_analysis(store, submitted->id, submission->children[i].type, submission->children[i].spec,
                   submission->children[i].sha256, principal->name, &child);
  } else {
    add_analysis(store, submission->parent, submission->type, submission->spec, submission->sha256, principal->name,
                 submitted);
  }
  if (idempotency->key != NULL) {
    fake_key *key = &store->keys[store->key_count++];
    snprintf(key->key, sizeof key->key, "%s", idempotency->key);
    snprintf(key->body, sizeof key->body, "%s", idempotency->body_sha256);
    key->answer = *submitted;
  }
  return QN_OK;
}

/* ---- jobs ---- */

static qn_job_row clone_job(const qn_job_row *row) {
  qn_job_row made = *row;
  made.kind = copy(row->kind), made.waiting = copy(row->waiting), made.error = copy(row->error),
  made.worker = copy(row->worker);
  made.submitted_by = copy(row->submitted_by), made.created_at = copy(row->created_at),
  made.started_at = copy(row->started_at), made.finished_at = copy(row->finished_at);
  return made;
}

static qn_job_row *find_job(qn_store *store, int64_t id) {
  for (int i = 0; i < store->job_count; i++)
    if (store->jobs[i].id == id) return &store->jobs[i];
  return NULL;
}

qn_status qn_store_list_jobs(qn_store *store, const char *state, qn_page_query query, qn_job_page *page,
                             qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->jobs, store->job_count, qn_job_row, state == NULL || strcmp(state, qn_job_state_name(row->state)) == 0,
       clone_job);
}

qn_status qn_store_get_job(qn_store *store, int64_t id, qn_job_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  const qn_job_row *job = find_job(store, id);
  if (job == NULL) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
  *row = clone_job(job);
  return QN_OK;
}

qn_status qn_store_cancel_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row,
                              qn_error *error) {
  (void)principal;
  FAIL_WHEN_BROKEN(store);
  qn_job_row *job = find_job(store, id);
  if (job == NULL) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
  if (qn_job_state_final(job->state)) return qn_error_set(error, QN_CONFLICT, "the job is final");
  job->cancel_requested = true;
  if (job->state != QN_JOB_RUNNING) job->state = QN_JOB_CANCELLED;
  *row = clone_job(job);
  return QN_OK;
}

qn_status qn_store_retry_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row,
                             qn_error *error) {
  (void)principal;
  FAIL_WHEN_BROKEN(store);
  qn_job_row *job = find_job(store, id);
  if (job == NULL) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
  if (job->state != QN_JOB_FAILED && job->state != QN_JOB_CANCELLED)
    return qn_error_set(error, QN_CONFLICT, "the job is %s", qn_job_state_name(job->state));
  job->state = QN_JOB_QUEUED;
  *row = clone_job(job);
  return QN_OK;
}

qn_status qn_store_list_events(qn_store *store, int64_t job, int64_t after, int limit, qn_event_page *page,
                               qn_error *error) {
  (void)job, (void)after, (void)limit;
  FAIL_WHEN_BROKEN(store);
  *page = (qn_event_page){.final = true};
  return QN_OK;
}

/* ---- simulations, analyses, artifacts ---- */

static qn_simulation_row clone_simulation(const qn_simulation_row *row) {
  qn_simulation_row made = *row;
  made.name = copy(row->name), made.sha256 = copy(row->sha256), made.spec = copy(row->spec),
  made.potential = copy(row->potential);
  made.potential_sha256 = copy(row->potential_sha256), made.engine_version = copy(row->engine_version),
  made.created_at = copy(row->created_at);
  return made;
}

qn_status qn_store_list_simulations(qn_store *store, qn_page_query query, qn_simulation_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->simulations, store->simulation_count, qn_simulation_row, true, clone_simulation);
}

qn_status qn_store_get_simulation(qn_store *store, int64_t id, qn_simulation_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; i < store->simulation_count; i++)
    if (store->simulations[i].id == id) {
      *row = clone_simulation(&store->simulations[i]);
      return QN_OK;
    }
  return qn_error_set(error, QN_NOT_FOUND, "there is no simulation %lld", (long long)id);
}

int64_t fake_store_add_artifact(qn_store *store, const char *kind, const char *path, const char *sha256,
                                int64_t frames) {
  qn_artifact_row *row = &store->artifacts[store->artifact_count++];
  *row = (qn_artifact_row){.id = ++store->last_id,
                           .simulation = 1,
                           .kind = copy(kind),
                           .stage = 1,
                           .temperature_k = 1500,
                           .path = copy(path),
                           .frames = frames,
                           .size = 100,
                           .interval_ps = frames > 0 ? 0.05 : 0,
                           .sha256 = copy(sha256),
                           .created_at = copy("2026-01-02T03:04:05Z")};
  return row->id;
}

static qn_artifact_row clone_artifact(const qn_artifact_row *row) {
  qn_artifact_row made = *row;
  made.kind = copy(row->kind), made.path = copy(row->path), made.sha256 = copy(row->sha256),
  made.created_at = copy(row->created_at);
  return made;
}

qn_status qn_store_list_artifacts(qn_store *store, int64_t simulation, const char *kind, qn_page_query query,
                                  qn_artifact_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->artifacts, store->artifact_count, qn_artifact_row,
       (simulation == 0 || row->simulation == simulation) && (kind == NULL || strcmp(kind, row->kind) == 0),
       clone_artifact);
}

qn_status qn_store_get_artifact(qn_store *store, int64_t id, qn_artifact_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; i < store->artifact_count; i++)
    if (store->artifacts[i].id == id) {
      *row = clone_artifact(&store->artifacts[i]);
      return QN_OK;
    }
  return qn_error_set(error, QN_NOT_FOUND, "there is no artifact %lld", (long long)id);
}

qn_status qn_store_open_artifact(qn_store *store, const qn_artifact_row *row, int *descriptor, char path[4096],
                                 qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  snprintf(path, 4096, "%s", row->path);
  *descriptor = open(path, O_RDONLY);
  return *descriptor >= 0 ? QN_OK : qn_error_set(error, QN_NOT_FOUND, "the file %s is gone: %s", path, strerror(errno));
}

static qn_analysis_row clone_analysis(const qn_analysis_row *row) {
  qn_analysis_row made = *row;
  made.type = copy(row->type), made.spec = copy(row->spec), made.sha256 = copy(row->sha256),
  made.created_at = copy(row->created_at);
  return made;
}

qn_status qn_store_list_analyses(qn_store *store, int64_t simulation, qn_page_query query, qn_analysis_page *page,
                                 qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->analyses, store->analysis_count, qn_analysis_row, simulation == 0 || row->simulation == simulation,
       clone_analysis);
}

qn_status qn_store_get_analysis(qn_store *store, int64_t id, qn_analysis_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; i < store->analysis_count; i++)
    if (store->analyses[i].id == id) {
      *row = clone_analysis(&store->analyses[i]);
      return QN_OK;
    }
  return qn_error_set(error, QN_NOT_FOUND, "there is no analysis %lld", (long long)id);
}

qn_status qn_store_get_curves(qn_store *store, int64_t analysis, qn_curve_page *page, qn_error *error) {
  (void)analysis;
  FAIL_WHEN_BROKEN(store);
  *page = (qn_curve_page){1, calloc(1, sizeof *page->rows)};
  page->rows[0] = (qn_curve_row){copy("mean_squared_displacement"), copy("all"), copy("bulk"),
                                 copy("[\"lag_ps\",\"msd_a2\"]"), copy("[[0.05,0.1],[0.1,0.2]]")};
  return QN_OK;
}

/* ---- results ---- */

int64_t fake_store_add_result(qn_store *store, const char *quantity, double value, const char *simulation_name) {
  qn_result_row *row = &store->results[store->result_count++];
  *row = (qn_result_row){.id = ++store->last_id,
                         .simulation = 1,
                         .analysis = 2,
                         .quantity = copy(quantity),
                         .species = copy("Cu"),
                         .region = copy("bulk"),
                         .unit = copy("m2/s"),
                         .status = copy(isnan(value) ? "not_diffusive" : "ok"),
                         .simulation_name = copy(simulation_name),
                         .composition = copy("Cu50Zr50"),
                         .potential = copy("cu-zr"),
                         .potential_sha256 = copy(store->potentials[0].sha256),
                         .engine_version = copy("0.1.0"),
                         .spec_sha256 = copy("b"),
                         .created_at = copy("2026-01-02T03:04:05Z"),
                         .value = value,
                         .standard_error = isnan(value) ? NAN : value / 10,
                         .temperature_k = 1500,
                         .window_start_ps = 1,
                         .window_end_ps = 10.5,
                         .samples = 12,
                         .atoms = 500};
  return row->id;
}

static qn_result_row clone_result(const qn_result_row *row) {
  qn_result_row made = *row;
  made.quantity = copy(row->quantity), made.species = copy(row->species), made.region = copy(row->region),
  made.unit = copy(row->unit);
  made.status = copy(row->status), made.simulation_name = copy(row->simulation_name),
  made.composition = copy(row->composition);
  made.potential = copy(row->potential), made.potential_sha256 = copy(row->potential_sha256),
  made.engine_version = copy(row->engine_version);
  made.spec_sha256 = copy(row->spec_sha256), made.created_at = copy(row->created_at);
  return made;
}

qn_status qn_store_query_results(qn_store *store, const qn_result_query *wanted, qn_result_page *page,
                                 qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  const qn_page_query query = wanted->page;
  store->last_query = *wanted;
  snprintf(store->last_species, sizeof store->last_species, "%s", wanted->species != NULL ? wanted->species : "");
  snprintf(store->last_composition, sizeof store->last_composition, "%s",
           wanted->composition != NULL ? wanted->composition : "");
  LIST(store->results, store->result_count, qn_result_row,
       (wanted->quantity == NULL || strcmp(wanted->quantity, row->quantity) == 0) &&
           (wanted->analysis == 0 || wanted->analysis == row->analysis) &&
           !(row->temperature_k < wanted->temperature_min_k) && !(row->temperature_k > wanted->temperature_max_k),
       clone_result);
}

qn_status qn_store_open_series(qn_store *store, int64_t simulation, int *descriptor, int64_t *size, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  struct stat what;
  *descriptor = store->series != NULL ? open(store->series, O_RDONLY) : -1;
  if (*descriptor < 0) return qn_error_set(error, QN_NOT_FOUND, "no series of %lld", (long long)simulation);
  fstat(*descriptor, &what);
  *size = what.st_size;
  return QN_OK;
}

/* ---- health ---- */

qn_status qn_store_ready(qn_store *store, qn_error *error) { return broken(store, error); }

qn_status qn_store_metrics(qn_store *store, char **text, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  *text = copy("# TYPE quenchd_up gauge\nquenchd_up 1\n");
  return QN_OK;
}
