#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/migrate.h"
#include "server/store/pool.h"

/* Counts are kept as sums of changes (migration 005): reading them costs the same for ten jobs and for a million. */
static const qn_statement count = {"health_count", "SELECT name, sum(n) FROM tallies GROUP BY name"};
static const qn_statement measure = {
    "health_measure",
    "SELECT (SELECT extract(epoch FROM now() - run_after) FROM jobs WHERE state = 'queued' AND run_after <= now() ORDER BY run_after LIMIT 1),"
    " (SELECT count(*) FROM workers WHERE seen_at > now() - interval '15 s'),"
    " (SELECT coalesce(sum(jobs), 0) FROM workers WHERE seen_at > now() - interval '15 s'),"
    " (SELECT count(*) FROM removals)"};

qn_status qn_store_ready(qn_store *store, qn_error *error) { return qn_migrate_check(store, error); }

static const char *tally(const PGresult *counts, const char *name) {
  for (int row = 0; row < PQntuples(counts); row++)
    if (strcmp(qn_field(counts, row, 0), name) == 0) return qn_field(counts, row, 1);
  return "0";
}

static void print(FILE *out, const char *name, const char *kind, const char *help, const char *value) {
  fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, kind, name, value[0] != '\0' ? value : "0");
}

static char *render(qn_store *store, const PGresult *counts, const PGresult *rest) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  fputs("# HELP quenchd_jobs Jobs by state.\n# TYPE quenchd_jobs gauge\n", out);
  for (int state = QN_JOB_BLOCKED; state <= QN_JOB_CANCELLED; state++) {
    const char *name = qn_job_state_name((qn_job_state)state);
    fprintf(out, "quenchd_jobs{state=\"%s\"} %s\n", name, tally(counts, name));
  }
  print(out, "quenchd_queue_wait_seconds", "gauge", "How long the longest waiting job has been ready to run.", qn_field(rest, 0, 0));
  print(out, "quenchd_workers", "gauge", "Workers that were heard of in the last 15 s.", qn_field(rest, 0, 1));
  print(out, "quenchd_worker_slots", "gauge", "Jobs that these workers can run at once.", qn_field(rest, 0, 2));
  print(out, "quenchd_leases_lost_total", "counter", "Attempts that ended because their worker fell silent.", tally(counts, "lost"));
  print(out, "quenchd_results", "gauge", "Numbers in the results table.", tally(counts, "results"));
  print(out, "quenchd_removals_pending", "gauge", "Files and folders that retention has marked and that are still to be unlinked.",
        qn_field(rest, 0, 3));
  qn_pool_use use = qn_pool_count(store);
  fprintf(out,
          "# HELP quenchd_database_connections Connections of this process to the database.\n"
          "# TYPE quenchd_database_connections gauge\n"
          "quenchd_database_connections{state=\"busy\"} %d\nquenchd_database_connections{state=\"idle\"} %d\n",
          use.open - use.idle, use.idle);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

qn_status qn_store_metrics(qn_store *store, char **text, qn_error *error) {
  *text = NULL;
  PGresult *counts, *rest = NULL;
  qn_status status = qn_pool_run(store, &count, NULL, &counts, error);
  if (status != QN_OK) return status;
  status = qn_pool_run(store, &measure, NULL, &rest, error);
  if (status == QN_OK) *text = render(store, counts, rest);
  if (status == QN_OK && *text == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the metrics");
  PQclear(counts);
  PQclear(rest);
  return status;
}
