/* What a brick adds up for the atoms about it.
 *
 * With half lists a pair is looked at once, by the brick of the atom that comes first, and what it means to the other atom has to get there. A brick sums into
 * a share of its own first, one row for each of its sites, which stays in the nearest cache; then hands its rows over, in parcels of consecutive atoms, to the
 * sums over all atoms. One thread at a time may add to the atoms of one column of bricks along z (a lock for each brick would cost more than it lets run at
 * the same time). Sums are integers, so it does not matter who comes first. */
#ifndef QN_POTENTIAL_SHARES_H
#define QN_POTENTIAL_SHARES_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "engine/neighbor/lists.h"

/* Sites site .. site + count - 1 of a share are the atoms at place .. place + count - 1, all of one column. */
typedef struct qn_parcel {
  int32_t site, place, count, column;
} qn_parcel;

/* Whether a thread adds to the atoms of a column. Held for a microsecond. */
typedef struct qn_shares_lock {
  _Alignas(QN_MEMORY_APART) atomic_bool held;
} qn_shares_lock;

typedef struct qn_shares {
  int64_t builds;    /* of the lists that this is for */
  int64_t *begin;    /* [bricks + 1] first parcel of a brick's share; those for one column follow one another */
  qn_parcel *parcel;
  qn_shares_lock *lock; /* [columns] */
  int64_t begin_capacity, parcel_capacity, lock_capacity;
} qn_shares;

/* Adds the parcels of a share, all for one column, to sums over all atoms. */
typedef void qn_shares_add(void *sums, const qn_parcel *parcels, int64_t count);

/* Follow the lists, which must be half ones: does nothing when they were not built since. Begin with zeros, free with qn_shares_fini. */
qn_status qn_shares_follow(qn_shares *shares, const qn_lists *lists, qn_error *error);
void qn_shares_fini(qn_shares *shares);

/* Hand over the share of a brick. Threads may do so at the same time. */
void qn_shares_hand_over(qn_shares *shares, int64_t brick, qn_shares_add *add, void *sums);

#endif
