/* The fast EAM kernel, written once over lanes and compiled for each instruction set by the file that includes it, after a
 * fast_lanes_*.h. Lanes are a vector of floats (f_*), of 32-bit integers (i_*) or of truth values (m_*); f_fma(a, b, c) = a b + c
 * rounded once, f_keep(m, a) is a where m holds and 0 elsewhere, i_from_f rounds to nearest.
 *
 * Every float operation is a correctly rounded IEEE one in an order that the source gives, and every sum over neighbours is a sum of
 * integers. So a result is a function of the positions alone: the same bits on every instruction set, for any number of threads, for any
 * order of the lists and whenever they were built; and as the force on i by j is the exact opposite of that on j by i, momentum is conserved
 * exactly.
 *
 * For one brick a pass copies its surroundings to a small array, then works atom by atom in two strides: gather neighbours and store
 * their distances; then look up functions and sum. The split keeps each stride free of long chains that wait for loads. */
#ifndef QN_POTENTIAL_FAST_KERNEL_H
#define QN_POTENTIAL_FAST_KERNEL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/potential/fast_state.h"

/* ---- positions ---- */

/* Adding this to a double leaves its nearest integer in the low bits, in two's complement modulo 2^32. */
#define INTEGER_BITS 6755399441055744.0 /* 1.5 2^52 */

/* Where the atoms of a chunk stand; false when one of them left the box. */
static bool fetch_chunk(const qn_fast *fast, int64_t begin, int count, double at[3][QN_FAST_CHUNK]) {
  const int32_t *order = fast->bricks.order + begin;
  int outside = 0;
  for (int axis = 0; axis < 3; axis++) {
    double low = fast->box.origin[axis], high = low + fast->box.length[axis];
    const double *r = fast->atoms->r[axis];
    for (int k = 0; k < count; k++) at[axis][k] = r[order[k]];
    for (int k = 0; k < count; k++) outside |= !(at[axis][k] >= low) | !(at[axis][k] < high);
  }
  return outside == 0;
}

static void place(qn_fast *fast, int64_t begin, int64_t end, qn_fast_scratch *scratch) {
  double scale = 1.0 / fast->tables.quantum;
  float inner_moved = scratch->inner_moved, outer_moved = scratch->outer_moved;
  for (int64_t first = begin; first < end; first += QN_FAST_CHUNK) {
    int count = (int)(end - first < QN_FAST_CHUNK ? end - first : QN_FAST_CHUNK);
    double at[3][QN_FAST_CHUNK], shifted[QN_FAST_CHUNK];
    int64_t bits[QN_FAST_CHUNK];
    int32_t quanta[3][QN_FAST_CHUNK];
    float inner[QN_FAST_CHUNK] = {0}, outer[QN_FAST_CHUNK] = {0};
    if (!fetch_chunk(fast, first, count, at)) {
      for (int k = 0; k < count; k++)
        if (!qn_fast_wrap(fast, first + k, scratch)) return;
      fetch_chunk(fast, first, count, at);
    }
    for (int axis = 0; axis < 3; axis++) {
      const int32_t *crossed = fast->crossed[axis] + first;
      const float *inner_place = fast->inner_place[axis] + first, *outer_place = fast->outer_place[axis] + first;
      double length = fast->box.length[axis];
      uint32_t box_quanta = (uint32_t)fast->box_quanta[axis];
      for (int k = 0; k < count; k++) shifted[k] = at[axis][k] * scale + INTEGER_BITS;
      memcpy(bits, shifted, sizeof bits);
      for (int k = 0; k < count; k++) {
        quanta[axis][k] = (int32_t)((uint32_t)bits[k] + (uint32_t)crossed[k] * box_quanta);
        float now = (float)(at[axis][k] + crossed[k] * length), a = now - inner_place[k], b = now - outer_place[k];
        inner[k] += a * a;
        outer[k] += b * b;
      }
    }
    for (int k = 0; k < count; k++) {
      inner_moved = inner[k] > inner_moved ? inner[k] : inner_moved;
      outer_moved = outer[k] > outer_moved ? outer[k] : outer_moved;
    }
    qn_fast_row *rows = fast->rows + first;
    const uint8_t *type = fast->type + first;
    for (int k = 0; k < count; k++) rows[k] = (qn_fast_row){quanta[0][k], quanta[1][k], quanta[2][k], type[k]};
  }
  scratch->inner_moved = inner_moved;
  scratch->outer_moved = outer_moved;
}

/* Copy what surrounds a brick; the site after the last is out of everyone's reach. Whole vectors are copied: what they write past the end of
 * a stretch the next one overwrites, and both arrays have room for it. */
static void gather_sites(const qn_fast *fast, const qn_fast_row *rows, const qn_brick *brick, qn_fast_row *sites) {
  enum { ROWS = LANES / 4 };
  for (int32_t k = 0; k < brick->stretch_count; k++) {
    const qn_stretch *stretch = &brick->stretches[k];
    const qn_fast_row *from = rows + stretch->start;
    qn_fast_row pattern[ROWS];
    for (int n = 0; n < ROWS; n++)
      pattern[n] = (qn_fast_row){(int32_t)((uint32_t)stretch->shift[0] * (uint32_t)fast->box_quanta[0]),
                                 (int32_t)((uint32_t)stretch->shift[1] * (uint32_t)fast->box_quanta[1]),
                                 (int32_t)((uint32_t)stretch->shift[2] * (uint32_t)fast->box_quanta[2]), 0};
    lanes_i shift = i_load(pattern);
    for (int32_t s = 0; s < stretch->count; s += ROWS) i_store(sites + s, i_add(i_load(from + s), shift));
    sites += stretch->count;
  }
  /* Two to four reaches from every atom of the brick, which is at most two reaches long. */
  int32_t middle[3];
  for (int axis = 0; axis < 3; axis++) middle[axis] = (int32_t)(uint32_t)(int64_t)llrint(brick->middle[axis] / fast->tables.quantum);
  *sites = (qn_fast_row){(int32_t)((uint32_t)middle[0] + (3u << QN_FAST_REACH_BITS)), middle[1], middle[2], 0};
}

/* ---- geometry ---- */

typedef struct vector3 {
  lanes_f x, y, z;
} vector3;

typedef struct centre {
  lanes_i x, y, z;
} centre;

INLINE centre centre_of(qn_fast_row row) { return (centre){i_set(row.x), i_set(row.y), i_set(row.z)}; }

/* From the centre to each site, in quanta. Integers subtract without error and without regard to where the box is cut. */
INLINE vector3 between(centre c, lanes_i x, lanes_i y, lanes_i z) {
  return (vector3){f_from_i(i_sub(x, c.x)), f_from_i(i_sub(y, c.y)), f_from_i(i_sub(z, c.z))};
}

INLINE lanes_f square_of(vector3 d) { return f_fma(d.z, d.z, f_fma(d.y, d.y, f_mul(d.x, d.x))); }

INLINE float square_quanta(const qn_fast *fast, double length) {
  double quanta = length / fast->tables.quantum;
  return (float)(quanta * quanta);
}

/* ---- lists ---- */

/* For every atom the sites within reach and outer skin: all that the columns of cells around its own hold are tried. */
static qn_status build(qn_fast *fast, int64_t b, qn_fast_scratch *scratch) {
  const qn_bricks *bricks = &fast->bricks;
  qn_status status = qn_bricks_surround(&fast->bricks, b, &scratch->about, &scratch->error);
  if (status != QN_OK) return status;
  const qn_brick *brick = &bricks->brick[b];
  qn_fast_lists *lists = &fast->lists[b];
  if (!qn_fast_room(lists, brick->count, fast->tables.species_count)) return qn_fast_no_memory(scratch);
  gather_sites(fast, fast->rows, brick, scratch->sites);
  int32_t sites = brick->site_count, *X = scratch->place[0], *Y = scratch->place[1], *Z = scratch->place[2];
  for (int32_t s = 0; s < sites + QN_FAST_MOST_LANES; s++) {
    const qn_fast_row *row = &scratch->sites[s < sites ? s : sites];
    X[s] = row->x, Y[s] = row->y, Z[s] = row->z;
  }
  const int *cells = bricks->cells, *margin = bricks->margin;
  const double *length = bricks->cell_length;
  lanes_f limit = f_set(square_quanta(fast, bricks->reach));
  int64_t used = 0, atom = 0;
  for (int x = 0; x < cells[0]; x++)
    for (int y = 0; y < cells[1]; y++)
      for (int z = 0; z < cells[2]; z++) {
        int64_t home = qn_surroundings_cell(bricks, &scratch->about, x, y, z);
        int32_t own = scratch->about.site[home], population = scratch->about.site[home + 1] - own;
        if (population == 0) continue;
        int columns = 0;
        int32_t(*column)[2] = scratch->column;
        for (int u = x - margin[0]; u <= x + margin[0]; u++)
          for (int v = y - margin[1]; v <= y + margin[1]; v++) {
            double du = u == x ? 0.0 : (abs(u - x) - 1) * length[0], dv = v == y ? 0.0 : (abs(v - y) - 1) * length[1];
            double rest = bricks->reach * bricks->reach - du * du - dv * dv;
            if (rest <= 0.0) continue;
            int height = (int)ceil(sqrt(rest) / length[2]);
            if (height > margin[2]) height = margin[2];
            int32_t from = scratch->about.site[qn_surroundings_cell(bricks, &scratch->about, u, v, z - height)];
            int32_t to = scratch->about.site[qn_surroundings_cell(bricks, &scratch->about, u, v, z + height) + 1];
            if (to > from) column[columns][0] = from, column[columns++][1] = to;
          }
        for (int k = 0; k < population; k++, atom++) {
          if (!qn_fast_grow16(&lists->outer, &lists->outer_capacity, used, used + sites + 2 * QN_FAST_MOST_LANES))
            return qn_fast_no_memory(scratch);
          uint16_t *list = lists->outer + used;
          int32_t self = own + k;
          centre c = centre_of(scratch->sites[self]);
          int found = 0;
          for (int q = 0; q < columns; q++)
            for (int32_t s = column[q][0]; s < column[q][1]; s += LANES) {
              lanes_f square = square_of(between(c, i_load(X + s), i_load(Y + s), i_load(Z + s)));
              lanes_m near = m_and(f_less(square, limit), m_first(column[q][1] - s));
              if (self >= s && self < s + LANES) near = m_and_not(near, m_and_not(m_first(self - s + 1), m_first(self - s)));
              found += put_sites(list + found, s, near);
            }
          lists->outer_count[atom] = found;
          for (; found % QN_FAST_MOST_LANES != 0; found++) list[found] = (uint16_t)(2 * sites);
          used += found;
        }
      }
  return QN_OK;
}

/* Sort the outer list of every atom into core and shell, by species, at the present positions. */
static qn_status prune(qn_fast *fast, int64_t b, qn_fast_scratch *scratch) {
  const qn_brick *brick = &fast->bricks.brick[b];
  qn_fast_lists *lists = &fast->lists[b];
  gather_sites(fast, fast->rows, brick, scratch->sites);
  int species = fast->tables.species_count;
  const uint16_t *outer = lists->outer;
  uint16_t none = (uint16_t)(2 * brick->site_count);
  int64_t core_used = 0, shell_used = 0;
  lists->most_neighbours = 0;
  lanes_f close = f_set(square_quanta(fast, fast->tables.nearest + fast->inner_skin));
  uint32_t any_close = 0;
  for (int64_t atom = 0; atom < brick->count; atom++) {
    qn_fast_row row = fast->rows[brick->first + atom];
    const qn_fast_pair *pairs = fast->tables.pairs + row.tag * species;
    centre c = centre_of(row);
    int outer_count = (lists->outer_count[atom] + QN_FAST_MOST_LANES - 1) / QN_FAST_MOST_LANES * QN_FAST_MOST_LANES;
    int count[QN_MAX_SPECIES][2] = {{0}};
    float core_limit[QN_MAX_SPECIES], shell_limit[QN_MAX_SPECIES];
    for (int s = 0; s < species; s++) {
      core_limit[s] = square_quanta(fast, pairs[s].core_reach + fast->inner_skin);
      shell_limit[s] = pairs[s].shell_reach > 0.0 ? square_quanta(fast, pairs[s].shell_reach + fast->inner_skin) : 0.0f;
    }
    for (int e = 0; e < outer_count; e += LANES) {
      lanes_i x, y, z, type;
      load_sites(scratch->sites, outer + e, &x, &y, &z, &type);
      lanes_f square = square_of(between(c, x, y, z));
      any_close |= m_bits(f_less(square, close));
      for (int s = 0; s < species; s++) {
        lanes_m mine = i_equal(type, i_set(s)), core = m_and(mine, f_less(square, f_set(core_limit[s])));
        count[s][0] += put_entries(scratch->split[2 * s] + count[s][0], outer + e, core);
        if (shell_limit[s] == 0.0f) continue;
        lanes_m shell = m_and(m_and_not(mine, core), f_less(square, f_set(shell_limit[s])));
        count[s][1] += put_entries(scratch->split[2 * s + 1] + count[s][1], outer + e, shell);
      }
    }
    outer += outer_count;
    if (!qn_fast_grow16(&lists->core, &lists->core_capacity, core_used, core_used + outer_count + species * LANES) ||
        !qn_fast_grow16(&lists->shell, &lists->shell_capacity, shell_used, shell_used + outer_count + species * LANES))
      return qn_fast_no_memory(scratch);
    int64_t vectors = 0;
    for (int s = 0; s < species; s++)
      for (int kind = 0; kind < 2; kind++) {
        uint16_t *from = scratch->split[2 * s + kind], *to = kind == 0 ? lists->core + core_used : lists->shell + shell_used;
        int n = count[s][kind];
        for (; n % LANES != 0; n++) from[n] = none;
        memcpy(to, from, (size_t)n * sizeof *to);
        *(kind == 0 ? &core_used : &shell_used) += n;
        lists->vectors[(atom * species + s) * 2 + kind] = (uint16_t)(n / LANES);
        vectors += n / LANES;
      }
    if (vectors * LANES > lists->most_neighbours) lists->most_neighbours = vectors * LANES;
  }
  lists->close = any_close != 0;
  return QN_OK;
}

/* ---- tables ---- */

/* The place within a float's interval of 2^shift floats: u in [0, 2^(shift-23)). */
INLINE lanes_f within(lanes_i bits, lanes_i mask) {
  return f_sub(i_as_f(i_and_or(bits, mask, i_set(0x3F800000))), f_set(1.0f));
}

INLINE lanes_f short_value(const float (*table)[QN_FAST_SHORT], const int degree, lanes_i row, lanes_f u) {
  lanes_f value = short_row(table[degree], row);
  for (int k = degree - 1; k >= 0; k--) value = f_fma(value, u, short_row(table[k], row));
  return value;
}

/* Where in the long tables a distance is. */
typedef struct long_place {
  lanes_i offset; /* of its row, bytes */
  lanes_f u;
} long_place;

INLINE long_place locate(const qn_fast_tables *tables, lanes_f square) {
  lanes_i bits = f_bits(f_min(square, f_set(tables->end_square)));
  lanes_i row = i_right(i_sub(bits, i_set((int32_t)tables->first_bits)), QN_FAST_FINE_SHIFT - 4);
  return (long_place){i_and(row, i_set(~15)), within(bits, i_set((1 << QN_FAST_FINE_SHIFT) - 1))};
}

INLINE lanes_f long_value(const float *table, long_place at) {
  lanes_f row[4];
  load_rows(table, at.offset, row);
  return f_fma(f_fma(f_fma(row[3], at.u, row[2]), at.u, row[1]), at.u, row[0]);
}

/* The pair term's slope in the shell. */
INLINE lanes_f shell_value(const qn_fast_pair *pair, lanes_f square) {
  lanes_i bits = f_bits(square);
  lanes_f u = within(bits, i_set((1 << QN_FAST_SHELL_SHIFT) - 1));
  return short_value(pair->shell, QN_FAST_SHELL_DEGREE, i_right(bits, QN_FAST_SHELL_SHIFT), u);
}

/* ---- first pass ---- */

/* F and F' of the atoms of a brick, by the reference kernel's spline. */
static void embed(qn_fast *fast, const qn_brick *brick) {
  const qn_fast_tables *tables = &fast->tables;
  for (int64_t at = brick->first; at < brick->first + brick->count; at++) {
    double rho = fast->density[at], q = rho * tables->rho_scale;
    int interval = q > 0.0 ? q < tables->rho_points - 2 ? (int)q : tables->rho_points - 2 : 0;
    double p = q - interval < 1.0 ? q - interval : 1.0;
    const double *f = tables->embedding[fast->type[at]] + 4 * (int64_t)interval;
    double slope = ((3.0 * f[3] * p + 2.0 * f[2]) * p + f[1]) * tables->rho_scale;
    fast->rows2[at] = fast->rows[at];
    float single = (float)slope;
    memcpy(&fast->rows2[at].tag, &single, sizeof single);
    if (!fast->want_sums) continue;
    fast->energy[at] = ((f[3] * p + f[2]) * p + f[1]) * p + f[0];
    if (rho > tables->rho_last) fast->energy[at] += slope * (rho - tables->rho_last);
  }
}

static void density(qn_fast *fast, int64_t b, qn_fast_scratch *scratch) {
  const qn_brick *brick = &fast->bricks.brick[b];
  const qn_fast_lists *lists = &fast->lists[b];
  const qn_fast_tables *tables = &fast->tables;
  int species = tables->species_count;
  gather_sites(fast, fast->rows, brick, scratch->sites);
  const uint16_t *entry = lists->core;
  const uint16_t *vectors = lists->vectors;
  float *stage = scratch->stage;
  for (int64_t atom = 0; atom < brick->count; atom++, vectors += 2 * species) {
    qn_fast_row row = fast->rows[brick->first + atom];
    centre c = centre_of(row);
    int all = 0;
    for (int s = 0; s < species; s++) all += vectors[2 * s];
    for (int k = 0; k < all; k++, entry += LANES) {
      lanes_i x, y, z, unused;
      load_sites(scratch->sites, entry, &x, &y, &z, &unused);
      f_store(stage + k * LANES, square_of(between(c, x, y, z)));
    }
    if (lists->close)
      for (int k = 0; k < all * LANES; k++) scratch->close |= stage[k] < tables->nearest_square;

    lanes_i sum = i_zero();
    const float *square = stage;
    for (int s = 0; s < species; s++) {
      const qn_fast_pair *pair = &tables->pairs[row.tag * species + s];
      lanes_f range = f_set(pair->density_square);
      if (pair->density_rows == NULL)
        for (int k = vectors[2 * s]; k > 0; k--, square += LANES) {
          lanes_f at = f_load(square);
          lanes_i bits = f_bits(at);
          lanes_f u = within(bits, i_set((1 << QN_FAST_SHORT_SHIFT) - 1));
          lanes_f value = short_value(pair->density, QN_FAST_DENSITY_DEGREE, i_right(bits, QN_FAST_SHORT_SHIFT), u);
          sum = i_add(sum, i_from_f(f_keep(f_less(at, range), value)));
        }
      else if (!scratch->close)
        for (int k = vectors[2 * s]; k > 0; k--, square += LANES) {
          lanes_f at = f_load(square);
          sum = i_add(sum, i_from_f(f_keep(f_less(at, range), long_value(pair->density_rows, locate(tables, at)))));
        }
    }
    fast->density[brick->first + atom] = (double)i_sum(sum) * tables->density_quantum;
  }
  embed(fast, brick);
}

/* ---- second pass ---- */

typedef struct pull_sum {
  lanes_i x, y, z;
} pull_sum;

typedef struct extra_sum {
  lanes_i energy, virial[6];
} extra_sum;

INLINE void pull(pull_sum *sum, lanes_f w, vector3 d) {
  sum->x = i_add(sum->x, i_from_f(f_mul(w, d.x)));
  sum->y = i_add(sum->y, i_from_f(f_mul(w, d.y)));
  sum->z = i_add(sum->z, i_from_f(f_mul(w, d.z)));
}

INLINE void stretch(extra_sum *sum, lanes_f w, vector3 d, lanes_f scale) {
  lanes_f fx = f_mul(w, d.x), fy = f_mul(w, d.y), fz = f_mul(w, d.z);
  lanes_f x = f_mul(d.x, scale), y = f_mul(d.y, scale), z = f_mul(d.z, scale);
  sum->virial[0] = i_add(sum->virial[0], i_from_f(f_mul(fx, x)));
  sum->virial[1] = i_add(sum->virial[1], i_from_f(f_mul(fy, y)));
  sum->virial[2] = i_add(sum->virial[2], i_from_f(f_mul(fz, z)));
  sum->virial[3] = i_add(sum->virial[3], i_from_f(f_mul(fx, y)));
  sum->virial[4] = i_add(sum->virial[4], i_from_f(f_mul(fx, z)));
  sum->virial[5] = i_add(sum->virial[5], i_from_f(f_mul(fy, z)));
}

INLINE vector3 load3(const float *stage) { return (vector3){f_load(stage), f_load(stage + LANES), f_load(stage + 2 * LANES)}; }

/* One vector of the stage: dx, dy, dz, squared distance, F'. */
enum { STAGE = 5 * LANES };

/* The force of a pair divided by its distance. */
INLINE lanes_f core_pull(const qn_fast_pair *pair, const float *stage, lanes_f own, long_place at) {
  lanes_f square = f_load(stage + 3 * LANES), other = f_load(stage + 4 * LANES);
  lanes_f phi = long_value(pair->pair, at);
  /* Beyond the core only pairs that the skin lets in are left: too few for a branch, and the shell's table must answer for all of them. */
  if (pair->shell_short) phi = f_select(f_less(square, f_set(pair->shell_from)), phi, shell_value(pair, square));
  phi = f_keep(f_less(square, f_set(pair->pair_square)), phi);

  lanes_m inside = f_less(square, f_set(pair->density_square));
  lanes_f here, there;
  if (pair->here_rows == NULL) {
    lanes_i bits = f_bits(square), row = i_right(bits, QN_FAST_SHORT_SHIFT);
    lanes_f u = within(bits, i_set((1 << QN_FAST_SHORT_SHIFT) - 1));
    here = f_keep(inside, short_value(pair->here, QN_FAST_SLOPE_DEGREE, row, u));
    if (pair->symmetric) return f_fma(here, f_add(own, other), phi);
    there = f_keep(inside, short_value(pair->there, QN_FAST_SLOPE_DEGREE, row, u));
  } else {
    here = f_keep(inside, long_value(pair->here_rows, at));
    if (pair->symmetric) return f_fma(here, f_add(own, other), phi);
    there = f_keep(inside, long_value(pair->there_rows, at));
  }
  /* Products first: seen from the other atom the two change places, and their sum must be the same to the bit. */
  return f_add(f_add(f_mul(here, own), f_mul(there, other)), phi);
}

INLINE void forces_of_brick(qn_fast *fast, int64_t b, qn_fast_scratch *scratch, const bool want_sums) {
  const qn_brick *brick = &fast->bricks.brick[b];
  const qn_fast_lists *lists = &fast->lists[b];
  const qn_fast_tables *tables = &fast->tables;
  int species = tables->species_count;
  gather_sites(fast, fast->rows2, brick, scratch->sites);
  const uint16_t *core = lists->core, *shell = lists->shell, *vectors = lists->vectors;
  lanes_f to_virial = f_set((float)(tables->force_quantum * tables->quantum / tables->virial_quantum));
  for (int64_t atom = 0; atom < brick->count; atom++, vectors += 2 * species) {
    int64_t at = brick->first + atom;
    qn_fast_row row = fast->rows2[at];
    const qn_fast_pair *pairs = &tables->pairs[fast->type[at] * species];
    centre c = centre_of(row);
    float slope;
    memcpy(&slope, &row.tag, sizeof slope);
    lanes_f own = f_set(slope);
    int core_vectors = 0, shell_vectors = 0;
    for (int s = 0; s < species; s++) core_vectors += vectors[2 * s], shell_vectors += vectors[2 * s + 1];

    float *stage = scratch->stage;
    for (int k = 0; k < core_vectors; k++, core += LANES, stage += STAGE) {
      lanes_i x, y, z, tag;
      load_sites(scratch->sites, core, &x, &y, &z, &tag);
      vector3 d = between(c, x, y, z);
      f_store(stage, d.x), f_store(stage + LANES, d.y), f_store(stage + 2 * LANES, d.z);
      f_store(stage + 3 * LANES, square_of(d));
      f_store(stage + 4 * LANES, i_as_f(tag));
    }
    for (int k = 0; k < shell_vectors; k++, shell += LANES, stage += STAGE) {
      lanes_i x, y, z, unused;
      load_sites(scratch->sites, shell, &x, &y, &z, &unused);
      vector3 d = between(c, x, y, z);
      f_store(stage, d.x), f_store(stage + LANES, d.y), f_store(stage + 2 * LANES, d.z);
      f_store(stage + 3 * LANES, square_of(d));
    }

    pull_sum sum = {i_zero(), i_zero(), i_zero()};
    extra_sum extra = {i_zero(), {i_zero(), i_zero(), i_zero(), i_zero(), i_zero(), i_zero()}};
    stage = scratch->stage;
    for (int s = 0; s < species; s++) {
      const qn_fast_pair *pair = &pairs[s];
      for (int k = vectors[2 * s]; k > 0; k--, stage += STAGE) {
        long_place where = locate(tables, f_load(stage + 3 * LANES));
        lanes_f w = core_pull(pair, stage, own, where);
        vector3 d = load3(stage);
        pull(&sum, w, d);
        if (!want_sums) continue;
        stretch(&extra, w, d, to_virial);
        lanes_m inside = f_less(f_load(stage + 3 * LANES), f_set(pair->pair_square));
        extra.energy = i_add(extra.energy, i_from_f(f_keep(inside, long_value(pair->energy, where))));
      }
    }
    for (int s = 0; s < species; s++) {
      const qn_fast_pair *pair = &pairs[s];
      for (int k = vectors[2 * s + 1]; k > 0; k--, stage += STAGE) {
        lanes_f square = f_load(stage + 3 * LANES);
        lanes_m inside = f_less(square, f_set(pair->pair_square));
        lanes_f w = f_keep(inside, pair->shell_short ? shell_value(pair, square) : long_value(pair->pair, locate(tables, square)));
        vector3 d = load3(stage);
        pull(&sum, w, d);
        if (!want_sums) continue;
        stretch(&extra, w, d, to_virial);
        extra.energy = i_add(extra.energy, i_from_f(f_keep(inside, long_value(pair->energy, locate(tables, square)))));
      }
    }

    int32_t atom_id = fast->bricks.order[at];
    fast->atoms->f[0][atom_id] = (double)i_sum(sum.x) * tables->force_quantum;
    fast->atoms->f[1][atom_id] = (double)i_sum(sum.y) * tables->force_quantum;
    fast->atoms->f[2][atom_id] = (double)i_sum(sum.z) * tables->force_quantum;
    if (!want_sums) continue;
    fast->energy[at] += 0.5 * (double)i_sum(extra.energy) * tables->energy_quantum;
    for (int v = 0; v < 6; v++) scratch->virial[v] += i_sum(extra.virial[v]);
  }
}

static void force(qn_fast *fast, int64_t b, qn_fast_scratch *scratch) {
  if (fast->want_sums)
    forces_of_brick(fast, b, scratch, true);
  else
    forces_of_brick(fast, b, scratch, false);
}

#endif
