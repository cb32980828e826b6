/* Potential energy of each atom in stored frames, by species and for all, of the system and of a layer: its course, its mean and its drift (paper, S2: has a
 * surface relaxed?).
 *
 *   E_i = F(rho_i) + 1/2 sum over j of phi(r_ij);  a mean over the atoms that are there in each frame
 *
 * from the double kernel. The layer's atoms are those in it in that frame. The drift is the slope of the straight line of least squares through
 * all frames; both errors are the jackknife over 16 blocks of frames. The curve holds up to 64 means over eight or more frames that
 * follow one another, each with the jackknife over eight parts of its own frames; of fewer than 16 frames the frames themselves, without
 * error. Status: ok; too_few_samples below 16 frames. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/jackknife.h"
#include "engine/analysis/layer.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"
#include "engine/potential/force.h"

enum { FRAMES = QN_LAYER_VACUUM + 1, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PLACE,
    {"frames", "frames used, spread evenly over the run", 200, 1, 100000, false, NULL},
};
enum { MOST_ROWS = 64, ROW_PARTS = 8 };
static const double PS_PER_NS = 1000, ROOM = 1; /* A, beside a slab that is not periodic, beyond the potential's reach */

/* Of one species in one frame. */
typedef struct sum {
  double energy, atoms;
} sum;

typedef struct energy_series {
  qn_layer_options options;
  qn_layer layer;
  bool surfaces;
  const char *region;
  const qn_eam *potential;
  int threads, species_count;
  int64_t frames, wanted, seen, used;
  qn_atoms atoms;
  qn_force *force;
  qn_box box;      /* that the force was made for */
  double *energy;  /* [atoms] */
  double *time;    /* [wanted], ps */
  sum *sums;       /* [wanted][system, layer][species] */
} energy_series;

static void release(qn_analysis *analysis) {
  energy_series *self = (energy_series *)analysis;
  if (self == NULL) return;
  qn_force_free(self->force);
  qn_atoms_fini(&self->atoms);
  free(self->energy);
  free(self->time);
  free(self->sums);
  free(self);
}

static qn_status begin(energy_series *self, const double *values, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  self->options = qn_layer_place_of(values);
  self->potential = input->potential;
  self->threads = input->threads;
  self->frames = input->prospect.frames;
  self->wanted = (int64_t)values[FRAMES] < self->frames ? (int64_t)values[FRAMES] : self->frames;
  self->species_count = first->species_count;
  self->region = qn_vacuum_region(first);
  if (self->options.thickness > 0) {
    qn_status status = qn_layer_init(&self->layer, &self->options, input->opening, input->opening_count, error);
    if (status != QN_OK) return status;
  }
  qn_status status = qn_atoms_init(&self->atoms, first->count, error);
  if (status != QN_OK) return status;
  self->atoms.species_count = first->species_count;
  memcpy(self->atoms.species, first->species, (size_t)first->species_count * sizeof *first->species);
  memcpy(self->atoms.type, first->type, (size_t)first->count);
  self->energy = qn_memory_alloc((size_t)first->count, sizeof *self->energy);
  self->time = qn_memory_alloc((size_t)self->wanted, sizeof *self->time);
  self->sums = qn_memory_alloc((size_t)self->wanted * 2 * (size_t)self->species_count, sizeof *self->sums);
  return self->energy != NULL && self->time != NULL && self->sums != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  energy_series *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = begin(self, values, input, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

/* The frame's box; along an axis that is not periodic one wide enough for images not to feel each other. */
static qn_box box_of(const energy_series *self, const qn_frame *frame) {
  qn_box box = frame->box;
  for (int a = 0; a < 3; a++) {
    if (!frame->open[a]) continue;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < frame->count; i++) {
      low = fmin(low, frame->r[a][i]);
      high = fmax(high, frame->r[a][i]);
    }
    qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = self->threads};
    box.origin[a] = low - ROOM;
    box.length[a] = fmax(high - low + self->potential->cutoff + 2 * ROOM, qn_force_smallest_length(self->potential, &options));
  }
  return box;
}

static qn_status compute(energy_series *self, const qn_frame *frame, qn_error *error) {
  qn_box box = box_of(self, frame);
  for (int a = 0; a < 3; a++) memcpy(self->atoms.r[a], frame->r[a], (size_t)frame->count * sizeof(double));
  qn_status status = qn_atoms_wrap(&self->atoms, &box, error);
  if (status == QN_OK && (self->force == NULL || memcmp(&box, &self->box, sizeof box) != 0)) {
    qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = self->threads};
    qn_force_free(self->force);
    self->force = NULL;
    self->box = box;
    status = qn_force_alloc(&self->force, self->potential, &self->atoms, &box, &options, error);
  }
  qn_force_result ignored;
  return status == QN_OK ? qn_force_compute(self->force, &box, &self->atoms, &ignored, self->energy, error) : status;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  energy_series *self = (energy_series *)analysis;
  bool layered = self->options.thickness > 0;
  double drift = layered ? qn_layer_drift(&self->layer, frame) : 0;
  if (!qn_blocks_takes(self->seen++, self->frames, self->wanted)) return QN_OK;
  qn_status status = compute(self, frame, error);
  if (status != QN_OK) return status;
  sum *system = self->sums + self->used * 2 * self->species_count, *layer = system + self->species_count;
  for (int64_t i = 0; i < frame->count; i++) {
    int s = frame->type[i];
    system[s].energy += self->energy[i];
    system[s].atoms += 1;
    if (!layered || !qn_layer_holds(&self->layer, qn_layer_depth(&self->layer, frame->r[self->layer.axis][i] - drift))) continue;
    layer[s].energy += self->energy[i];
    layer[s].atoms += 1;
  }
  self->time[self->used++] = frame->time;
  return QN_OK;
}

/* One course: of the system or the layer, of a species (-1: all). */
typedef struct course {
  const energy_series *self;
  int layer, species;
} course;

static sum at(const course *c, int64_t frame) {
  const energy_series *self = c->self;
  const sum *sums = self->sums + (frame * 2 + c->layer) * self->species_count;
  sum all = {0, 0};
  for (int s = c->species < 0 ? 0 : c->species; s < (c->species < 0 ? self->species_count : c->species + 1); s++) {
    all.energy += sums[s].energy;
    all.atoms += sums[s].atoms;
  }
  return all;
}

/* Energy an atom over frames from .. end, without the frames of one of `parts` equal parts (-1: of all); NAN when there are no atoms. */
static double mean_over(const course *c, int64_t from, int64_t end, int parts, int without) {
  sum all = {0, 0};
  for (int64_t f = from; f < end; f++) {
    if (without >= 0 && (f - from) * parts / (end - from) == without) continue;
    sum here = at(c, f);
    all.energy += here.energy;
    all.atoms += here.atoms;
  }
  return all.energy / all.atoms;
}

/* Slope of the energy an atom against time, eV/ps. */
static double slope_over(const course *c, int parts, int without) {
  int64_t used = c->self->used;
  double n = 0, t = 0, e = 0, tt = 0, te = 0, first = c->self->time[0];
  for (int64_t f = 0; f < used; f++) {
    if (without >= 0 && f * parts / used == without) continue;
    sum here = at(c, f);
    if (!(here.atoms > 0)) continue;
    double time = c->self->time[f] - first, energy = here.energy / here.atoms;
    n++;
    t += time;
    e += energy;
    tt += time * time;
    te += time * energy;
  }
  return (n * te - t * e) / (n * tt - t * t);
}

static void measure(const course *c, bool drift, qn_value *value) {
  int64_t used = c->self->used;
  double without[QN_BLOCKS], unit = drift ? PS_PER_NS : 1;
  value->value = (drift ? slope_over(c, QN_BLOCKS, -1) : mean_over(c, 0, used, QN_BLOCKS, -1)) * unit;
  value->window_start_ps = c->self->time[0];
  value->window_end_ps = c->self->time[used - 1];
  for (int k = 0; k < QN_BLOCKS; k++) without[k] = (drift ? slope_over(c, QN_BLOCKS, k) : mean_over(c, 0, used, QN_BLOCKS, k)) * unit;
  if (used >= QN_BLOCKS) value->standard_error = qn_jackknife_error(without, QN_BLOCKS);
  value->samples = isfinite(value->standard_error) ? QN_BLOCKS : 0;
  value->status = !isfinite(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

static qn_status add_curve(const course *c, const char *symbol, const char *region, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"time_ps", "energy_ev", "standard_error_ev", "atoms", NULL};
  int64_t used = c->self->used, rows = used / ROW_PARTS < MOST_ROWS ? used / ROW_PARTS : MOST_ROWS;
  bool single = used < 2 * ROW_PARTS;
  if (single) rows = used;
  qn_curve *curve = qn_report_add_curve(report, "potential_energy_series", symbol, region, columns, rows, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (int64_t row = 0; row < rows; row++) {
    int64_t from = row * used / rows, end = (row + 1) * used / rows;
    double time = 0, atoms = 0, without[ROW_PARTS];
    for (int64_t f = from; f < end; f++) {
      time += c->self->time[f] / (double)(end - from);
      atoms += at(c, f).atoms / (double)(end - from);
    }
    for (int k = 0; k < ROW_PARTS && !single; k++) without[k] = mean_over(c, from, end, ROW_PARTS, k);
    double *out = curve->data + 4 * row;
    out[0] = time;
    out[1] = mean_over(c, from, end, ROW_PARTS, -1);
    out[2] = single ? (double)NAN : qn_jackknife_error(without, ROW_PARTS);
    out[3] = atoms;
  }
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  energy_series *self = (energy_series *)analysis;
  memset(report, 0, sizeof *report);
  if (self->used == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  qn_status status = QN_OK;
  for (int layer = 0; layer <= (self->options.thickness > 0); layer++)
    for (int species = -1; species < self->species_count && status == QN_OK; species++) {
      course c = {self, layer, species};
      const char *symbol = species < 0 ? "all" : self->atoms.species[species].symbol;
      const char *region = layer ? qn_layer_region(&self->options) : self->region;
      if (species >= 0 && !(at(&(course){self, 0, species}, 0).atoms > 0)) continue;
      for (int drift = 0; drift < 2 && status == QN_OK; drift++) {
        qn_value *value = qn_report_add_value(report, drift ? "potential_energy_drift" : "potential_energy_per_atom", drift ? "eV/ns" : "eV", symbol,
                                              region, error);
        if (value == NULL) status = QN_NO_MEMORY;
        else measure(&c, drift, value);
      }
      if (status == QN_OK) status = add_curve(&c, symbol, region, report, error);
    }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"potential_energy_per_atom", "potential_energy_drift", NULL};

const qn_analysis_type qn_energy_series = {.name = "energy_series",
                                           .meaning = "potential energy of each atom in the course of time, of the system and of a layer, its mean and drift",
                                           .parameter_count = PARAMETERS,
                                           .parameters = parameters,
                                           .quantities = quantities,
                                           .sampling = QN_SAMPLING_LONGEST,
                                           .layered = true,
                                           .potential = true,
                                           .alloc = alloc,
                                           .accumulate = accumulate,
                                           .reduce = reduce,
                                           .free = release};
