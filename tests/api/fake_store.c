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
  for (int i = 0; i < store->key_count; i++) free(store->keys[i].answer.body);
  for (int i = 0; i < store->token_count; i++) qn_token_row_fini(&store->tokens[i]);
  for (int i = 0; i < store->fit_count; i++) qn_fit_row_fini(&store->fits[i]);
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

/* ---- keys ---- */

static fake_key *find_key(qn_store *store, const qn_idempotency *idempotency) {
  for (int i = 0; i < store->key_count; i++)
    if (strcmp(store->keys[i].key, idempotency->key) == 0 && strcmp(store->keys[i].principal, idempotency->principal) == 0)
      return &store->keys[i];
  return NULL;
}

static void judge_key(qn_store *store, qn_idempotency *idempotency) {
  const fake_key *known = find_key(store, idempotency);
  if (known == NULL) return;
  bool same = strcmp(known->request, idempotency->request_sha256) == 0;
  idempotency->verdict = same ? QN_KEY_REPLAYED : QN_KEY_REUSED;
  if (!same) return;
  idempotency->answer = known->answer;
  idempotency->answer.body = copy(known->answer.body);
}

/* False: the key settles the request, with *status. */
static bool begin_key(qn_store *store, qn_idempotency *idempotency, qn_status *status, qn_error *error) {
  *status = QN_OK;
  if (idempotency == NULL) return true;
  if (store->key_in_flight) {
    idempotency->verdict = QN_KEY_IN_FLIGHT;
    *status = qn_error_set(error, QN_CONFLICT, "in flight");
    return false;
  }
  judge_key(store, idempotency);
  if (idempotency->verdict == QN_KEY_REUSED) *status = qn_error_set(error, QN_CONFLICT, "reused");
  return idempotency->verdict == QN_KEY_FRESH;
}

static void keep_key(qn_store *store, const qn_idempotency *idempotency) {
  fake_key *key = &store->keys[store->key_count++];
  snprintf(key->key, sizeof key->key, "%s", idempotency->key);
  snprintf(key->principal, sizeof key->principal, "%s", idempotency->principal);
  snprintf(key->request, sizeof key->request, "%s", idempotency->request_sha256);
  key->answer = idempotency->answer;
  key->answer.body = copy(idempotency->answer.body);
}

static void end_key(qn_store *store, qn_idempotency *idempotency, const void *outcome) {
  if (idempotency == NULL) return;
  assert_true(idempotency->render(outcome, idempotency->context, &idempotency->answer));
  keep_key(store, idempotency);
}

qn_status qn_store_find_key(qn_store *store, qn_idempotency *idempotency, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  judge_key(store, idempotency);
  return QN_OK;
}

qn_status qn_store_keep_answer(qn_store *store, const qn_idempotency *idempotency, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  keep_key(store, idempotency);
  return QN_OK;
}

qn_status qn_store_add_potential(qn_store *store, const qn_potential_row *row, const char *text, size_t size,
                                 qn_idempotency *idempotency, const qn_principal *principal, qn_added_potential *added,
                                 qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  qn_status status;
  (void)principal;
  if (!begin_key(store, idempotency, &status, error)) return status;
  int known = find_potential(store, row->name);
  added->created = known < 0;
  if (known >= 0 && strcmp(store->potentials[known].sha256, row->sha256) != 0)
    return qn_error_set(error, QN_CONFLICT, "%s has another text", row->name);
  int at = known >= 0 ? known : store->potential_count++;
  if (known < 0) {
    store->potentials[at] = clone_potential(row);
    store->potentials[at].id = ++store->last_id;
    store->potential_text[at] = strndup(text, size);
  }
  added->row = clone_potential(&store->potentials[at]);
  end_key(store, idempotency, added);
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
                      .parents = copy("[]"),
                      .cancel_requested_at = copy(""),
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

static void add_analysis(qn_store *store, int64_t simulation, int64_t trajectory, const struct qn_child *analysis,
                         const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->analysis_count; i++)
    if (store->analyses[i].simulation == simulation && store->analyses[i].trajectory == trajectory &&
        strcmp(store->analyses[i].sha256, analysis->sha256) == 0) {
      *submitted = (qn_submitted){.id = store->analyses[i].id, .job = store->analyses[i].job};
      return;
    }
  store->last_needs[store->analysis_count] = analysis->needs;
  qn_analysis_row *row = &store->analyses[store->analysis_count++];
  *row = (qn_analysis_row){.id = ++store->last_id,
                           .simulation = simulation,
                           .trajectory = trajectory,
                           .type = copy(analysis->type),
                           .spec = copy(analysis->spec),
                           .sha256 = copy(analysis->sha256),
                           .created_at = copy("2026-01-02T03:04:05Z"),
                           .state = QN_JOB_QUEUED};
  row->job = add_job(store, "analysis", row->id, by);
  *submitted = (qn_submitted){.id = row->id, .job = row->job, .created = true};
}

static void add_simulation(qn_store *store, const qn_submission *submission, const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->simulation_count; i++)
    if (strcmp(store->simulations[i].sha256, submission->sha256) == 0) {
      *submitted = (qn_submitted){.id = store->simulations[i].id, .job = store->simulations[i].job};
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
  *submitted = (qn_submitted){.id = row->id, .job = row->job, .created = true};
}

static void add_fit(qn_store *store, const qn_submission *submission, const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->fit_count; i++)
    if (strcmp(store->fits[i].sha256, submission->sha256) == 0) {
      *submitted = (qn_submitted){.id = store->fits[i].id, .job = store->fits[i].job};
      return;
    }
  qn_fit_row *row = &store->fits[store->fit_count++];
  *row = (qn_fit_row){.id = ++store->last_id,
                      .name = copy(submission->name),
                      .law = copy(submission->type),
                      .sha256 = copy(submission->sha256),
                      .spec = copy(submission->spec),
                      .outcome = copy(""),
                      .result = copy(""),
                      .engine_version = copy(""),
                      .created_at = copy("2026-01-02T03:04:05Z"),
                      .state = QN_JOB_QUEUED};
  row->job = add_job(store, "fit", row->id, by);
  *submitted = (qn_submitted){.id = row->id, .job = row->job, .created = true};
}

static void read_file(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  fclose(file);
}

/* An artifact under way: it has no path yet. */
static void add_import(qn_store *store, const qn_submission *submission, const char *by, qn_submitted *submitted) {
  for (int i = 0; i < store->artifact_count; i++)
    if (strcmp(store->artifacts[i].sha256, submission->sha256) == 0) {
      *submitted = (qn_submitted){.id = store->artifacts[i].id, .job = store->artifacts[i].job};
      return;
    }
  qn_artifact_row *row = &store->artifacts[store->artifact_count];
  int64_t id = fake_store_add_artifact(store, "trajectory", "", submission->sha256, 0);
  row->simulation = 0;
  row->stage = -1;
  row->state = QN_JOB_QUEUED;
  fake_store_set(&row->name, submission->name);
  row->job = add_job(store, "import", id, by);
  *submitted = (qn_submitted){.id = id, .job = row->job, .created = true};
}

qn_status qn_store_submit(qn_store *store, const qn_submission *submission, qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  qn_status status;
  if (!begin_key(store, idempotency, &status, error)) return status;
  snprintf(store->last_spec, sizeof store->last_spec, "%s", submission->spec);
  snprintf(store->last_request_id, sizeof store->last_request_id, "%s", principal->request_id);
  store->last_prioritised = submission->prioritised;
  store->last_priority = submission->priority;
  store->last = *submission;
  if (submission->upload != NULL) read_file(submission->upload, store->last_upload, sizeof store->last_upload);
  if (strcmp(submission->kind, "simulation") == 0) {
    qn_submitted child;
    add_simulation(store, submission, principal->name, submitted);
    for (int i = 0; i < submission->child_count; i++)
      add_analysis(store, submitted->id, 0, &submission->children[i], principal->name, &child);
  } else if (strcmp(submission->kind, "fit") == 0) {
    add_fit(store, submission, principal->name, submitted);
  } else if (strcmp(submission->kind, "import") == 0) {
    add_import(store, submission, principal->name, submitted);
  } else {
    struct qn_child analysis = {.type = submission->type, .spec = (char *)submission->spec, .needs = submission->needs};
    snprintf(analysis.sha256, sizeof analysis.sha256, "%s", submission->sha256);
    add_analysis(store, submission->parent, submission->trajectory, &analysis, principal->name, submitted);
  }
  for (int i = 0; i < store->job_count; i++)
    if (store->jobs[i].id == submitted->job) submitted->state = store->jobs[i].state;
  end_key(store, idempotency, submitted);
  return QN_OK;
}

/* ---- jobs ---- */

static qn_job_row clone_job(const qn_job_row *row) {
  qn_job_row made = *row;
  made.kind = copy(row->kind), made.waiting = copy(row->waiting), made.error = copy(row->error),
  made.worker = copy(row->worker);
  made.submitted_by = copy(row->submitted_by), made.created_at = copy(row->created_at),
  made.started_at = copy(row->started_at), made.finished_at = copy(row->finished_at);
  made.parents = copy(row->parents), made.cancel_requested_at = copy(row->cancel_requested_at);
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

/* The job, when `principal` may change it. */
static qn_status find_own(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row **job, qn_error *error) {
  *job = find_job(store, id);
  if (*job == NULL) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
  if (principal->scope < QN_SCOPE_ADMIN && strcmp((*job)->submitted_by, principal->name) != 0)
    return qn_error_set(error, QN_FORBIDDEN, "the job is another's");
  return QN_OK;
}

qn_status qn_store_cancel_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal,
                              qn_job_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  qn_job_row *job;
  qn_status status;
  if (!begin_key(store, idempotency, &status, error)) return status;
  status = find_own(store, id, principal, &job, error);
  if (status != QN_OK) return status;
  if (qn_job_state_final(job->state)) return qn_error_set(error, QN_CONFLICT, "the job is final");
  free(job->cancel_requested_at);
  job->cancel_requested_at = copy("2026-01-02T03:04:06Z");
  if (job->state != QN_JOB_RUNNING) job->state = QN_JOB_CANCELLED;
  *row = clone_job(job);
  end_key(store, idempotency, row);
  return QN_OK;
}

qn_status qn_store_retry_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal,
                             qn_job_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  qn_job_row *job;
  qn_status status;
  if (!begin_key(store, idempotency, &status, error)) return status;
  status = find_own(store, id, principal, &job, error);
  if (status != QN_OK) return status;
  if (job->state != QN_JOB_FAILED && job->state != QN_JOB_CANCELLED)
    return qn_error_set(error, QN_CONFLICT, "the job is %s", qn_job_state_name(job->state));
  job->state = QN_JOB_QUEUED;
  *row = clone_job(job);
  end_key(store, idempotency, row);
  return QN_OK;
}

qn_status qn_store_set_priority(qn_store *store, int64_t id, int priority, qn_idempotency *idempotency,
                                const qn_principal *principal, qn_job_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  qn_job_row *job;
  qn_status status;
  if (!begin_key(store, idempotency, &status, error)) return status;
  status = find_own(store, id, principal, &job, error);
  if (status != QN_OK) return status;
  job->priority = priority;
  *row = clone_job(job);
  end_key(store, idempotency, row);
  return QN_OK;
}

qn_status qn_store_list_attempts(qn_store *store, int64_t job, qn_page_query query, qn_attempt_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  if (find_job(store, job) == NULL) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)job);
  int newest = query.before > 0 && query.before <= 2 ? (int)query.before - 1 : 2;
  page->rows = calloc(2, sizeof *page->rows);
  for (int attempt = newest; attempt >= 1 && page->count < query.limit; attempt--)
    page->rows[page->count++] = (qn_attempt_row){attempt, copy("w"), copy("2026-01-02T03:04:05Z"), copy(attempt == 1 ? "2026-01-02T03:05:05Z" : ""),
                                                 copy(attempt == 1 ? "lost" : ""), copy(attempt == 1 ? "the worker fell silent" : "")};
  page->more = page->count > 0 && page->rows[page->count - 1].attempt > 1;
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
                           .created_at = copy("2026-01-02T03:04:05Z"),
                           .name = copy(""),
                           .composition = copy("Cu50Zr50"),
                           .details = copy(""),
                           .error = copy(""),
                           .atoms = 500,
                           .removed_at = copy(""),
                           .removed_by = copy(""),
                           .state = QN_JOB_SUCCEEDED};
  return row->id;
}

void fake_store_set(char **text, const char *value) {
  free(*text);
  *text = copy(value);
}

static qn_artifact_row clone_artifact(const qn_artifact_row *row) {
  qn_artifact_row made = *row;
  made.name = copy(row->name), made.composition = copy(row->composition), made.details = copy(row->details),
  made.error = copy(row->error);
  made.kind = copy(row->kind), made.path = copy(row->path), made.sha256 = copy(row->sha256),
  made.created_at = copy(row->created_at);
  made.removed_at = copy(row->removed_at), made.removed_by = copy(row->removed_by);
  return made;
}

qn_status qn_store_add_structure(qn_store *store, const qn_artifact_row *row, const char *spec, const char *work,
                                 const char *path, qn_idempotency *idempotency, const qn_principal *principal,
                                 qn_added_structure *added, qn_error *error) {
  (void)principal;
  FAIL_WHEN_BROKEN(store);
  qn_status status;
  if (!begin_key(store, idempotency, &status, error)) return status;
  qn_artifact_row *made = NULL;
  for (int i = 0; i < store->artifact_count && made == NULL; i++)
    if (store->artifacts[i].simulation == 0 && strcmp(store->structure_work[i], work) == 0) made = &store->artifacts[i];
  added->created = made == NULL;
  if (made == NULL) {
    made = &store->artifacts[store->artifact_count];
    snprintf(store->last_spec, sizeof store->last_spec, "%s", spec);
    read_file(path, store->last_upload, sizeof store->last_upload);
    snprintf(store->structure_work[store->artifact_count], sizeof store->structure_work[0], "%s", work);
    fake_store_add_artifact(store, "snapshot", path, row->sha256, 1);
    made->simulation = 0;
    made->stage = -1;
    made->temperature_k = row->temperature_k;
    made->atoms = row->atoms;
    made->size = row->size;
    fake_store_set(&made->name, row->name);
    fake_store_set(&made->composition, row->composition);
    fake_store_set(&made->details, row->details);
  }
  added->row = clone_artifact(made);
  end_key(store, idempotency, added);
  return QN_OK;
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

qn_status qn_store_list_analyses(qn_store *store, int64_t simulation, int64_t trajectory, qn_page_query query,
                                 qn_analysis_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->analyses, store->analysis_count, qn_analysis_row,
       (simulation == 0 || row->simulation == simulation) && (trajectory == 0 || row->trajectory == trajectory),
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

/* ---- fits ---- */

static qn_fit_row clone_fit(const qn_fit_row *row) {
  qn_fit_row made = *row;
  made.name = copy(row->name), made.law = copy(row->law), made.sha256 = copy(row->sha256), made.spec = copy(row->spec);
  made.outcome = copy(row->outcome), made.result = copy(row->result), made.engine_version = copy(row->engine_version);
  made.created_at = copy(row->created_at);
  return made;
}

qn_status qn_store_list_fits(qn_store *store, const qn_fit_query *wanted, qn_fit_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  const qn_page_query query = wanted->page;
  LIST(store->fits, store->fit_count, qn_fit_row, wanted->law == NULL || strcmp(wanted->law, row->law) == 0, clone_fit);
}

qn_status qn_store_get_fit(qn_store *store, int64_t id, qn_fit_row *row, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; i < store->fit_count; i++)
    if (store->fits[i].id == id) {
      *row = clone_fit(&store->fits[i]);
      return QN_OK;
    }
  return qn_error_set(error, QN_NOT_FOUND, "there is no fit %lld", (long long)id);
}

/* ---- results ---- */

int64_t fake_store_add_result(qn_store *store, const char *quantity, double value, const char *simulation_name) {
  qn_result_row *row = &store->results[store->result_count++];
  *row = (qn_result_row){.id = ++store->last_id,
                         .simulation = 1,
                         .analysis = 2,
                         .quantity = copy(quantity),
                         .type = copy("diffusion"),
                         .parameters = copy("{\"stage\":1,\"start_ps\":null,\"end_ps\":null}"),
                         .inputs = copy("{}"),
                         .trajectory_name = copy(""),
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
  made.type = copy(row->type), made.parameters = copy(row->parameters), made.inputs = copy(row->inputs),
  made.trajectory_name = copy(row->trajectory_name);
  return made;
}

qn_status qn_store_query_results(qn_store *store, const qn_result_query *wanted, qn_result_page *page,
                                 qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  const qn_page_query query = wanted->page;
  store->last_query = *wanted;
#define KEEP(field)                                                                                                    \
  snprintf(store->last_##field, sizeof store->last_##field, "%s", wanted->field != NULL ? wanted->field : "")
  KEEP(species);
  KEEP(composition);
  KEEP(parameters);
  KEEP(inputs);
#undef KEEP
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

/* ---- operations ---- */

static qn_token_row clone_token(const qn_token_row *row) {
  qn_token_row made = *row;
  made.name = copy(row->name), made.created_by = copy(row->created_by), made.created_at = copy(row->created_at);
  made.expires_at = copy(row->expires_at), made.revoked_at = copy(row->revoked_at), made.last_used_at = copy(row->last_used_at);
  return made;
}

qn_status qn_store_list_tokens(qn_store *store, qn_page_query query, qn_token_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  LIST(store->tokens, store->token_count, qn_token_row, true, clone_token);
}

qn_status qn_store_create_token(qn_store *store, const char *name, qn_scope scope, double lifetime_s,
                                const qn_principal *principal, char secret[QN_SECRET_SIZE], qn_token_row *row,
                                qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  for (int i = 0; i < store->token_count; i++)
    if (strcmp(store->tokens[i].name, name) == 0 && store->tokens[i].revoked_at[0] == '\0')
      return qn_error_set(error, QN_CONFLICT, "there is a token %s", name);
  qn_token_row *made = &store->tokens[store->token_count++];
  *made = (qn_token_row){++store->last_id, copy(name), scope, copy(principal->name), copy("2026-01-02T03:04:05Z"),
                         copy(lifetime_s > 0 ? "2026-02-02T03:04:05Z" : ""), copy(""), copy("")};
  strcpy(secret, "qn_0123456789012345678901234567890123456789012");
  *row = clone_token(made);
  return QN_OK;
}

qn_status qn_store_revoke_token(qn_store *store, int64_t id, const qn_principal *principal, qn_token_row *row,
                                qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  (void)principal;
  for (int i = 0; i < store->token_count; i++) {
    if (store->tokens[i].id != id) continue;
    free(store->tokens[i].revoked_at);
    store->tokens[i].revoked_at = copy("2026-01-02T03:04:07Z");
    *row = clone_token(&store->tokens[i]);
    return QN_OK;
  }
  return qn_error_set(error, QN_NOT_FOUND, "there is no token %lld", (long long)id);
}

qn_status qn_store_list_audit(qn_store *store, const qn_audit_query *query, qn_audit_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  store->last_audit = *query;
  snprintf(store->last_principal, sizeof store->last_principal, "%s", query->principal != NULL ? query->principal : "");
  *page = (qn_audit_page){1, calloc(1, sizeof *page->rows), true};
  page->rows[0] = (qn_audit_row){7, 0, 3, copy("2026-01-02T03:04:05Z"), copy("lab"), copy("cancel"), copy("job"), copy(""), copy("refused"),
                                 copy("{\"why\": 1}")};
  return QN_OK;
}

qn_status qn_store_list_workers(qn_store *store, qn_worker_page *page, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  *page = (qn_worker_page){1, calloc(1, sizeof *page->rows)};
  page->rows[0] = (qn_worker_row){copy("w"), 2, 1, true, copy("[5,6]"), copy(""), copy("2026-01-02T03:04:05Z"), copy("2026-01-02T03:04:06Z")};
  return QN_OK;
}

qn_status qn_store_retain(qn_store *store, const qn_retention *wanted, const qn_principal *principal,
                          qn_retention_report *report, qn_error *error) {
  FAIL_WHEN_BROKEN(store);
  (void)principal;
  store->last_retention = *wanted;
  *report = (qn_retention_report){3, calloc(3, sizeof *report->rows), true};
  report->rows[0] = (qn_retention_item){QN_RETAINED_TRAJECTORY, 4, 1, 2, copy("simulations/1/1/trajectory-0.nc"), 1000, copy("2026-01-02T03:04:05Z"), 0};
  report->rows[1] = (qn_retention_item){QN_RETAINED_SNAPSHOT, 5, 1, 2, copy("simulations/1/1/snapshot-0.xyz"), 20, copy("2026-01-02T03:04:05Z"), 9};
  report->rows[2] = (qn_retention_item){QN_RETAINED_HISTORY, 0, 0, 3, copy(""), 300, copy("2026-01-02T03:04:06Z"), 0};
  return QN_OK;
}
