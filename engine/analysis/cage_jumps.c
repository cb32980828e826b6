/* Cage jumps: their rate and length, and the diffusion coefficient that they make, by species and for all (paper, section III.3).
 *
 *   Gamma = jumps / (atoms x time),  D = Gamma <l^2> / 2d   (equation 3; d = 3, at a surface l is lateral and d = 2)
 *
 * What a jump is, and o = 1 and o = 2, is in jumps.h; every value that depends on o is given for both. The single jump length is the mean length of
 * jumps of one or two windows: an instant lies in two. Jumps count when their middle lies (o + 1) dt/2 inside the run, where all of
 * them can be measured, and that time is the time of Gamma. In a layer, an atom counts for the windows whose mean position is in it, and
 * a jump by the layer's method: 1 (a) with all windows from a - o to b + o in the layer, 2 (b) with the first, 3 (c) with first and last.
 *
 * The Debye-Waller factor is a parameter, as frames fit for jumps are too coarse for it; by default it is the mean-squared displacement over
 * one frame interval, the plateau of the MSD in a glass.
 *
 * Errors are the jackknife over 16 parts of the time. Status: ok; too_few_samples below 16 jumps. The diffusion coefficient from the MSD of the
 * same frames (slope.h) is reported beside. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/correlation.h"
#include "engine/analysis/jumps.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { WINDOW = QN_LAYER_COUNT, DEBYE_WALLER, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"window_ps", "length of the time windows", 200, 0.01, 1e7, false},
    {"debye_waller_a2", "Debye-Waller factor <u^2> of a finely sampled run; by default the mean-squared displacement over one frame interval", 0, 0, 100,
     true},
};
enum { OFFSETS = 2, FEWEST_JUMPS = 16 };
static const double FLAG = 5;

/* Sums over jumps (and exposure) in one part of the time. */
typedef enum sum { JUMPS, SQUARE, SINGLES, SINGLE_LENGTH, EXPOSURE, SUMS } sum;

typedef struct cage_jumps {
  qn_window window; /* the MSD */
  double parameter[QN_MAX_PARAMETERS];
  double interval;
  int64_t half;          /* frames in half a window */
  int64_t halves, room;  /* done, allocated */
  double *part;          /* [halves][atoms][4]: sums of x, y, z and |r|^2 over a half-window, relative to the first frame */
  double *start;         /* [atoms][3] */
  double *last;          /* [atoms][3], drift removed, for the MSD over one interval */
  uint8_t *type;
  double step_square, steps;
  double sums[OFFSETS][QN_MAX_SPECIES][QN_BLOCKS][SUMS];
  int64_t atoms, seen;
} cage_jumps;

static void release(qn_analysis *analysis) {
  cage_jumps *self = (cage_jumps *)analysis;
  if (self == NULL) return;
  qn_window_fini(&self->window);
  free(self->part);
  free(self->start);
  free(self->last);
  free(self->type);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  int64_t half = interval > 0 ? llround(values[WINDOW] / 2 / interval) : 0;
  if (half < 4 || fabs(2 * (double)half * interval / values[WINDOW] - 1) > 0.02)
    return qn_error_set(error, QN_UNSUPPORTED, "windows of %g ps need frames every %g ps or less that divide half a window; these come every %g ps",
                        values[WINDOW], values[WINDOW] / 8, interval);
  if (frames / half < 6)
    return qn_error_set(error, QN_UNSUPPORTED, "a run of %g ps is too short for windows of %g ps: three are needed", (double)frames * interval,
                        values[WINDOW]);
  cage_jumps *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  memcpy(self->parameter, values, PARAMETERS * sizeof *values);
  self->interval = interval;
  self->half = half;
  self->room = frames / half;
  qn_window_options options = {.frames = frames,
                               .interval = interval,
                               .moments = 1,
                               .kernel = qn_slope_kernel,
                               .threads = threads,
                               .layer = qn_layer_options_of(values)};
  qn_status status = qn_window_init(&self->window, &options, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status begin(cage_jumps *self, const qn_frame *frame, qn_error *error) {
  size_t atoms = (size_t)frame->count;
  self->atoms = frame->count;
  self->part = qn_memory_alloc((size_t)self->room * atoms, 4 * sizeof *self->part);
  self->start = qn_memory_alloc(atoms, 3 * sizeof *self->start);
  self->last = qn_memory_alloc(atoms, 3 * sizeof *self->last);
  self->type = qn_memory_alloc(atoms, 1);
  if (self->part == NULL || self->start == NULL || self->last == NULL || self->type == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "out of memory for %lld half-windows of %zu atoms", (long long)self->room, atoms);
  memcpy(self->type, frame->type, atoms);
  for (size_t i = 0; i < atoms; i++)
    for (int a = 0; a < 3; a++) self->start[3 * i + (size_t)a] = self->last[3 * i + (size_t)a] = frame->r[a][i];
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  cage_jumps *self = (cage_jumps *)analysis;
  qn_status status = qn_window_accumulate(&self->window, frame, error); /* refuses what displacements cannot be told from */
  if (status == QN_OK && self->part == NULL) status = begin(self, frame, error);
  if (status != QN_OK) return status;
  double mass = 0, centre[3] = {0, 0, 0};
  for (int64_t i = 0; i < self->atoms; i++) {
    double m = frame->species[frame->type[i]].mass;
    mass += m;
    for (int a = 0; a < 3; a++) centre[a] += m * (frame->r[a][i] - self->start[3 * i + a]);
  }
  int64_t half = self->seen / self->half;
  double *part = half < self->room ? self->part + half * self->atoms * 4 : NULL, square = 0;
  for (int64_t i = 0; i < self->atoms; i++) {
    double r[3], from_start = 0;
    for (int a = 0; a < 3; a++) {
      r[a] = frame->r[a][i] - centre[a] / mass;
      double step = r[a] - self->last[3 * i + a], moved = r[a] - self->start[3 * i + a];
      square += step * step;
      from_start += moved * moved;
      self->last[3 * i + a] = r[a];
      if (part != NULL) part[4 * i + a] += moved;
    }
    if (part != NULL) part[4 * i + 3] += from_start;
  }
  if (self->seen > 0) {
    self->step_square += square;
    self->steps += (double)self->atoms;
  }
  self->seen++;
  if (self->seen % self->half == 0 && self->halves < self->room) self->halves++;
  return QN_OK;
}

/* Windows of an atom: means, flags, layer membership. */
static void windows_of(const cage_jumps *self, int64_t i, int windows, double debye_waller, double (*mean)[3], bool *flagged, bool *inside) {
  double frames = 2 * (double)self->half;
  for (int j = 0; j < windows; j++) {
    const double *one = self->part + (j * self->atoms + i) * 4, *two = one + self->atoms * 4;
    double square = (one[3] + two[3]) / frames;
    for (int a = 0; a < 3; a++) {
      double moved = (one[a] + two[a]) / frames;
      square -= moved * moved;
      mean[j][a] = self->start[3 * i + a] + moved;
    }
    flagged[j] = square > FLAG * debye_waller;
    const qn_layer *layer = &self->window.layer;
    inside[j] = layer->options.thickness <= 0 || qn_layer_holds(layer, qn_layer_depth(layer, mean[j][layer->axis]));
  }
}

static bool belongs(const qn_jump *jump, int o, const bool *inside, qn_layer_method method) {
  int first = jump->first - o, last = jump->last + o;
  if (method == QN_LAYER_AT_START) return inside[first];
  if (method == QN_LAYER_AT_BOTH) return inside[first] && inside[last];
  for (int j = first; j <= last; j++)
    if (!inside[j]) return false;
  return true;
}

/* The part of the time, 0 .. QN_BLOCKS - 1, of a place given in quarter-windows, or -1 outside the time that counts. */
static int block_of(int64_t quarter, int64_t from, int64_t to) {
  return quarter < from || quarter >= to ? -1 : (int)((quarter - from) * QN_BLOCKS / (to - from));
}

static qn_status count_jumps(cage_jumps *self, double debye_waller, qn_error *error) {
  int windows = (int)self->halves - 1;
  int axis = self->window.dimensions == 2 ? self->window.layer.axis : -1;
  double(*mean)[3] = qn_memory_alloc((size_t)windows, sizeof *mean);
  bool *flagged = qn_memory_alloc((size_t)windows, sizeof *flagged), *inside = qn_memory_alloc((size_t)windows, sizeof *inside);
  qn_jump *jump = qn_memory_alloc((size_t)windows / 2 + 1, sizeof *jump);
  bool good = mean != NULL && flagged != NULL && inside != NULL && jump != NULL;
  memset(self->sums, 0, sizeof self->sums);
  for (int64_t i = 0; i < self->atoms && good; i++) {
    windows_of(self, i, windows, debye_waller, mean, flagged, inside);
    for (int o = 1; o <= OFFSETS; o++) {
      double(*sums)[SUMS] = self->sums[o - 1][self->type[i]];
      int64_t from = 2 * (o + 1), to = 2 * (self->halves - o - 1);
      if (from >= to) continue;
      /* The middle of window j is at quarter-window 2 j + 2; it stands for the half-window about it. */
      for (int j = 0; j < windows; j++)
        for (int64_t quarter = 2 * j + 1; quarter <= 2 * j + 2; quarter++) {
          int block = block_of(quarter, from, to);
          if (block >= 0 && inside[j]) sums[block][EXPOSURE] += (double)self->half * self->interval / 2;
        }
      int count = qn_jumps_find(windows, (const double(*)[3])mean, flagged, o, debye_waller, axis, jump);
      for (int k = 0; k < count; k++) {
        int block = block_of(jump[k].first + jump[k].last + 2, from, to);
        if (block < 0 || !belongs(&jump[k], o, inside, self->window.layer.options.method)) continue;
        double square = qn_jump_square(jump[k].vector, axis);
        sums[block][JUMPS] += 1;
        sums[block][SQUARE] += square;
        if (jump[k].last - jump[k].first > 1) continue;
        sums[block][SINGLES] += 1;
        sums[block][SINGLE_LENGTH] += sqrt(square);
      }
    }
  }
  free(mean);
  free(flagged);
  free(inside);
  free(jump);
  return good ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory for %d windows", windows);
}

typedef enum quantity { RATE, SQUARE_LENGTH, SINGLE, DIFFUSION, QUANTITIES } quantity;

/* A quantity from the sums without one block. */
static double quantity_of(const cage_jumps *self, quantity what, int o, int species, int without, double *jumps) {
  double sums[SUMS] = {0};
  for (int s = species < 0 ? 0 : species; s < (species < 0 ? self->window.species_count : species + 1); s++)
    for (int k = 0; k < QN_BLOCKS; k++)
      for (int m = 0; m < SUMS && k != without; m++) sums[m] += self->sums[o - 1][s][k][m];
  if (jumps != NULL) *jumps = sums[JUMPS];
  switch (what) {
    case RATE: return 1000 * sums[JUMPS] / sums[EXPOSURE];
    case SQUARE_LENGTH: return sums[SQUARE] / sums[JUMPS];
    case SINGLE: return sums[SINGLE_LENGTH] / sums[SINGLES];
    default: return QN_A2_PS_M2_S * sums[SQUARE] / sums[EXPOSURE] / (2 * self->window.dimensions);
  }
}

static void measure(const cage_jumps *self, quantity what, int o, int species, qn_value *value) {
  double jumps, mean = 0, square = 0, part[QN_BLOCKS];
  value->value = quantity_of(self, what, o, species, -1, &jumps);
  value->window_start_ps = value->window_end_ps = 2 * (double)self->half * self->interval;
  value->samples = QN_BLOCKS;
  for (int k = 0; k < QN_BLOCKS; k++) mean += (part[k] = quantity_of(self, what, o, species, k, NULL)) / QN_BLOCKS;
  for (int k = 0; k < QN_BLOCKS; k++) square += (part[k] - mean) * (part[k] - mean);
  value->standard_error = sqrt(square * (QN_BLOCKS - 1) / QN_BLOCKS);
  if (jumps >= FEWEST_JUMPS && isfinite(value->standard_error)) return;
  value->status = QN_VALUE_TOO_FEW_SAMPLES;
  value->standard_error = NAN;
  value->samples = 0;
}

static qn_status report_species(const cage_jumps *self, int species, const char *symbol, qn_report *report, qn_error *error) {
  static const char *const names[OFFSETS][QUANTITIES] = {
      {"jump_rate_o1", "mean_square_jump_length_o1", "single_jump_length_o1", "jump_diffusion_coefficient_o1"},
      {"jump_rate_o2", "mean_square_jump_length_o2", "single_jump_length_o2", "jump_diffusion_coefficient_o2"}};
  static const char *const units[QUANTITIES] = {"1/ns", "A2", "A", "m2/s"};
  for (int o = 1; o <= OFFSETS; o++)
    for (int what = 0; what < QUANTITIES; what++) {
      qn_value *value = qn_report_add_value(report, names[o - 1][what], units[what], symbol, self->window.region, error);
      if (value == NULL) return QN_NO_MEMORY;
      measure(self, (quantity)what, o, species, value);
    }
  qn_value *value = qn_report_add_value(report, "diffusion_coefficient", "m2/s", symbol, self->window.region, error);
  if (value == NULL) return QN_NO_MEMORY;
  qn_slope_measure(&self->window, &(qn_slope_options){.species = species, .cage_square = qn_slope_cage(&self->window)}, value, NULL);
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  cage_jumps *self = (cage_jumps *)analysis;
  memset(report, 0, sizeof *report);
  qn_status status = qn_window_finish(&self->window, error);
  if (status == QN_OK && self->halves < 6) status = qn_error_set(error, QN_INVALID, "fewer than three time windows came");
  if (status != QN_OK) return status;
  double debye_waller = self->parameter[DEBYE_WALLER] > 0 ? self->parameter[DEBYE_WALLER] : self->step_square / self->steps;
  status = count_jumps(self, debye_waller, error);
  qn_value *used = status == QN_OK ? qn_report_add_value(report, "debye_waller_factor_used", "A2", "all", self->window.region, error) : NULL;
  if (status == QN_OK && used == NULL) status = QN_NO_MEMORY;
  if (used != NULL) {
    used->value = debye_waller;
    used->window_start_ps = used->window_end_ps = self->interval;
  }
  for (int species = QN_WINDOW_ALL; species < self->window.species_count && status == QN_OK; species++) {
    const char *symbol = qn_correlation_symbol(&self->window, species);
    if (symbol != NULL) status = report_species(self, species, symbol, report, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {
    "jump_rate_o1", "mean_square_jump_length_o1", "single_jump_length_o1", "jump_diffusion_coefficient_o1",
    "jump_rate_o2", "mean_square_jump_length_o2", "single_jump_length_o2", "jump_diffusion_coefficient_o2",
    "diffusion_coefficient", "debye_waller_factor_used", NULL};

const qn_analysis_type qn_cage_jumps = {"cage_jumps", "cage jumps: rate, length and the diffusion coefficient that they make, by species and for all",
                                        PARAMETERS,   parameters, alloc, accumulate, reduce, release,
                                        .quantities = quantities,
                                        .fixed_box = true};
