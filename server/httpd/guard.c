#include "server/httpd/guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "server/clock.h"
#include "server/httpd/refusal.h"

struct qn_guarded {
  qn_guarded *previous, *next;
  int descriptor;
  double deadline; /* monotonic, s; 0: none */
  bool answer;
};

struct qn_guard {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  qn_guarded *connections;
  qn_delayed *delayed;
  char *problem; /* what a client that is too slow is told */
  bool ending;
};

static const double look_s = 0.25;

static void close_slow(qn_guard *guard, double time) {
  for (qn_guarded *at = guard->connections; at != NULL; at = at->next) {
    if (at->deadline == 0 || time < at->deadline) continue;
    at->deadline = 0;
    if (at->answer) qn_refusal_send(at->descriptor, 408, guard->problem);
    shutdown(at->descriptor, SHUT_RDWR);
  }
}

/* Takes those that are due out of the list. */
static qn_delayed *take_due(qn_guard *guard, double time) {
  qn_delayed *due = NULL, **link = &guard->delayed;
  while (*link != NULL) {
    qn_delayed *at = *link;
    if (guard->ending || at->at <= time) {
      *link = at->next;
      at->next = due;
      due = at;
    } else {
      link = &at->next;
    }
  }
  return due;
}

static void *watch(void *argument) {
  qn_guard *guard = argument;
  pthread_mutex_lock(&guard->lock);
  while (!guard->ending || guard->delayed != NULL) {
    double time = qn_clock_now();
    close_slow(guard, time);
    qn_delayed *due = take_due(guard, time);
    if (due != NULL) {
      pthread_mutex_unlock(&guard->lock);
      while (due != NULL) {
        qn_delayed *next = due->next;
        due->run(due);
        due = next;
      }
      pthread_mutex_lock(&guard->lock);
      continue;
    }
    const struct timespec until = qn_clock_moment(qn_clock_now() + look_s);
    pthread_cond_timedwait(&guard->changed, &guard->lock, &until);
  }
  pthread_mutex_unlock(&guard->lock);
  return NULL;
}

qn_status qn_guard_alloc(qn_guard **out, qn_error *error) {
  qn_guard *guard = calloc(1, sizeof *guard);
  if (guard != NULL)
    guard->problem = qn_refusal_problem(408, "request_timeout", "The request did not arrive in time; send it faster, or in smaller parts.");
  if (guard == NULL || guard->problem == NULL) {
    free(guard);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory for the guard of connections");
  }
  qn_clock_condition(&guard->changed);
  pthread_mutex_init(&guard->lock, NULL);
  int failure = pthread_create(&guard->thread, NULL, watch, guard);
  if (failure != 0) {
    pthread_cond_destroy(&guard->changed);
    pthread_mutex_destroy(&guard->lock);
    free(guard->problem);
    free(guard);
    return qn_error_set(error, QN_NO_MEMORY, "cannot start the guard of connections: %s", strerror(failure));
  }
  *out = guard;
  return QN_OK;
}

void qn_guard_end(qn_guard *guard) {
  pthread_mutex_lock(&guard->lock);
  bool ended = guard->ending;
  guard->ending = true;
  pthread_cond_signal(&guard->changed);
  pthread_mutex_unlock(&guard->lock);
  if (!ended) pthread_join(guard->thread, NULL);
}

void qn_guard_free(qn_guard *guard) {
  if (guard == NULL) return;
  qn_guard_end(guard);
  pthread_cond_destroy(&guard->changed);
  pthread_mutex_destroy(&guard->lock);
  free(guard->problem);
  free(guard);
}

qn_guarded *qn_guard_add(qn_guard *guard, int descriptor, double seconds) {
  qn_guarded *guarded = calloc(1, sizeof *guarded);
  if (guarded == NULL) return NULL;
  guarded->descriptor = descriptor;
  guarded->deadline = qn_clock_now() + seconds;
  pthread_mutex_lock(&guard->lock);
  guarded->next = guard->connections;
  if (guarded->next != NULL) guarded->next->previous = guarded;
  guard->connections = guarded;
  pthread_mutex_unlock(&guard->lock);
  return guarded;
}

void qn_guard_remove(qn_guard *guard, qn_guarded *guarded) {
  if (guarded == NULL) return;
  pthread_mutex_lock(&guard->lock);
  if (guarded->next != NULL) guarded->next->previous = guarded->previous;
  if (guarded->previous != NULL)
    guarded->previous->next = guarded->next;
  else
    guard->connections = guarded->next;
  pthread_mutex_unlock(&guard->lock);
  free(guarded);
}

void qn_guard_set(qn_guard *guard, qn_guarded *guarded, double seconds, int answer) {
  if (guarded == NULL) return;
  pthread_mutex_lock(&guard->lock);
  guarded->deadline = seconds > 0 ? qn_clock_now() + seconds : 0;
  guarded->answer = answer != 0;
  pthread_mutex_unlock(&guard->lock);
}

void qn_guard_delay(qn_guard *guard, qn_delayed *delayed, double seconds) {
  pthread_mutex_lock(&guard->lock);
  bool here = guard->ending;
  if (!here) {
    delayed->at = qn_clock_now() + seconds;
    delayed->next = guard->delayed;
    guard->delayed = delayed;
    pthread_cond_signal(&guard->changed);
  }
  pthread_mutex_unlock(&guard->lock);
  if (here) delayed->run(delayed);
}
