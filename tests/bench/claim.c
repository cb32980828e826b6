/* How long a claim takes: the queue's own call, a number of times, on the database of DATABASE_URL; for load.sh. Prints milliseconds, one a line.
 *
 *   claim COUNT            claims; of the jobs a hundred run at a time, as on that many cores
 *   claim COUNT commits    in their place transactions of one small row each: what the machine and PostgreSQL take by themselves */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/queue/queue.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

enum { RUNNING = 100 };

static qn_status claim(qn_connection *connection, qn_error *error) {
  qn_claim claim;
  bool found = false;
  double wait_s;
  qn_status status = qn_queue_claim(connection, "bench", 60, &claim, &found, &wait_s, error);
  return status == QN_OK && !found ? qn_error_set(error, QN_NOT_FOUND, "the queue is empty") : status;
}

static qn_status run(qn_connection *connection, const qn_statement *statement, qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, NULL, &result, error);
  if (status == QN_OK) PQclear(result);
  return status;
}

static qn_status commit(qn_connection *connection, qn_error *error) {
  static const qn_statement one_row = {"bench_commit", "INSERT INTO tallies VALUES ('bench', 1)"};
  return run(connection, &one_row, error);
}

static qn_status end_running(qn_connection *connection, qn_error *error) {
  static const qn_statement end = {"bench_end", "UPDATE jobs SET state = 'succeeded', progress = 1, finished_at = now(), lease_token = NULL,"
                                                " lease_expires_at = NULL WHERE state = 'running'"};
  return run(connection, &end, error);
}

int main(int argc, char **argv) {
  long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
  qn_status (*what)(qn_connection *, qn_error *) = argc > 2 ? commit : claim;
  qn_connection connection = {0};
  qn_error error = {0};
  qn_status status = qn_connection_open(&connection, getenv("DATABASE_URL"), "bench", &error);
  for (long i = 0; status == QN_OK && i < count; i++) {
    double before = now();
    status = what(&connection, &error);
    if (status == QN_OK) printf("%.4f\n", now() - before);
    if (status == QN_OK && what == claim && i % RUNNING == RUNNING - 1) status = end_running(&connection, &error);
  }
  qn_connection_close(&connection);
  if (status != QN_OK) fprintf(stderr, "%s\n", error.message);
  return status == QN_OK ? 0 : 1;
}
