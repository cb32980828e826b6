/* What of api/operations.h needs no database: names of kinds, and the release of rows. */
#include "api/operations.h"

#include "api/release.h"

const char *qn_retained_name(qn_retained kind) {
  switch (kind) {
  case QN_RETAINED_TRAJECTORY:
    return "trajectory";
  case QN_RETAINED_THERMO:
    return "thermo";
  case QN_RETAINED_SNAPSHOT:
    return "snapshot";
  case QN_RETAINED_FOLDER:
    return "folder";
  case QN_RETAINED_HISTORY:
    return "history";
  case QN_RETAINED_KINDS:
    break;
  }
  return "unknown";
}

void qn_token_row_fini(qn_token_row *row) {
  QN_RELEASE(&row->name, &row->created_by, &row->created_at, &row->expires_at, &row->revoked_at, &row->last_used_at);
}
void qn_token_page_fini(qn_token_page *page) { QN_PAGE_FINI(page, qn_token_row_fini); }

static void audit_fini(qn_audit_row *row) {
  QN_RELEASE(&row->at, &row->principal, &row->action, &row->resource, &row->request_id, &row->outcome, &row->detail);
}
void qn_audit_page_fini(qn_audit_page *page) { QN_PAGE_FINI(page, audit_fini); }

static void worker_fini(qn_worker_row *row) {
  QN_RELEASE(&row->name, &row->running, &row->trouble, &row->started_at, &row->seen_at);
}
void qn_worker_page_fini(qn_worker_page *page) { QN_PAGE_FINI(page, worker_fini); }

static void item_fini(qn_retention_item *row) { QN_RELEASE(&row->path, &row->finished_at); }
void qn_retention_report_fini(qn_retention_report *report) { QN_PAGE_FINI(report, item_fini); }
