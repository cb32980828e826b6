#include "server/httpd/events.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/httpd/auth.h"

enum { PAGE = 100 };
static const double look_s = 0.5;      /* without news from the backend */
static const double relook_s = 10;     /* with news: in case one was lost */
static const char opening[] = "retry: 2000\n\n", closing[] = "retry: 1000\n: the server is going away\n\n", heartbeat[] = ":\n\n";

typedef struct stream {
  qn_events *events;
  struct MHD_Connection *connection;
  struct stream *previous, *next;
  int64_t token;        /* it was opened with; 0: with none */
  int64_t job, after;
  char *text;           /* still to be sent: [sent, size) */
  size_t size, sent;
  double written, looked; /* when something was last put in, and when events were last asked for */
  bool parked, due, final;
} stream;

struct qn_events {
  const qn_httpd_backend *backend;
  qn_metrics *metrics;
  double heartbeat_s;
  pthread_mutex_t lock;
  pthread_t thread;
  int wake;             /* eventfd */
  stream *streams;
  bool ended, stopping;
  double check_at;      /* the thread's own: when tokens are to be looked at again */
};

static void wake(qn_events *events) {
  uint64_t one = 1;
  if (write(events->wake, &one, sizeof one) < 0) return; /* only when it is awake anyway */
}

/* With the lock held: add text, and wake the stream. Without memory the stream ends, and its client comes back for what it missed. */
static void put(stream *at, const char *text, size_t size) {
  if (at->sent == at->size) at->sent = at->size = 0;
  char *grown = size > 0 ? realloc(at->text, at->size + size) : NULL;
  if (grown != NULL) {
    memcpy(grown + at->size, text, size);
    at->text = grown;
    at->size += size;
  } else if (size > 0) {
    at->final = true;
  }
  at->written = qn_clock_now();
  if (at->parked) {
    at->parked = false;
    MHD_resume_connection(at->connection);
  }
}

static void print_event(FILE *out, const qn_event_row *row) {
  fprintf(out, "id: %lld\nevent: %s\n", (long long)row->id, row->kind);
  for (const char *line = row->data; line != NULL;) {
    size_t length = strcspn(line, "\r\n");
    fprintf(out, "data: %.*s\n", (int)length, line);
    line += length;
    line = *line == '\0' ? NULL : line + 1;
  }
  fputc('\n', out);
}

/* Text of a page, malloc'ed; NULL without memory. */
static char *print_page(const qn_event_page *page, size_t *size) {
  char *text = NULL;
  FILE *out = open_memstream(&text, size);
  if (out == NULL) return NULL;
  for (int i = 0; i < page->count; i++) print_event(out, &page->rows[i]);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

/* With the lock held. */
static void put_page(stream *at, const qn_event_page *page, const char *text, size_t size) {
  if (page->count > 0) at->after = page->rows[page->count - 1].id;
  at->due = page->count == PAGE;
  if (page->final && page->count < PAGE) at->final = true;
  if (size > 0) {
    put(at, text, size);
  } else if (at->final) {
    put(at, "", 0);
  }
}

static ssize_t give(void *context, uint64_t position, char *buffer, size_t room) {
  (void)position;
  stream *at = context;
  ssize_t given;
  pthread_mutex_lock(&at->events->lock);
  if (at->sent < at->size) {
    size_t left = at->size - at->sent, size = left < room ? left : room;
    memcpy(buffer, at->text + at->sent, size);
    at->sent += size;
    given = (ssize_t)size;
  } else if (at->final) {
    given = MHD_CONTENT_READER_END_OF_STREAM;
  } else {
    at->parked = true;
    MHD_suspend_connection(at->connection);
    if (at->due) wake(at->events);
    given = 0;
  }
  pthread_mutex_unlock(&at->events->lock);
  return given;
}

static void forget(void *context) {
  stream *at = context;
  pthread_mutex_lock(&at->events->lock);
  if (at->next != NULL) at->next->previous = at->previous;
  if (at->previous != NULL)
    at->previous->next = at->next;
  else
    at->events->streams = at->next;
  pthread_mutex_unlock(&at->events->lock);
  qn_metrics_streams(at->events->metrics, -1);
  free(at->text);
  free(at);
}

struct MHD_Response *qn_events_respond(qn_events *events, struct MHD_Connection *connection, int64_t token, int64_t job, int64_t after,
                                       const qn_event_page *first) {
  stream *at = calloc(1, sizeof *at);
  size_t size = 0;
  char *text = at != NULL ? print_page(first, &size) : NULL;
  struct MHD_Response *response =
      text != NULL ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, give, at, forget) : NULL;
  if (response == NULL) {
    free(text);
    free(at);
    return NULL;
  }
  *at = (stream){.events = events, .connection = connection, .token = token, .job = job, .after = after, .looked = qn_clock_now()};
  put(at, opening, sizeof opening - 1);
  put_page(at, first, text, size);
  free(text);
  pthread_mutex_lock(&events->lock);
  if (events->ended) {
    put(at, closing, sizeof closing - 1);
    at->final = true;
  }
  at->next = events->streams;
  if (at->next != NULL) at->next->previous = at;
  events->streams = at;
  /* What happened between the page and this line was told to no one. */
  at->due = true;
  pthread_mutex_unlock(&events->lock);
  qn_metrics_streams(events->metrics, 1);
  return response;
}

/* With the lock held: a parked stream whose events should be asked for, or NULL. */
static const stream *next_due(const qn_events *events, double time, double every) {
  for (const stream *at = events->streams; at != NULL; at = at->next)
    if (at->parked && !at->final && (at->due || time - at->looked >= every)) return at;
  return NULL;
}

static void feed(qn_events *events, double every) {
  pthread_mutex_lock(&events->lock);
  for (;;) {
    double time = qn_clock_now();
    const stream *due = events->stopping ? NULL : next_due(events, time, every);
    if (due == NULL) break;
    int64_t job = due->job, after = due->after;
    pthread_mutex_unlock(&events->lock);

    qn_event_page page = {0};
    qn_error error;
    size_t size = 0;
    qn_status status = events->backend->events(events->backend->context, job, after, PAGE, &page, &error);
    char *text = status == QN_OK ? print_page(&page, &size) : NULL;

    pthread_mutex_lock(&events->lock);
    for (stream *at = events->streams; at != NULL; at = at->next) {
      if (!at->parked || at->final || at->job != job || at->after != after) continue;
      if (status != QN_UNAVAILABLE) { /* else soon again */
        at->looked = time;
        at->due = false;
      }
      if (text != NULL) {
        put_page(at, &page, text, size);
      } else if (status == QN_NOT_FOUND) {
        at->final = true; /* the job was removed */
        put(at, "", 0);
      }
    }
    free(text);
    if (status == QN_OK) qn_event_page_fini(&page);
    if (status == QN_UNAVAILABLE) break;
  }
  pthread_mutex_unlock(&events->lock);
}

static void beat(qn_events *events) {
  pthread_mutex_lock(&events->lock);
  double time = qn_clock_now();
  for (stream *at = events->streams; at != NULL; at = at->next)
    if (at->parked && time - at->written >= events->heartbeat_s) put(at, heartbeat, sizeof heartbeat - 1);
  pthread_mutex_unlock(&events->lock);
}

/* The least token above `above` of a stream that goes on; 0: there is none. */
static int64_t next_token(qn_events *events, int64_t above) {
  int64_t least = 0;
  pthread_mutex_lock(&events->lock);
  for (const stream *at = events->streams; at != NULL; at = at->next)
    if (!at->final && at->token > above && (least == 0 || at->token < least)) least = at->token;
  pthread_mutex_unlock(&events->lock);
  return least;
}

static void end_streams_of(qn_events *events, int64_t token) {
  pthread_mutex_lock(&events->lock);
  for (stream *at = events->streams; at != NULL; at = at->next) {
    if (at->token != token || at->final) continue;
    at->final = true;
    put(at, "", 0);
  }
  pthread_mutex_unlock(&events->lock);
}

/* A client whose token was revoked gets no more; when it comes back it is told why. */
static void check_tokens(qn_events *events) {
  const qn_httpd_backend *backend = events->backend;
  if (backend->token_holds == NULL || qn_clock_now() < events->check_at) return;
  events->check_at = qn_clock_now() + QN_AUTH_SECONDS;
  bool holds;
  qn_error error;
  for (int64_t token = 0; (token = next_token(events, token)) != 0;) {
    if (backend->token_holds(backend->context, token, &holds, &error) != QN_OK) return;
    if (!holds) end_streams_of(events, token);
  }
}

static void mark_due(qn_events *events, int64_t job) {
  pthread_mutex_lock(&events->lock);
  for (stream *at = events->streams; at != NULL; at = at->next)
    if (job < 0 || at->job == job) at->due = true;
  pthread_mutex_unlock(&events->lock);
}

static void sleep_until_woken(int descriptor, double seconds) {
  struct pollfd set = {.fd = descriptor, .events = POLLIN};
  poll(&set, 1, (int)(1e3 * seconds));
}

static void *run(void *argument) {
  qn_events *events = argument;
  double turn = events->heartbeat_s < look_s ? events->heartbeat_s : look_s;
  for (;;) {
    pthread_mutex_lock(&events->lock);
    bool stopping = events->stopping;
    pthread_mutex_unlock(&events->lock);
    if (stopping) return NULL;

    int64_t job = 0;
    qn_error error;
    bool listening = events->backend->listen != NULL &&
                     events->backend->listen(events->backend->context, turn, events->wake, &job, &error) == QN_OK;
    if (!listening) sleep_until_woken(events->wake, turn);
    uint64_t count;
    if (read(events->wake, &count, sizeof count) < 0) count = 0;
    if (listening && job != 0) mark_due(events, job);
    check_tokens(events);
    feed(events, listening ? relook_s : look_s);
    beat(events);
  }
}

qn_status qn_events_alloc(qn_events **out, const qn_httpd_backend *backend, qn_metrics *metrics, double heartbeat_s, qn_error *error) {
  qn_events *events = calloc(1, sizeof *events);
  if (events == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for event streams");
  events->backend = backend;
  events->metrics = metrics;
  events->heartbeat_s = heartbeat_s;
  pthread_mutex_init(&events->lock, NULL);
  events->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int failure = events->wake < 0 ? -1 : pthread_create(&events->thread, NULL, run, events);
  if (failure != 0) {
    if (events->wake >= 0) close(events->wake);
    pthread_mutex_destroy(&events->lock);
    free(events);
    return qn_error_set(error, QN_NO_MEMORY, "cannot start the thread that feeds event streams");
  }
  *out = events;
  return QN_OK;
}

void qn_events_end(qn_events *events) {
  pthread_mutex_lock(&events->lock);
  events->ended = true;
  for (stream *at = events->streams; at != NULL; at = at->next) {
    if (at->final) continue;
    at->final = true;
    put(at, closing, sizeof closing - 1);
  }
  pthread_mutex_unlock(&events->lock);
}

void qn_events_free(qn_events *events) {
  if (events == NULL) return;
  pthread_mutex_lock(&events->lock);
  events->stopping = true;
  pthread_mutex_unlock(&events->lock);
  wake(events);
  pthread_join(events->thread, NULL);
  close(events->wake);
  pthread_mutex_destroy(&events->lock);
  free(events);
}
