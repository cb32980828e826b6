/* What of api/store.h needs no database: names of states, and the release of rows. */
#include "api/store.h"

#include <stdlib.h>
#include <string.h>

const char *qn_job_state_name(qn_job_state state) {
  switch (state) {
  case QN_JOB_BLOCKED:
    return "blocked";
  case QN_JOB_QUEUED:
    return "queued";
  case QN_JOB_RUNNING:
    return "running";
  case QN_JOB_SUCCEEDED:
    return "succeeded";
  case QN_JOB_FAILED:
    return "failed";
  case QN_JOB_CANCELLED:
    return "cancelled";
  }
  return "unknown";
}

bool qn_job_state_parse(const char *name, qn_job_state *state) {
  for (int s = QN_JOB_BLOCKED; s <= QN_JOB_CANCELLED; s++)
    if (strcmp(name, qn_job_state_name((qn_job_state)s)) == 0) {
      *state = (qn_job_state)s;
      return true;
    }
  return false;
}

bool qn_job_state_final(qn_job_state state) {
  return state == QN_JOB_SUCCEEDED || state == QN_JOB_FAILED || state == QN_JOB_CANCELLED;
}

static void release(char **texts[], size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(*texts[i]);
    *texts[i] = NULL;
  }
}
#define RELEASE(...) release((char **[]){__VA_ARGS__}, sizeof((char **[]){__VA_ARGS__}) / sizeof(char **))

#define PAGE_FINI(page, row_fini)                                                                                      \
  do {                                                                                                                 \
    for (int i = 0; i < (page)->count; i++) row_fini(&(page)->rows[i]);                                                \
    free((page)->rows);                                                                                                \
    (page)->rows = NULL;                                                                                               \
    (page)->count = 0;                                                                                                 \
  } while (0)

void qn_potential_row_fini(qn_potential_row *row) {
  RELEASE(&row->name, &row->sha256, &row->species, &row->format, &row->citation, &row->licence, &row->created_at,
          &row->details);
}
void qn_potential_page_fini(qn_potential_page *page) { PAGE_FINI(page, qn_potential_row_fini); }

void qn_job_row_fini(qn_job_row *row) {
  RELEASE(&row->kind, &row->waiting, &row->error, &row->worker, &row->submitted_by, &row->created_at, &row->started_at,
          &row->finished_at);
}
void qn_job_page_fini(qn_job_page *page) { PAGE_FINI(page, qn_job_row_fini); }

static void event_fini(qn_event_row *row) { RELEASE(&row->kind, &row->data); }
void qn_event_page_fini(qn_event_page *page) { PAGE_FINI(page, event_fini); }

void qn_simulation_row_fini(qn_simulation_row *row) {
  RELEASE(&row->name, &row->sha256, &row->spec, &row->potential, &row->potential_sha256, &row->engine_version,
          &row->created_at);
}
void qn_simulation_page_fini(qn_simulation_page *page) { PAGE_FINI(page, qn_simulation_row_fini); }

void qn_artifact_row_fini(qn_artifact_row *row) { RELEASE(&row->kind, &row->path, &row->sha256, &row->created_at); }
void qn_artifact_page_fini(qn_artifact_page *page) { PAGE_FINI(page, qn_artifact_row_fini); }

void qn_analysis_row_fini(qn_analysis_row *row) { RELEASE(&row->type, &row->spec, &row->sha256, &row->created_at); }
void qn_analysis_page_fini(qn_analysis_page *page) { PAGE_FINI(page, qn_analysis_row_fini); }

static void curve_fini(qn_curve_row *row) {
  RELEASE(&row->name, &row->species, &row->region, &row->columns, &row->data);
}
void qn_curve_page_fini(qn_curve_page *page) { PAGE_FINI(page, curve_fini); }

static void result_fini(qn_result_row *row) {
  RELEASE(&row->quantity, &row->species, &row->region, &row->unit, &row->status, &row->simulation_name,
          &row->composition, &row->potential, &row->potential_sha256, &row->engine_version, &row->spec_sha256,
          &row->created_at);
}
void qn_result_page_fini(qn_result_page *page) { PAGE_FINI(page, result_fini); }
