/* What of api/store.h needs no database: names of states, and the release of rows. */
#include "api/store.h"

#include <string.h>

#include "api/release.h"

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

void qn_potential_row_fini(qn_potential_row *row) {
  QN_RELEASE(&row->name, &row->sha256, &row->species, &row->format, &row->citation, &row->licence, &row->created_at,
          &row->details);
}
void qn_potential_page_fini(qn_potential_page *page) { QN_PAGE_FINI(page, qn_potential_row_fini); }

void qn_job_row_fini(qn_job_row *row) {
  QN_RELEASE(&row->kind, &row->waiting, &row->error, &row->worker, &row->submitted_by, &row->created_at, &row->started_at,
          &row->finished_at, &row->parents, &row->cancel_requested_at);
}
void qn_job_page_fini(qn_job_page *page) { QN_PAGE_FINI(page, qn_job_row_fini); }

static void attempt_fini(qn_attempt_row *row) {
  QN_RELEASE(&row->worker, &row->started_at, &row->ended_at, &row->outcome, &row->error);
}
void qn_attempt_page_fini(qn_attempt_page *page) { QN_PAGE_FINI(page, attempt_fini); }

static void event_fini(qn_event_row *row) { QN_RELEASE(&row->kind, &row->data); }
void qn_event_page_fini(qn_event_page *page) { QN_PAGE_FINI(page, event_fini); }

void qn_simulation_row_fini(qn_simulation_row *row) {
  QN_RELEASE(&row->name, &row->sha256, &row->spec, &row->potential, &row->potential_sha256, &row->engine_version,
          &row->created_at);
}
void qn_simulation_page_fini(qn_simulation_page *page) { QN_PAGE_FINI(page, qn_simulation_row_fini); }

void qn_artifact_row_fini(qn_artifact_row *row) {
  QN_RELEASE(&row->kind, &row->path, &row->sha256, &row->created_at, &row->name, &row->composition, &row->details,
          &row->error, &row->removed_at, &row->removed_by);
}
void qn_artifact_page_fini(qn_artifact_page *page) { QN_PAGE_FINI(page, qn_artifact_row_fini); }

void qn_analysis_row_fini(qn_analysis_row *row) { QN_RELEASE(&row->type, &row->spec, &row->sha256, &row->created_at); }
void qn_analysis_page_fini(qn_analysis_page *page) { QN_PAGE_FINI(page, qn_analysis_row_fini); }

static void curve_fini(qn_curve_row *row) {
  QN_RELEASE(&row->name, &row->species, &row->region, &row->columns, &row->data);
}
void qn_curve_page_fini(qn_curve_page *page) { QN_PAGE_FINI(page, curve_fini); }

void qn_fit_row_fini(qn_fit_row *row) {
  QN_RELEASE(&row->name, &row->law, &row->sha256, &row->spec, &row->outcome, &row->result, &row->engine_version,
          &row->created_at);
}
void qn_fit_page_fini(qn_fit_page *page) { QN_PAGE_FINI(page, qn_fit_row_fini); }

static void result_fini(qn_result_row *row) {
  QN_RELEASE(&row->quantity, &row->type, &row->species, &row->region, &row->unit, &row->status, &row->parameters,
          &row->inputs, &row->simulation_name, &row->trajectory_name, &row->composition, &row->potential,
          &row->potential_sha256, &row->engine_version, &row->spec_sha256, &row->created_at);
}
void qn_result_page_fini(qn_result_page *page) { QN_PAGE_FINI(page, result_fini); }
