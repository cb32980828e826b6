/* Synthetic trajectories with known answers, and a run of an analysis over one in memory. */
#ifndef QN_TESTS_SYNTHETIC_H
#define QN_TESTS_SYNTHETIC_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/analysis/run.h"

typedef struct random_source {
  uint64_t state;
  double spare;
  int has_spare;
} random_source;

/* xorshift64*, seeded through splitmix64. */
static inline random_source random_seeded(uint64_t seed) {
  seed += 0x9E3779B97F4A7C15u;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9u;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBu;
  return (random_source){(seed ^ (seed >> 31)) | 1, 0, 0};
}

static inline double random_uniform(random_source *source) {
  source->state ^= source->state >> 12;
  source->state ^= source->state << 25;
  source->state ^= source->state >> 27;
  return ((double)((source->state * 2685821657736338717u) >> 11) + 0.5) * 0x1p-53;
}

static inline double random_normal(random_source *source) {
  if (source->has_spare) {
    source->has_spare = 0;
    return source->spare;
  }
  double radius = sqrt(-2 * log(random_uniform(source))), angle = 6.283185307179586 * random_uniform(source);
  source->spare = radius * sin(angle);
  source->has_spare = 1;
  return radius * cos(angle);
}

static const qn_species synthetic_species[2] = {{"Cu", 63.546}, {"Zr", 91.224}};

/* A trajectory in memory: r[frame][axis][atom]. */
typedef struct synthetic {
  int64_t frames, atoms;
  double interval; /* ps */
  qn_box box;
  uint8_t *type;
  double *r;
  qn_wrapping wrapping;
  bool open[3];
} synthetic;

static inline synthetic synthetic_make(int64_t frames, int64_t atoms, double interval, double length) {
  synthetic s = {frames, atoms, interval, {{0, 0, 0}, {length, length, length}}, NULL, NULL, QN_WRAPPING_UNWRAPPED, {false, false, false}};
  s.type = malloc((size_t)atoms);
  s.r = calloc((size_t)(frames * atoms) * 3, sizeof *s.r);
  for (int64_t i = 0; i < atoms; i++) s.type[i] = (uint8_t)(i % 2);
  return s;
}

static inline void synthetic_free(synthetic *s) {
  free(s->type);
  free(s->r);
}

static inline double *synthetic_at(const synthetic *s, int64_t frame, int axis, int64_t atom) {
  return &s->r[(frame * 3 + axis) * s->atoms + atom];
}

static inline void scatter(synthetic *s, random_source *random) {
  for (int a = 0; a < 3; a++)
    for (int64_t i = 0; i < s->atoms; i++) *synthetic_at(s, 0, a, i) = s->box.length[a] * random_uniform(random);
}

/* Independent walkers with diffusion coefficients d[type], A^2/ps. */
static inline synthetic brownian(uint64_t seed, int64_t frames, int64_t atoms, double interval, const double d[2]) {
  synthetic s = synthetic_make(frames, atoms, interval, 2.5 * cbrt((double)atoms));
  random_source random = random_seeded(seed);
  scatter(&s, &random);
  for (int64_t f = 1; f < frames; f++)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < atoms; i++)
        *synthetic_at(&s, f, a, i) = *synthetic_at(&s, f - 1, a, i) + sqrt(2 * d[s.type[i]] * interval) * random_normal(&random);
  return s;
}

static inline qn_frame synthetic_frame(const synthetic *s, int64_t f) {
  return (qn_frame){.step = f,
                    .time = (double)f * s->interval,
                    .box = s->box,
                    .open = {s->open[0], s->open[1], s->open[2]},
                    .wrapping = s->wrapping,
                    .count = s->atoms,
                    .species_count = 2,
                    .species = synthetic_species,
                    .type = s->type,
                    .r = {synthetic_at(s, f, 0, 0), synthetic_at(s, f, 1, 0), synthetic_at(s, f, 2, 0)}};
}

/* Parameters are given by name, the others take their fallback; a name of NULL ends the list. */
typedef struct setting {
  const char *name;
  double value;
} setting;

static inline void parameters_of(const qn_analysis_type *type, const setting *settings, double *values) {
  for (int p = 0; p < type->parameter_count; p++) values[p] = type->parameters[p].fallback;
  for (; settings != NULL && settings->name != NULL; settings++) {
    int p = 0;
    while (p < type->parameter_count && strcmp(type->parameters[p].name, settings->name) != 0) p++;
    assert_true(p < type->parameter_count);
    values[p] = settings->value;
  }
}

static inline qn_status synthetic_read(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  (void)error;
  *frame = synthetic_frame(context, index);
  return QN_OK;
}

static inline qn_analysis_frames synthetic_frames(const synthetic *s) {
  return (qn_analysis_frames){.context = (void *)(uintptr_t)s, .read = synthetic_read, .count = s->frames, .interval = s->interval, .wrapping = s->wrapping};
}

/* What a type did not announce nobody can ask for. */
static inline void assert_announced(const qn_analysis_type *type, const qn_report *report) {
  for (int i = 0; i < report->value_count; i++) {
    const char *const *named = type->quantities;
    while (*named != NULL && strcmp(*named, report->values[i].quantity) != 0) named++;
    if (*named == NULL) fail_msg("%s does not announce %s", type->name, report->values[i].quantity);
  }
}

static inline qn_status analyse_frames(const char *name, const setting *settings, const qn_analysis_frames *frames, int threads, qn_report *report,
                                       qn_error *error) {
  const qn_analysis_type *type = qn_analysis_find(name);
  assert_non_null(type);
  double values[QN_MAX_PARAMETERS];
  parameters_of(type, settings, values);
  qn_analysis_order order = {.type = type, .parameters = values};
  qn_status status = qn_analysis_run(frames, &order, 1, NULL, threads, NULL, NULL, error);
  if (status != QN_OK) return status;
  *report = order.report;
  if (order.status != QN_OK) *error = order.error;
  else assert_announced(type, report);
  return order.status;
}

static inline qn_status analyse_status(const char *name, const setting *settings, const synthetic *s, int threads, qn_report *report,
                                       qn_error *error) {
  qn_analysis_frames frames = synthetic_frames(s);
  return analyse_frames(name, settings, &frames, threads, report, error);
}

static inline qn_report analyse(const char *name, const setting *settings, const synthetic *s, int threads) {
  qn_report report;
  qn_error error;
  if (analyse_status(name, settings, s, threads, &report, &error) != QN_OK) fail_msg("%s: %s", name, error.message);
  return report;
}

static inline const qn_value *value_of(const qn_report *report, const char *quantity, const char *species) {
  for (int i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].quantity, quantity) == 0 && strcmp(report->values[i].species, species) == 0) return &report->values[i];
  fail_msg("no value %s of %s", quantity, species);
  return NULL;
}

static inline const qn_curve *curve_of(const qn_report *report, const char *name, const char *species) {
  for (int i = 0; i < report->curve_count; i++)
    if (strcmp(report->curves[i].name, name) == 0 && strcmp(report->curves[i].species, species) == 0) return &report->curves[i];
  fail_msg("no curve %s of %s", name, species);
  return NULL;
}

/* A number in a curve. */
static inline double curve_at(const qn_curve *curve, int64_t row, int column) { return curve->data[row * curve->columns + column]; }

static inline void assert_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance)) fail_msg("%.17g, not %.17g within %g", value, expected, tolerance);
}

static inline void assert_same_report(const qn_report *a, const qn_report *b) {
  assert_int_equal(a->value_count, b->value_count);
  assert_memory_equal(a->values, b->values, (size_t)a->value_count * sizeof *a->values);
  assert_int_equal(a->curve_count, b->curve_count);
  for (int c = 0; c < a->curve_count; c++)
    assert_memory_equal(a->curves[c].data, b->curves[c].data, (size_t)(a->curves[c].rows * a->curves[c].columns) * sizeof(double));
}

#endif
