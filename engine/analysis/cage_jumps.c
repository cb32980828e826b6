/* Cage jumps: their rate and length, and the diffusion coefficient that they make, by species and for all (paper, section III.3).
 *
 *   Gamma = jumps / (atoms x time),  D = Gamma <l^2> / 2d   (equation 3; d = 3, at a surface l is lateral and d = 2)
 *
 * A window of dt is made of two half-windows; it is flagged when the variance of the positions inside it, mean |r - mean|^2 in space, exceeds
 * 5 <u^2>. What a jump is, and o = 1 and o = 2, is in jumps.h; every value that depends on o is given for both. The single jump length is the
 * mean length of jumps of one or two windows: an instant lies in two. Jumps count when their middle lies (o + 1) dt/2 inside the run, where
 * all of them can be measured, and that time is the time of Gamma. In a layer, an atom counts for the windows whose mean position is in it,
 * and a jump by the layer's method: a, with all windows from a - o to b + o in the layer; b, with the first; c, with first and last.
 *
 * <u^2> is that of the system: in space and over all atoms, as in the paper, also where jumps are counted in a layer. It is the one given; or
 * that of debye_waller from a finer sampling of the same stage; or that of cage_size.h from the first 16 half-windows. It is reported as
 * used, with its error where it was measured; the errors of the other values do not contain it.
 *
 * Coordination numbers before and after a jump (o = 2) are those in the middle of the windows a - o and b + o, with the cutoffs of shells.h; the curve
 * holds how many jumps went from one to the other. The curve of jumps by time has the counts themselves, in 16 parts of the time.
 *
 * Errors are the jackknife over those parts. Status: ok; too_few_samples below 16 jumps. The diffusion coefficient from the MSD of the same
 * frames (slope.h) is reported beside. Memory, beyond the history's: some 450 bytes an atom, 1.1 kB until <u^2> is known, and 40 a jump. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/cage_size.h"
#include "engine/analysis/correlation.h"
#include "engine/analysis/jackknife.h"
#include "engine/analysis/jump_counts.h"
#include "engine/analysis/jumps.h"
#include "engine/analysis/shells.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

enum { WINDOW = QN_LAYER_COUNT, DEBYE_WALLER, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"window_ps", "length of the time windows", 200, 0.01, 1e7, false, NULL},
    {"debye_waller_a2", "Debye-Waller factor <u^2> of the whole system in space, not of a layer; by default that of the stage's finest sampling, or "
                        "of displacements over one frame interval that are no jumps", 0, 0, 100, true, NULL},
};
static const qn_analysis_feed feed = {"debye_waller", "debye_waller_factor", "debye_waller_a2"};
enum { HELD = 16 };
static const double FLAG = 5;

/* Sums over a half-window, relative to the first frame. */
typedef struct half_sums {
  double r[3], square;
} half_sums;

/* A window that waits for <u^2> to be known. */
typedef struct held_window {
  qn_jump_window window;
  double variance;
} held_window;

typedef struct cage_jumps {
  qn_window window; /* the MSD */
  double interval;
  int64_t half, halves;   /* frames in half a window; half-windows in the run */
  int64_t atoms, frames, seen, done; /* done: half-windows */
  const char *system;     /* region of <u^2> */
  const qn_history *history;
  uint8_t *type;          /* [atoms] */
  double *start, *last;   /* [atoms][3], the first frame; the last one, drift removed */
  half_sums *part[2];     /* [atoms], of the half-window before and of this one */
  held_window *held;      /* [HELD][atoms] */
  int held_count;
  qn_value used;          /* <u^2>; value 0 until it is known */
  qn_cage_size *size;     /* NULL when it was known from the start */
  qn_shells shells;
  qn_pairs pairs;
  int16_t *numbers;       /* [atoms][species], workspace */
  int16_t *number;        /* [atoms], at the first frame of this half-window: the middle of the window that ends with it */
  qn_jump_track *track;   /* [atoms] */
  qn_jump_counts counts;
  int threads;
} cage_jumps;

static void release(qn_analysis *analysis) {
  cage_jumps *self = (cage_jumps *)analysis;
  if (self == NULL) return;
  qn_window_fini(&self->window);
  for (int64_t i = 0; i < self->atoms && self->track != NULL; i++) qn_jump_track_fini(&self->track[i]);
  qn_pairs_fini(&self->pairs);
  qn_jump_counts_fini(&self->counts);
  free(self->type);
  free(self->start);
  free(self->last);
  free(self->part[0]);
  free(self->part[1]);
  free(self->held);
  free(self->size);
  free(self->numbers);
  free(self->number);
  free(self->track);
  free(self);
}

static const qn_window_options msd_options = {.moments = 1, .kernel = qn_slope_kernel};

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  double interval = prospect->interval;
  int64_t half = llround(values[WINDOW] / 2 / interval);
  if (half < 4 || fabs(2 * (double)half * interval / values[WINDOW] - 1) > 0.02)
    return qn_error_set(error, QN_UNSUPPORTED, "windows of %g ps need frames every %g ps or less that divide half a window; these come every %g ps",
                        values[WINDOW], values[WINDOW] / 8, interval);
  if (prospect->frames / half < 6)
    return qn_error_set(error, QN_UNSUPPORTED, "a run of %g ps is too short for windows of %g ps: three are needed",
                        (double)prospect->frames * interval, values[WINDOW]);
  return qn_window_check(&msd_options, prospect, error);
}

/* <u^2> where it is known before the frames are seen. */
static void know_cage(cage_jumps *self, double given, const qn_value *fed) {
  qn_value *used = &self->used;
  *used = (qn_value){.standard_error = NAN, .window_start_ps = NAN, .window_end_ps = NAN, .status = QN_VALUE_GIVEN};
  if (given > 0) {
    used->value = given;
  } else if (fed != NULL && fed->status == QN_VALUE_OK && fed->value > 0) {
    *used = *fed;
  }
}

static qn_status begin(cage_jumps *self, const double *values, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  size_t atoms = (size_t)first->count, species = (size_t)first->species_count;
  self->interval = input->prospect.interval;
  self->half = llround(values[WINDOW] / 2 / self->interval);
  self->frames = input->prospect.frames;
  self->halves = self->frames / self->half;
  self->history = input->history;
  self->threads = input->threads;
  self->system = qn_vacuum_region(first);
  know_cage(self, values[DEBYE_WALLER], input->fed);
  self->type = qn_memory_alloc(atoms, 1);
  self->start = qn_memory_alloc(atoms, 3 * sizeof *self->start);
  self->last = qn_memory_alloc(atoms, 3 * sizeof *self->last);
  self->part[0] = qn_memory_alloc(atoms, sizeof *self->part[0]);
  self->part[1] = qn_memory_alloc(atoms, sizeof *self->part[1]);
  self->numbers = qn_memory_alloc(atoms * species, sizeof *self->numbers);
  self->number = qn_memory_alloc(atoms, sizeof *self->number);
  self->track = qn_memory_alloc(atoms, sizeof *self->track);
  bool good = self->type != NULL && self->start != NULL && self->last != NULL && self->part[0] != NULL && self->part[1] != NULL &&
              self->numbers != NULL && self->number != NULL && self->track != NULL;
  if (!(self->used.value > 0)) {
    self->size = qn_memory_alloc(1, sizeof *self->size);
    self->held = qn_memory_alloc(HELD * atoms, sizeof *self->held);
    good = good && self->size != NULL && self->held != NULL;
  }
  if (!good) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the cages of %zu atoms", atoms);
  self->atoms = first->count;
  memcpy(self->type, first->type, atoms);
  for (size_t i = 0; i < atoms; i++) {
    qn_jump_track_init(&self->track[i]);
    for (int a = 0; a < 3; a++) self->start[3 * i + (size_t)a] = self->last[3 * i + (size_t)a] = first->r[a][i];
  }
  qn_status status = qn_shells_find(&self->shells, 0, input->opening, input->opening_count, self->threads, error);
  if (status == QN_OK)
    status = qn_jump_counts_init(&self->counts, first->species_count, self->halves, (double)self->half * self->interval, error);
  if (status != QN_OK) return status;
  qn_window_options options = msd_options;
  options.layer = qn_layer_options_of(values);
  return qn_window_init(&self->window, &options, input, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  cage_jumps *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = begin(self, values, input, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

/* ---- frames into half-windows ---- */

static qn_status count_neighbours(cage_jumps *self, const qn_frame *frame, qn_error *error) {
  qn_status status = qn_shells_count(&self->shells, &self->pairs, frame, self->threads, self->numbers, error);
  int species = self->shells.species_count;
  for (int64_t i = 0; i < self->atoms && status == QN_OK; i++) {
    int sum = 0;
    for (int s = 0; s < species; s++) sum += self->numbers[i * species + s];
    self->number[i] = (int16_t)sum;
  }
  return status;
}

static void add_frame(cage_jumps *self, const qn_frame *frame) {
  const double *drift = qn_history_drift(self->history);
  half_sums *part = self->part[1];
  int64_t measured = self->halves < HELD ? self->halves : HELD;
  int cage_part = (int)(self->seen * QN_CAGE_PARTS / (measured * self->half));
  bool sizing = self->size != NULL && self->seen > 0 && cage_part < QN_CAGE_PARTS;
  for (int64_t i = 0; i < self->atoms; i++) {
    double step = 0;
    for (int a = 0; a < 3; a++) {
      double r = frame->r[a][i] - drift[a], moved = r - self->start[3 * i + a], stepped = r - self->last[3 * i + a];
      part[i].r[a] += moved;
      part[i].square += moved * moved;
      step += stepped * stepped;
      self->last[3 * i + a] = r;
    }
    if (sizing) qn_cage_size_add(self->size, cage_part, step);
  }
}

/* ---- half-windows into windows ---- */

/* The window made of the last two half-windows, for an atom. */
static held_window window_of(const cage_jumps *self, int64_t i) {
  const half_sums *one = &self->part[0][i], *two = &self->part[1][i];
  const qn_layer *layer = &self->window.layer;
  double frames = 2 * (double)self->half;
  held_window made = {.window = {.number = self->number[i]}, .variance = (one->square + two->square) / frames};
  for (int a = 0; a < 3; a++) {
    double moved = (one->r[a] + two->r[a]) / frames;
    made.variance -= moved * moved;
    made.window.mean[a] = self->start[3 * i + a] + moved;
  }
  made.window.inside = layer->options.thickness <= 0 || qn_layer_holds(layer, qn_layer_depth(layer, made.window.mean[layer->axis]));
  return made;
}

static qn_status use_window(cage_jumps *self, int64_t i, held_window made, qn_error *error) {
  int axis = self->window.dimensions == 2 ? self->window.layer.axis : -1;
  made.window.flagged = self->used.value > 0 && made.variance > FLAG * self->used.value; /* where nothing moves, rounding is no jump */
  if (made.window.inside) qn_jump_counts_expose(&self->counts, self->type[i], self->track[i].windows);
  return qn_jump_track_add(&self->track[i], &made.window, self->used.value, axis, error);
}

/* <u^2> is measured, and what waited for it goes on. */
static qn_status settle_cage(cage_jumps *self, qn_error *error) {
  qn_value *used = &self->used;
  used->value = qn_cage_size_measure(self->size, &used->standard_error);
  used->window_start_ps = used->window_end_ps = self->interval;
  used->samples = isfinite(used->standard_error) ? QN_CAGE_PARTS : 0;
  used->status = used->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
  free(self->size);
  self->size = NULL;
  qn_status status = QN_OK;
  for (int k = 0; k < self->held_count && status == QN_OK; k++)
    for (int64_t i = 0; i < self->atoms && status == QN_OK; i++) status = use_window(self, i, self->held[k * self->atoms + i], error);
  free(self->held);
  self->held = NULL;
  return status;
}

static qn_status end_half(cage_jumps *self, qn_error *error) {
  qn_status status = QN_OK;
  self->done++;
  for (int64_t i = 0; i < self->atoms && self->done > 1 && status == QN_OK; i++) {
    held_window made = window_of(self, i);
    if (self->size != NULL) self->held[self->held_count * self->atoms + i] = made;
    else status = use_window(self, i, made, error);
  }
  if (self->size != NULL) {
    if (self->done > 1) self->held_count++;
    if (self->done == HELD || self->done == self->halves) status = settle_cage(self, error);
  }
  half_sums *spare = self->part[0];
  self->part[0] = self->part[1];
  self->part[1] = memset(spare, 0, (size_t)self->atoms * sizeof *spare);
  return status;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  cage_jumps *self = (cage_jumps *)analysis;
  if (self->done == self->halves) return QN_OK; /* what is left is no half-window */
  qn_status status = self->seen > 0 && self->seen % self->half == 0 ? count_neighbours(self, frame, error) : QN_OK;
  if (status != QN_OK) return status;
  add_frame(self, frame);
  self->seen++;
  return self->seen % self->half == 0 ? end_half(self, error) : QN_OK;
}

/* ---- the report ---- */

static qn_status report_species(cage_jumps *self, int species, const char *symbol, qn_report *report, qn_error *error) {
  const char *region = self->window.region;
  qn_status status = qn_jump_counts_report(&self->counts, species, symbol, region, self->window.dimensions, self->shells.longest > 0, report, error);
  qn_value *value = status == QN_OK ? qn_report_add_value(report, "diffusion_coefficient", "m2/s", symbol, region, error) : NULL;
  if (value == NULL) return status != QN_OK ? status : QN_NO_MEMORY;
  qn_slope_measure(&self->window, &(qn_slope_options){.species = species, .cage_square = qn_slope_cage(&self->window)}, value, NULL);
  return QN_OK;
}

static qn_status report_cage(const cage_jumps *self, qn_report *report, qn_error *error) {
  qn_value *used = qn_report_add_value(report, "debye_waller_factor_used", "A2", "all", self->system, error);
  if (used == NULL) return QN_NO_MEMORY;
  used->value = self->used.value;
  used->standard_error = self->used.standard_error;
  used->window_start_ps = self->used.window_start_ps;
  used->window_end_ps = self->used.window_end_ps;
  used->samples = self->used.samples;
  used->status = self->used.status;
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  cage_jumps *self = (cage_jumps *)analysis;
  memset(report, 0, sizeof *report);
  qn_status status = qn_window_finish(&self->window, error);
  if (status == QN_OK && self->done < self->halves) status = qn_error_set(error, QN_INVALID, "fewer frames came than were to come");
  if (status != QN_OK) return status;
  int axis = self->window.dimensions == 2 ? self->window.layer.axis : -1;
  for (int64_t i = 0; i < self->atoms; i++)
    qn_jump_counts_add(&self->counts, self->type[i], &self->track[i], self->window.layer.options.method, axis);
  status = report_cage(self, report, error);
  for (int species = QN_WINDOW_ALL; species < self->window.species_count && status == QN_OK; species++) {
    const char *symbol = qn_correlation_symbol(&self->window, species);
    if (symbol != NULL) status = report_species(self, species, symbol, report, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {
    "jump_rate_o1", "mean_square_jump_length_o1", "single_jump_length_o1", "jump_diffusion_coefficient_o1", "coordination_before_jump_o1",
    "coordination_after_jump_o1",
    "jump_rate_o2", "mean_square_jump_length_o2", "single_jump_length_o2", "jump_diffusion_coefficient_o2", "coordination_before_jump_o2",
    "coordination_after_jump_o2",
    "diffusion_coefficient", "debye_waller_factor_used", NULL};

const qn_analysis_type qn_cage_jumps = {.name = "cage_jumps",
                                        .meaning = "cage jumps: rate, length and the diffusion coefficient that they make, by species and for all",
                                        .parameter_count = PARAMETERS,
                                        .parameters = parameters,
                                        .quantities = quantities,
                                        .sampling = QN_SAMPLING_LONGEST,
                                        .displacements = true,
                                        .layered = true,
                                        .feed = &feed,
                                        .check = check,
                                        .alloc = alloc,
                                        .accumulate = accumulate,
                                        .reduce = reduce,
                                        .free = release};
