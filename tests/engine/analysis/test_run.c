/* Analyses in one reading: each frame read once, one that fails leaves the others alone, the same bits alone and in company and for any number of
 * threads; and how much memory a reading takes. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/analysis/synthetic.h"

/* A slab of two species that rattle, walk and jump, at a stride that suits every analysis of displacements but one. */
static synthetic made(int64_t frames, int64_t atoms, double interval) {
  synthetic s = synthetic_make(frames, atoms, interval, 15);
  s.box.length[2] = 44;
  s.box.origin[2] = -10;
  random_source random = random_seeded(12);
  double *site = malloc((size_t)atoms * 3 * sizeof *site);
  for (int64_t i = 0; i < atoms; i++)
    for (int a = 0; a < 3; a++) site[3 * i + a] = (a < 2 ? 15 : 24) * random_uniform(&random);
  for (int64_t f = 0; f < frames; f++)
    for (int64_t i = 0; i < atoms; i++)
      for (int a = 0; a < 3; a++) {
        site[3 * i + a] += 0.03 * random_normal(&random);
        *synthetic_at(&s, f, a, i) = site[3 * i + a] + 0.1 * random_normal(&random);
      }
  free(site);
  return s;
}

/* Counts how often each frame is asked for. */
typedef struct counted {
  const synthetic *of;
  int *reads;
  int64_t last;
} counted;

static qn_status read_counted(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  counted *c = context;
  (void)error;
  assert_true(index > c->last); /* never going back */
  c->last = index;
  c->reads[index]++;
  *frame = synthetic_frame(c->of, index);
  return QN_OK;
}

enum { MOST = 16 };

/* Every type but those of the thermo series and those that need a potential, with a layer where it can be had. */
static int every_order(bool layered, double values[MOST][QN_MAX_PARAMETERS], qn_analysis_order orders[MOST]) {
  int count = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++) {
    if ((*type)->summarise != NULL || (*type)->potential) continue;
    const qn_analysis_type *t = *type;
    setting settings[3] = {{NULL, 0}};
    int given = 0;
    if (layered && t->layered) settings[given++] = (setting){"layer_a", 4};
    if (strcmp(t->name, "cage_jumps") == 0) settings[given++] = (setting){"window_ps", 0.8};
    if (strcmp(t->name, "structure_factor") == 0) settings[given++] = (setting){"vectors", 50};
    parameters_of(t, settings, values[count]);
    orders[count] = (qn_analysis_order){.type = t, .parameters = values[count]};
    count++;
  }
  return count;
}

static void all_of_them_read_the_frames_once(void **state) {
  (void)state;
  enum { FRAMES = 400 };
  synthetic s = made(FRAMES, 200, 0.05);
  for (int layered = 0; layered < 2; layered++) {
    int reads[FRAMES] = {0};
    counted c = {&s, reads, -1};
    qn_analysis_frames frames = {.context = &c, .read = read_counted, .count = FRAMES, .interval = s.interval};
    double values[MOST][QN_MAX_PARAMETERS];
    qn_analysis_order orders[MOST];
    qn_error error;
    int count = every_order(layered, values, orders);
    assert_true(count >= 11);
    assert_int_equal(qn_analysis_run(&frames, orders, count, NULL, 2, NULL, NULL, &error), QN_OK);
    for (int f = 0; f < FRAMES; f++) assert_int_equal(reads[f], 1);
    for (int k = 0; k < count; k++) {
      /* Only g(r) does not do slabs. */
      assert_int_equal(orders[k].status, strcmp(orders[k].type->name, "pair_distribution") == 0 ? QN_UNSUPPORTED : QN_OK);
      if (orders[k].status != QN_OK) continue;
      /* The same alone, and with other numbers of threads. */
      for (int threads = 1; threads <= 3; threads += 2) {
        qn_analysis_order alone = {.type = orders[k].type, .parameters = values[k]};
        qn_analysis_frames again = synthetic_frames(&s);
        assert_int_equal(qn_analysis_run(&again, &alone, 1, NULL, threads, NULL, NULL, &error), QN_OK);
        assert_int_equal(alone.status, QN_OK);
        assert_same_report(&alone.report, &orders[k].report);
        qn_report_fini(&alone.report);
      }
      qn_report_fini(&orders[k].report);
    }
  }
  synthetic_free(&s);
}

static void one_that_fails_leaves_the_others_alone(void **state) {
  (void)state;
  synthetic s = made(200, 150, 0.05);
  s.wrapping = QN_WRAPPING_UNKNOWN;
  for (int64_t f = 0; f < s.frames; f++) /* atom 0 goes round the box at frame 100 */
    if (f >= 100) *synthetic_at(&s, f, 0, 0) += 0.6 * s.box.length[0] * (*synthetic_at(&s, f, 0, 0) < s.box.length[0] / 2 ? 1 : -1);
  double values[3][QN_MAX_PARAMETERS];
  static const char *const names[3] = {"diffusion", "coordination", "cage_jumps"};
  qn_analysis_order orders[3];
  for (int k = 0; k < 3; k++) {
    parameters_of(qn_analysis_find(names[k]), NULL, values[k]);
    orders[k] = (qn_analysis_order){.type = qn_analysis_find(names[k]), .parameters = values[k]};
  }
  int reads[200] = {0};
  counted c = {&s, reads, -1};
  qn_analysis_frames frames = {.context = &c, .read = read_counted, .count = s.frames, .interval = s.interval, .wrapping = s.wrapping};
  qn_error error;
  assert_int_equal(qn_analysis_run(&frames, orders, 3, NULL, 1, NULL, NULL, &error), QN_OK);
  assert_int_equal(orders[0].status, QN_UNSUPPORTED);
  assert_non_null(strstr(orders[0].error.message, "frame 101"));
  assert_int_equal(orders[1].status, QN_OK);
  assert_int_equal(orders[2].status, QN_UNSUPPORTED); /* windows of 200 ps */
  qn_report_fini(&orders[1].report);
  /* When none is left, what comes is not read. */
  c.last = -1;
  assert_int_equal(qn_analysis_run(&frames, orders, 1, NULL, 1, NULL, NULL, &error), QN_OK);
  assert_true(c.last == 100);
  synthetic_free(&s);
}

static qn_status stop(void *context, int64_t done, int64_t frames, qn_error *error) {
  (void)context, (void)frames;
  return done < 30 ? QN_OK : qn_error_set(error, QN_CANCELLED, "stopped");
}

static qn_status broken(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  if (index == 40) return qn_error_set(error, QN_CORRUPT, "torn");
  *frame = synthetic_frame(context, index);
  return QN_OK;
}

static void a_reading_can_end(void **state) {
  (void)state;
  synthetic s = made(60, 100, 0.05);
  double values[QN_MAX_PARAMETERS];
  qn_analysis_order order = {.type = qn_analysis_find("diffusion"), .parameters = values};
  parameters_of(order.type, NULL, values);
  qn_analysis_frames frames = synthetic_frames(&s);
  qn_error error;
  assert_int_equal(qn_analysis_run(&frames, &order, 1, NULL, 1, stop, NULL, &error), QN_CANCELLED);
  assert_true(order.report.value_count == 0);
  frames.read = broken;
  assert_int_equal(qn_analysis_run(&frames, &order, 1, NULL, 1, NULL, NULL, &error), QN_CORRUPT);
  assert_true(order.report.value_count == 0);
  frames.count = 0;
  assert_int_equal(qn_analysis_run(&frames, &order, 1, NULL, 1, NULL, NULL, &error), QN_INVALID);
  synthetic_free(&s);
}

/* One frame is enough for structure. */
static void a_snapshot_has_a_structure(void **state) {
  (void)state;
  synthetic s = made(1, 200, NAN);
  qn_report report = analyse("coordination", NULL, &s, 1);
  assert_int_equal(value_of(&report, "coordination_number", "all")->status, QN_VALUE_TOO_FEW_SAMPLES);
  assert_true(value_of(&report, "coordination_number", "all")->value > 0);
  qn_report_fini(&report);
  synthetic_free(&s);
}

/* ---- memory ---- */

enum { MANY = 16384, LONG = 4000 };

/* The same atoms in every frame: nothing is kept but what the analyses keep. */
static qn_status read_still(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  (void)error;
  *frame = synthetic_frame(context, 0);
  frame->step = index;
  return QN_OK;
}

/* The largest memory, MiB, of a process that does nothing but a reading. */
static double memory_of(const synthetic *s, int64_t count, const char *const names[], const setting *settings, qn_status *status, char *message) {
  int channel[2];
  assert_int_equal(pipe(channel), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    double values[4][QN_MAX_PARAMETERS];
    qn_analysis_order orders[4];
    qn_error error = {0};
    int wanted = 0;
    for (int k = 0; names[k] != NULL; k++, wanted++) {
      parameters_of(qn_analysis_find(names[k]), settings, values[k]);
      orders[k] = (qn_analysis_order){.type = qn_analysis_find(names[k]), .parameters = values[k]};
    }
    qn_analysis_frames frames = {.context = (void *)(uintptr_t)s, .read = read_still, .count = count, .interval = 0.05};
    qn_status run = qn_analysis_run(&frames, orders, wanted, NULL, 2, NULL, NULL, &error);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    dprintf(channel[1], "%d %ld %s\n", (int)(run != QN_OK ? run : orders[0].status), usage.ru_maxrss, orders[0].status != QN_OK ? orders[0].error.message : "-");
    _exit(0);
  }
  close(channel[1]);
  FILE *in = fdopen(channel[0], "r");
  int code = -1, how;
  long kilobytes = 0;
  assert_int_equal(fscanf(in, "%d %ld %1000[^\n]", &code, &kilobytes, message), 3);
  fclose(in);
  assert_int_equal(waitpid(child, &how, 0), child);
  *status = (qn_status)code;
  return (double)kilobytes / 1024;
}

static void memory_stays_below_1_gib(void **state) {
  (void)state;
  synthetic s = synthetic_make(1, MANY, 0.05, 66);
  random_source random = random_seeded(1);
  scatter(&s, &random);
  qn_status status;
  char message[1024];
  static const char *const several[] = {"diffusion", "non_gaussian", NULL}, *const one[] = {"van_hove", NULL};
  /* 4000 frames, lags of all up to a quarter of them, two analyses at once. A ring fills up within its longest lag: 1050 frames show all. */
  const setting quarter[] = {{"max_lag_ps", 0.05 * LONG / 4}, {NULL, 0}};
  double memory = memory_of(&s, 1050, several, quarter, &status, message);
  print_message("16384 atoms, lags up to 1000 frames, two analyses: %.0f MiB\n", memory);
  assert_int_equal(status, QN_OK);
  assert_true(memory < 1024);
  /* A lag that does not fit is refused, and names one that does; which is true. */
  const setting all[] = {{"max_lag_ps", 0.05 * (LONG - 1)}, {NULL, 0}};
  memory = memory_of(&s, LONG, several, all, &status, message);
  print_message("%s\n", message);
  assert_int_equal(status, QN_UNSUPPORTED);
  assert_true(memory < 200);
  const char *named = strstr(message, "fits is ");
  assert_non_null(named);
  double longest = strtod(named + strlen("fits is "), NULL);
  assert_true(longest > 80 && longest < 95);
  const setting fits[] = {{"lag_ps", longest}, {NULL, 0}};
  memory = memory_of(&s, (int64_t)(longest / 0.05) + 50, one, fits, &status, message);
  print_message("a lag of %g ps: %.0f MiB\n", longest, memory);
  assert_int_equal(status, QN_OK);
  assert_true(memory > 600 && memory < 1024);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_stays_below_1_gib), /* first: while this process itself is small */
      cmocka_unit_test(all_of_them_read_the_frames_once),
      cmocka_unit_test(one_that_fails_leaves_the_others_alone),
      cmocka_unit_test(a_reading_can_end),
      cmocka_unit_test(a_snapshot_has_a_structure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
