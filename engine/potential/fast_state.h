/* The state of the fast kernel, and the steps that exist once for every instruction set. Used by fast.c and fast_kernel.h alone. */
#ifndef QN_POTENTIAL_FAST_STATE_H
#define QN_POTENTIAL_FAST_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/neighbor/bricks.h"
#include "engine/potential/fast_tables.h"

enum {
  QN_FAST_CHUNK = 64,     /* places converted together */
  QN_FAST_MOST_LANES = 16,
  QN_FAST_STAGE = 5,        /* floats a neighbour that the stage holds */
  QN_FAST_COLUMNS = 4096
};

/* One site: position in quanta modulo 2^32, and its species or, in the second pass, the bits of F'. Differences of positions are
 * exact, and exactly opposite seen from either side. */
typedef struct qn_fast_row {
  int32_t x, y, z, tag;
} qn_fast_row;

/* Lists of one brick. Entries are twice the index of a site, so that one scaled address reaches a 16-byte row. */
typedef struct qn_fast_lists {
  uint16_t *outer;  /* every site within reach + outer skin, atom by atom, each atom padded to 16 */
  int32_t *outer_count; /* [atoms] without padding */
  uint16_t *core, *shell; /* by atom and species, padded to whole vectors */
  uint16_t *vectors;      /* [atoms][species][core, shell] */
  int64_t outer_capacity, core_capacity, shell_capacity, atom_capacity;
  int64_t most_neighbours; /* of one atom, with padding */
  bool close;             /* two atoms may come nearer than the tables answer while these lists last */
} qn_fast_lists;

/* Workspace of one thread. */
typedef struct qn_fast_scratch {
  qn_surroundings about;
  qn_fast_row *sites;       /* [QN_BRICK_SITES + 16] */
  int32_t *place[3];        /* [QN_BRICK_SITES + 16] positions of the sites again, by axis */
  int32_t (*column)[2];     /* [QN_FAST_COLUMNS] first and last + 1 site of the columns around a cell */
  uint16_t *split[2 * QN_MAX_SPECIES]; /* [QN_BRICK_SITES + 32] list of one atom by species, core and shell */
  float *stage;             /* what the first stride of a pass leaves for the second, for one atom */
  int64_t stage_capacity;   /* floats */
  int64_t virial[6];        /* quanta */
  float inner_moved, outer_moved; /* A^2, largest displacement since lists were pruned and built */
  bool close;               /* a pair is nearer than the tables answer */
  bool failed;              /* error says why */
  qn_error error;
} qn_fast_scratch;

typedef struct qn_fast_kernel qn_fast_kernel;
typedef struct qn_fast qn_fast;

struct qn_fast {
  const qn_fast_kernel *kernel;
  qn_fast_tables tables;
  qn_bricks bricks;
  int threads;
  int64_t count;
  double outer_skin, inner_skin;   /* A */
  qn_fast_lists *lists;            /* [bricks] */
  int64_t list_capacity;
  qn_fast_scratch *scratch;        /* [threads] */
  uint8_t *type;                   /* [place] */
  qn_fast_row *rows, *rows2;       /* [place]; with the species, and with F' */
  int32_t *crossed[3];             /* [place] boxes crossed since the lists were built */
  float *outer_place[3], *inner_place[3]; /* [place] where the lists were built and pruned, A */
  qn_box outer_box, inner_box;
  double *density;                 /* [place] */
  double *energy;                  /* [place] eV, when wanted */
  double *by_atom;                 /* [atom] the same */
  bool built, pruned;              /* there are outer lists; and inner ones */
  int64_t builds;
  /* This evaluation. */
  qn_atoms *atoms;
  qn_box box;
  int32_t box_quanta[3];           /* the box length, modulo 2^32 */
  bool want_sums;                  /* energy and virial */
};

/* One instruction set. Each runs over a part of the work, for one thread. */
struct qn_fast_kernel {
  const char *name;
  int lanes;
  bool (*usable)(void); /* on this processor */
  /* Positions of places begin .. end - 1 into rows; how far they moved since the lists were pruned; atoms outside the box. */
  void (*place)(qn_fast *fast, int64_t begin, int64_t end, qn_fast_scratch *scratch);
  qn_status (*build)(qn_fast *fast, int64_t brick, qn_fast_scratch *scratch); /* outer lists */
  qn_status (*prune)(qn_fast *fast, int64_t brick, qn_fast_scratch *scratch); /* core and shell lists from them */
  void (*density)(qn_fast *fast, int64_t brick, qn_fast_scratch *scratch);    /* first pass: densities, F, F' */
  void (*force)(qn_fast *fast, int64_t brick, qn_fast_scratch *scratch);      /* second pass */
};

extern const qn_fast_kernel qn_fast_portable, qn_fast_avx2, qn_fast_avx512;

/* Room for `needed` entries of a list of which `used` are filled, or for the lists' arrays by atom; false when there is no memory. */
bool qn_fast_grow16(uint16_t **list, int64_t *capacity, int64_t used, int64_t needed);
bool qn_fast_room(qn_fast_lists *lists, int64_t atoms, int species);
/* Room for the neighbours of one atom in the stage. */
bool qn_fast_stage(qn_fast_scratch *scratch, int64_t neighbours);
qn_status qn_fast_no_memory(qn_fast_scratch *scratch);

/* Bring the atom at a place back into the box and count what it crossed; false, with the scratch's error, when it is lost. */
bool qn_fast_wrap(qn_fast *fast, int64_t at, qn_fast_scratch *scratch);

#endif
