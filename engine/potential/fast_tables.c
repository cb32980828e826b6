#include "engine/potential/fast_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"
#include "engine/potential/spline.h"

enum {
  MOST_DEGREE = 5,
  FEWEST_NODES = 12, MOST_NODES = 512, /* Chebyshev points of a fit */
  REACH_EXPONENT = 2 * QN_FAST_REACH_BITS, /* of s at the reach */
  FINE_OCTAVES = 6, /* long tables go down to an eighth of the reach */
  PROBES = 5        /* points a row at which the fit is checked */
};

/* eV/A. A pair's force that is off by less is far below the noise of the potential's own printed digits. */
#define SMOOTH 2e-6
/* eV/A. Forces of a single pair above this are left to the reference kernel, so that sums fit their integers. */
#define STRONGEST 100.0

/* A function of the squared distance in A^2. */
typedef struct source {
  const double *cubics; /* of r*phi, or of rho; see spline.h */
  int points;
  double step;         /* A */
  double near, range;  /* A: no answer below, zero beyond */
  double cut;          /* A, >= range: where the kernel takes it for zero */
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

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Fit one interval that begins at the float `bits` and is 2^shift floats long. The kernel forms u = mantissa of what lies below
 * the interval's bits, 0 <= u < 2^(shift - 23). Coefficients of 1, u, u^2 ... go to out[k * stride]. */
static void fit_row(const source *from, double quantum, uint32_t bits, int shift, int degree, float *out, size_t stride) {
  double low = (double)float_of(bits) * quantum * quantum, high = (double)float_of(bits + (1u << shift)) * quantum * quantum;
  double begin = fmax(low, from->near * from->near), end = fmin(high, from->cut * from->cut), chebyshev[MOST_DEGREE + 1] = {0}, power[MOST_DEGREE + 1] = {0};
  for (int k = 0; k <= degree; k++) out[(size_t)k * stride] = 0.0f;
  if (begin >= end) return;
  /* The table's printed digits make its slope rough; enough points average that out, where few would leave a bias for the virial to sum up. */
  int nodes = (int)fmin(fmax(4.0 * (sqrt(end) - sqrt(begin)) / from->step, FEWEST_NODES), MOST_NODES);
  for (int node = 0; node < nodes; node++) {
    double angle = QN_PI * (node + 0.5) / nodes;
    double value = evaluate(from, 0.5 * (begin + end) + 0.5 * (end - begin) * cos(angle));
    for (int k = 0; k <= degree; k++) chebyshev[k] += (k == 0 ? 1.0 : 2.0) / nodes * value * cos(k * angle);
  }
  /* To powers of x, which runs from -1 to 1 over the fitted part; T_k by its recurrence. */
  double before[MOST_DEGREE + 1] = {1.0}, now[MOST_DEGREE + 1] = {0.0, 1.0};
  power[0] += chebyshev[0];
  for (int k = 1; k <= degree; k++) {
    double next[MOST_DEGREE + 1];
    for (int j = 0; j <= degree; j++) {
      power[j] += chebyshev[k] * now[j];
      next[j] = (j > 0 ? 2.0 * now[j - 1] : 0.0) - before[j];
    }
    memcpy(before, now, sizeof before);
    memcpy(now, next, sizeof now);
  }
  /* x = a u + b: Horner's scheme on polynomials. */
  double a = 2.0 * (high - low) / (end - begin) / ldexp(1.0, shift - 23), b = -1.0 - 2.0 * (begin - low) / (end - begin);
  double result[MOST_DEGREE + 1] = {0};
  for (int k = degree; k >= 0; k--) {
    for (int j = degree; j > 0; j--) result[j] = a * result[j - 1] + b * result[j];
    result[0] = power[k] + b * result[0];
  }
  for (int k = 0; k <= degree; k++) out[(size_t)k * stride] = (float)result[k];
}

static double row_value(const float *row, size_t stride, int degree, double u) {
  double value = 0.0;
  for (int k = degree; k >= 0; k--) value = value * u + (double)row[(size_t)k * stride];
  return value;
}

/* Largest error of 2 r d/ds, the force of a pair, over one interval. */
static double row_error(const source *from, double quantum, uint32_t bits, int shift, int degree, const float *row, size_t stride) {
  double worst = 0.0;
  for (int probe = 0; probe < PROBES; probe++) {
    double part = (probe + 0.5) / PROBES, low = (double)float_of(bits), high = (double)float_of(bits + (1u << shift));
    double square = (low + part * (high - low)) * quantum * quantum;
    if (square < from->near * from->near) continue;
    if (square >= from->cut * from->cut) break;
    double error = row_value(row, stride, degree, part * ldexp(1.0, shift - 23)) - evaluate(from, square);
    worst = fmax(worst, 2.0 * sqrt(square) * fabs(error));
  }
  return worst;
}

static uint32_t octave_bits(int exponent) { return bits_of(ldexpf(1.0f, exponent)); }

/* The first interval of a short table, whose last one holds `range`. */
static uint32_t short_begin(const qn_fast_tables *tables, double range) {
  double square = range / tables->quantum * (range / tables->quantum) * (1.0 - 1e-12);
  uint32_t last = bits_of((float)square) >> QN_FAST_SHORT_SHIFT;
  return (last - QN_FAST_SHORT + 1) << QN_FAST_SHORT_SHIFT;
}

/* 32 intervals of 2^shift floats from `begin`; returns the largest force error. */
static double fit_short(const qn_fast_tables *tables, const source *from, uint32_t begin, int shift, int degree, float (*table)[QN_FAST_SHORT]) {
  double worst = 0.0;
  for (uint32_t k = 0; k < QN_FAST_SHORT; k++) {
    uint32_t bits = begin + (k << shift), slot = (bits >> shift) % QN_FAST_SHORT;
    fit_row(from, tables->quantum, bits, shift, degree, &table[0][slot], QN_FAST_SHORT);
    worst = fmax(worst, row_error(from, tables->quantum, bits, shift, degree, &table[0][slot], QN_FAST_SHORT));
  }
  return worst;
}

/* Rows of a long table; the last, at the reach, is zero. */
static uint32_t long_rows(void) { return ((uint32_t)FINE_OCTAVES << (23 - QN_FAST_FINE_SHIFT)) + 1; }

static qn_status fit_long(qn_fast_tables *tables, const source *from, const float **table, qn_error *error) {
  float *rows = qn_memory_alloc(4 * (size_t)long_rows(), sizeof *rows);
  if (rows == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the fast kernel");
  tables->rows[tables->row_tables++] = rows;
  *table = rows;
  for (uint32_t row = 0; row < long_rows() - 1; row++) {
    uint32_t bits = tables->first_bits + (row << QN_FAST_FINE_SHIFT);
    fit_row(from, tables->quantum, bits, QN_FAST_FINE_SHIFT, 3, rows + 4 * (size_t)row, 1);
    if (from->slope && from->pair)
      tables->worst = fmax(tables->worst, tables->force_quantum / (2.0 * tables->quantum) *
                                              row_error(from, tables->quantum, bits, QN_FAST_FINE_SHIFT, 3, rows + 4 * (size_t)row, 1));
  }
  return QN_OK;
}

static const double *density_table(const qn_eam *eam, int a, int b) { return eam->density + (size_t)(a * eam->species_count + b) * (size_t)eam->r_points; }
static const double *pair_table(const qn_eam *eam, int a, int b) { return eam->pair + (size_t)(a * eam->species_count + b) * (size_t)eam->r_points; }

/* The splines of every table used: three a pair of species (phi, rho at a from b, rho at b from a). */
typedef struct spline_set {
  double *all;
  size_t stride;
} spline_set;

static const double *spline_of(const spline_set *set, int pair, int which) { return set->all + (size_t)(3 * pair + which) * set->stride; }

/* The steepest F' of a solid or liquid, eV per density: from a quarter to three times the density of a dozen neighbours at 0.4 of
 * the range. */
static double typical_slope(const qn_fast_tables *tables, int species, double rho) {
  double worst = 0.0;
  for (int k = 1; k <= 12; k++) {
    double q = 0.25 * k * rho * tables->rho_scale;
    int interval = q < tables->rho_points - 2 ? (int)q : tables->rho_points - 2;
    const double *c = tables->embedding[species] + 4 * (size_t)interval;
    double p = fmin(q - interval, 1.0);
    worst = fmax(worst, fabs(((3.0 * c[3] * p + 2.0 * c[2]) * p + c[1]) * tables->rho_scale));
  }
  return worst;
}

typedef struct builder {
  const qn_system *system;
  spline_set splines;
  double slope[QN_MAX_SPECIES]; /* typical F' */
  double nearest;               /* A, 0 until it is known */
  double force_scale;           /* 2 quantum / force_quantum: from d/ds to what a difference in quanta is multiplied by */
} builder;

static source source_of(const builder *b, int pair, int which, double range, bool slope, double scale) {
  return (source){.cubics = spline_of(&b->splines, pair, which), .points = b->system->eam->r_points, .step = b->system->eam->r_step,
                  .near = b->nearest, .range = range, .cut = range, .pair = which == 0, .slope = slope, .scale = scale};
}

/* Let the shell begin at an interval of its table, just beyond the range of the densities. */
static void set_shell(const qn_fast_tables *tables, qn_fast_pair *pair, double density_range, double phi_range) {
  double square = density_range / tables->quantum * (density_range / tables->quantum);
  uint32_t bits = ((bits_of((float)square) >> QN_FAST_SHELL_SHIFT) + 1) << QN_FAST_SHELL_SHIFT;
  pair->shell_from = float_of(bits);
  pair->core_reach = sqrt((double)pair->shell_from) * tables->quantum;
  pair->shell_reach = phi_range;
  if (pair->core_reach >= phi_range) pair->core_reach = phi_range, pair->shell_reach = 0.0;
}

static qn_status fit_pair(qn_fast_tables *tables, const builder *b, int a, int s, qn_error *failure) {
  const qn_ranges *ranges = b->system->ranges;
  int ea = b->system->species[a], es = b->system->species[s], index = a * tables->species_count + s;
  qn_fast_pair *pair = &tables->pairs[index];
  double phi_range = ranges->pair[ea][es], here_range = ranges->density[ea][es], there_range = ranges->density[es][ea];
  double density_range = fmax(here_range, there_range);
  pair->symmetric = memcmp(density_table(b->system->eam, ea, es), density_table(b->system->eam, es, ea), (size_t)b->system->eam->r_points * sizeof(double)) == 0;
  pair->density_square = (float)(density_range / tables->quantum * (density_range / tables->quantum));
  pair->pair_square = (float)(phi_range / tables->quantum * (phi_range / tables->quantum));
  if (phi_range > density_range && density_range > 0.0) set_shell(tables, pair, density_range, phi_range);
  else pair->core_reach = fmax(phi_range, density_range);

  /* Densities: short tables where they fit. */
  uint32_t begin = short_begin(tables, density_range);
  source here = source_of(b, index, 1, here_range, true, b->force_scale), there = source_of(b, index, 2, there_range, true, b->force_scale);
  source density = source_of(b, index, 1, here_range, false, 1.0 / tables->density_quantum);
  here.cut = there.cut = density.cut = density_range;
  double to_force = tables->force_quantum / (2.0 * tables->quantum), error = 0.0;
  if (density_range > 0.0) {
    fit_short(tables, &density, begin, QN_FAST_SHORT_SHIFT, QN_FAST_DENSITY_DEGREE, pair->density);
    error = fit_short(tables, &here, begin, QN_FAST_SHORT_SHIFT, QN_FAST_SLOPE_DEGREE, pair->here) * b->slope[a];
    error = to_force * fmax(error, b->slope[s] * fit_short(tables, &there, begin, QN_FAST_SHORT_SHIFT, QN_FAST_SLOPE_DEGREE, pair->there));
  }
  if (error > SMOOTH) {
    qn_status status = fit_long(tables, &density, &pair->density_rows, failure);
    if (status == QN_OK) status = fit_long(tables, &here, &pair->here_rows, failure);
    if (status == QN_OK) status = fit_long(tables, &there, &pair->there_rows, failure);
    if (status != QN_OK) return status;
  } else {
    tables->worst = fmax(tables->worst, error);
  }

  /* The pair term. Both orders of a pair share the rows, which end where the shell's short table begins. */
  source slope = source_of(b, index, 0, phi_range, true, b->force_scale), value = source_of(b, index, 0, phi_range, false, 1.0 / tables->energy_quantum);
  if (pair->shell_reach > 0.0) {
    slope.near = pair->core_reach;
    error = fit_short(tables, &slope, octave_bits(REACH_EXPONENT - 1), QN_FAST_SHELL_SHIFT, QN_FAST_SHELL_DEGREE, pair->shell) * to_force;
    slope.near = b->nearest;
    pair->shell_short = error <= SMOOTH && (double)pair->shell_from >= (double)float_of(octave_bits(REACH_EXPONENT - 1));
  }
  if (s < a) {
    pair->pair = tables->pairs[s * tables->species_count + a].pair;
    pair->energy = tables->pairs[s * tables->species_count + a].energy;
    return QN_OK;
  }
  qn_status status = fit_long(tables, &slope, &pair->pair, failure);
  return status == QN_OK ? fit_long(tables, &value, &pair->energy, failure) : status;
}

/* The shortest distance at which every table answers and no pair pulls harder than STRONGEST; and the largest density there. */
static void find_nearest(qn_fast_tables *tables, const builder *b, double *largest_density) {
  const qn_eam *eam = b->system->eam;
  double nearest = b->system->ranges->longest * sqrt(ldexp(1.0, -FINE_OCTAVES));
  for (int a = 0; a < tables->species_count; a++)
    for (int s = 0; s < tables->species_count; s++) {
      int ea = b->system->species[a], es = b->system->species[s], index = a * tables->species_count + s;
      double range = fmax(b->system->ranges->density[ea][es], b->system->ranges->density[es][ea]);
      nearest = fmax(nearest, b->system->ranges->core[ea][es]);
      if (range > 0.0) {
        uint32_t begin = short_begin(tables, range);
        nearest = fmax(nearest, sqrt((double)float_of(begin)) * tables->quantum);
      }
      source slope = source_of(b, index, 0, b->system->ranges->pair[ea][es], true, 1.0);
      source here = source_of(b, index, 1, b->system->ranges->density[ea][es], true, b->slope[a] + b->slope[s]);
      for (int k = eam->r_points - 1; k > 0 && k * eam->r_step > nearest; k--) {
        double r = k * eam->r_step, force = 0.0;
        if (r < slope.range) force += fabs(2.0 * r * evaluate(&slope, r * r));
        if (r < here.range) force += fabs(2.0 * r * evaluate(&here, r * r));
        if (force > STRONGEST) nearest = r + eam->r_step;
      }
    }
  *largest_density = 0.0;
  for (int a = 0; a < tables->species_count; a++)
    for (int s = 0; s < tables->species_count; s++) {
      source density = source_of(b, a * tables->species_count + s, 1, b->system->ranges->density[b->system->species[a]][b->system->species[s]], false, 1.0);
      for (int k = (int)(nearest / eam->r_step); k < eam->r_points && k * eam->r_step < density.range; k++)
        if (k > 0) *largest_density = fmax(*largest_density, fabs(evaluate(&density, k * eam->r_step * (k * eam->r_step))));
    }
  tables->nearest = nearest;
  tables->nearest_square = (float)(nearest / tables->quantum * (nearest / tables->quantum));
}

static qn_status make_splines(qn_fast_tables *tables, builder *b, qn_error *error) {
  const qn_eam *eam = b->system->eam;
  int n = tables->species_count;
  b->splines.stride = 4 * (size_t)(eam->r_points - 1);
  b->splines.all = qn_memory_alloc((size_t)(3 * n * n) * b->splines.stride, sizeof(double));
  bool missing = b->splines.all == NULL;
  for (int a = 0; a < n; a++) missing |= (tables->embedding[a] = qn_memory_alloc(4 * (size_t)(eam->rho_points - 1), sizeof(double))) == NULL;
  if (missing) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  for (int a = 0; a < n; a++) {
    int ea = b->system->species[a];
    qn_spline_table(eam->rho_points, eam->embedding + (size_t)ea * (size_t)eam->rho_points, tables->embedding[a]);
    for (int s = 0; s < n; s++) {
      int es = b->system->species[s];
      double *table = b->splines.all + (size_t)(3 * (a * n + s)) * b->splines.stride;
      qn_spline_table(eam->r_points, pair_table(eam, ea, es), table);
      qn_spline_table(eam->r_points, density_table(eam, ea, es), table + b->splines.stride);
      qn_spline_table(eam->r_points, density_table(eam, es, ea), table + 2 * b->splines.stride);
    }
  }
  tables->rho_points = eam->rho_points;
  tables->rho_scale = 1.0 / eam->rho_step;
  tables->rho_last = (eam->rho_points - 1) * eam->rho_step;
  for (int a = 0; a < n; a++) {
    source own = source_of(b, a * n + a, 1, b->system->ranges->density[b->system->species[a]][b->system->species[a]], false, 1.0);
    double r = 0.4 * own.range;
    b->slope[a] = typical_slope(tables, a, own.range > 0.0 ? 12.0 * fabs(evaluate(&own, r * r)) : 1.0);
  }
  return QN_OK;
}

/* The finest power of two of which 2^31 cover `largest`. */
static double quantum_for(double largest) {
  int exponent;
  frexp(largest, &exponent);
  return ldexp(1.0, exponent - 31);
}

qn_status qn_fast_tables_init(qn_fast_tables *tables, const qn_system *system, qn_error *error) {
  *tables = (qn_fast_tables){.species_count = system->species_count};
  builder b = {.system = system};
  int n = tables->species_count;
  tables->pairs = qn_memory_alloc((size_t)(n * n), sizeof *tables->pairs);
  tables->rows = qn_memory_alloc((size_t)(5 * n * n), sizeof *tables->rows);
  qn_status status = tables->pairs == NULL || tables->rows == NULL ? qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the fast kernel") : QN_OK;
  if (status == QN_OK) status = make_splines(tables, &b, error);
  if (status == QN_OK) {
    double largest_density;
    tables->reach = system->ranges->longest;
    tables->quantum = ldexp(system->ranges->longest, -QN_FAST_REACH_BITS);
    find_nearest(tables, &b, &largest_density);
    tables->force_quantum = quantum_for(2.0 * STRONGEST);
    tables->energy_quantum = quantum_for(2.0 * STRONGEST);
    tables->virial_quantum = quantum_for(4.0 * STRONGEST);
    tables->density_quantum = largest_density > 0.0 ? quantum_for(16.0 * largest_density) : 1.0;
    b.force_scale = 2.0 * tables->quantum / tables->force_quantum;
    b.nearest = tables->nearest;
    tables->end_square = float_of(octave_bits(REACH_EXPONENT));
    tables->first_bits = octave_bits(REACH_EXPONENT - FINE_OCTAVES);
    for (int pair = 0; pair < n * n && status == QN_OK; pair++) status = fit_pair(tables, &b, pair / n, pair % n, error);
  }
  free(b.splines.all);
  return status;
}

void qn_fast_tables_fini(qn_fast_tables *tables) {
  free(tables->pairs);
  for (int k = 0; k < tables->row_tables; k++) free(tables->rows[k]);
  free(tables->rows);
  for (int a = 0; a < QN_MAX_SPECIES; a++) free(tables->embedding[a]);
  *tables = (qn_fast_tables){0};
}
