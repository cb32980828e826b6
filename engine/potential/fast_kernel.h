/* The fast EAM kernel, written once over lanes and compiled for each instruction set by the file that includes it, after a lanes_*.h.
 *
 * Every float operation is a correctly rounded IEEE one in an order that the source gives, and every sum over neighbours is a sum of
 * integers. So a result is a function of the positions alone: the same bits on every instruction set, for any number of threads, for any
 * order of the lists and whenever they were built; and as the force on i by j is the exact opposite of that on j by i, momentum is conserved
 * exactly.
 *
 * For one brick a pass copies its surroundings to a small array, then works atom by atom in two strides: gather neighbours and store
 * where their distances lie in the tables; then look up functions and sum. The split keeps each stride free of long chains that wait for loads. */
#ifndef QN_POTENTIAL_FAST_KERNEL_H
#define QN_POTENTIAL_FAST_KERNEL_H

#include <math.h>
#include <string.h>

#include "engine/neighbor/sites.h"
#include "engine/potential/fast.h"

/* One vector of the stage: offset of the rows in bytes, place in the interval; and in the second pass dx, dy, dz in quanta and F' of the neighbour. */
enum { OFFSET = 0, PLACE = LANES, FIRST_STAGE = 2 * LANES, DX = 2 * LANES, DY = 3 * LANES, DZ = 4 * LANES, SLOPE = 5 * LANES, STAGE = QN_FAST_STAGE * LANES };

/* How far a float's bits are past the beginning of its interval of 2^shift floats. */
INLINE lanes_i mask_of(int shift) { return i_set((int32_t)((1u << shift) - 1u)); }
INLINE lanes_f place_within(lanes_i bits, lanes_i mask) { return f_from_i(i_and(bits, mask)); }

INLINE lanes_f cubic(const float *base, const float *stage) {
  lanes_f row[4], u = f_load(stage + PLACE);
  load_rows(base, (const int32_t *)(stage + OFFSET), row);
  return f_fma(f_fma(f_fma(row[3], u, row[2]), u, row[1]), u, row[0]);
}

/* Whether sums fit their 32 bits. In each step those are told that are near the limit, from either side, which no atom passes in one step; and the sum of all
 * forces must be nothing. Where energies and virials are added up too, that is nearly each time that anything but the next step comes of an evaluation, the same
 * terms are added up in floats, which do not run over: what does not fit is off by 2^32, and this shadow by far less than what is let pass. */
INLINE bool near_the_limit(int32_t sum) { return sum >= 0x60000000 || sum <= -0x60000000; }

/* ---- first pass ---- */

/* F' of the atom at a place becomes its tag, with the species in the lowest bits. */
INLINE void embed(qn_fast *fast, int64_t at, double rho) {
  qn_site row = fast->lists->rows[at];
  double slope, energy = qn_embedding_at(fast->embedding, row.tag, rho, &slope);
  float single = (float)slope;
  int32_t bits, species = (int32_t)((1u << fast->tables.tag_bits) - 1u);
  memcpy(&bits, &single, sizeof bits);
  fast->rows[at] = (qn_site){row.x, row.y, row.z, (bits & ~species) | row.tag};
  fast->energy[at] = energy;
}

INLINE void densities(qn_fast *fast, int64_t b, const qn_site *sites, qn_fast_scratch *scratch, const bool near) {
  const qn_lists *lists = fast->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const qn_fast_tables *tables = &fast->tables;
  const uint16_t *entry = own->core;
  const lanes_i mask = mask_of(tables->density_shift);
  const lanes_i first = i_set(tables->density_first), to_row = i_set(tables->density_shift - 4), rows = i_set(~(QN_FAST_ROW_BYTES - 1));
  const lanes_i slot = i_set(tables->density_slot_bits);
  const lanes_f nearest = f_set(tables->nearest_square);
  for (int64_t atom = 0; atom < brick->count; atom++) {
    qn_site row = lists->rows[brick->first + atom];
    centre c = centre_of(row);
    float *stage = scratch->stage;
    int count = own->count[atom][0];
    uint32_t nearer = 0;
    for (int k = 0; k < count; k += LANES, entry += LANES, stage += FIRST_STAGE) {
      lanes_i x, y, z, species;
      load_sites(sites, entry, &x, &y, &z, &species);
      lanes_f square = square_of(between(c, x, y, z));
      lanes_i bits = f_bits(square);
      i_store(stage + OFFSET, i_add(i_and(i_right(i_sub(bits, first), to_row), rows), i_left(species, slot)));
      f_store(stage + PLACE, place_within(bits, mask));
      if (near) nearer |= m_bits(f_less(square, nearest));
    }
    if (near && nearer != 0) {
      scratch->beyond = true;
      return;
    }
    const float *base = tables->density + (((int64_t)row.tag * tables->step) << tables->density_slot_bits) / (int64_t)sizeof(float);
    lanes_i sum = i_zero();
    for (stage = scratch->stage; count > 0; count -= LANES, stage += FIRST_STAGE) sum = i_add(sum, i_from_f(cubic(base, stage)));
    scratch->density[atom] = i_sum(sum);
    scratch->beyond |= near_the_limit(scratch->density[atom]);
  }
  /* By themselves, so that the look-ups do not wait for one another. */
  for (int64_t atom = 0; atom < brick->count; atom++) embed(fast, brick->first + atom, (double)scratch->density[atom] * tables->density_quantum);
}

static void density(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch) {
  const qn_lists *lists = fast->lists;
  gather_sites(lists, lists->rows, &lists->bricks.brick[b], sites);
  if (lists->brick[b].near)
    densities(fast, b, sites, scratch, true);
  else
    densities(fast, b, sites, scratch, false);
}

/* ---- second pass ---- */

/* How a squared distance becomes an offset into the rows of slopes, and what a tag adds. */
typedef struct slope_map {
  lanes_i mask, turn, coarse, fine, rows, species, slot;
} slope_map;

INLINE slope_map map_of(const qn_fast_tables *tables, int row_bits) {
  return (slope_map){.mask = mask_of(tables->coarse_shift),
                     .turn = i_set(tables->turn),
                     .coarse = i_set(tables->coarse_shift - row_bits),
                     .fine = i_set(QN_FAST_FINE_SHIFT - row_bits),
                     .rows = i_set(-(1 << row_bits)),
                     .species = i_set((1 << tables->tag_bits) - 1),
                     .slot = i_set(tables->slope_slot_bits)};
}

/* The first stride over one list: neighbours from the centre, and where they lie in the tables. */
INLINE float *approach(const qn_site *sites, const uint16_t *entry, int count, centre c, const slope_map *map, float *stage, const bool core) {
  for (int k = 0; k < count; k += LANES, entry += LANES, stage += STAGE) {
    lanes_i x, y, z, tag;
    load_sites(sites, entry, &x, &y, &z, &tag);
    vector3 d = between(c, x, y, z);
    lanes_i bits = f_bits(square_of(d)), from = i_sub(bits, map->turn);
    lanes_i row = i_and(i_min(i_right(from, map->fine), i_right(from, map->coarse)), map->rows);
    f_store(stage + DX, d.x), f_store(stage + DY, d.y), f_store(stage + DZ, d.z);
    i_store(stage + OFFSET, i_add(row, i_left(i_and(tag, map->species), map->slot)));
    f_store(stage + PLACE, place_within(bits, map->mask));
    if (core) i_store(stage + SLOPE, tag);
  }
  return stage;
}

/* Three sums have one shadow, of a + 64 b + 64^2 c: so one does not make up for what another is off by, up to some 31 times what an integer holds. */
#define APART 64.0f

INLINE lanes_f shadow_of(lanes_f a, lanes_f b, lanes_f c, lanes_f more) {
  return f_fma(f_set(APART * APART), c, f_fma(f_set(APART), b, f_add(a, more)));
}
INLINE bool ran_over(lanes_f shadow, double sum) { return !(fabs((double)f_sum(shadow) - sum) < 0x1p28); }
INLINE bool three_ran_over(lanes_f shadow, const int32_t sum[3]) {
  return ran_over(shadow, (double)sum[0] + (double)APART * sum[1] + (double)(APART * APART) * sum[2]);
}

typedef struct pull_sum {
  lanes_i pull[3];
  lanes_f shadow;
} pull_sum;

typedef struct extra_sum {
  lanes_i energy, virial[6];
  lanes_f energy_shadow, virial_shadow[2];
} extra_sum;

INLINE void add_three(lanes_i *sum, lanes_f *shadow, lanes_f a, lanes_f b, lanes_f c) {
  sum[0] = i_add(sum[0], i_from_f(a));
  sum[1] = i_add(sum[1], i_from_f(b));
  sum[2] = i_add(sum[2], i_from_f(c));
  if (shadow != NULL) *shadow = shadow_of(a, b, c, *shadow);
}

INLINE void stretch(extra_sum *sum, lanes_f w, const float *stage, lanes_f scale, const qn_sums sums) {
  lanes_f dx = f_load(stage + DX), dy = f_load(stage + DY), dz = f_load(stage + DZ);
  lanes_f fx = f_mul(w, dx), fy = f_mul(w, dy), fz = f_mul(w, dz), x = f_mul(dx, scale), y = f_mul(dy, scale), z = f_mul(dz, scale);
  add_three(sum->virial, &sum->virial_shadow[0], f_mul(fx, x), f_mul(fy, y), f_mul(fz, z));
  if (sums == QN_SUMS_ALL) add_three(sum->virial + 3, &sum->virial_shadow[1], f_mul(fx, y), f_mul(fx, z), f_mul(fy, z));
}

/* The force of a pair divided by its distance, with the embedding term. */
INLINE lanes_f core_pull(const float *slopes, const float *stage, lanes_f own, const bool symmetric) {
  lanes_f phi = cubic(slopes, stage), here = cubic(slopes + 4, stage), other = f_load(stage + SLOPE);
  if (symmetric) return f_fma(here, f_add(own, other), phi);
  /* Products first: seen from the other atom the two change places, and their sum must be the same to the bit. */
  return f_add(f_add(f_mul(here, own), f_mul(cubic(slopes + 8, stage), other)), phi);
}

/* Where the energy's rows lie for a row of slopes. */
INLINE lanes_f energy_of(const float *energy, const float *stage, const int row_bits) {
  lanes_f row[4], u = f_load(stage + PLACE);
  int32_t offset[LANES];
  i_store(offset, i_right(i_load(stage + OFFSET), i_set(row_bits - 4)));
  load_rows(energy, offset, row);
  return f_fma(f_fma(f_fma(row[3], u, row[2]), u, row[1]), u, row[0]);
}

/* The pull of a vector of neighbours, and what else is wanted of them. */
INLINE void add_pair(pull_sum *sum, extra_sum *extra, lanes_f w, const float *stage, lanes_f to_virial, const float *energy, const int row_bits,
                     const qn_sums sums) {
  lanes_f x = f_load(stage + DX), y = f_load(stage + DY), z = f_load(stage + DZ);
  add_three(sum->pull, sums == QN_SUMS_NONE ? NULL : &sum->shadow, f_mul(w, x), f_mul(w, y), f_mul(w, z));
  if (sums == QN_SUMS_NONE) return;
  stretch(extra, w, stage, to_virial, sums);
  if (sums != QN_SUMS_ALL) return;
  lanes_f phi = energy_of(energy, stage, row_bits);
  extra->energy = i_add(extra->energy, i_from_f(phi));
  extra->energy_shadow = f_add(extra->energy_shadow, phi);
}

/* The sums beside the forces, of one atom. */
INLINE void keep_extra(qn_fast *fast, int64_t at, const extra_sum *extra, qn_fast_scratch *scratch, const qn_sums sums) {
  int32_t virial[6];
  const int count = sums == QN_SUMS_ALL ? 6 : 3;
  for (int v = 0; v < count; v++) {
    virial[v] = i_sum(extra->virial[v]);
    scratch->virial[v] += virial[v];
  }
  for (int k = 0; k < count / 3; k++)
    scratch->beyond |= three_ran_over(extra->virial_shadow[k], virial + 3 * k);
  if (sums != QN_SUMS_ALL) return;
  const int32_t energy = i_sum(extra->energy);
  fast->energy[at] += 0.5 * (double)energy * fast->tables.energy_quantum;
  scratch->beyond |= ran_over(extra->energy_shadow, energy);
}

INLINE void forces_of_brick(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch, const bool symmetric, const qn_sums sums) {
  const int row_bits = symmetric ? 5 : 6;
  const qn_lists *lists = fast->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const qn_fast_tables *tables = &fast->tables;
  gather_sites(lists, fast->rows, brick, sites);
  const uint16_t *core = own->core, *shell = own->shell;
  const slope_map map = map_of(tables, row_bits);
  const lanes_f to_virial = f_set((float)(tables->force_quantum * lists->quantum / tables->virial_quantum));
  for (int64_t atom = 0; atom < brick->count; atom++) {
    int64_t at = brick->first + atom;
    qn_site row = fast->rows[at];
    centre c = centre_of(row);
    float slope;
    memcpy(&slope, &row.tag, sizeof slope);
    int core_count = own->count[atom][0], shell_count = own->count[atom][1];
    float *middle = approach(sites, core, core_count, c, &map, scratch->stage, true);
    float *end = approach(sites, shell, shell_count, c, &map, middle, false);
    core += core_count, shell += shell_count;

    int64_t slot = (int64_t)lists->type[at] * tables->step;
    const float *slopes = tables->slopes + (slot << tables->slope_slot_bits) / (int64_t)sizeof(float);
    const float *energy = tables->energy + (slot << (tables->slope_slot_bits - row_bits + 4)) / (int64_t)sizeof(float);
    const lanes_f mine = f_set(slope);
    const lanes_f no = f_set(0.0f);
    pull_sum sum = {{i_zero(), i_zero(), i_zero()}, no};
    extra_sum extra = {i_zero(), {i_zero(), i_zero(), i_zero(), i_zero(), i_zero(), i_zero()}, no, {no, no}};
    const float *stage = scratch->stage;
    for (; stage < middle; stage += STAGE)
      add_pair(&sum, &extra, core_pull(slopes, stage, mine, symmetric), stage, to_virial, energy, row_bits, sums);
    for (; stage < end; stage += STAGE)
      add_pair(&sum, &extra, cubic(slopes, stage), stage, to_virial, energy, row_bits, sums);

    const int32_t total[3] = {i_sum(sum.pull[0]), i_sum(sum.pull[1]), i_sum(sum.pull[2])};
    fast->forces[at] = (qn_site){total[0], total[1], total[2], 0};
    for (int axis = 0; axis < 3; axis++) {
      scratch->net[axis] += total[axis];
      scratch->beyond |= near_the_limit(total[axis]);
    }
    if (sums == QN_SUMS_NONE) continue;
    scratch->beyond |= three_ran_over(sum.shadow, total);
    keep_extra(fast, at, &extra, scratch, sums);
  }
}

#ifdef QN_ONE_LOOP
static void force(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch) {
  forces_of_brick(fast, b, sites, scratch, fast->tables.symmetric, fast->sums);
}
#else
/* The compiler makes a loop for each of what is wanted. */
INLINE void choose(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch, const bool symmetric) {
  switch (fast->sums) {
    case QN_SUMS_NONE: forces_of_brick(fast, b, sites, scratch, symmetric, QN_SUMS_NONE); break;
    case QN_SUMS_PRESSURE: forces_of_brick(fast, b, sites, scratch, symmetric, QN_SUMS_PRESSURE); break;
    case QN_SUMS_ALL: forces_of_brick(fast, b, sites, scratch, symmetric, QN_SUMS_ALL); break;
  }
}

static void force(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch) {
  if (fast->tables.symmetric)
    choose(fast, b, sites, scratch, true);
  else
    choose(fast, b, sites, scratch, false);
}
#endif

#endif
