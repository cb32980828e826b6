/* The two passes of the double kernel, written once over lanes and compiled for each instruction set by the file that includes it, after a
 * lanes_*.h.
 *
 *   f_i = sum_j [ phi'_ij + F'_i rho'_ij + F'_j rho'_ji ] (r_j - r_i) / r,   virial = -1/2 sum_ij r_ij f_ij
 *
 * A pass copies what surrounds a brick, then works atom by atom in two strides: distances, and where they lie in the tables; then look up and sum.
 * The look-ups wait for the outer caches, and the less they wait for each other the better. */
#ifndef QN_POTENTIAL_DOUBLE_KERNEL_H
#define QN_POTENTIAL_DOUBLE_KERNEL_H

#include <math.h>
#include <string.h>

#include "engine/potential/double.h"

/* One vector of the stage, in doubles: r_j - r_i in A, place in the interval, 1/r, tag (F' of the neighbour), and the rows as 32-bit integers. */
enum { DX = 0, DY = HALF, DZ = 2 * HALF, PLACE = 3 * HALF, INVERSE = 4 * HALF, TAG = 5 * HALF, ROW = 6 * HALF, STAGE = 7 * HALF };

static void gather(const qn_double *self, const qn_brick *brick, int pass, qn_double_scratch *scratch) {
  double *low = scratch->low, *high = scratch->high;
  for (int32_t k = 0; k < brick->stretch_count; k++) {
    const qn_stretch *stretch = &brick->stretches[k];
    const double x = stretch->shift[0] * self->box[0], y = stretch->shift[1] * self->box[1], z = stretch->shift[2] * self->box[2];
    const double *from_low = self->low + 2 * (int64_t)stretch->start, *from_high = self->high[pass] + 2 * (int64_t)stretch->start;
    for (int32_t s = 0; s < stretch->count; s++, low += 2, high += 2) {
      low[0] = from_low[2 * s] + x, low[1] = from_low[2 * s + 1] + y;
      high[0] = from_high[2 * s] + z, high[1] = from_high[2 * s + 1];
    }
  }
  low[0] = brick->middle[0] + 3.0 * self->lists->ranges.reach, low[1] = brick->middle[1]; /* beyond everything's reach, for the padding */
  high[0] = brick->middle[2], high[1] = 0.0;
}

/* The first stride over one list, of the first or `second` pass; returns the end of the stage. *least becomes the smallest squared distance, by lane. */
INLINE double *approach(const qn_double *self, const qn_double_scratch *scratch, const uint16_t *entry, int count, const double centre[3], double *stage,
                        lanes_d *least, const bool core, const bool second) {
  const lanes_d x0 = d_set(centre[0]), y0 = d_set(centre[1]), z0 = d_set(centre[2]);
  const lanes_d scale = d_set(self->r_scale), end = d_set(self->r_end), none = d_set(self->r_none), cutoff = d_set(self->cutoff_square);
  const int32_t species = (1 << self->tag_bits) - 1;
  for (int k = 0; k < count; k += HALF, entry += HALF, stage += STAGE) {
    lanes_d x, y, z, tag;
    d_load_sites(scratch->low, scratch->high, entry, &x, &y, &z, &tag);
    x = d_sub(x, x0), y = d_sub(y, y0), z = d_sub(z, z0);
    lanes_d square = d_fma(z, z, d_fma(y, y, d_mul(x, x))), r = d_sqrt(square);
    lanes_d q = d_pick(square, cutoff, d_min(d_mul(r, scale), end), none);
    int32_t *row = (int32_t *)(stage + ROW);
    d_store(stage + PLACE, d_sub(q, d_split(q, row)));
    d_add_tags(row, tag, species, self->slot);
    *least = d_min(square, *least);
    if (!second) continue;
    d_store(stage + DX, x), d_store(stage + DY, y), d_store(stage + DZ, z);
    d_store(stage + INVERSE, d_div(d_set(1.0), r));
    if (core) d_store(stage + TAG, tag);
  }
  return stage;
}

/* A function between two knots, as LAMMPS's spline has it: f0 + d0 p + c2 p^2 + c3 p^3. */
typedef struct cubics {
  lanes_d p, f0, d0, c2, c3;
} cubics;

INLINE cubics look_up(const double *table, const double *stage) {
  lanes_d knots[4];
  d_load_knots(table, (const int32_t *)(stage + ROW), knots);
  const lanes_d rise = d_sub(knots[2], knots[0]), both = d_add(knots[1], knots[3]);
  return (cubics){.p = d_load(stage + PLACE),
                  .f0 = knots[0],
                  .d0 = knots[1],
                  .c2 = d_sub(d_mul(d_set(3.0), rise), d_add(knots[1], both)),
                  .c3 = d_fma(d_set(-2.0), rise, both)};
}
INLINE lanes_d value_of(cubics f) { return d_fma(d_fma(d_fma(f.c3, f.p, f.c2), f.p, f.d0), f.p, f.f0); }
/* By interval, not by A. */
INLINE lanes_d slope_of(cubics f) { return d_fma(d_fma(d_mul(d_set(3.0), f.c3), f.p, d_add(f.c2, f.c2)), f.p, f.d0); }

/* A sum of terms, each rounded to a multiple of the quantum; the larger parts of split ones apart. Bits are added up, rounders and all. */
typedef struct sum {
  lanes_l fine, large;
} sum;

INLINE sum nothing(void) { return (sum){l_zero(), l_zero()}; }

INLINE void add_term(sum *to, lanes_d term, const bool split) {
  if (split) {
    lanes_d rounded = d_add(term, d_set(QN_DOUBLE_LARGE_ROUNDER));
    to->large = l_add_bits(to->large, rounded);
    term = d_sub(term, d_sub(rounded, d_set(QN_DOUBLE_LARGE_ROUNDER)));
  }
  to->fine = l_add_bits(to->fine, d_add(term, d_set(QN_DOUBLE_ROUNDER)));
}

INLINE int64_t without_rounders(lanes_l bits, int64_t terms, const double rounder) {
  uint64_t one;
  memcpy(&one, &rounder, sizeof one);
  return (int64_t)((uint64_t)l_sum(bits) - (uint64_t)terms * one);
}

INLINE qn_double_quanta total(const sum *of, int64_t terms, const bool split) {
  int64_t fine = without_rounders(of->fine, terms, QN_DOUBLE_ROUNDER);
  if (!split) return fine;
  const int scale = (int)(QN_DOUBLE_LARGE_QUANTUM / QN_DOUBLE_QUANTUM);
  return fine + (qn_double_quanta)without_rounders(of->large, terms, QN_DOUBLE_LARGE_ROUNDER) * scale;
}

/* What `total` gives, as a number. Without a split 64 bits hold it, which convert in one instruction. */
INLINE double rounded_total(const sum *of, int64_t terms, const bool split) {
  qn_double_quanta exact = total(of, terms, split);
  return split ? (double)exact : (double)(int64_t)exact;
}

/* F' of the atom at a place becomes its tag in the second pass, with the species in the lowest bits. */
static void embed(qn_double *self, int64_t at, double rho, qn_double_scratch *scratch) {
  int type = self->lists->type[at];
  double slope;
  self->energy[at] = qn_embedding_at(self->embedding, type, rho, &slope);
  scratch->steep |= !(fabs(slope) <= self->steepest);
  uint64_t bits, species = (UINT64_C(1) << self->tag_bits) - 1;
  memcpy(&bits, &slope, sizeof bits);
  bits = (bits & ~species) | (uint64_t)type;
  memcpy(&self->high[1][2 * at + 1], &bits, sizeof bits);
}

static void density(qn_double *self, int64_t b, qn_double_scratch *scratch) {
  const qn_lists *lists = self->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const uint16_t *entry = own->inner;
  const lanes_d nearest = d_set(self->nearest * self->nearest), to_quanta = d_set(QN_DOUBLE_QUANTUM / self->density_quantum);
  gather(self, brick, 0, scratch);
  for (int64_t atom = 0; atom < brick->count; atom++) {
    int64_t at = brick->first + atom;
    const double centre[3] = {self->low[2 * at], self->low[2 * at + 1], self->high[0][2 * at]};
    int count = own->count[atom][0];
    lanes_d least = d_set(1e30);
    const double *end = approach(self, scratch, entry, count, centre, scratch->stage, &least, true, false);
    entry += count + own->count[atom][1];
    if (d_any_less(least, nearest)) {
      int32_t id = lists->bricks.order[at];
      if (id < scratch->bad) scratch->bad = id;
      continue;
    }
    const double *here = self->here + 2 * (int64_t)lists->type[at] * self->step * self->slot;
    sum rho = nothing();
    for (const double *stage = scratch->stage; stage < end; stage += STAGE)
      add_term(&rho, d_mul(value_of(look_up(here, stage)), to_quanta), false);
    embed(self, at, rounded_total(&rho, count, false) * self->density_quantum, scratch);
  }
}

typedef struct sums {
  sum f[3], energy, virial[6];
} sums;

INLINE void add_pair(sums *to, const double *stage, lanes_d pull, lanes_d phi, const qn_sums wanted, const bool split) {
  lanes_d x = d_load(stage + DX), y = d_load(stage + DY), z = d_load(stage + DZ), fx = d_mul(pull, x), fy = d_mul(pull, y), fz = d_mul(pull, z);
  add_term(&to->f[0], fx, split);
  add_term(&to->f[1], fy, split);
  add_term(&to->f[2], fz, split);
  if (wanted == QN_SUMS_NONE) return;
  add_term(&to->virial[0], d_mul(fx, x), split);
  add_term(&to->virial[1], d_mul(fy, y), split);
  add_term(&to->virial[2], d_mul(fz, z), split);
  if (wanted == QN_SUMS_PRESSURE) return;
  add_term(&to->energy, phi, split);
  add_term(&to->virial[3], d_mul(fx, y), split);
  add_term(&to->virial[4], d_mul(fx, z), split);
  add_term(&to->virial[5], d_mul(fy, z), split);
}

INLINE void forces_of_brick(qn_double *self, int64_t b, qn_double_scratch *scratch, const bool symmetric, const qn_sums wanted, const bool split) {
  const qn_lists *lists = self->lists;
  const qn_brick *brick = &lists->bricks.brick[b];
  const qn_brick_lists *own = &lists->brick[b];
  const uint16_t *entry = own->inner;
  const lanes_d scale = d_set(self->r_scale);
  gather(self, brick, 1, scratch);
  for (int64_t atom = 0; atom < brick->count; atom++) {
    int64_t at = brick->first + atom, slot = 2 * (int64_t)lists->type[at] * self->step * self->slot;
    const double centre[3] = {self->low[2 * at], self->low[2 * at + 1], self->high[1][2 * at]};
    const int core = own->count[atom][0], terms = core + own->count[atom][1];
    lanes_d unused = d_set(0.0);
    const double *middle = approach(self, scratch, entry, core, centre, scratch->stage, &unused, true, true);
    const double *end = approach(self, scratch, entry + core, terms - core, centre, (double *)middle, &unused, false, true);
    entry += terms;

    const double *pair = self->pair + slot, *here = self->here + slot, *there = symmetric ? NULL : self->there + slot;
    const lanes_d mine = d_set(self->high[1][2 * at + 1]);
    sums of = {.energy = nothing()};
    for (int a = 0; a < 3; a++) of.f[a] = nothing();
    for (int v = 0; v < 6; v++) of.virial[v] = nothing();
    const double *stage = scratch->stage;
    for (; stage < middle; stage += STAGE) {
      lanes_d inverse = d_load(stage + INVERSE), other = d_load(stage + TAG), embedding;
      lanes_d rho = slope_of(look_up(here, stage));
      if (symmetric) embedding = d_mul(rho, d_add(mine, other));
      else embedding = d_add(d_mul(rho, mine), d_mul(slope_of(look_up(there, stage)), other)); /* products first: the same from either side */
      cubics z2 = look_up(pair, stage);
      lanes_d phi = d_mul(value_of(z2), inverse);
      lanes_d slope = d_fma(d_sub(d_mul(slope_of(z2), scale), phi), inverse, d_mul(embedding, scale));
      add_pair(&of, stage, d_mul(slope, inverse), phi, wanted, split);
    }
    for (; stage < end; stage += STAGE) {
      lanes_d inverse = d_load(stage + INVERSE);
      cubics z2 = look_up(pair, stage);
      lanes_d phi = d_mul(value_of(z2), inverse);
      add_pair(&of, stage, d_mul(d_mul(d_sub(d_mul(slope_of(z2), scale), phi), inverse), inverse), phi, wanted, split);
    }
    for (int axis = 0; axis < 3; axis++) self->force[4 * at + axis] = rounded_total(&of.f[axis], terms, split) * QN_DOUBLE_QUANTUM;
    if (wanted == QN_SUMS_ALL) self->energy[at] += 0.5 * rounded_total(&of.energy, terms, split) * QN_DOUBLE_QUANTUM;
    for (int v = 0; v < (wanted == QN_SUMS_NONE ? 0 : wanted == QN_SUMS_PRESSURE ? 3 : 6); v++) scratch->virial[v] += total(&of.virial[v], terms, split);
  }
}

#ifdef QN_ONE_LOOP
static void force(qn_double *self, int64_t b, qn_double_scratch *scratch) {
  forces_of_brick(self, b, scratch, self->symmetric, self->sums, self->split || self->lists->brick[b].near);
}
#else
/* The compiler makes a loop for each of what is wanted. */
INLINE void choose(qn_double *self, int64_t b, qn_double_scratch *scratch, const bool symmetric, const bool split) {
  switch (self->sums) {
    case QN_SUMS_NONE: forces_of_brick(self, b, scratch, symmetric, QN_SUMS_NONE, split); break;
    case QN_SUMS_PRESSURE: forces_of_brick(self, b, scratch, symmetric, QN_SUMS_PRESSURE, split); break;
    case QN_SUMS_ALL: forces_of_brick(self, b, scratch, symmetric, QN_SUMS_ALL, split); break;
  }
}

static void force(qn_double *self, int64_t b, qn_double_scratch *scratch) {
  bool split = self->split || self->lists->brick[b].near;
  if (self->symmetric && split)
    choose(self, b, scratch, true, true);
  else if (self->symmetric)
    choose(self, b, scratch, true, false);
  else if (split)
    choose(self, b, scratch, false, true);
  else
    choose(self, b, scratch, false, false);
}
#endif

#endif
