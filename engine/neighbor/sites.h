/* The sites of a brick, over lanes: a source file includes this after a lanes_*.h. */
#ifndef QN_NEIGHBOR_SITES_H
#define QN_NEIGHBOR_SITES_H

#include <math.h>

#include "engine/neighbor/lists.h"

typedef struct vector3 {
  lanes_f x, y, z;
} vector3;

typedef struct centre {
  lanes_i x, y, z;
} centre;

INLINE centre centre_of(qn_site row) { return (centre){i_set(row.x), i_set(row.y), i_set(row.z)}; }

/* From the centre to each site, in quanta. Integers subtract without error and without regard to where the box is cut. */
INLINE vector3 between(centre c, lanes_i x, lanes_i y, lanes_i z) {
  return (vector3){f_from_i(i_sub(x, c.x)), f_from_i(i_sub(y, c.y)), f_from_i(i_sub(z, c.z))};
}

INLINE lanes_f square_of(vector3 d) { return f_fma(d.z, d.z, f_fma(d.y, d.y, f_mul(d.x, d.x))); }

/* Copy what surrounds a brick from `rows`, by place. Whole vectors are copied: what they write past the end of a stretch the next one overwrites,
 * and both arrays have room for it. Last comes the site that padding names. */
INLINE void gather_sites(const qn_lists *lists, const qn_site *rows, const qn_brick *brick, qn_site *sites) {
  enum { ROWS = LANES / 4 };
  const int32_t stretches = brick->stretch_count;
  for (int32_t k = 0; k < stretches; k++) {
    const qn_stretch *stretch = &brick->stretches[k];
    const qn_site *from = rows + stretch->start;
    const int32_t count = stretch->count;
    const lanes_i shift = i_set4((int32_t)((uint32_t)stretch->shift[0] * (uint32_t)lists->box_quanta[0]),
                                 (int32_t)((uint32_t)stretch->shift[1] * (uint32_t)lists->box_quanta[1]),
                                 (int32_t)((uint32_t)stretch->shift[2] * (uint32_t)lists->box_quanta[2]), 0);
    for (int32_t s = 0; s < count; s += ROWS) i_store(sites + s, i_add(i_load(from + s), shift));
    sites += count;
  }
  /* A brick is at most three reaches long, so this is one and a half to five reaches from every atom in it. */
  int32_t middle[3];
  for (int axis = 0; axis < 3; axis++) middle[axis] = (int32_t)(uint32_t)(int64_t)llrint(brick->middle[axis] / lists->quantum);
  *sites = (qn_site){(int32_t)((uint32_t)middle[0] + (3u << QN_LISTS_REACH_BITS)), middle[1], middle[2], 0};
}

#endif
