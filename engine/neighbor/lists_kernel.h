/* The vector loops of the lists, written once over lanes; see lists.h. A source file includes this after a lanes_*.h. */
#ifndef QN_NEIGHBOR_LISTS_KERNEL_H
#define QN_NEIGHBOR_LISTS_KERNEL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/neighbor/lists.h"
#include "engine/neighbor/sites.h"

/* Places converted together, in arrays that stay in registers and the nearest cache. */
enum { GROUP = 64 };

/* Adding this to a double leaves its nearest integer in the low bits, in two's complement modulo 2^32. */
#define INTEGER_BITS 6755399441055744.0 /* 1.5 2^52 */

/* ---- positions ---- */

/* Where the atoms of a group stand; false when one of them left the box. */
static bool fetch(const qn_lists *lists, int64_t begin, int count, double at[3][GROUP]) {
  const int32_t *order = lists->bricks.order + begin;
  int outside = 0;
  for (int axis = 0; axis < 3; axis++) {
    double low = lists->box.origin[axis], high = low + lists->box.length[axis];
    const double *r = lists->atoms->r[axis];
    for (int k = 0; k < count; k++) at[axis][k] = r[order[k]];
    for (int k = 0; k < count; k++) outside |= !(at[axis][k] >= low) | !(at[axis][k] < high);
  }
  return outside == 0;
}

static void place(qn_lists *lists, int64_t begin, int64_t end, qn_lists_scratch *scratch) {
  double scale = 1.0 / lists->quantum;
  float inner_moved = scratch->inner_moved, outer_moved = scratch->outer_moved;
  for (int64_t first = begin; first < end; first += GROUP) {
    int count = (int)(end - first < GROUP ? end - first : GROUP);
    double at[3][GROUP], shifted[GROUP];
    int64_t bits[GROUP];
    int32_t quanta[3][GROUP];
    float inner[GROUP] = {0}, outer[GROUP] = {0};
    if (!fetch(lists, first, count, at)) {
      for (int k = 0; k < count; k++)
        if (!qn_lists_wrap(lists, first + k, scratch)) return;
      fetch(lists, first, count, at);
    }
    for (int axis = 0; axis < 3; axis++) {
      const int32_t *crossed = lists->crossed[axis] + first;
      const float *inner_place = lists->inner_place[axis] + first, *outer_place = lists->outer_place[axis] + first;
      double length = lists->box.length[axis];
      uint32_t box_quanta = (uint32_t)lists->box_quanta[axis];
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
    qn_site *rows = lists->rows + first;
    const uint8_t *type = lists->type + first;
    for (int k = 0; k < count; k++) rows[k] = (qn_site){quanta[0][k], quanta[1][k], quanta[2][k], type[k]};
  }
  scratch->inner_moved = inner_moved;
  scratch->outer_moved = outer_moved;
}

/* ---- lists ---- */

INLINE float square_quanta(const qn_lists *lists, double length) {
  double quanta = length / lists->quantum;
  return (float)(quanta * quanta);
}

/* The columns of cells along z in which something within reach of the cell x, y, z may stand, as stretches of sites; returns how many. */
static int columns_about(const qn_bricks *bricks, const qn_surroundings *about, int x, int y, int z, int32_t (*column)[2]) {
  const int *margin = bricks->margin;
  const double *length = bricks->cell_length;
  int columns = 0;
  for (int u = x - margin[0]; u <= x + margin[0]; u++)
    for (int v = y - margin[1]; v <= y + margin[1]; v++) {
      double du = u == x ? 0.0 : (abs(u - x) - 1) * length[0], dv = v == y ? 0.0 : (abs(v - y) - 1) * length[1];
      double rest = bricks->reach * bricks->reach - du * du - dv * dv;
      if (rest <= 0.0) continue;
      int height = (int)ceil(sqrt(rest) / length[2]);
      if (height > margin[2]) height = margin[2];
      int32_t from = about->site[qn_surroundings_cell(bricks, about, u, v, z - height)];
      int32_t to = about->site[qn_surroundings_cell(bricks, about, u, v, z + height) + 1];
      if (to > from) column[columns][0] = from, column[columns++][1] = to;
    }
  return columns;
}

/* Sites of the columns within `limit` of one of them, or only those of later places; returns how many. */
INLINE int search(const qn_lists_scratch *scratch, int columns, int32_t self, lanes_f limit, uint16_t *list, const bool half) {
  centre c = centre_of(scratch->sites[self]);
  const lanes_i own = i_set(scratch->at[self]);
  const int32_t *X = scratch->place[0], *Y = scratch->place[1], *Z = scratch->place[2];
  int found = 0;
  for (int q = 0; q < columns; q++) {
    int32_t to = scratch->column[q][1];
    for (int32_t s = scratch->column[q][0]; s < to; s += LANES) {
      lanes_f square = square_of(between(c, i_load(X + s), i_load(Y + s), i_load(Z + s)));
      lanes_m near = m_and(f_less(square, limit), m_first(to - s));
      if (half)
        near = m_and(near, i_less(own, i_load(scratch->at + s)));
      else if (self >= s && self < s + LANES)
        near = m_and_not(near, m_and_not(m_first(self - s + 1), m_first(self - s)));
      found += put_sites(list + found, s, near);
    }
  }
  return found;
}

static qn_status build(qn_lists *lists, int64_t b, qn_lists_scratch *scratch) {
  const qn_bricks *bricks = &lists->bricks;
  qn_surroundings *about = &scratch->about;
  qn_status status = qn_bricks_surround(&lists->bricks, b, lists->half, about, &scratch->error);
  if (status != QN_OK) return status;
  const qn_brick *brick = &bricks->brick[b];
  qn_brick_lists *own = &lists->brick[b];
  if (!qn_lists_room(own, brick->count) || !qn_lists_site_room(scratch, brick->site_count)) return qn_lists_no_memory(scratch);
  gather_sites(lists, lists->rows, brick, scratch->sites);
  int32_t sites = brick->site_count;
  for (int32_t s = 0; s < sites + QN_LISTS_PAD; s++) {
    const qn_site *row = &scratch->sites[s < sites ? s : sites];
    scratch->place[0][s] = row->x, scratch->place[1][s] = row->y, scratch->place[2][s] = row->z;
  }
  int32_t site = 0;
  for (int32_t k = 0; k < brick->stretch_count; k++)
    for (int32_t s = 0; s < brick->stretches[k].count; s++) scratch->at[site++] = brick->stretches[k].start + s;
  lanes_f limit = f_set(square_quanta(lists, bricks->reach));
  int64_t used = 0, atom = 0;
  for (int x = 0; x < bricks->cells[0]; x++)
    for (int y = 0; y < bricks->cells[1]; y++)
      for (int z = 0; z < bricks->cells[2]; z++) {
        int64_t home = qn_surroundings_cell(bricks, about, x, y, z);
        int32_t first = about->site[home], end = about->site[home + 1];
        if (first == end) continue;
        int columns = columns_about(bricks, about, x, y, z, scratch->column);
        for (int32_t self = first; self < end; self++, atom++) {
          if (!qn_lists_grow(&own->outer, &own->outer_capacity, used, used + sites + 2 * QN_LISTS_PAD)) return qn_lists_no_memory(scratch);
          uint16_t *list = own->outer + used;
          int found = lists->half ? search(scratch, columns, self, limit, list, true) : search(scratch, columns, self, limit, list, false);
          own->outer_count[atom] = found;
          own->self[atom] = (uint16_t)self;
          for (; found % LANES != 0; found++) list[found] = (uint16_t)(2 * sites);
          used += found;
        }
      }
  return QN_OK;
}

/* Core and shell of one atom at the present positions; limits are squares by species. */
INLINE void choose(const qn_lists *lists, const qn_site *sites, qn_site row, const uint16_t *outer, int outer_count, const float *core_limit,
                   const float *shell_limit, lanes_f near, uint16_t *core, uint16_t *shell, int found[2], lanes_m *any_near) {
  centre c = centre_of(row);
  int species = lists->species_count;
  for (int e = 0; e < outer_count; e += LANES) {
    lanes_i x, y, z, type;
    load_sites(sites, outer + e, &x, &y, &z, &type);
    lanes_f square = square_of(between(c, x, y, z)), inside = f_set(core_limit[0]), beyond = f_set(shell_limit[0]);
    for (int s = 1; s < species; s++) {
      lanes_m mine = i_equal(type, i_set(s));
      inside = f_select(mine, f_set(core_limit[s]), inside);
      beyond = f_select(mine, f_set(shell_limit[s]), beyond);
    }
    lanes_m in_core = f_less(square, inside), in_shell = m_and_not(f_less(square, beyond), in_core), closer = f_less(square, near);
    if (m_bits(closer)) *any_near = closer;
    found[0] += put_entries(core + found[0], outer + e, in_core);
    found[1] += put_entries(shell + found[1], outer + e, in_shell);
  }
}

static qn_status prune(qn_lists *lists, int64_t b, qn_lists_scratch *scratch) {
  const qn_brick *brick = &lists->bricks.brick[b];
  qn_brick_lists *own = &lists->brick[b];
  gather_sites(lists, lists->rows, brick, scratch->sites);
  int species = lists->species_count;
  uint16_t none = (uint16_t)(2 * brick->site_count);
  float core_limit[QN_MAX_SPECIES][QN_MAX_SPECIES], shell_limit[QN_MAX_SPECIES][QN_MAX_SPECIES];
  for (int a = 0; a < species; a++)
    for (int s = 0; s < species; s++) {
      core_limit[a][s] = square_quanta(lists, lists->ranges.core[a][s] + lists->inner_skin);
      shell_limit[a][s] = square_quanta(lists, lists->ranges.shell[a][s] + lists->inner_skin);
    }
  const uint16_t *outer = own->outer;
  int64_t used = 0;
  lanes_f near = f_set(square_quanta(lists, lists->ranges.near + lists->inner_skin));
  lanes_m any_near = m_first(0);
  own->most = 0;
  for (int64_t atom = 0; atom < brick->count; atom++) {
    qn_site row = lists->rows[brick->first + atom];
    int outer_count = (own->outer_count[atom] + LANES - 1) / LANES * LANES, found[2] = {0, 0};
    if (!qn_lists_grow(&own->inner, &own->inner_capacity, used, used + outer_count + 2 * QN_LISTS_PAD)) return qn_lists_no_memory(scratch);
    uint16_t *list = own->inner + used;
    choose(lists, scratch->sites, row, outer, outer_count, core_limit[row.tag], shell_limit[row.tag], near, list, scratch->shell, found, &any_near);
    outer += outer_count;
    int count = found[0] + found[1];
    memcpy(list + found[0], scratch->shell, (size_t)found[1] * sizeof *list);
    for (; count % QN_LISTS_LANES != 0; count++) list[count] = none;
    int core = (found[0] + QN_LISTS_LANES - 1) / QN_LISTS_LANES * QN_LISTS_LANES;
    own->count[atom][0] = (uint16_t)core;
    own->count[atom][1] = (uint16_t)(count - core);
    used += count;
    if (count > own->most) own->most = count;
  }
  own->near = m_bits(any_near) != 0;
  return QN_OK;
}

#endif
