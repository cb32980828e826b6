/* The two passes of the double kernel over complete lists, for the instruction set of the file that includes this.
 *
 * The first sums the pair term and the density of each atom, keeps the neighbours close enough for any density, and ends
 * with F and F' of each atom; the second adds the embedding forces over the close neighbours.
 *
 *   f_i = sum_j [ phi'_ij + F'_i rho'_ij + F'_j rho'_ji ] (r_j - r_i) / r,   virial = 1/2 sum_ij r_ij f_ij
 *
 * Each sum belongs to one atom or one chunk, so the bits do not depend on threads. */
#ifndef QN_POTENTIAL_DOUBLE_PASSES_H
#define QN_POTENTIAL_DOUBLE_PASSES_H

#include "engine/potential/double.h"
#include "engine/potential/lanes.h"

enum { MOST_CLOSE = QN_MOST_NEIGHBORS + QN_LANES };
_Static_assert((int)QN_LANES % (int)QN_WIDTH == 0, "lists are padded to whole vectors");

typedef struct sums {
  qn_vec f[3], virial[6]; /* virial with the sign of its forces turned */
} sums;

QN_INLINE void add_pair(sums *sum, qn_vec pull, qn_vec x, qn_vec y, qn_vec z) {
  qn_vec fx = pull * x, fy = pull * y, fz = pull * z;
  sum->f[0] += fx, sum->f[1] += fy, sum->f[2] += fz;
  sum->virial[0] = qn_vec_fused(x, fx, sum->virial[0]);
  sum->virial[1] = qn_vec_fused(y, fy, sum->virial[1]);
  sum->virial[2] = qn_vec_fused(z, fz, sum->virial[2]);
  sum->virial[3] = qn_vec_fused(x, fy, sum->virial[3]);
  sum->virial[4] = qn_vec_fused(x, fz, sum->virial[4]);
  sum->virial[5] = qn_vec_fused(y, fz, sum->virial[5]);
}

/* A table's polynomials at eight distances. */
typedef struct cubics {
  qn_vec p, c[4];
} cubics;

/* `q` in steps of the table, `end` its last point or just below; past the end, p = 1 of the last interval. */
QN_INLINE cubics look_up(const double *table, qn_vec q, qn_vec end) {
  cubics found;
  qn_vec within = qn_vec_min(q, end);
  qn_offsets interval = qn_vec_truncate(within);
  found.p = within - qn_offsets_convert(interval);
  qn_vec_rows_of(table, interval, found.c);
  return found;
}
QN_INLINE qn_vec value_of(cubics f) {
  return qn_vec_fused(qn_vec_fused(qn_vec_fused(f.c[3], f.p, f.c[2]), f.p, f.c[1]), f.p, f.c[0]);
}
/* By interval, not by A. */
QN_INLINE qn_vec slope_of(cubics f) { return qn_vec_fused(qn_vec_fused(3.0 * f.c[3], f.p, f.c[2] + f.c[2]), f.p, f.c[1]); }

/* F and F' at a density; a straight line above the table. */
QN_INLINE double embed(const qn_double *self, int type, double rho, double *slope) {
  double q = rho * self->rho_scale;
  int interval = q > 0.0 ? q < self->rho_intervals - 1 ? (int)q : self->rho_intervals - 1 : 0;
  double p = q - interval < 1.0 ? q - interval : 1.0;
  const double *c = self->embedding[type] + 4 * (ptrdiff_t)interval;
  *slope = ((3.0 * c[3] * p + 2.0 * c[2]) * p + c[1]) * self->rho_scale;
  double energy = ((c[3] * p + c[2]) * p + c[1]) * p + c[0];
  return rho > self->rho_last ? energy + *slope * (rho - self->rho_last) : energy;
}

/* The neighbours of one species: forces and energy of the pair term. Those close enough for a density are packed into
 * `close` and their distances (in steps of the tables) into `steps`; returns how many. */
QN_INLINE int pair_terms(const qn_double *self, const qn_pair_tables *tables, int32_t site, const int32_t *entries, int count, sums *sum,
                         qn_vec *phi_sum, qn_vec *nearest, int32_t *close, double *steps) {
  const double *at = self->sites + 4 * (ptrdiff_t)site;
  const qn_vec x0 = qn_vec_all(at[0]), y0 = qn_vec_all(at[1]), z0 = qn_vec_all(at[2]);
  const qn_vec scale = qn_vec_all(self->r_scale), end = qn_vec_all(self->r_end);
  const qn_vec pair_square = qn_vec_all(tables->pair_square), density_square = qn_vec_all(tables->density_square);
  int found = 0;
  for (int e = 0; e < count; e += QN_LANES) {
    qn_vec r[4];
    qn_vec_rows(self->sites, entries + e, r);
    qn_vec x = r[0] - x0, y = r[1] - y0, z = r[2] - z0, square = qn_vec_fused(z, z, qn_vec_fused(y, y, x * x));
    *nearest = qn_vec_min(*nearest, square);
    qn_vec inverse = qn_vec_inverse_root(square), q = square * inverse * scale;
    cubics z2 = look_up(tables->pair, q, end);
    qn_mask in_pair = qn_vec_less(square, pair_square), in_density = qn_vec_less(square, density_square);
    qn_vec phi = qn_vec_keep(in_pair, value_of(z2) * inverse);
    qn_vec pull = qn_vec_fused(slope_of(z2), scale, -phi) * (inverse * inverse);
    *phi_sum += phi;
    add_pair(sum, qn_vec_keep(in_pair, pull), x, y, z);
    qn_index_pack(close + found, in_density, qn_index_load(entries + e));
    qn_vec_pack(steps + found, in_density, q);
    found += __builtin_popcount(in_density);
  }
  return found;
}

static void first_pass(qn_double *self, const qn_neighbor *neighbor, int64_t c) {
  const qn_chunk *chunk = &neighbor->chunks[c];
  qn_chunk_sum *total = &self->chunks[c];
  const int species = self->species_count;
  const qn_vec end = qn_vec_all(self->r_end);
  double steps[MOST_CLOSE];
  sums sum = {0};
  total->energy = 0.0;
  total->bad = -1;
  for (int k = 0; k < chunk->count; k++) {
    int64_t centre = chunk->first + k;
    int32_t site = neighbor->centre[centre];
    int type = neighbor->type[site], near = 0;
    qn_vec phi_sum = qn_vec_all(0.0), rho_sum = phi_sum;
    for (int axis = 0; axis < 3; axis++) sum.f[axis] = phi_sum;
    for (int s = 0; s < species; s++) {
      const qn_pair_tables *tables = &self->pair[type][s];
      int32_t start = chunk->start[k * species + s], stop = chunk->start[k * species + s + 1], *close = total->close + start;
      qn_vec nearest = qn_vec_all(INFINITY);
      int found = pair_terms(self, tables, site, chunk->entries + start, stop - start, &sum, &phi_sum, &nearest, close, steps), e = 0;
      near |= qn_vec_less(nearest, qn_vec_all(tables->core_square));
      for (; e + QN_LANES <= found; e += QN_LANES) rho_sum += value_of(look_up(tables->here, qn_vec_load(steps + e), end));
      if (e < found) {
        for (int pad = found; pad < e + QN_LANES; pad++) {
          close[pad] = (int32_t)neighbor->site_count;
          steps[pad] = 0.0;
        }
        qn_mask there = (qn_mask)((1u << (found - e)) - 1);
        rho_sum += qn_vec_keep(there, value_of(look_up(tables->here, qn_vec_load(steps + e), end)));
        e += QN_LANES;
      }
      total->count[k * species + s] = e;
    }
    double slope, energy = embed(self, type, qn_vec_sum(rho_sum), &slope) + 0.5 * qn_vec_sum(phi_sum);
    self->sites[4 * (ptrdiff_t)site + 3] = slope;
    self->energy[centre] = energy;
    for (int axis = 0; axis < 3; axis++) self->force[axis][centre] = qn_vec_sum(sum.f[axis]);
    total->energy += energy;
    if (total->bad < 0 && (near || !isfinite(energy) || !isfinite(slope))) total->bad = neighbor->atom[site];
  }
  for (int v = 0; v < 6; v++) total->virial[v] = -qn_vec_sum(sum.virial[v]);
}

static void second_pass(qn_double *self, const qn_neighbor *neighbor, qn_atoms *atoms, int64_t c) {
  const qn_chunk *chunk = &neighbor->chunks[c];
  qn_chunk_sum *total = &self->chunks[c];
  const int species = self->species_count;
  const qn_vec scale = qn_vec_all(self->r_scale), end = qn_vec_all(self->r_end);
  sums sum = {0};
  for (int k = 0; k < chunk->count; k++) {
    int64_t centre = chunk->first + k;
    int32_t site = neighbor->centre[centre], atom = neighbor->atom[site];
    int type = neighbor->type[site];
    const double *at = self->sites + 4 * (ptrdiff_t)site;
    const qn_vec x0 = qn_vec_all(at[0]), y0 = qn_vec_all(at[1]), z0 = qn_vec_all(at[2]), slope = qn_vec_all(at[3]);
    for (int axis = 0; axis < 3; axis++) sum.f[axis] = qn_vec_all(0.0);
    for (int s = 0; s < species; s++) {
      const qn_pair_tables *tables = &self->pair[type][s];
      const qn_vec density_square = qn_vec_all(tables->density_square);
      const int32_t *close = total->close + chunk->start[k * species + s];
      const int count = total->count[k * species + s];
      for (int e = 0; e < count; e += QN_LANES) {
        qn_vec r[4];
        qn_vec_rows(self->sites, close + e, r);
        qn_vec x = r[0] - x0, y = r[1] - y0, z = r[2] - z0, square = qn_vec_fused(z, z, qn_vec_fused(y, y, x * x));
        qn_vec inverse = qn_vec_inverse_root(square), q = square * inverse * scale, pull;
        qn_vec here = slope_of(look_up(tables->here, q, end));
        if (tables->there == tables->here) pull = (slope + r[3]) * here;
        else pull = qn_vec_fused(r[3], slope_of(look_up(tables->there, q, end)), slope * here);
        add_pair(&sum, qn_vec_keep(qn_vec_less(square, density_square), pull * (scale * inverse)), x, y, z);
      }
    }
    for (int axis = 0; axis < 3; axis++) {
      double f = self->force[axis][centre] + qn_vec_sum(sum.f[axis]);
      atoms->f[axis][atom] = f;
      if (total->bad < 0 && !isfinite(f)) total->bad = atom;
    }
  }
  for (int v = 0; v < 6; v++) total->virial[v] -= qn_vec_sum(sum.virial[v]);
}

#endif
