#include "engine/analysis/jump_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/jackknife.h"
#include "engine/analysis/report.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { PARTS = QN_JUMP_PARTS, NUMBERS = QN_JUMP_NUMBERS, FEWEST_JUMPS = 16 };

qn_status qn_jump_counts_init(qn_jump_counts *counts, int species_count, int64_t halves, double half, qn_error *error) {
  *counts = (qn_jump_counts){.species_count = species_count, .halves = halves, .half = half};
  counts->sums = qn_memory_alloc(QN_JUMP_OFFSETS * (size_t)species_count * PARTS, sizeof *counts->sums);
  counts->from_to = qn_memory_alloc((size_t)species_count * NUMBERS * NUMBERS, sizeof *counts->from_to);
  return counts->sums != NULL && counts->from_to != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

void qn_jump_counts_fini(qn_jump_counts *counts) {
  free(counts->sums);
  free(counts->from_to);
  *counts = (qn_jump_counts){0};
}

static qn_jump_sums *sums_of(const qn_jump_counts *counts, int o, int species, int part) {
  return &counts->sums[((o - 1) * counts->species_count + species) * PARTS + part];
}

/* The part of the time of a place given in quarter-windows, or -1 outside the time that counts for o. */
static int part_of(const qn_jump_counts *counts, int64_t quarter, int o) {
  int64_t from = 2 * (o + 1), to = 2 * (counts->halves - o - 1);
  return quarter < from || quarter >= to ? -1 : (int)((quarter - from) * PARTS / (to - from));
}

void qn_jump_counts_expose(qn_jump_counts *counts, int species, int64_t window) {
  /* The middle of window j is at quarter-window 2 j + 2; it stands for the half-window about it. */
  for (int o = 1; o <= QN_JUMP_OFFSETS; o++)
    for (int64_t quarter = 2 * window + 1; quarter <= 2 * window + 2; quarter++) {
      int part = part_of(counts, quarter, o);
      if (part >= 0) sums_of(counts, o, species, part)->exposure += 1;
    }
}

static bool belongs(const qn_jump *jump, qn_layer_method method) {
  return method == QN_LAYER_AT_START ? jump->begins : method == QN_LAYER_AT_BOTH ? jump->begins && jump->ends : jump->always;
}

static int clipped(int number) { return number < NUMBERS ? number : NUMBERS - 1; }

void qn_jump_counts_add(qn_jump_counts *counts, int species, const qn_jump_track *track, qn_layer_method method, int axis) {
  for (int o = 1; o <= QN_JUMP_OFFSETS; o++)
    for (int k = 0; k < track->kept[o - 1].count; k++) {
      const qn_jump *jump = &track->kept[o - 1].jump[k];
      int part = part_of(counts, jump->first + jump->last + 2, o);
      if (part < 0 || !belongs(jump, method)) continue;
      qn_jump_sums *sums = sums_of(counts, o, species, part);
      double square = qn_jump_square(jump->vector, axis);
      sums->jumps += 1;
      sums->square += square;
      sums->before += jump->before;
      sums->after += jump->after;
      if (o == 2) counts->from_to[(species * NUMBERS + clipped(jump->before)) * NUMBERS + clipped(jump->after)] += 1;
      if (jump->last - jump->first > 1) continue;
      sums->singles += 1;
      sums->single_length += sqrt(square);
    }
}

typedef enum quantity { RATE, SQUARE_LENGTH, SINGLE, DIFFUSION, BEFORE, AFTER, QUANTITIES } quantity;

static qn_jump_sums add_up(const qn_jump_counts *counts, int o, int species, int first, int last, int without) {
  qn_jump_sums all = {0};
  for (int s = species < 0 ? 0 : species; s < (species < 0 ? counts->species_count : species + 1); s++)
    for (int k = first; k <= last; k++) {
      if (k == without) continue;
      const qn_jump_sums *part = sums_of(counts, o, s, k);
      all.jumps += part->jumps;
      all.square += part->square;
      all.singles += part->singles;
      all.single_length += part->single_length;
      all.before += part->before;
      all.after += part->after;
      all.exposure += part->exposure;
    }
  return all;
}

/* A quantity from the sums without one part. */
static double quantity_of(const qn_jump_counts *counts, quantity what, int o, int species, int dimensions, int without) {
  qn_jump_sums all = add_up(counts, o, species, 0, PARTS - 1, without);
  double time = all.exposure * counts->half / 2; /* atoms x ps */
  switch (what) {
    case RATE: return 1000 * all.jumps / time;
    case SQUARE_LENGTH: return all.square / all.jumps;
    case SINGLE: return all.single_length / all.singles;
    case BEFORE: return all.before / all.jumps;
    case AFTER: return all.after / all.jumps;
    default: return QN_A2_PS_M2_S * all.square / time / (2 * dimensions);
  }
}

static void measure(const qn_jump_counts *counts, quantity what, int o, int species, int dimensions, qn_value *value) {
  double without[PARTS];
  value->value = quantity_of(counts, what, o, species, dimensions, -1);
  value->window_start_ps = value->window_end_ps = 2 * counts->half;
  for (int k = 0; k < PARTS; k++) without[k] = quantity_of(counts, what, o, species, dimensions, k);
  value->standard_error = qn_jackknife_error(without, PARTS);
  value->samples = PARTS;
  if (add_up(counts, o, species, 0, PARTS - 1, -1).jumps >= FEWEST_JUMPS && isfinite(value->standard_error)) return;
  value->status = QN_VALUE_TOO_FEW_SAMPLES;
  value->standard_error = NAN;
  value->samples = 0;
}

static qn_status add_curves(const qn_jump_counts *counts, int species, const char *symbol, const char *region, bool numbers, qn_report *report,
                            qn_error *error) {
  static const char *const by_time[] = {"time_ps", "jumps", "atom_time_ps", "sum_of_squares_a2", NULL};
  static const char *const by_number[] = {"coordination_before", "coordination_after", "jumps", NULL};
  qn_curve *curve = qn_report_add_curve(report, "jumps_by_time_o2", symbol, region, by_time, PARTS, error);
  if (curve == NULL) return QN_NO_MEMORY;
  double from = 3 * counts->half, to = ((double)counts->halves - 3) * counts->half;
  for (int k = 0; k < PARTS; k++) {
    qn_jump_sums part = add_up(counts, 2, species, k, k, -1);
    const double row[4] = {from + (to - from) * (k + 0.5) / PARTS, part.jumps, part.exposure * counts->half / 2, part.square};
    memcpy(curve->data + 4 * k, row, sizeof row);
  }
  if (!numbers) return QN_OK;
  int64_t jumps[NUMBERS][NUMBERS] = {{0}};
  int rows = 0;
  for (int b = 0; b < NUMBERS; b++)
    for (int a = 0; a < NUMBERS; a++) {
      for (int s = species < 0 ? 0 : species; s < (species < 0 ? counts->species_count : species + 1); s++)
        jumps[b][a] += counts->from_to[(s * NUMBERS + b) * NUMBERS + a];
      rows += jumps[b][a] > 0;
    }
  curve = qn_report_add_curve(report, "jumps_by_coordination_o2", symbol, region, by_number, rows, error);
  if (curve == NULL) return QN_NO_MEMORY;
  double *row = curve->data;
  for (int b = 0; b < NUMBERS; b++)
    for (int a = 0; a < NUMBERS; a++) {
      if (jumps[b][a] == 0) continue;
      *row++ = b;
      *row++ = a;
      *row++ = (double)jumps[b][a];
    }
  return QN_OK;
}

qn_status qn_jump_counts_report(const qn_jump_counts *counts, int species, const char *symbol, const char *region, int dimensions,
                                bool numbers, qn_report *report, qn_error *error) {
  static const char *const names[QN_JUMP_OFFSETS][QUANTITIES] = {
      {"jump_rate_o1", "mean_square_jump_length_o1", "single_jump_length_o1", "jump_diffusion_coefficient_o1", "coordination_before_jump_o1",
       "coordination_after_jump_o1"},
      {"jump_rate_o2", "mean_square_jump_length_o2", "single_jump_length_o2", "jump_diffusion_coefficient_o2", "coordination_before_jump_o2",
       "coordination_after_jump_o2"}};
  static const char *const units[QUANTITIES] = {"1/ns", "A2", "A", "m2/s", "1", "1"};
  for (int o = 1; o <= QN_JUMP_OFFSETS; o++)
    for (int what = 0; what < (numbers ? QUANTITIES : BEFORE); what++) {
      qn_value *value = qn_report_add_value(report, names[o - 1][what], units[what], symbol, region, error);
      if (value == NULL) return QN_NO_MEMORY;
      measure(counts, (quantity)what, o, species, dimensions, value);
    }
  return add_curves(counts, species, symbol, region, numbers, report, error);
}
