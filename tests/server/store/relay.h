/* A Unix socket in front of that of DATABASE_URL, whose other side can be made to stand still, as a PostgreSQL that was stopped does: connections
 * are accepted by the kernel, bytes are taken, and nothing ever comes back. */
#ifndef QN_TESTS_SERVER_STORE_RELAY_H
#define QN_TESTS_SERVER_STORE_RELAY_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/fixture.h"

enum { RELAY_PAIRS = 256 };

typedef struct relay {
  char folder[64], path[108], real[108], url[1200];
  int listening, count;
  struct { int client, server; } pairs[RELAY_PAIRS];
  atomic_bool still, ending;
  pthread_t thread;
} relay;

static inline int relay_socket(const char *path, bool listens) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int failed = listens ? bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 || listen(descriptor, 64) != 0
                       : connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0;
  if (failed) close(descriptor);
  return failed ? -1 : descriptor;
}

/* False when one side has closed. */
static inline bool relay_move(int from, int to) {
  char buffer[65536];
  ssize_t size = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0) return true;
  for (ssize_t sent = 0, part; sent < size; sent += part)
    if ((part = send(to, buffer + sent, (size_t)(size - sent), MSG_NOSIGNAL)) <= 0) return false;
  return size > 0;
}

static inline void *relay_run(void *context) {
  relay *r = context;
  while (!atomic_load(&r->ending)) {
    if (atomic_load(&r->still)) {
      usleep(1000);
      continue;
    }
    struct pollfd sets[1 + 2 * RELAY_PAIRS] = {{.fd = r->listening, .events = POLLIN}};
    for (int i = 0; i < r->count; i++) {
      sets[1 + 2 * i] = (struct pollfd){.fd = r->pairs[i].client, .events = POLLIN};
      sets[2 + 2 * i] = (struct pollfd){.fd = r->pairs[i].server, .events = POLLIN};
    }
    int count = r->count;
    if (poll(sets, (nfds_t)(1 + 2 * count), 5) <= 0) continue;
    if (atomic_load(&r->still)) continue;
    for (int i = 0; i < count; i++) {
      if (r->pairs[i].client < 0) continue;
      bool open = (sets[1 + 2 * i].revents == 0 || relay_move(r->pairs[i].client, r->pairs[i].server)) &&
                  (sets[2 + 2 * i].revents == 0 || relay_move(r->pairs[i].server, r->pairs[i].client));
      if (open) continue;
      close(r->pairs[i].client);
      close(r->pairs[i].server);
      r->pairs[i].client = r->pairs[i].server = -1;
    }
    if (sets[0].revents != 0 && r->count < RELAY_PAIRS) {
      int client = accept(r->listening, NULL, NULL), server = relay_socket(r->real, false);
      if (client >= 0 && server >= 0) {
        r->pairs[r->count].client = client;
        r->pairs[r->count++].server = server;
      } else {
        close(client);
        close(server);
      }
    }
  }
  return NULL;
}

/* In front of the database of `f`: `url` leads through the relay. */
static inline void relay_start(relay *r, const fixture *f) {
  memset(r, 0, sizeof *r);
  strcpy(r->folder, "/tmp/quenchd-relay.XXXXXX");
  assert_non_null(mkdtemp(r->folder));
  snprintf(r->path, sizeof r->path, "%s/.s.PGSQL.5432", r->folder);
  const char *host = PQhost(f->sql.pg);
  if (host == NULL || host[0] != '/') fail_msg("DATABASE_URL must name a Unix socket, not %s", host);
  snprintf(r->real, sizeof r->real, "%s/.s.PGSQL.%s", host, PQport(f->sql.pg));
  snprintf(r->url, sizeof r->url, "%s host='%s' port=5432", f->url, r->folder);
  r->listening = relay_socket(r->path, true);
  assert_true(r->listening >= 0);
  assert_int_equal(pthread_create(&r->thread, NULL, relay_run, r), 0);
}

static inline void relay_stop(relay *r) {
  atomic_store(&r->ending, true);
  pthread_join(r->thread, NULL);
  for (int i = 0; i < r->count; i++) {
    if (r->pairs[i].client < 0) continue;
    close(r->pairs[i].client);
    close(r->pairs[i].server);
  }
  close(r->listening);
  unlink(r->path);
  rmdir(r->folder);
}

#endif
