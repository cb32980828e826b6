/* A run on soft spheres with everything that leaves it kept, for the tests of the run loop. */
#ifndef QN_TESTS_DYNAMICS_RUN_RECORD_H
#define QN_TESTS_DYNAMICS_RUN_RECORD_H

#include <string.h>

#include "engine/dynamics/run.h"
#include "engine/dynamics/soft_potential.h"

enum { RECORD_ROWS = 4096, RECORD_FRAMES = 512, RECORD_SNAPSHOTS = 64, RECORD_ATOMS = 108 };

typedef struct record_frame {
  int stage, sampling;
  int64_t step;
  double time;
  qn_box box;
  double r[3][RECORD_ATOMS];
} record_frame;

typedef struct record_snapshot {
  qn_snapshot head; /* its atoms pointer cleared */
  double r[3][RECORD_ATOMS], v[3][RECORD_ATOMS];
} record_snapshot;

typedef struct record {
  int rows, frames, snapshots;
  qn_thermo row[RECORD_ROWS];
  record_frame frame[RECORD_FRAMES];
  record_snapshot snapshot[RECORD_SNAPSHOTS];
  qn_eam potential;
  qn_atoms atoms;
  qn_box box;
  qn_run *run;
} record;

static inline qn_status record_on_frame(void *context, int stage, int sampling, const qn_frame *frame, qn_error *error) {
  record *kept = context;
  if (kept->frames == RECORD_FRAMES) return qn_error_set(error, QN_INTERNAL, "too many frames");
  record_frame *to = &kept->frame[kept->frames++];
  *to = (record_frame){.stage = stage, .sampling = sampling, .step = frame->step, .time = frame->time, .box = frame->box};
  for (int a = 0; a < 3; a++) memcpy(to->r[a], frame->r[a], sizeof to->r[a]);
  return QN_OK;
}

static inline qn_status record_on_thermo(void *context, const qn_thermo *row, qn_error *error) {
  record *kept = context;
  if (kept->rows == RECORD_ROWS) return qn_error_set(error, QN_INTERNAL, "too many rows");
  kept->row[kept->rows++] = *row;
  return QN_OK;
}

static inline qn_status record_on_snapshot(void *context, const qn_snapshot *snapshot, qn_error *error) {
  record *kept = context;
  if (kept->snapshots == RECORD_SNAPSHOTS) return qn_error_set(error, QN_INTERNAL, "too many snapshots");
  record_snapshot *to = &kept->snapshot[kept->snapshots++];
  to->head = *snapshot;
  to->head.atoms = NULL;
  for (int a = 0; a < 3; a++) {
    memcpy(to->r[a], snapshot->atoms->r[a], sizeof to->r[a]);
    memcpy(to->v[a], snapshot->atoms->v[a], sizeof to->v[a]);
  }
  return QN_OK;
}

static inline qn_run_callbacks record_callbacks(record *kept) {
  return (qn_run_callbacks){kept, record_on_frame, record_on_thermo, record_on_snapshot};
}

/* 108 atoms of a crystal at 2000 K, which melts at once. */
static inline record *record_start(void) {
  record *kept = test_calloc(1, sizeof *kept);
  soft_potential(&kept->potential);
  const qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC,
                              .cells = {3, 3, 3},
                              .constant = 4.1,
                              .species_count = 2,
                              .species = {{"Cu", 63.546}, {"Zr", 91.224}},
                              .fraction = {0.5, 0.5}};
  assert_int_equal(qn_lattice_build(&lattice, 1, &kept->atoms, &kept->box, NULL), QN_OK);
  assert_int_equal(qn_velocities_maxwell(&kept->atoms, 2000.0, 2, NULL), QN_OK);
  return kept;
}

static inline void record_alloc(record *kept, const qn_protocol *protocol, int threads) {
  qn_run_callbacks callbacks = record_callbacks(kept);
  qn_error error = {0};
  if (qn_run_alloc(&kept->run, protocol, &kept->potential, &kept->atoms, &kept->box, NULL, 2000.0, threads, &callbacks, &error) != QN_OK)
    fail_msg("%s", error.message);
}

static inline void record_finish(record *kept) {
  qn_error error = {0};
  while (!qn_run_done(kept->run))
    if (qn_run_advance(kept->run, 100, &error) != QN_OK) fail_msg("%s", error.message);
}

/* A run from the beginning to the end. */
static inline record *record_run(const qn_protocol *protocol, int threads) {
  record *kept = record_start();
  record_alloc(kept, protocol, threads);
  record_finish(kept);
  return kept;
}

static inline void record_free(record *kept) {
  qn_run_free(kept->run);
  qn_atoms_fini(&kept->atoms);
  qn_eam_fini(&kept->potential);
  test_free(kept);
}

/* Whether there is a kernel of that precision here. */
static inline bool record_supports(qn_precision precision) {
  record *kept = record_start();
  qn_protocol protocol = {.timestep = 0.002, .precision = precision, .stage_count = 1, .stages = {{.ensemble = QN_ENSEMBLE_NVE}}};
  qn_error error = {0};
  qn_status status = qn_run_alloc(&kept->run, &protocol, &kept->potential, &kept->atoms, &kept->box, NULL, 0.0, 1, NULL, &error);
  record_free(kept);
  if (status != QN_OK && status != QN_UNSUPPORTED) fail_msg("%s", error.message);
  return status == QN_OK;
}

/* Everything the same, bit for bit. */
static inline void record_assert_same(const record *a, const record *b) {
  assert_int_equal(a->rows, b->rows);
  assert_int_equal(a->frames, b->frames);
  assert_int_equal(a->snapshots, b->snapshots);
  assert_memory_equal(a->row, b->row, (size_t)a->rows * sizeof *a->row);
  assert_memory_equal(a->frame, b->frame, (size_t)a->frames * sizeof *a->frame);
  assert_memory_equal(a->snapshot, b->snapshot, (size_t)a->snapshots * sizeof *a->snapshot);
  assert_memory_equal(&a->box, &b->box, sizeof a->box);
  size_t bytes = (size_t)a->atoms.count * sizeof(double);
  for (int k = 0; k < 3; k++) {
    assert_memory_equal(a->atoms.r[k], b->atoms.r[k], bytes);
    assert_memory_equal(a->atoms.v[k], b->atoms.v[k], bytes);
    assert_memory_equal(a->atoms.f[k], b->atoms.f[k], bytes);
  }
}

static inline qn_stage record_hold(qn_ensemble ensemble, double temperature, double duration) {
  return (qn_stage){.kind = QN_STAGE_HOLD,
                    .ensemble = ensemble,
                    .temperature = temperature,
                    .pressure = 8.0,
                    .duration = duration,
                    .thermostat_time = 0.1,
                    .barostat_time = 0.3,
                    .sampling_count = 1,
                    .samplings = {{.every = 0.02}},
                    .thermo_every = 0.002};
}

static inline qn_stage record_quench(double to, double step, double rate) {
  qn_stage stage = record_hold(QN_ENSEMBLE_NPT, 0.0, 0.0);
  stage.kind = QN_STAGE_QUENCH;
  stage.to = to;
  stage.step = step;
  stage.rate = rate;
  return stage;
}

/* Every kind of stage once: 0 npt, 1 quench in four steps, 2 nvt at the mean volume with two streams of frames, 3 linear ramp, 4 surface, 5 nvt, 6 nve. */
static inline qn_protocol record_protocol(qn_precision precision) {
  qn_protocol p = {.timestep = 0.002,
                   .precision = precision,
                   .stage_count = 7,
                   .stages = {record_hold(QN_ENSEMBLE_NPT, 2000.0, 0.3), record_quench(1650.0, 100.0, 1e6),
                              record_hold(QN_ENSEMBLE_NVT, 1650.0, 0.2), record_quench(1450.0, 0.0, 1e6),
                              {.kind = QN_STAGE_SURFACE, .axis = 2, .vacuum = 4.0, .snapshot = true},
                              record_hold(QN_ENSEMBLE_NVT, 1450.0, 0.2), record_hold(QN_ENSEMBLE_NVE, 0.0, 0.1)}};
  p.stages[1].snapshot = p.stages[5].snapshot = true;
  p.stages[2].mean_volume = true;
  p.stages[2].sampling_count = 2;
  p.stages[2].samplings[1] = (qn_sampling){.every = 0.006, .duration = 0.061};
  p.stages[3].anisotropic = true;
  return p;
}

#endif
