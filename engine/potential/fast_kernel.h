/* The fast EAM kernel, written once over lanes and compiled for each instruction set by the file that includes it, after a lanes_*.h.
 *
 * Every float operation is a correctly rounded IEEE one in an order that the source gives, and every sum over neighbours is a sum of
 * integers. So a result is a function of the positions alone: the same bits on every instruction set, for any number of threads, for any
 * order of the lists and whenever they were built; and as the force on i by j is the exact opposite of that on j by i, momentum is conserved
 * exactly.
 *
 * For one brick a pass copies its surroundings to a small array, then works atom by atom in two strides: gather neighbours and store
 * where their distances lie in the tables; then look up functions and sum, into registers for the atom and into the brick's share for its neighbours
 * (lists are half lists). The split keeps each stride free of long chains that wait for loads. */
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

INLINE lanes_f cubic_at(const float *base, const int32_t *offset, const float *stage) {
  lanes_f row[4], u = f_load(stage + PLACE);
  load_rows(base, offset, row);
  return f_fma(f_fma(f_fma(row[3], u, row[2]), u, row[1]), u, row[0]);
}
INLINE lanes_f cubic(const float *base, const float *stage) { return cubic_at(base, (const int32_t *)(stage + OFFSET), stage); }

/* ---- first pass ---- */

/* To each neighbour of a vector what is its own. */
INLINE void add_densities(uint32_t *share, const uint16_t *entry, lanes_i more) {
  uint32_t each[LANES];
  i_store(each, more);
  for (int k = 0; k < LANES; k++) *(uint32_t *)((char *)share + 2 * (size_t)entry[k]) += each[k]; /* entries are twice the index */
}

INLINE void densities(qn_fast *fast, int64_t b, const qn_site *sites, qn_fast_scratch *scratch, const bool symmetric, const bool near) {
  const int row_bits = symmetric ? 4 : 5;
  const qn_lists *lists = fast->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const qn_fast_tables *tables = &fast->tables;
  uint32_t *share = scratch->density;
  const uint16_t *entry = own->inner;
  const lanes_i mask = mask_of(tables->density_shift);
  const lanes_i first = i_set(tables->density_first), to_row = i_set(tables->density_shift - row_bits), rows = i_set(-(1 << row_bits));
  const lanes_i slot = i_set(tables->density_slot_bits);
  const lanes_f nearest = f_set(tables->nearest_square);
  memset(share, 0, (size_t)(brick->site_count + 1) * sizeof *share);
  for (int64_t atom = 0; atom < brick->count; atom++) {
    qn_site row = lists->rows[brick->first + atom];
    centre c = centre_of(row);
    float *stage = scratch->stage;
    const int count = own->count[atom][0];
    uint32_t nearer = 0;
    for (int k = 0; k < count; k += LANES, stage += FIRST_STAGE) {
      lanes_i x, y, z, species;
      load_sites(sites, entry + k, &x, &y, &z, &species);
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
    stage = scratch->stage;
    for (const uint16_t *end = entry + count; entry < end; entry += LANES, stage += FIRST_STAGE) {
      lanes_i here = i_from_f(cubic(base, stage));
      sum = i_add(sum, here);
      add_densities(share, entry, symmetric ? here : i_from_f(cubic(base + 4, stage)));
    }
    share[own->self[atom]] += (uint32_t)i_sum(sum);
    entry += own->count[atom][1];
  }
}

static void density(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch) {
  const qn_lists *lists = fast->lists;
  gather_sites(lists, lists->rows, &lists->bricks.brick[b], sites);
  const bool symmetric = fast->tables.symmetric, near = lists->brick[b].near;
#ifdef QN_ONE_LOOP
  densities(fast, b, sites, scratch, symmetric, near);
#else
  if (symmetric && !near)
    densities(fast, b, sites, scratch, true, false);
  else if (symmetric)
    densities(fast, b, sites, scratch, true, true);
  else
    densities(fast, b, sites, scratch, false, near);
#endif
}

/* ---- embedding ---- */

/* F and F' at HALF places, as qn_embedding_at has them; false when a density lies outside the table. */
INLINE bool embed_some(const qn_embedding *table, const qn_site *rows, lanes_d rho, double *energy, float slope[HALF]) {
  lanes_d q = d_mul(rho, d_set(table->scale)), column[4];
  if (d_any_less(rho, d_set(0.0)) || d_any_less(d_set(table->last), rho)) return false;
  int32_t row[HALF];
  lanes_d p = d_sub(q, d_split(d_min(q, d_set(table->intervals - 1)), row));
  p = d_min(p, d_set(1.0));
  for (int k = 0; k < HALF; k++) row[k] += rows[k].tag * (table->intervals + 1);
  d_load_knots(table->knots, row, column);
  lanes_d rise = d_sub(column[2], column[0]), twice = d_mul(d_set(2.0), column[1]);
  lanes_d c2 = d_sub(d_sub(d_mul(d_set(3.0), rise), twice), column[3]), c3 = d_sub(d_add(column[1], column[3]), d_mul(d_set(2.0), rise));
  lanes_d steep = d_add(d_mul(d_add(d_mul(d_mul(d_set(3.0), c3), p), d_mul(d_set(2.0), c2)), p), column[1]);
  d_store(energy, d_add(d_mul(d_add(d_mul(d_add(d_mul(c3, p), c2), p), column[1]), p), column[0]));
  d_to_f(slope, d_mul(steep, d_set(table->scale)));
  return true;
}

/* F' becomes the tag, with the species in the lowest bits. `begin` is a multiple of HALF, and there is room for a vector after the last place. */
static void embed(qn_fast *fast, int64_t begin, int64_t end) {
  const int32_t species = (int32_t)((1u << fast->tables.tag_bits) - 1u);
  const double quantum = fast->tables.density_quantum;
  for (int64_t at = begin; at < end; at += HALF) {
    const qn_site *from = fast->lists->rows + at;
    const int count = end - at < HALF ? (int)(end - at) : HALF;
    float slope[HALF];
    if (!embed_some(fast->embedding, from, d_mul(d_from_i(fast->density + at), d_set(quantum)), fast->energy + at, slope))
      for (int k = 0; k < count; k++) {
        double exact;
        fast->energy[at + k] = qn_embedding_at(fast->embedding, from[k].tag, (double)(int32_t)fast->density[at + k] * quantum, &exact);
        slope[k] = (float)exact;
      }
    for (int k = 0; k < count; k++) {
      int32_t bits;
      memcpy(&bits, &slope[k], sizeof bits);
      fast->rows[at + k] = from[k];
      fast->rows[at + k].tag = (bits & ~species) | from[k].tag;
    }
  }
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

/* Whether sums fit their 32 bits: fast.c looks at those of densities and forces in each step. Where energies and virials are added up too, that is nearly each
 * time that anything but the next step comes of an evaluation, the terms are added up a second time, those of forces in coarse units and those of virials in
 * floats, which do not run over. What does not fit is off by 2^32, and such a shadow by far less than what is let pass. */
INLINE lanes_f shadow_of(lanes_f a, lanes_f b, lanes_f c) { return f_fma(f_set(QN_FAST_APART * QN_FAST_APART), c, f_fma(f_set(QN_FAST_APART), b, a)); }
INLINE bool three_ran_over(lanes_f shadow, const int32_t sum[3]) {
  const double apart = (double)QN_FAST_APART;
  return !(fabs((double)f_sum(shadow) - ((double)sum[0] + apart * sum[1] + apart * apart * sum[2])) < 0x1p28);
}

typedef struct extra_sum {
  int64_t energy;
  lanes_i virial[6];
  lanes_f virial_shadow[2];
} extra_sum;

INLINE void stretch_three(lanes_i *sum, lanes_f *shadow, lanes_f a, lanes_f b, lanes_f c) {
  sum[0] = i_add(sum[0], i_from_f(a));
  sum[1] = i_add(sum[1], i_from_f(b));
  sum[2] = i_add(sum[2], i_from_f(c));
  *shadow = f_add(*shadow, shadow_of(a, b, c));
}

INLINE void stretch(extra_sum *sum, lanes_f fx, lanes_f fy, lanes_f fz, const float *stage, lanes_f scale, const qn_sums sums) {
  lanes_f x = f_mul(f_load(stage + DX), scale), y = f_mul(f_load(stage + DY), scale), z = f_mul(f_load(stage + DZ), scale);
  stretch_three(sum->virial, &sum->virial_shadow[0], f_mul(fx, x), f_mul(fy, y), f_mul(fz, z));
  if (sums == QN_SUMS_ALL) stretch_three(sum->virial + 3, &sum->virial_shadow[1], f_mul(fx, y), f_mul(fx, z), f_mul(fy, z));
}

/* The force of a pair divided by its distance, with the embedding term. */
INLINE lanes_f core_pull(const float *slopes, const float *stage, lanes_f own, const bool symmetric) {
  lanes_f phi, here, other = f_load(stage + SLOPE);
  two_cubics(slopes, (const int32_t *)(stage + OFFSET), stage + PLACE, &phi, &here);
  if (symmetric) return f_fma(here, f_add(own, other), phi);
  /* Products first: seen from the other atom the two change places, and their sum must be the same to the bit. */
  return f_add(f_add(f_mul(here, own), f_mul(cubic(slopes + 8, stage), other)), phi);
}

/* Energies of the pairs of a vector, to either atom. */
INLINE void add_energies(int64_t *sum, int64_t *share, const uint16_t *entry, const float *energy, const float *stage, const int row_bits) {
  int32_t offset[LANES], each[LANES];
  i_store(offset, i_right(i_load(stage + OFFSET), i_set(row_bits - 4)));
  i_store(each, i_from_f(cubic_at(energy, offset, stage)));
  for (int k = 0; k < LANES; k++) {
    *sum += each[k];
    share[entry[k] / 2] += each[k];
  }
}

/* The pull of a vector of neighbours, and what else is wanted of them. */
INLINE void add_pair(lanes_i *pull, extra_sum *extra, qn_fast_scratch *scratch, const uint16_t *entry, lanes_f w, const float *stage, lanes_f to_virial,
                     const float *energy, const int row_bits, const qn_sums sums) {
  lanes_f fx = f_mul(w, f_load(stage + DX)), fy = f_mul(w, f_load(stage + DY)), fz = f_mul(w, f_load(stage + DZ));
  lanes_i x = i_from_f(fx), y = i_from_f(fy), z = i_from_f(fz);
  lanes_i shadow = sums == QN_SUMS_NONE ? i_zero() : i_from_f(f_mul(shadow_of(fx, fy, fz), f_set(QN_FAST_COARSE)));
  add_sites(scratch->force, entry, x, y, z, shadow, pull);
  if (sums == QN_SUMS_NONE) return;
  stretch(extra, fx, fy, fz, stage, to_virial, sums);
  if (sums == QN_SUMS_ALL) add_energies(&extra->energy, scratch->pairs, entry, energy, stage, row_bits);
}

/* The virial of the pairs of one atom. */
INLINE void keep_virial(const extra_sum *extra, qn_fast_scratch *scratch, const qn_sums sums) {
  int32_t virial[6];
  const int count = sums == QN_SUMS_ALL ? 6 : 3;
  for (int v = 0; v < count; v++) {
    virial[v] = i_sum(extra->virial[v]);
    scratch->virial[v] += virial[v];
  }
  for (int k = 0; k < count / 3; k++) scratch->beyond |= three_ran_over(extra->virial_shadow[k], virial + 3 * k);
}

INLINE void forces_of_brick(qn_fast *fast, int64_t b, qn_site *sites, qn_fast_scratch *scratch, const bool symmetric, const qn_sums sums) {
  const int row_bits = symmetric ? 5 : 6;
  const qn_lists *lists = fast->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const qn_fast_tables *tables = &fast->tables;
  gather_sites(lists, fast->rows, brick, sites);
  memset(scratch->force, 0, (size_t)(brick->site_count + 1) * sizeof *scratch->force);
  if (sums == QN_SUMS_ALL) memset(scratch->pairs, 0, (size_t)(brick->site_count + 1) * sizeof *scratch->pairs);
  const uint16_t *entry = own->inner;
  const slope_map map = map_of(tables, row_bits);
  const lanes_f to_virial = f_set((float)(tables->force_quantum * lists->quantum / tables->virial_quantum));
  for (int64_t atom = 0; atom < brick->count; atom++) {
    int64_t at = brick->first + atom;
    qn_site row = fast->rows[at];
    centre c = centre_of(row);
    float slope;
    memcpy(&slope, &row.tag, sizeof slope);
    const int core = own->count[atom][0];
    float *middle = approach(sites, entry, core, c, &map, scratch->stage, true);
    float *end = approach(sites, entry + core, own->count[atom][1], c, &map, middle, false);

    int64_t slot = (int64_t)lists->type[at] * tables->step;
    const float *slopes = tables->slopes + (slot << tables->slope_slot_bits) / (int64_t)sizeof(float);
    const float *energy = tables->energy + (slot << (tables->slope_slot_bits - row_bits + 4)) / (int64_t)sizeof(float);
    const lanes_f mine = f_set(slope), no = f_set(0.0f);
    lanes_i pull = i_zero();
    extra_sum extra = {0, {i_zero(), i_zero(), i_zero(), i_zero(), i_zero(), i_zero()}, {no, no}};
    const float *stage = scratch->stage;
    for (; stage < middle; stage += STAGE, entry += LANES)
      add_pair(&pull, &extra, scratch, entry, core_pull(slopes, stage, mine, symmetric), stage, to_virial, energy, row_bits, sums);
    for (; stage < end; stage += STAGE, entry += LANES)
      add_pair(&pull, &extra, scratch, entry, cubic(slopes, stage), stage, to_virial, energy, row_bits, sums);

    const uint16_t self = own->self[atom];
    take_rows(scratch->force[self], pull);
    if (sums == QN_SUMS_NONE) continue;
    keep_virial(&extra, scratch, sums);
    if (sums == QN_SUMS_ALL) scratch->pairs[self] += extra.energy;
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
