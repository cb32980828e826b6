#include "server/worker/run_job.h"

#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/queue/loss.h"
#include "server/storage/directory.h"
#include "server/worker/board.h"
#include "server/worker/courtesy.h"
#include "server/worker/work.h"

/* A job that the machine could not do is put by for so long, s. */
static const double hold_s = 30;

/* ---- what the worker and the process tell each other ---- */

static qn_verdict verdict_of(qn_board *board) { return (qn_verdict)atomic_load(&board->verdict); }

static qn_status on_check(void *context, double progress, qn_error *error) {
  qn_board *board = context;
  atomic_store(&board->progress, progress);
  switch (verdict_of(board)) {
    case QN_VERDICT_DRAIN: return qn_error_set(error, QN_UNAVAILABLE, "the worker drains");
    case QN_VERDICT_CANCEL: return qn_error_set(error, QN_CANCELLED, "cancelled on request");
    case QN_VERDICT_LOST: return qn_error_set(error, QN_CONFLICT, "the lease was lost");
    case QN_VERDICT_GO: break;
  }
  return QN_OK;
}

/* The one before it may have been of no use: what the database knows of it is no longer so. */
static void on_beginning(void *context, int64_t step) { atomic_store(&((qn_board *)context)->checkpoint, step); }

static void on_reached(void *context, int64_t step, bool saved) {
  qn_board *board = context;
  atomic_store(&board->step, step);
  if (saved) atomic_store(&board->checkpoint, step);
}

/* ---- the database, which may be away for any time ---- */

typedef qn_status use(qn_connection *connection, void *context, qn_error *error);

/* Do it on a connection of its own, again and again while the database is away; until `give_up` of the board's verdict and the time. */
static qn_status insist(qn_board *board, use *what, void *context, bool (*give_up)(qn_board *board, double *until), qn_error *error) {
  double pause = 0.1, until = (double)INFINITY;
  bool away = false;
  for (;;) {
    qn_connection connection = {0};
    qn_status status = qn_connection_open(&connection, board->database_url, "quenchd job", error);
    if (status == QN_OK) status = what(&connection, context, error);
    qn_connection_close(&connection);
    if (status != QN_UNAVAILABLE) return status;
    if (!away) qn_log("warning", "job %lld waits for the database: %s", (long long)board->claim.lease.job, error->message);
    away = true;
    if (give_up(board, &until) || qn_clock_now() > until) return status;
    nanosleep(&(struct timespec){.tv_nsec = (long)(pause * 1e9)}, NULL);
    pause = fmin(2 * pause, 0.8);
  }
}

/* A job that has not begun waits as long as it may go on. */
static bool until_told(qn_board *board, double *until) {
  (void)until;
  return verdict_of(board) != QN_VERDICT_GO;
}

/* One that has ended waits however long it takes; but when the worker drains, not longer than a lease. */
static bool until_lost(qn_board *board, double *until) {
  qn_verdict verdict = verdict_of(board);
  if (verdict == QN_VERDICT_DRAIN && isinf(*until)) *until = qn_clock_now() + board->lease_s;
  return verdict == QN_VERDICT_LOST;
}

static qn_status read_input(qn_connection *connection, void *context, qn_error *error) {
  void **both = context;
  return qn_work_read(connection, both[0], (qn_work_input **)both[1], error);
}

typedef struct farewell {
  qn_board *board;
  qn_ending ending;
  double pause_s;            /* of a release */
  bool loss;                 /* of which there are not to be many: it may be the job's own fault */
  const char *why;
  qn_work_result *result;
} farewell;

static qn_status bid_farewell(qn_connection *connection, void *context, qn_error *error) {
  const farewell *f = context;
  const qn_lease *lease = &f->board->claim.lease;
  if (f->loss) {
    bool lost;
    qn_status status = qn_loss_attempt(connection, lease, f->why, atomic_load(&f->board->checkpoint), f->pause_s, &lost, error);
    return status == QN_OK && !lost ? qn_error_set(error, QN_CONFLICT, "the lease was lost") : status;
  }
  if (f->ending == QN_ENDING_RELEASED) return qn_queue_release(connection, lease, f->pause_s, f->why, error);
  return qn_queue_end(connection, lease, f->ending, f->why, f->ending == QN_ENDING_SUCCEEDED ? qn_work_write : NULL, f->result, error);
}

/* ---- the job ---- */

/* A failure with files may be one of the file system: then another machine, or this one later, can do the job. Is the data directory `sound`? */
static qn_status find_blame(const qn_board *board, qn_status status, qn_error *why, bool *sound) {
  *sound = true;
  if (status != QN_IO && status != QN_NO_STORAGE && status != QN_NOT_FOUND && status != QN_CORRUPT && status != QN_PARSE) return status;
  qn_error storage;
  qn_status found = qn_directory_check(board->data_directory, board->data_id, &storage);
  if (found == QN_OK && (status == QN_IO || status == QN_NO_STORAGE)) found = qn_directory_probe(board->data_directory, &storage);
  *sound = found != QN_NO_STORAGE;
  if (*sound || status == QN_NO_STORAGE) return status;
  *why = storage;
  return QN_NO_STORAGE;
}

/* What the machine had no room for may be too much for any, and one file may be broken on a disk that is `sound`: such a job is not tried for ever. */
static farewell decide(qn_board *board, qn_status status, bool sound, qn_work_result *result, const qn_error *why) {
  farewell f = {.board = board, .result = result, .why = why->message};
  switch (status) {
    case QN_OK: f.ending = QN_ENDING_SUCCEEDED; break;
    case QN_CANCELLED: f.ending = QN_ENDING_CANCELLED; break;
    case QN_UNAVAILABLE:
      f.ending = QN_ENDING_RELEASED;
      f.why = "";
      break;
    case QN_NO_STORAGE:
    case QN_NO_MEMORY:
      f.ending = QN_ENDING_RELEASED;
      f.pause_s = hold_s;
      f.loss = sound;
      break;
    default: f.ending = QN_ENDING_FAILED; break;
  }
  return f;
}

static void report(const qn_board *board, const farewell *f, qn_status stored, const qn_error *error, double took) {
  static const char *const words[] = {"succeeded", "failed", "was cancelled", "was handed back"};
  long long job = board->claim.lease.job, resource = board->claim.resource;
  const char *kind = board->claim.kind;
  bool told = f->ending == QN_ENDING_FAILED || (f->ending == QN_ENDING_RELEASED && f->why[0] != '\0');
  if (stored == QN_OK)
    qn_log(f->ending == QN_ENDING_FAILED ? "error" : told ? "warning" : "info", "job %lld (%s %lld) %s after %.1f s%s%s", job, kind, resource,
           words[f->ending], took, told ? ": " : "", told ? f->why : "");
  else if (stored == QN_CONFLICT)
    qn_log("warning", "job %lld (%s %lld): the lease was lost; nothing of this attempt was stored", job, kind, resource);
  else
    qn_log("warning", "job %lld (%s %lld): how it ended could not be stored: %s", job, kind, resource, error->message);
}

static bool conclude(qn_board *board, const qn_work *work, qn_status status, qn_work_result *result, qn_error *why, double took) {
  qn_error error = {0};
  bool sound;
  status = find_blame(board, status, why, &sound);
  farewell f = decide(board, status, sound, result, why);
  qn_status stored = QN_CONFLICT;
  if (status != QN_CONFLICT) stored = insist(board, bid_farewell, &f, until_lost, &error);
  if (f.ending == QN_ENDING_SUCCEEDED && stored != QN_OK && stored != QN_CONFLICT && stored != QN_UNAVAILABLE) {
    /* The results cannot be stored: a fault, but the job must not run for ever because of it. */
    *why = error;
    f = decide(board, QN_INTERNAL, true, NULL, why);
    stored = insist(board, bid_farewell, &f, until_lost, &error);
  }
  if (stored == QN_OK && !sound) {
    snprintf(board->why, sizeof board->why, "%.500s", why->message);
    atomic_store(&board->doubt, 1);
  }
  if (stored == QN_OK) qn_work_tidy(work, f.ending);
  report(board, &f, stored, &error, took);
  return stored == QN_OK || stored == QN_CONFLICT;
}

static void run(qn_board *board) {
  const qn_job_control control = {.context = board, .check = on_check, .began = on_beginning, .reached = on_reached, .checkpoint_s = board->checkpoint_s};
  qn_work work = {.claim = &board->claim, .data_directory = board->data_directory, .data_id = board->data_id, .threads = board->threads, .control = &control};
  qn_work_input *input = NULL;
  qn_work_result *result = NULL;
  qn_error why = {0};
  double began = qn_clock_now();
  qn_log("info", "job %lld (%s %lld) started, attempt %d", (long long)board->claim.lease.job, board->claim.kind,
         (long long)board->claim.resource, board->claim.lease.attempt);
  void *both[] = {&board->claim, &input};
  qn_status status = insist(board, read_input, both, until_told, &why);
  if (status == QN_UNAVAILABLE) status = on_check(board, (double)NAN, &why);
  work.input = input;
  if (status == QN_OK) status = qn_work_run(&work, &result, &why);
  if (conclude(board, &work, status, result, &why, qn_clock_now() - began)) atomic_store(&board->told, 1);
  qn_work_result_free(result);
  qn_work_input_free(input);
}

/* What tables and frames took goes back to the system when it is freed; glibc, left alone, keeps ever larger blocks. */
static void keep_small(void) { mallopt(M_MMAP_THRESHOLD, 1 << 17); }

int qn_run_job(int descriptor) {
  qn_board *board = qn_board_find(descriptor);
  if (board == NULL) {
    fputs("quenchd run-job: it is started by a worker, and by nobody else\n", stderr);
    return 2;
  }
  close(descriptor);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* The worker may have died before the line above; then nobody will tell. */
  if (getppid() != board->worker) return 1;
  qn_courtesy_show();
  keep_small();
  run(board);
  bool told = atomic_load(&board->told) != 0;
  qn_board_free(board, -1);
  return told ? 0 : 1;
}
