#include "server/peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { ABSENT = -1, UNKNOWN = -2 };

/* Field 22 of /proc/PID/stat (proc(5)), counted from behind the name, which may hold anything. */
static int64_t birth_of(int pid) {
  char path[48], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return errno == ENOENT && kill(pid, 0) != 0 && errno == ESRCH ? ABSENT : UNKNOWN;
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = '\0';
  char *at = strrchr(text, ')');
  if (at == NULL || size == 0) return UNKNOWN;
  if (at[1] == ' ' && (at[2] == 'Z' || at[2] == 'X')) return ABSENT;
  for (int field = 2; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
  return at != NULL ? strtoll(at, NULL, 10) : UNKNOWN;
}

qn_peer qn_peer_self(void) {
  qn_peer self = {.pid = (int)getpid(), .birth = birth_of((int)getpid())};
  char boot[40] = "", space[40] = "";
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file != NULL) {
    if (fgets(boot, sizeof boot, file) == NULL) boot[0] = '\0';
    fclose(file);
  }
  boot[strcspn(boot, "\n")] = '\0';
  ssize_t size = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  if (size > 0) space[size] = '\0';
  if (boot[0] != '\0' && size > 0 && self.birth >= 0) snprintf(self.host, sizeof self.host, "%s %s", boot, space);
  return self;
}

static bool of_the_same_host(const qn_peer *peer, const qn_peer *self) {
  return self->host[0] != '\0' && strcmp(peer->host, self->host) == 0 && peer->pid > 0;
}

bool qn_peer_gone(const qn_peer *peer, const qn_peer *self) {
  if (!of_the_same_host(peer, self)) return false;
  int64_t birth = birth_of(peer->pid);
  return birth == ABSENT || (birth >= 0 && birth != peer->birth);
}

bool qn_peer_kill(const qn_peer *peer, const qn_peer *self) {
  if (!of_the_same_host(peer, self) || peer->pid == self->pid) return false;
  int process = pidfd_open(peer->pid, 0);
  if (process < 0) return false;
  /* The descriptor stays with the process that had the number when it was opened; that one is looked at. */
  bool done = birth_of(peer->pid) == peer->birth && pidfd_send_signal(process, SIGKILL, NULL, 0) == 0;
  close(process);
  return done;
}
