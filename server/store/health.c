#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/migrate.h"
#include "server/store/pool.h"

static const qn_statement count_jobs = {
    "health_jobs", "SELECT state, count(*) FROM jobs GROUP BY state"};
static const qn_statement measure = {
    "health_measure",
    "SELECT (SELECT extract(epoch FROM now() - min(run_after)) FROM jobs WHERE state = 'queued' AND run_after <= now()),"
    " (SELECT count(*) FROM workers WHERE seen_at > now() - interval '15 s'),"
    " (SELECT coalesce(sum(jobs), 0) FROM workers WHERE seen_at > now() - interval '15 s'),"
    " (SELECT count(*) FROM job_attempts WHERE outcome = 'lost'), (SELECT count(*) FROM results)"};

qn_status qn_store_ready(qn_store *store, qn_error *error) { return qn_migrate_check(store, error); }

qn_status qn_store_metrics(qn_store *store, char **text, qn_error *error) {
  *text = NULL;
  PGresult *jobs, *rest;
  qn_status status = qn_pool_run(store, &count_jobs, NULL, &jobs, error);
  if (status != QN_OK) return status;
  status = qn_pool_run(store, &measure, NULL, &rest, error);
  if (status != QN_OK) {
    PQclear(jobs);
    return status;
  }
  size_t size;
  FILE *out = open_memstream(text, &size);
  if (out != NULL) {
    fputs("# HELP quenchd_jobs Jobs by state.\n# TYPE quenchd_jobs gauge\n", out);
    for (int state = QN_JOB_BLOCKED; state <= QN_JOB_CANCELLED; state++) {
      const char *name = qn_job_state_name((qn_job_state)state);
      long long count = 0;
      for (int row = 0; row < PQntuples(jobs); row++)
        if (strcmp(qn_field(jobs, row, 0), name) == 0) count = qn_field_int(jobs, row, 1);
      fprintf(out, "quenchd_jobs{state=\"%s\"} %lld\n", name, count);
    }
    const struct { const char *name, *kind, *help; } single[] = {
        {"quenchd_queue_wait_seconds", "gauge", "How long the longest waiting job has been ready to run."},
        {"quenchd_workers", "gauge", "Workers that were heard of in the last 15 s."},
        {"quenchd_worker_slots", "gauge", "Jobs that these workers can run at once."},
        {"quenchd_leases_lost_total", "counter", "Attempts that ended because their worker fell silent."},
        {"quenchd_results", "gauge", "Numbers in the results table."},
    };
    for (int i = 0; i < (int)(sizeof single / sizeof single[0]); i++) {
      const char *value = qn_field(rest, 0, i);
      fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", single[i].name, single[i].help, single[i].name, single[i].kind, single[i].name,
              value[0] != '\0' ? value : "0");
    }
    qn_pool_use use = qn_pool_count(store);
    fprintf(out,
            "# HELP quenchd_database_connections Connections of this process to the database.\n"
            "# TYPE quenchd_database_connections gauge\n"
            "quenchd_database_connections{state=\"busy\"} %d\nquenchd_database_connections{state=\"idle\"} %d\n",
            use.open - use.idle, use.idle);
    if (fclose(out) != 0) free(*text), *text = NULL;
  }
  PQclear(jobs);
  PQclear(rest);
  return *text != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for the metrics");
}
