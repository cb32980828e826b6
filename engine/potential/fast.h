/* The fast kernel behind qn_force: single-precision pair arithmetic on re-tabulated functions, integer sums. See fast_kernel.h for the method,
 * fast_tables.h for the functions and their error. */
#ifndef QN_POTENTIAL_FAST_H
#define QN_POTENTIAL_FAST_H

#include "engine/base/memory.h"
#include "engine/potential/embedding.h"
#include "engine/potential/fast_tables.h"
#include "engine/potential/kernel.h"
#include "engine/potential/shares.h"

enum { QN_FAST_STAGE = 6 /* numbers of 32 bits a neighbour that the stage holds */ };

/* Three sums of force have one shadow, of x + 64 y + 64^2 z in units of 2^18 quanta: one does not make up for what another is off by, up to some 31 times what
 * an integer holds. */
#define QN_FAST_APART 64.0f
#define QN_FAST_COARSE 0x1p-18f

/* Workspace of one thread. */
typedef struct qn_fast_scratch {
  _Alignas(QN_MEMORY_APART) float *stage; /* what the first stride of a pass leaves for the second, for one atom */
  int64_t stage_capacity;
  /* The share of the brick at hand, by site; 32-bit sums are modular. */
  uint32_t *density;        /* quanta */
  uint32_t (*force)[4];     /* what is to be taken from the force, quanta; and QN_FAST_COARSE of a sum of the three, when more than forces is wanted */
  int64_t *pairs;           /* energy of pairs, quanta; when wanted */
  int64_t site_capacity;
  int64_t virial[6];        /* quanta */
  int64_t net[3];           /* sum of all forces, quanta */
  bool beyond;              /* a pair is nearer than the tables answer, or a sum is larger than its integer */
  bool failed;              /* no memory */
} qn_fast_scratch;

typedef struct qn_fast qn_fast;

/* One instruction set. The passes run over one brick, for one thread, and sum into its share; `sites` is room for what surrounds it. */
typedef struct qn_fast_kernel {
  void (*density)(qn_fast *fast, int64_t brick, qn_site *sites, qn_fast_scratch *scratch); /* first pass */
  void (*embed)(qn_fast *fast, int64_t begin, int64_t end);                                /* F and F' of some places */
  void (*force)(qn_fast *fast, int64_t brick, qn_site *sites, qn_fast_scratch *scratch);   /* second pass */
} qn_fast_kernel;

extern const qn_fast_kernel qn_fast_avx2, qn_fast_portable;

struct qn_fast {
  const qn_fast_kernel *kernel;
  const qn_embedding *embedding;   /* borrowed */
  qn_fast_tables tables;
  int threads;
  int64_t count;
  qn_fast_scratch *scratch;        /* [threads] */
  qn_site *rows;                   /* [place] positions with F' in the tag, whose lowest bits are the species */
  uint32_t *density;               /* [place] quanta; zero between evaluations */
  uint32_t (*force)[4];            /* [place] what is to be taken from the force, and its shadow */
  int64_t *pairs;                  /* [place] quanta of energy, when wanted */
  double *energy;                  /* [place] eV, when wanted */
  double *by_atom;                 /* [atom] the same */
  qn_shares shares;
  /* This evaluation. */
  qn_lists *lists;
  qn_sums sums;
};

/* For `count` atoms; `embedding` must outlive it. */
qn_status qn_fast_alloc(qn_fast **fast, const qn_system *system, const qn_embedding *embedding, int64_t count, qn_instructions instructions,
                        qn_error *error);
void qn_fast_free(qn_fast *fast);

/* Forces over the lists, whose inner ones are chosen first when `prune`, and the sums into *result; `atom_energy` may be NULL. Sets *beyond, and gives
 * nothing, when two atoms are nearer than the tables can answer or a sum is larger than its integer: then the reference kernel must. */
qn_status qn_fast_compute(qn_fast *fast, qn_lists *lists, bool prune, qn_sums sums, qn_force_result *result, double *atom_energy, bool *beyond,
                          qn_error *error);

#endif
