/* A process, told from all others that ever were: what may be concluded from it being gone, and whom to end. */
#ifndef QN_SERVER_PEER_H
#define QN_SERVER_PEER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct qn_peer {
  char host[96];   /* the running kernel and the namespace of the number; "" when it cannot be told */
  int pid;
  int64_t birth;   /* when it was started, in ticks of that kernel */
} qn_peer;

qn_peer qn_peer_self(void);

/* Is it gone, for certain? False for one that is not of `self`'s host, and when it cannot be told. One that has ended, but was not waited for, is. */
bool qn_peer_gone(const qn_peer *peer, const qn_peer *self);

/* End it by SIGKILL, if it still is the process that it was and we may. Returns before it is gone. */
bool qn_peer_kill(const qn_peer *peer, const qn_peer *self);

#endif
