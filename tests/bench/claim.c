/* How long a claim takes: the queue's own call, a number of times, on the database of DATABASE_URL; for load.sh. Prints milliseconds, one a line. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/queue/queue.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  long claims = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
  qn_connection connection = {0};
  qn_error error = {0};
  qn_status status = qn_connection_open(&connection, getenv("DATABASE_URL"), "bench", &error);
  for (long i = 0; status == QN_OK && i < claims; i++) {
    qn_claim claim;
    bool found = false;
    double wait_s, before = now();
    status = qn_queue_claim(&connection, "bench", 60, &claim, &found, &wait_s, &error);
    double took = now() - before;
    if (status == QN_OK && !found) status = qn_error_set(&error, QN_NOT_FOUND, "the queue is empty after %ld claims", i);
    if (status == QN_OK) printf("%.4f\n", took);
  }
  qn_connection_close(&connection);
  if (status != QN_OK) fprintf(stderr, "%s\n", error.message);
  return status == QN_OK ? 0 : 1;
}
