#include "engine/dynamics/run_record.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "engine/base/rng.h"
#include "engine/trajectory/checkpoint.h"

/* Run to `step`, save, and go on in a fresh run that stands elsewhere; what was recorded before is kept. */
static record *interrupted(const qn_protocol *protocol, int64_t step, int threads) {
  record *first = record_start(), *second = record_start();
  record_alloc(first, protocol, 1);
  qn_error error = {0};
  while (qn_run_step(first->run) < step) assert_int_equal(qn_run_advance(first->run, 1, &error), QN_OK);
  void *data;
  size_t size;
  assert_int_equal(qn_run_save(first->run, &data, &size, &error), QN_OK);

  for (int a = 0; a < 3; a++) second->box.length[a] += 3.0; /* the loaded state must replace everything */
  record_alloc(second, protocol, threads);
  if (qn_run_load(second->run, data, size, &error) != QN_OK) fail_msg("%s", error.message);
  void *again;
  size_t size_again;
  assert_int_equal(qn_run_save(second->run, &again, &size_again, &error), QN_OK); /* what was loaded is what is saved */
  assert_int_equal(size, size_again);
  assert_memory_equal(data, again, size);
  free(again);
  free(data);
  assert_int_equal(qn_run_step(second->run), qn_run_step(first->run));
  assert_int_equal(qn_run_stage(second->run), qn_run_stage(first->run));
  second->rows = first->rows, second->frames = first->frames, second->snapshots = first->snapshots;
  memcpy(second->row, first->row, sizeof first->row);
  memcpy(second->frame, first->frame, sizeof first->frame);
  memcpy(second->snapshot, first->snapshot, sizeof first->snapshot);
  record_free(first);
  record_finish(second);
  return second;
}

/* Saved and loaded anywhere (before the first step, inside and at the ends of all kinds of stages, after the last step), every frame, row,
 * snapshot and final coordinate is the same. */
static void same_bits_after_a_load(void **state) {
  (void)state;
  const qn_precision precisions[] = {QN_PRECISION_DOUBLE, QN_PRECISION_FAST};
  for (int p = 0; p < 2; p++) {
    if (!record_supports(precisions[p])) continue;
    qn_protocol protocol = record_protocol(precisions[p]);
    record *whole = record_run(&protocol, 1);
    const int64_t steps[] = {0, 1, 77, 149, 150, 151, 200, 201, 240, 325, 326, 380, 425, 430, 500, 525, 526, 600, 625, 640, 674, 675};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
      record *resumed = interrupted(&protocol, steps[k], 1 + (int)(k % 2));
      record_assert_same(whole, resumed);
      record_free(resumed);
    }
    record_free(whole);
  }
}

/* Save and load do not disturb the run that is saved, and two saves are alike. */
static void saving_disturbs_nothing(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *whole = record_run(&protocol, 1), *saved = record_start();
  record_alloc(saved, &protocol, 1);
  while (!qn_run_done(saved->run)) {
    void *data, *again;
    size_t size, size_again;
    assert_int_equal(qn_run_save(saved->run, &data, &size, NULL), QN_OK);
    assert_int_equal(qn_run_save(saved->run, &again, &size_again, NULL), QN_OK);
    assert_int_equal(size, size_again);
    assert_memory_equal(data, again, size);
    free(data);
    free(again);
    assert_int_equal(qn_run_advance(saved->run, 13, NULL), QN_OK);
  }
  record_assert_same(whole, saved);
  record_free(whole);
  record_free(saved);
}

static void expect_load(const qn_protocol *protocol, const void *data, size_t size, qn_status expected, const char *word) {
  record *kept = record_start();
  qn_error error = {0};
  record_alloc(kept, protocol, 1);
  assert_int_equal(qn_run_load(kept->run, data, size, &error), expected);
  if (strstr(error.message, word) == NULL) fail_msg("'%s' does not speak of '%s'", error.message, word);
  record_free(kept);
}

/* States of something else, or that contradict themselves, are refused with the reason. */
static void what_does_not_fit_is_refused(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE), other = protocol;
  record *kept = record_start();
  record_alloc(kept, &protocol, 1);
  assert_int_equal(qn_run_advance(kept->run, 160, NULL), QN_OK);
  unsigned char *data;
  size_t size;
  assert_int_equal(qn_run_save(kept->run, (void **)&data, &size, NULL), QN_OK);

  other.stages[1].rate = 2e6;
  expect_load(&other, data, size, QN_CONFLICT, "protocol");
  for (size_t cut = 0; cut < size; cut += cut < 400 ? 1 : 997) expect_load(&protocol, data, cut, QN_CORRUPT, "");
  unsigned char *longer = test_calloc(size + 1, 1);
  memcpy(longer, data, size);
  expect_load(&protocol, longer, size + 1, QN_CORRUPT, "length");
  test_free(longer);

  /* Offsets as save.c writes them: identity 24 bytes, then step, offset, stage, level, flags, base. */
  const struct {
    size_t at;
    qn_status status;
    const char *word;
  } spoiled[] = {{0, QN_CONFLICT, "version"}, {4, QN_CONFLICT, "protocol"}, {8, QN_CONFLICT, "potential"}, {16, QN_CONFLICT, "atoms"},
                 {24, QN_CORRUPT, "place"},   {32, QN_CORRUPT, "place"},    {40, QN_CORRUPT, "place"},     {44, QN_CORRUPT, "place"},
                 {48, QN_CORRUPT, ""},        {50, QN_CORRUPT, ""},         {51, QN_CORRUPT, "place"},     {59, QN_CORRUPT, "numbers"}};
  for (size_t k = 0; k < sizeof spoiled / sizeof *spoiled; k++) {
    unsigned char keep[8];
    memcpy(keep, data + spoiled[k].at, 8);
    if (k + 1 == sizeof spoiled / sizeof *spoiled) {
      double nothing = NAN;
      memcpy(data + spoiled[k].at, &nothing, 8);
    } else {
      data[spoiled[k].at] ^= 0x55;
    }
    expect_load(&protocol, data, size, spoiled[k].status, spoiled[k].word);
    memcpy(data + spoiled[k].at, keep, 8);
  }
  expect_load(&protocol, data, size, QN_OK, "");
  free(data);

  record *smaller = record_start(); /* another system */
  assert_int_equal(qn_run_save(kept->run, (void **)&data, &size, NULL), QN_OK);
  smaller->atoms.type[3] = (uint8_t)!smaller->atoms.type[3];
  record_alloc(smaller, &protocol, 1);
  assert_int_equal(qn_run_load(smaller->run, data, size, NULL), QN_CONFLICT);
  record_free(smaller);
  free(data);
  record_free(kept);
}

/* Any bytes behind a good identity: refused or run, never a crash. */
static void random_damage(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_start();
  record_alloc(kept, &protocol, 1);
  assert_int_equal(qn_run_advance(kept->run, 160, NULL), QN_OK);
  unsigned char *data;
  size_t size;
  assert_int_equal(qn_run_save(kept->run, (void **)&data, &size, NULL), QN_OK);
  record_free(kept);
  unsigned char *copy = test_malloc(size);
  qn_rng rng;
  qn_rng_init(&rng, 7, QN_RNG_BOOTSTRAP, 0);
  int refused = 0;
  for (int k = 0; k < 300; k++) {
    memcpy(copy, data, size);
    for (int hits = 0; hits < 3; hits++) {
      size_t at = 24 + (size_t)qn_rng_below(&rng, k % 2 == 0 ? 500 : size - 24);
      copy[at] = (unsigned char)qn_rng_word(&rng);
    }
    record *other = record_start();
    record_alloc(other, &protocol, 1);
    qn_error error = {0};
    qn_status status = qn_run_load(other->run, copy, size, &error);
    if (status == QN_OK) (void)qn_run_advance(other->run, 3, &error);
    refused += status != QN_OK;
    record_free(other);
  }
  print_message("%d of 300 refused\n", refused);
  assert_true(refused > 10); /* most of the rest are other numbers, which only a checksum can tell */
  test_free(copy);
  free(data);
}

static void a_failed_run_is_not_saved(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *kept = record_start();
  kept->atoms.v[0][0] = NAN;
  record_alloc(kept, &protocol, 1);
  assert_int_equal(qn_run_advance(kept->run, 1, NULL), QN_BLOWUP);
  void *data;
  size_t size;
  qn_error error;
  assert_int_equal(qn_run_save(kept->run, &data, &size, &error), QN_INVALID);
  assert_null(data);
  assert_non_null(strstr(error.message, "failed"));
  record_free(kept);
}

static void write_checkpoint(const record *kept, const char *path) {
  void *data;
  size_t size;
  if (qn_run_save(kept->run, &data, &size, NULL) != QN_OK) _exit(2);
  qn_checkpoint_part parts[2] = {{.name = "run", .data = data, .size = size}, {.name = "rows", .data = &kept->rows, .size = sizeof kept->rows}};
  if (qn_checkpoint_write(path, parts, 2, NULL) != QN_OK) _exit(3);
  free(data);
}

/* The child's life: resume from the checkpoint if there is one, and write a new one every few steps until the end or the kill. */
static void work(record *kept, const qn_protocol *protocol, const char *path) {
  record_alloc(kept, protocol, 1);
  qn_checkpoint checkpoint;
  qn_status status = qn_checkpoint_read(&checkpoint, path, NULL);
  if (status == QN_OK) {
    const qn_checkpoint_part *part = qn_checkpoint_find(&checkpoint, "run");
    if (part == NULL || qn_run_load(kept->run, part->data, part->size, NULL) != QN_OK) _exit(4);
    qn_checkpoint_fini(&checkpoint);
  } else if (status != QN_NOT_FOUND) {
    _exit(5);
  }
  do {
    if (qn_run_advance(kept->run, 5, NULL) != QN_OK) _exit(6);
    write_checkpoint(kept, path);
  } while (!qn_run_done(kept->run));
  _exit(0);
}

static void remove_checkpoints(const char *path) {
  static const char *const suffixes[] = {"", ".previous", ".new"};
  for (int k = 0; k < 3; k++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", path, suffixes[k]);
    unlink(name);
  }
}

/* A process that is killed with SIGKILL again and again at random moments, some of them inside a write, ends with the same coordinates. */
static void killed_again_and_again(void **state) {
  (void)state;
  qn_protocol protocol = record_protocol(QN_PRECISION_DOUBLE);
  record *whole = record_run(&protocol, 1), *start = record_start(), *end = record_start();
  char folder[] = "/tmp/qn-save-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/checkpoint", folder);
  qn_rng rng;
  qn_rng_init(&rng, 11, QN_RNG_BOOTSTRAP, 0);
  int kills = 0, status = -1;
  for (int life = 0; life < 200; life++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) work(start, &protocol, path);
    if (life < 60) {
      usleep((useconds_t)(5000 + qn_rng_below(&rng, 30000)));
      kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) && (kills > 0 || WEXITSTATUS(status) != 0)) break;
    if (!WIFSIGNALED(status)) remove_checkpoints(path); /* it ended before we came to kill it: from the beginning again */
    else assert_int_equal(WTERMSIG(status), SIGKILL);
    kills += WIFSIGNALED(status);
  }
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  print_message("%d kills\n", kills);
  assert_true(kills > 0);

  qn_checkpoint checkpoint;
  assert_int_equal(qn_checkpoint_read(&checkpoint, path, NULL), QN_OK);
  const qn_checkpoint_part *part = qn_checkpoint_find(&checkpoint, "run");
  record_alloc(end, &protocol, 1);
  qn_error error = {0};
  if (qn_run_load(end->run, part->data, part->size, &error) != QN_OK) fail_msg("%s", error.message);
  assert_true(qn_run_done(end->run));
  for (int a = 0; a < 3; a++) {
    assert_memory_equal(whole->atoms.r[a], end->atoms.r[a], RECORD_ATOMS * sizeof(double));
    assert_memory_equal(whole->atoms.v[a], end->atoms.v[a], RECORD_ATOMS * sizeof(double));
    assert_memory_equal(whole->atoms.image[a], end->atoms.image[a], RECORD_ATOMS * sizeof(int32_t));
  }
  qn_checkpoint_fini(&checkpoint);
  remove_checkpoints(path);
  rmdir(folder);
  record_free(whole);
  record_free(start);
  record_free(end);
}

/* Checkpoints from before a stage could have several streams of frames belong to the same protocol still: its checksum over one stream to the
 * end of the stage is what it was, that of the fields in this order. */
static uint32_t saved_checksum(const qn_protocol *protocol) {
  record *kept = record_start();
  record_alloc(kept, protocol, 1);
  void *data;
  size_t size;
  uint32_t saved;
  assert_int_equal(qn_run_save(kept->run, &data, &size, NULL), QN_OK);
  memcpy(&saved, (const char *)data + 4, sizeof saved);
  free(data);
  record_free(kept);
  return saved;
}

static void one_stream_is_what_it_was(void **state) {
  (void)state;
  qn_protocol p = {.timestep = 0.002, .seed = 5, .stage_count = 1, .stages = {record_hold(QN_ENSEMBLE_NVT, 1500.0, 0.02)}};
  const qn_stage *s = &p.stages[0];
  const double every = 0.02;
  const struct {
    const void *at;
    size_t size;
  } fields[] = {{&p.timestep, sizeof p.timestep},       {&p.seed, sizeof p.seed},
                {&p.precision, sizeof p.precision},     {&p.stage_count, sizeof p.stage_count},
                {&s->kind, sizeof s->kind},             {&s->ensemble, sizeof s->ensemble},
                {&s->anisotropic, 1},                   {&s->mean_volume, 1},
                {&s->temperature, sizeof every},        {&s->pressure, sizeof every},
                {&s->duration, sizeof every},           {&s->to, sizeof every},
                {&s->step, sizeof every},               {&s->rate, sizeof every},
                {&s->axis, sizeof s->axis},             {&s->vacuum, sizeof every},
                {&s->thermostat_time, sizeof every},    {&s->barostat_time, sizeof every},
                {&every, sizeof every},                 {&s->thermo_every, sizeof every},
                {&s->snapshot, 1}};
  uLong crc = crc32(0, NULL, 0);
  for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) crc = crc32_z(crc, fields[f].at, fields[f].size);
  assert_int_equal(saved_checksum(&p), (uint32_t)crc);
  p.stages[0].samplings[0].duration = 0.01; /* another stream is another protocol */
  assert_true(saved_checksum(&p) != (uint32_t)crc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_again_and_again), /* first: fork before OpenMP has made threads */
      cmocka_unit_test(same_bits_after_a_load),
      cmocka_unit_test(saving_disturbs_nothing),
      cmocka_unit_test(what_does_not_fit_is_refused),
      cmocka_unit_test(random_damage),
      cmocka_unit_test(a_failed_run_is_not_saved),
      cmocka_unit_test(one_stream_is_what_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
