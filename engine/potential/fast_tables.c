#include "engine/potential/fast_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"
#include "engine/neighbor/lists.h"
#include "engine/potential/spline.h"

enum {
  DEGREE = 3,
  FEWEST_NODES = 12, MOST_NODES = 512, /* Chebyshev points of a fit */
  REACH_EXPONENT = 2 * QN_LISTS_REACH_BITS, /* of s at the reach */
  FIRST_EXPONENT = REACH_EXPONENT - 5,      /* tables begin at 0.18 of the reach */
  TURN_EXPONENT = REACH_EXPONENT - 2,
  LAST_EXPONENT = REACH_EXPONENT + 5,
  COARSEST_SLOPES = 17, COARSEST_DENSITY = 18, /* shifts: 64 and 32 intervals an octave */
  PROBES = 5        /* points a row at which a fit is checked */
};

/* eV/A and eV, rms of a pair: what a fit may add is far below the noise of single precision. */
#define SLOPE_TOLERANCE 7e-7
#define DENSITY_TOLERANCE 1e-8
/* eV/A, eV. A single pair above this, at usual F', is left to the reference kernel; of sums that do not fit their integers still the kernel takes note. */
#define STRONGEST 100.0

/* A function of the squared distance in A^2. */
typedef struct source {
  const double *cubics; /* of r*phi, or of rho; see spline.h */
  int points;
  double step;         /* A */
  double near, range;  /* A: no answer below, zero beyond */
  bool pair;           /* the table is r*phi */
  bool slope;          /* d/ds is wanted, not the value */
  double scale;
} source;

static double evaluate(const source *from, double square) {
  double r = sqrt(square), q = r / from->step;
  if (r >= from->range) return 0.0;
  int interval = q < from->points - 2 ? (int)q : from->points - 2;
  const double *c = from->cubics + 4 * (size_t)interval;
  double p = fmin(q - interval, 1.0);
  double value = ((c[3] * p + c[2]) * p + c[1]) * p + c[0], slope = ((3.0 * c[3] * p + 2.0 * c[2]) * p + c[1]) / from->step;
  if (from->pair) {
    value /= r;
    slope = (slope - value) / r;
  }
  return from->scale * (from->slope ? slope / (2.0 * r) : value);
}

static float float_of(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static int32_t octave_bits(int exponent) {
  float value = ldexpf(1.0f, exponent);
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* An interval of s: 2^shift floats from `bits`. Place in it is u, how many floats past the beginning of the interval of 2^coarse floats around it. */
typedef struct interval {
  int32_t bits;
  int shift, coarse;
} interval;

static double place_of(interval at, double part) {
  return (double)(at.bits & ((1 << at.coarse) - 1)) + part * (double)(1 << at.shift);
}

static double square_at(interval at, double part, double quantum) {
  double low = (double)float_of(at.bits), high = (double)float_of(at.bits + (1 << at.shift));
  return (low + part * (high - low)) * quantum * quantum;
}

/* The zeros of a Chebyshev polynomial, kept from one row to the next. */
typedef struct zeros {
  int count;
  double x[MOST_NODES];
} zeros;

static void find_zeros(zeros *of, int count) {
  if (of->count == count) return;
  of->count = count;
  for (int node = 0; node < count; node++) of->x[node] = cos(QN_PI * (node + 0.5) / count);
}

/* Coefficients of 1, u, u^2, u^3 over one interval. */
static void fit_row(const source *from, double quantum, interval at, zeros *nodes, float row[DEGREE + 1]) {
  double low = square_at(at, 0.0, quantum), high = square_at(at, 1.0, quantum), begin = fmax(low, from->near * from->near);
  double chebyshev[DEGREE + 1] = {0}, power[DEGREE + 1] = {0};
  memset(row, 0, (DEGREE + 1) * sizeof *row);
  if (begin >= high || sqrt(low) >= from->range) return;
  /* The table's printed digits make its slope rough; enough points average that out, where few would leave a bias for the virial to sum up. */
  find_zeros(nodes, (int)fmin(fmax(4.0 * (sqrt(high) - sqrt(begin)) / from->step, FEWEST_NODES), MOST_NODES));
  for (int node = 0; node < nodes->count; node++) {
    double x = nodes->x[node], value = evaluate(from, 0.5 * (begin + high) + 0.5 * (high - begin) * x), before = 1.0, now = x;
    for (int k = 0; k <= DEGREE; k++) {
      chebyshev[k] += (k == 0 ? 1.0 : 2.0) / nodes->count * value * before;
      double next = 2.0 * x * now - before;
      before = now, now = next;
    }
  }
  /* To powers of x, which runs from -1 to 1 over the fitted part; T_k by its recurrence. */
  double before[DEGREE + 1] = {1.0}, now[DEGREE + 1] = {0.0, 1.0};
  power[0] += chebyshev[0];
  for (int k = 1; k <= DEGREE; k++) {
    double next[DEGREE + 1];
    for (int j = 0; j <= DEGREE; j++) {
      power[j] += chebyshev[k] * now[j];
      next[j] = (j > 0 ? 2.0 * now[j - 1] : 0.0) - before[j];
    }
    memcpy(before, now, sizeof before);
    memcpy(now, next, sizeof now);
  }
  /* x = a u + b: Horner's scheme on polynomials. */
  double first = place_of(at, (begin - low) / (high - low)), last = place_of(at, 1.0);
  double a = 2.0 / (last - first), b = -1.0 - a * first, result[DEGREE + 1] = {0};
  for (int k = DEGREE; k >= 0; k--) {
    for (int j = DEGREE; j > 0; j--) result[j] = a * result[j - 1] + b * result[j];
    result[0] = power[k] + b * result[0];
  }
  for (int k = 0; k <= DEGREE; k++) row[k] = (float)result[k];
}

/* The mean square error of a row of values, or of slopes as forces (2 r d/ds), over its interval within [near, range], each point weighted by its
 * share of a uniform density of neighbours; adds to sums of weights and of weighted squares. */
static void add_error(const source *from, double quantum, interval at, const float row[DEGREE + 1], double sum[2]) {
  for (int probe = 0; probe < PROBES; probe++) {
    double part = (probe + 0.5) / PROBES, square = square_at(at, part, quantum), r = sqrt(square), u = place_of(at, part), value = 0.0;
    if (r < from->near || r >= from->range) continue;
    for (int k = DEGREE; k >= 0; k--) value = value * u + (double)row[k];
    double error = (value - evaluate(from, square)) * (from->slope ? 2.0 * r : 1.0);
    double weight = r * ldexp(float_of(at.bits), at.shift - 23); /* r^2 dr = r ds / 2 */
    sum[0] += weight;
    sum[1] += weight * error * error;
  }
}

/* ---- the functions of a system ---- */

static const double *density_table(const qn_eam *eam, int a, int b) { return eam->density + (size_t)(a * eam->species_count + b) * (size_t)eam->r_points; }
static const double *pair_table(const qn_eam *eam, int a, int b) { return eam->pair + (size_t)(a * eam->species_count + b) * (size_t)eam->r_points; }

typedef struct builder {
  const qn_system *system;
  double quantum;               /* A */
  double *splines;              /* [pair][phi, rho at a from b][r_points - 1][4] */
  size_t stride;
  double slope[QN_MAX_SPECIES]; /* typical F' */
  zeros nodes;
} builder;

/* phi, or rho at `a` from `s`, whichever is wanted. */
static source source_of(const builder *b, const qn_fast_tables *tables, int a, int s, bool pair, bool slope, double scale) {
  const qn_system *system = b->system;
  int index = a * system->eam->species_count + s;
  return (source){.cubics = b->splines + (size_t)(2 * index + (pair ? 0 : 1)) * b->stride, .points = system->eam->r_points, .step = system->eam->r_step,
                  .near = tables->nearest, .range = pair ? system->ranges->pair[a][s] : system->ranges->density[a][s], .pair = pair,
                  .slope = slope, .scale = scale};
}

/* The steepest F' of a solid or liquid, eV per density: from a quarter to three times the density of a dozen neighbours at 0.4 of
 * the range. */
static double typical_slope(const qn_embedding *embedding, int species, double rho) {
  double worst = 0.0, slope;
  for (int k = 1; k <= 12; k++) {
    qn_embedding_at(embedding, species, 0.25 * k * rho, &slope);
    worst = fmax(worst, fabs(slope));
  }
  return worst;
}

static qn_status make_splines(qn_fast_tables *tables, builder *b, const qn_embedding *embedding, qn_error *error) {
  const qn_eam *eam = b->system->eam;
  int n = tables->species_count;
  b->stride = 4 * (size_t)(eam->r_points - 1);
  b->splines = qn_memory_alloc((size_t)(2 * n * n) * b->stride, sizeof(double));
  if (b->splines == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  tables->symmetric = true;
  for (int a = 0; a < n; a++)
    for (int s = 0; s < n; s++) {
      double *table = b->splines + (size_t)(2 * (a * n + s)) * b->stride;
      qn_spline_table(eam->r_points, pair_table(eam, a, s), table);
      qn_spline_table(eam->r_points, density_table(eam, a, s), table + b->stride);
      tables->symmetric &= memcmp(density_table(eam, a, s), density_table(eam, s, a), (size_t)eam->r_points * sizeof(double)) == 0;
    }
  for (int a = 0; a < n; a++) {
    source own = source_of(b, tables, a, a, false, false, 1.0);
    double r = 0.4 * own.range;
    b->slope[a] = typical_slope(embedding, a, own.range > 0.0 ? 12.0 * fabs(evaluate(&own, r * r)) : 1.0);
  }
  return QN_OK;
}

/* The shortest distance at which every table answers, no pair pulls harder than STRONGEST and none has more energy. */
static void find_nearest(qn_fast_tables *tables, const builder *b) {
  const qn_eam *eam = b->system->eam;
  double nearest = b->system->ranges->longest * sqrt(ldexp(1.0, FIRST_EXPONENT - REACH_EXPONENT));
  for (int a = 0; a < tables->species_count; a++)
    for (int s = 0; s < tables->species_count; s++) {
      nearest = fmax(nearest, b->system->ranges->core[a][s]);
      source slope = source_of(b, tables, a, s, true, true, 1.0), here = source_of(b, tables, a, s, false, true, b->slope[a] + b->slope[s]);
      source phi = source_of(b, tables, a, s, true, false, 1.0);
      for (int k = eam->r_points - 1; k > 0 && k * eam->r_step > nearest; k--) {
        double r = k * eam->r_step, pull = fabs(2.0 * r * evaluate(&slope, r * r)) + fabs(2.0 * r * evaluate(&here, r * r));
        if (!(fmax(pull, fabs(evaluate(&phi, r * r))) <= STRONGEST)) nearest = r + eam->r_step;
      }
    }
  tables->nearest = nearest;
  tables->nearest_square = (float)(nearest / b->quantum * (nearest / b->quantum));
}

/* More than the density at any atom: 16 neighbours as near as can be, or all around when atoms are packed 0.35 of the range apart (in a liquid it is 0.4). */
static double largest_density(const qn_fast_tables *tables, const builder *b) {
  const qn_eam *eam = b->system->eam;
  double largest = 0.0;
  for (int a = 0; a < tables->species_count; a++)
    for (int s = 0; s < tables->species_count; s++) {
      source density = source_of(b, tables, a, s, false, false, 1.0);
      double apart = 0.35 * density.range, packed = 0.0;
      for (int k = (int)(tables->nearest / eam->r_step); k < eam->r_points && k * eam->r_step < density.range; k++) {
        double r = k * eam->r_step, rho = k > 0 ? fabs(evaluate(&density, r * r)) : 0.0;
        packed += 4.0 * QN_PI * r * r * eam->r_step * rho * sqrt(2.0) / (apart * apart * apart);
        largest = fmax(largest, fmax(16.0 * rho, packed));
      }
    }
  return largest;
}

/* The finest power of two of which 2^31 cover `largest`. */
static double quantum_for(double largest) {
  int exponent;
  frexp(largest, &exponent);
  return ldexp(1.0, exponent - 31);
}

/* ---- tables ---- */

/* Rms error of rows of 2^shift floats from the square 2^exponent on. Of fine rows a sample will do. */
static double error_of(const source *from, builder *b, int exponent, int shift) {
  double sum[2] = {0};
  int apart = shift < COARSEST_SLOPES ? COARSEST_SLOPES : shift;
  for (interval at = {octave_bits(exponent), shift, shift}; at.bits < octave_bits(REACH_EXPONENT); at.bits += 1 << apart) {
    float row[DEGREE + 1];
    fit_row(from, b->quantum, at, &b->nodes, row);
    add_error(from, b->quantum, at, row, sum);
  }
  return sum[0] > 0.0 ? sqrt(sum[1] / sum[0]) / fabs(from->scale) : 0.0;
}

/* The coarsest rows with which every pair is within tolerance. */
static void choose_shifts(qn_fast_tables *tables, builder *b) {
  tables->coarse_shift = COARSEST_SLOPES;
  tables->density_shift = COARSEST_DENSITY;
  for (int a = 0; a < tables->species_count; a++)
    for (int s = 0; s < tables->species_count; s++) {
      double typical = fmax(b->slope[a], b->slope[s]);
      source phi = source_of(b, tables, a, s, true, true, 1.0), rho = source_of(b, tables, a, s, false, true, 1.0);
      source value = source_of(b, tables, a, s, false, false, 1.0);
      double error;
      for (;; tables->coarse_shift--) {
        error = hypot(s < a ? 0.0 : error_of(&phi, b, TURN_EXPONENT, tables->coarse_shift),
                      typical * error_of(&rho, b, TURN_EXPONENT, tables->coarse_shift));
        if (error <= SLOPE_TOLERANCE || tables->coarse_shift == QN_FAST_FINE_SHIFT) break;
      }
      tables->error = fmax(tables->error, error);
      double rounding = error_of(&value, b, FIRST_EXPONENT, QN_FAST_FINE_SHIFT); /* of the values, more than of the fit */
      while (typical * (error_of(&value, b, FIRST_EXPONENT, tables->density_shift) - 1.25 * rounding) > DENSITY_TOLERANCE)
        tables->density_shift--;
    }
}

/* Bits of a slot that holds `bytes`. */
static int slot_bits(int64_t bytes) {
  int bits = 0;
  while (INT64_C(1) << bits < bytes) bits++;
  return bits;
}

static int rows_between(int from_exponent, int to_exponent, int shift) { return (to_exponent - from_exponent) << (23 - shift); }

static void fit_density(qn_fast_tables *tables, builder *b, int a, int s) {
  source here = source_of(b, tables, a, s, false, false, 1.0 / tables->density_quantum), there = source_of(b, tables, s, a, false, false, here.scale);
  float *row = tables->density + ((size_t)(a * tables->step + s) << tables->density_slot_bits) / sizeof *row;
  for (interval at = {tables->density_first, tables->density_shift, tables->density_shift}; at.bits < octave_bits(REACH_EXPONENT);
       at.bits += 1 << at.shift, row += 1 << (qn_fast_density_bits(tables) - 2)) {
    fit_row(&here, b->quantum, at, &b->nodes, row);
    if (!tables->symmetric) fit_row(&there, b->quantum, at, &b->nodes, row + 4);
  }
}

static void fit_slopes(qn_fast_tables *tables, builder *b, int a, int s) {
  double scale = 2.0 * b->quantum / tables->force_quantum; /* from d/ds to what a difference in quanta is multiplied by */
  source phi = source_of(b, tables, a, s, true, true, scale), here = source_of(b, tables, a, s, false, true, scale);
  source there = source_of(b, tables, s, a, false, true, scale), value = source_of(b, tables, a, s, true, false, 1.0 / tables->energy_quantum);
  ptrdiff_t slot = a * tables->step + s, stride = 1 << (qn_fast_slope_bits(tables) - 2);
  int fine = rows_between(FIRST_EXPONENT, TURN_EXPONENT, QN_FAST_FINE_SHIFT), coarse = rows_between(TURN_EXPONENT, REACH_EXPONENT, tables->coarse_shift);
  float *slopes = tables->slopes + (slot << tables->slope_slot_bits) / (ptrdiff_t)sizeof(float);
  float *energy = tables->energy + (slot << (tables->slope_slot_bits - qn_fast_slope_bits(tables) + 4)) / (ptrdiff_t)sizeof(float);
  for (int row = -fine; row < coarse; row++) {
    int shift = row < 0 ? QN_FAST_FINE_SHIFT : tables->coarse_shift;
    interval at = {tables->turn + row * (1 << shift), shift, tables->coarse_shift};
    fit_row(&phi, b->quantum, at, &b->nodes, slopes + row * stride);
    fit_row(&here, b->quantum, at, &b->nodes, slopes + row * stride + 4);
    if (!tables->symmetric) fit_row(&there, b->quantum, at, &b->nodes, slopes + row * stride + 8);
    fit_row(&value, b->quantum, at, &b->nodes, energy + row * 4);
  }
}

static qn_status make_tables(qn_fast_tables *tables, builder *b, qn_error *error) {
  int n = tables->species_count;
  tables->step = tables->symmetric && n == 2 ? 1 : n;
  while (1 << tables->tag_bits < n) tables->tag_bits++;
  tables->density_first = octave_bits(FIRST_EXPONENT);
  tables->turn = octave_bits(TURN_EXPONENT);
  choose_shifts(tables, b);

  size_t slots = (size_t)((n - 1) * tables->step + n);
  int fine = rows_between(FIRST_EXPONENT, TURN_EXPONENT, QN_FAST_FINE_SHIFT);
  int slope_bits = qn_fast_slope_bits(tables);
  tables->density_slot_bits = slot_bits((int64_t)rows_between(FIRST_EXPONENT, LAST_EXPONENT, tables->density_shift) << qn_fast_density_bits(tables));
  tables->slope_slot_bits = slot_bits((int64_t)(fine + rows_between(TURN_EXPONENT, LAST_EXPONENT, tables->coarse_shift)) << slope_bits);
  tables->rows[0] = qn_memory_alloc(slots << tables->density_slot_bits, 1);
  tables->rows[1] = qn_memory_alloc(slots << tables->slope_slot_bits, 1);
  tables->rows[2] = qn_memory_alloc(slots << (tables->slope_slot_bits - slope_bits + 4), 1);
  if (tables->rows[0] == NULL || tables->rows[1] == NULL || tables->rows[2] == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the fast kernel");
  tables->density = tables->rows[0];
  tables->slopes = tables->rows[1] + ((size_t)fine << (slope_bits - 2));
  tables->energy = tables->rows[2] + (size_t)fine * 4;
  for (int a = 0; a < n; a++)
    for (int s = 0; s < n; s++) {
      if (tables->step == 1 && s < a) continue; /* the same slot as its mirror image */
      fit_density(tables, b, a, s);
      fit_slopes(tables, b, a, s);
    }
  return QN_OK;
}

qn_status qn_fast_tables_init(qn_fast_tables *tables, const qn_system *system, const qn_embedding *embedding, qn_error *error) {
  *tables = (qn_fast_tables){.species_count = system->eam->species_count};
  builder b = {.system = system, .quantum = ldexp(system->ranges->longest, -QN_LISTS_REACH_BITS)};
  qn_status status = make_splines(tables, &b, embedding, error);
  if (status == QN_OK) {
    find_nearest(tables, &b);
    double density = largest_density(tables, &b);
    tables->force_quantum = quantum_for(2.0 * STRONGEST);
    tables->energy_quantum = quantum_for(10.0 * STRONGEST);
    tables->virial_quantum = quantum_for(20.0 * STRONGEST);
    tables->density_quantum = density > 0.0 ? quantum_for(density) : 1.0;
    status = make_tables(tables, &b, error);
  }
  free(b.splines);
  return status;
}

void qn_fast_tables_fini(qn_fast_tables *tables) {
  for (int k = 0; k < 3; k++) free(tables->rows[k]);
  *tables = (qn_fast_tables){0};
}
