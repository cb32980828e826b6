#include "engine/dynamics/run_record.h"

static const qn_precision PRECISIONS[] = {QN_PRECISION_DOUBLE, QN_PRECISION_FAST};

/* Cutting the steps into other calls changes nothing that leaves the run. */
static void check_split_advances(qn_precision precision) {
  qn_protocol protocol = record_protocol(precision);
  record *whole = record_run(&protocol, 1);
  assert_int_equal(qn_run_step(whole->run), qn_run_steps(whole->run));
  assert_int_equal(qn_run_steps(whole->run), 150 + 175 + 100 + 100 + 100 + 50);
  const int64_t pieces[] = {1, 7, 100000};
  for (int k = 0; k < 3; k++) {
    record *cut = record_start();
    record_alloc(cut, &protocol, 1);
    assert_int_equal(qn_run_advance(cut->run, 0, NULL), QN_OK);
    while (!qn_run_done(cut->run)) {
      int64_t before = qn_run_step(cut->run);
      assert_int_equal(qn_run_advance(cut->run, pieces[k], NULL), QN_OK);
      assert_true(qn_run_step(cut->run) - before <= pieces[k]);
    }
    record_assert_same(whole, cut);
    assert_int_equal(qn_run_advance(cut->run, 5, NULL), QN_OK); /* over is over */
    record_assert_same(whole, cut);
    record_free(cut);
  }
  record_free(whole);
}

static void split_advances(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++)
    if (record_supports(PRECISIONS[k])) check_split_advances(PRECISIONS[k]);
}

static void threads_change_no_bit(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) {
    if (!record_supports(PRECISIONS[k])) continue;
    qn_protocol protocol = record_protocol(PRECISIONS[k]);
    record *one = record_run(&protocol, 1), *two = record_run(&protocol, 2);
    record_assert_same(one, two);
    record_free(one);
    record_free(two);
  }
}

/* The kernel under a box that changes: over some ps in which the lists are built again and again, the conserved quantity stays and the
 * mean pressure is the one asked for. Short with one strain an axis: nothing holds the shape of a liquid's box. */
static void pressure_is_held(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) {
    qn_protocol protocol = {.timestep = 0.002,
                            .stage_count = 2,
                            .stages = {record_hold(QN_ENSEMBLE_NPT, 2000.0, 2.0), record_hold(QN_ENSEMBLE_NPT, 2000.0, k == 0 ? 8.0 : 2.0)}};
    for (int s = 0; s < 2; s++) protocol.stages[s].sampling_count = 0;
    protocol.stages[0].thermo_every = 0.0;
    protocol.stages[1].anisotropic = k == 1;
    record *kept = record_run(&protocol, 1);
    double pressure = 0.0, change = 0.0;
    assert_int_equal(kept->rows, k == 0 ? 4001 : 1001);
    for (int i = 0; i < kept->rows; i++) {
      pressure += kept->row[i].pressure / kept->rows;
      change = fmax(change, fabs(kept->row[i].conserved - kept->row[0].conserved));
    }
    print_message("pressure %.3f GPa, conserved quantity within %.1e eV an atom\n", pressure, change / RECORD_ATOMS);
    assert_close(pressure, 8.0, 0.1);
    assert_true(change / RECORD_ATOMS < 2e-4);
    record_free(kept);
  }
}

/* Frames at the start of a stage and every 10 steps, at the time really simulated, positions without jumps. */
static void frames(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_run(&protocol, 1);
  const int expected[] = {16, 18, 11, 11, 0, 11, 6};
  int count[7] = {0}, fine = 0;
  int64_t begin = 0;
  const record_frame *before = NULL;
  for (int k = 0; k < kept->frames; k++) {
    const record_frame *frame = &kept->frame[k];
    assert_close(frame->time, 0.002 * (double)frame->step, 1e-12);
    if (frame->sampling == 1) {
      assert_int_equal(frame->stage, 2);
      assert_int_equal((frame->step - begin) % 3, 0);
      fine++;
      /* Where both streams are due, both have the same frame, the coarse one first. */
      if ((frame->step - begin) % 10 == 0) assert_memory_equal(frame->r, frame[-1].r, sizeof frame->r);
      continue;
    }
    count[frame->stage]++;
    if (frame->stage == 2 && count[2] == 1) begin = frame->step;
    bool first = before == NULL || before->stage != frame->stage;
    if (!first) assert_int_equal(frame->step - before->step, 10);
    for (int a = 0; a < 3 && !first; a++)
      for (int i = 0; i < RECORD_ATOMS; i++) assert_close(frame->r[a][i], before->r[a][i], 1.5); /* a box is 10 A or more */
    before = frame;
  }
  assert_int_equal(fine, 11); /* at 0, 0.006, ... 0.06 ps */
  const qn_sampling *streams = protocol.stages[2].samplings;
  assert_int_equal(qn_sampling_frames(&streams[0], 100, protocol.timestep), 11);
  assert_int_equal(qn_sampling_frames(&streams[1], 100, protocol.timestep), 11);
  assert_int_equal(qn_sampling_frames(&streams[1], 10, protocol.timestep), 4); /* the stage ends before the stream */
  for (int s = 0; s < 7; s++) assert_int_equal(count[s], expected[s]);
  assert_int_equal(kept->frame[0].step, 0);
  assert_int_equal(kept->frame[16].stage, 1);
  assert_int_equal(kept->frame[16].step, 150);
  /* In an npt or nvt stage the centre of mass rests at its place in the box, if the positions are unwrapped well. */
  int last = kept->frames - 1;
  double centre[2] = {0};
  for (int i = 0; i < RECORD_ATOMS; i++) {
    double mass = kept->atoms.species[kept->atoms.type[i]].mass;
    centre[0] += mass * kept->frame[last - 6].r[0][i];
    centre[1] += mass * kept->frame[last].r[0][i];
  }
  assert_close(centre[0], centre[1], 1e-6);
  record_free(kept);
}

/* The quench: targets step by step, a snapshot at each, and mean lengths over the second half of each step, here computed again from
 * the rows of every timestep. */
static void quench_in_steps(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_run(&protocol, 1);
  const double targets[] = {1900.0, 1800.0, 1700.0, 1650.0};
  const int64_t ends[] = {200, 250, 300, 325};
  for (int k = 0; k < 4; k++) {
    const qn_snapshot *snapshot = &kept->snapshot[k].head;
    assert_int_equal(snapshot->stage, 1);
    assert_close(snapshot->temperature, targets[k], 0.0);
    assert_int_equal(snapshot->step, ends[k]);
    assert_close(snapshot->time, 0.002 * (double)ends[k], 1e-12);
    int64_t begin = k == 0 ? 150 : ends[k - 1];
    double sum = 0.0;
    int rows = 0;
    for (int i = 0; i < kept->rows; i++) {
      const qn_thermo *row = &kept->row[i];
      if (row->stage != 1 || 2 * (row->step - begin) <= ends[k] - begin || row->step > ends[k]) continue;
      sum += row->length[0];
      rows++;
    }
    assert_true(rows == (k == 3 ? 13 : 25));
    assert_close(snapshot->mean_length[0], sum / rows, 1e-12);
  }

  /* Then the nvt stage sits at the last step's mean volume, with its atoms at the same places in the box. */
  const qn_snapshot *last = &kept->snapshot[3].head;
  for (int i = 0; i < kept->rows; i++)
    if (kept->row[i].stage == 2) assert_close(kept->row[i].volume, pow(last->mean_length[0], 3), 1e-9);
  const record_frame *frame = kept->frame;
  while (frame->stage != 2) frame++;
  double factor = last->mean_length[0] / last->box.length[0];
  for (int i = 0; i < RECORD_ATOMS; i++) {
    double boxes = (frame->r[0][i] - kept->snapshot[3].r[0][i] * factor) / last->mean_length[0];
    assert_close(boxes, round(boxes), 1e-12);
  }
  record_free(kept);
}

/* A linear ramp, 2000 K to 500 K in 3 ps, after the crystal has melted: the mean temperatures of its thirds follow the line. */
static void linear_ramp(void **state) {
  (void)state;
  qn_protocol protocol = {.timestep = 0.002,
                          .stage_count = 2,
                          .stages = {record_hold(QN_ENSEMBLE_NPT, 2000.0, 2.0), record_quench(500.0, 0.0, 5e5)}};
  protocol.stages[0].thermo_every = 0.0;
  protocol.stages[1].snapshot = true;
  record *kept = record_run(&protocol, 1);
  double third[3] = {0};
  assert_int_equal(kept->rows, 1501);
  for (int i = 0; i < 1500; i++) third[i / 500] += kept->row[i].temperature / 500.0;
  print_message("%.0f %.0f %.0f K\n", third[0], third[1], third[2]);
  for (int k = 0; k < 3; k++) assert_close(third[k], 1750.0 - 500.0 * k, 200.0);
  assert_int_equal(kept->snapshots, 1);
  assert_close(kept->snapshot[0].head.temperature, 500.0, 0.0);
  record_free(kept);
}

/* Rows: nve keeps its energy, E = K + U, and the pressure is that of the test's own force loop. */
static void thermo_rows(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_run(&protocol, 1);
  double first_nve = NAN;
  for (int i = 0; i < kept->rows; i++) {
    const qn_thermo *row = &kept->row[i];
    assert_close(row->volume, row->length[0] * row->length[1] * row->length[2], 1e-9);
    assert_close(row->temperature, 2.0 * row->kinetic_energy / (QN_BOLTZMANN * (3.0 * RECORD_ATOMS - 3.0)), 1e-8);
    if (row->stage != 6) continue;
    assert_close(row->conserved, row->kinetic_energy + row->potential_energy, 1e-12);
    if (isnan(first_nve)) first_nve = row->conserved;
    assert_close(row->conserved, first_nve, 2e-3);
  }

  const qn_thermo *last = &kept->row[kept->rows - 1];
  soft_system twin = {.atoms = kept->atoms, .box = kept->box};
  soft_force(&twin);
  double trace = twin.virial[0] + twin.virial[1] + twin.virial[2] + 2.0 * qn_velocities_kinetic_energy(&kept->atoms);
  assert_close(last->potential_energy, twin.energy, 1e-6);
  assert_close(last->pressure, trace / (3.0 * last->volume) * 160.2176634, 1e-5);
  record_free(kept);
}

static void surface(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_run(&protocol, 1);
  const qn_snapshot *cut = &kept->snapshot[4].head;
  assert_int_equal(cut->stage, 4);
  assert_close(cut->temperature, 1450.0, 0.0);
  const qn_thermo *before = kept->row, *after;
  while (before[1].stage < 4) before++;
  after = before + 1;
  assert_int_equal(after->stage, 5);
  assert_int_equal(after->step, before->step);
  assert_close(after->length[2], before->length[2] + 8.0, 1e-12);
  assert_close(after->length[0], before->length[0], 0.0);
  assert_close(cut->box.length[2], after->length[2], 0.0);
  assert_close(cut->mean_length[2], after->length[2], 0.0);
  for (int i = 0; i < RECORD_ATOMS; i++) {
    double depth = kept->snapshot[4].r[2][i] - cut->box.origin[2];
    assert_true(depth >= 4.0 - 1e-9 && depth <= cut->box.length[2] - 4.0 + 1e-9);
  }
  assert_int_equal(kept->snapshots, 6);
  assert_int_equal(kept->snapshot[5].head.stage, 5);
  record_free(kept);
}

/* A protocol without a step is done after one call, and still does what it says. */
static void stages_without_steps(void **state) {
  (void)state;
  record *kept = record_start();
  qn_protocol protocol = {.timestep = 0.002,
                          .stage_count = 3,
                          .stages = {{.kind = QN_STAGE_SURFACE, .axis = 0, .vacuum = 5.0},
                                     record_hold(QN_ENSEMBLE_NPT, 2000.0, 0.0), record_quench(2000.0, 10.0, 1e5)}};
  protocol.stages[1].snapshot = protocol.stages[2].snapshot = true;
  record_alloc(kept, &protocol, 1);
  assert_int_equal(qn_run_steps(kept->run), 0);
  assert_false(qn_run_done(kept->run));
  assert_int_equal(qn_run_advance(kept->run, 0, NULL), QN_OK);
  assert_true(qn_run_done(kept->run));
  assert_int_equal(qn_run_stage(kept->run), 3);
  assert_int_equal(kept->frames, 2);
  assert_int_equal(kept->snapshots, 2);
  assert_close(kept->snapshot[0].head.mean_length[0], kept->box.length[0], 0.0);
  assert_close(kept->box.length[0], 12.3 + 10.0, 1e-12);
  record_free(kept);
}

/* Mean lengths that come with a snapshot. */
static void mean_lengths_from_outside(void **state) {
  (void)state;
  record *kept = record_start();
  qn_protocol protocol = {.timestep = 0.002, .stage_count = 1, .stages = {record_hold(QN_ENSEMBLE_NVE, 0.0, 0.01)}};
  protocol.stages[0].mean_volume = true;
  const double lengths[3] = {12.0, 12.2, 12.4};
  assert_int_equal(
      qn_run_alloc(&kept->run, &protocol, &kept->potential, &kept->atoms, &kept->box, lengths, 0.0, 1, NULL, NULL), QN_OK);
  assert_int_equal(qn_run_advance(kept->run, 5, NULL), QN_OK);
  for (int a = 0; a < 3; a++) assert_close(kept->box.length[a], lengths[a], 1e-12);
  record_free(kept);
}

/* A run that must end with QN_BLOWUP, a message that holds all the words, and stay ended. */
static void assert_blowup(record *kept, const qn_protocol *protocol, const char *const words[]) {
  qn_error error = {0}, again = {0};
  record_alloc(kept, protocol, 1);
  qn_status status = QN_OK;
  while (status == QN_OK && !qn_run_done(kept->run)) status = qn_run_advance(kept->run, 10, &error);
  print_message("%s\n", error.message);
  assert_int_equal(status, QN_BLOWUP);
  assert_int_equal(error.status, QN_BLOWUP);
  for (; *words != NULL; words++)
    if (strstr(error.message, *words) == NULL) fail_msg("'%s' lacks '%s'", error.message, *words);
  assert_int_equal(qn_run_advance(kept->run, 10, &again), QN_BLOWUP);
  assert_string_equal(again.message, error.message);
  record_free(kept);
}

static void blow_ups(void **state) {
  (void)state;
  qn_protocol protocol = {.timestep = 0.002, .stage_count = 1, .stages = {record_hold(QN_ENSEMBLE_NVT, 1000.0, 1.0)}};

  record *lost = record_start(); /* one atom shot through the box */
  lost->atoms.v[1][17] = 1000.0;
  assert_blowup(lost, &protocol, (const char *[]){"stages[0] (hold nvt), step 0", "atom 17 is lost", NULL});

  record *nothing = record_start();
  nothing->atoms.v[0][5] = NAN;
  assert_blowup(nothing, &protocol, (const char *[]){"stages[0]", "not a number", "atom 5", NULL});

  record *place = record_start();
  place->atoms.r[0][7] = INFINITY;
  assert_blowup(place, &protocol, (const char *[]){"stages[0]", "atom 7", NULL});

  record *dense = record_start(); /* a lump in a void: what is stored becomes heat */
  for (int a = 0; a < 3; a++)
    for (int64_t i = 0; i < dense->atoms.count; i++) dense->atoms.r[a][i] *= 0.4;
  qn_protocol free_flight = {.timestep = 0.002, .stage_count = 1, .stages = {record_hold(QN_ENSEMBLE_NVE, 1000.0, 2.0)}};
  assert_blowup(dense, &free_flight, (const char *[]){"stages[0] (hold nve)", "temperature", "limit of 1.5e+04 K", NULL});

  protocol.timestep = 0.0002; /* fine enough for energy to be kept on the way */
  protocol.stages[0] = record_hold(QN_ENSEMBLE_NPT, 1000.0, 20.0);
  protocol.stages[0].pressure = -20.0; /* nothing holds soft spheres together */
  assert_blowup(record_start(), &protocol, (const char *[]){"stages[0] (hold npt)", "the box along", "are possible", NULL});

  protocol.timestep = 0.00001;
  protocol.stages[0].pressure = 2000.0;
  assert_blowup(record_start(), &protocol, (const char *[]){"the box along", NULL});
}

static qn_status fail_frame(void *context, int stage, int sampling, const qn_frame *frame, qn_error *error) {
  (void)context, (void)stage, (void)sampling, (void)frame;
  return qn_error_set(error, QN_IO, "disk full");
}
static qn_status fail_thermo(void *context, const qn_thermo *row, qn_error *error) {
  (void)context;
  return row->step < 5 ? QN_OK : qn_error_set(error, QN_CANCELLED, "enough");
}
static qn_status fail_snapshot(void *context, const qn_snapshot *snapshot, qn_error *error) {
  (void)context, (void)snapshot;
  return qn_error_set(error, QN_UNAVAILABLE, "away");
}

/* A callback's status ends the run, as it is. */
static void callbacks_that_fail(void **state) {
  (void)state;
  const qn_run_callbacks callbacks[] = {{.frame = fail_frame}, {.thermo = fail_thermo}, {.snapshot = fail_snapshot}};
  const qn_status expected[] = {QN_IO, QN_CANCELLED, QN_UNAVAILABLE};
  const int64_t steps[] = {0, 5, 150};
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  protocol.stages[0].snapshot = true;
  for (int k = 0; k < 3; k++) {
    record *kept = record_start();
    qn_error error = {0};
    assert_int_equal(
        qn_run_alloc(&kept->run, &protocol, &kept->potential, &kept->atoms, &kept->box, NULL, 0.0, 1, &callbacks[k], NULL), QN_OK);
    assert_int_equal(qn_run_advance(kept->run, 1000, &error), expected[k]);
    assert_int_equal(qn_run_step(kept->run), steps[k]);
    assert_string_equal(error.message, k == 0 ? "disk full" : k == 1 ? "enough" : "away");
    assert_int_equal(qn_run_advance(kept->run, 1000, NULL), expected[k]);
    record_free(kept);
  }
}

static void refuse(record *kept, const qn_protocol *protocol, const double *mean, int threads, qn_status expected, const char *word) {
  qn_error error = {0};
  qn_run *run;
  assert_int_equal(qn_run_alloc(&run, protocol, &kept->potential, &kept->atoms, &kept->box, mean, 2000.0, threads, NULL, &error), expected);
  assert_null(run);
  if (strstr(error.message, word) == NULL) fail_msg("'%s' does not speak of '%s'", error.message, word);
}

static void starts_that_cannot_work(void **state) {
  (void)state;
  record *kept = record_start();
  qn_protocol good = record_protocol(QN_PRECISION_DOUBLE), bad = good;
  refuse(kept, &good, NULL, 0, QN_INVALID, "threads");
  refuse(kept, &good, (const double[]){12.0, -1.0, 12.0}, 1, QN_INVALID, "mean length");
  refuse(kept, &good, (const double[]){12.0, NAN, 12.0}, 1, QN_INVALID, "mean length");
  bad.timestep = -1.0;
  refuse(kept, &bad, NULL, 1, QN_INVALID, "timestep");
  kept->box.length[2] = 7.0;
  refuse(kept, &good, NULL, 1, QN_INVALID, "box");
  kept->box.length[2] = 12.3;
  strcpy(kept->atoms.species[1].symbol, "Al");
  refuse(kept, &good, NULL, 1, QN_INVALID, "Al");
  qn_run_free(NULL);
  record_free(kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(split_advances),
      cmocka_unit_test(threads_change_no_bit),
      cmocka_unit_test(pressure_is_held),
      cmocka_unit_test(frames),
      cmocka_unit_test(quench_in_steps),
      cmocka_unit_test(linear_ramp),
      cmocka_unit_test(thermo_rows),
      cmocka_unit_test(surface),
      cmocka_unit_test(stages_without_steps),
      cmocka_unit_test(mean_lengths_from_outside),
      cmocka_unit_test(blow_ups),
      cmocka_unit_test(callbacks_that_fail),
      cmocka_unit_test(starts_that_cannot_work),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
