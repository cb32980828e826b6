/* One simulation without queue or database: the same files whatever happens in between. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/dynamics/run.h"
#include "engine/trajectory/checkpoint.h"
#include "engine/trajectory/series.h"
#include "engine/trajectory/trajectory.h"
#include "server/job/durable.h"
#include "server/job/job.h"
#include "server/store/embedded.h"

static qn_eam potential;
static qn_simulation_spec spec, other;
static char base[64];

static void parse(qn_simulation_spec *out, int seed) {
  char text[900];
  snprintf(text, sizeof text,
           "{\"name\": \"t\", \"potential\": \"mendelev-2009-cuzr\", \"seed\": %d, \"timestep_fs\": 2,"
           " \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": [5, 5, 5], \"composition\": {\"Cu\": 0.5, \"Zr\": 0.5}},"
           " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"npt\", \"temperature_k\": 2000, \"duration_ps\": 0.2, \"snapshot\": true, \"sample_every_ps\": 0.02},"
           " {\"type\": \"quench\", \"to_k\": 1800, \"step_k\": 100, \"rate_k_per_ns\": 1000000, \"snapshot\": true},"
           " {\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 1800, \"duration_ps\": 0.4, \"sampling\": [{\"every_ps\": 0.004, \"duration_ps\": 0.2},"
           " {\"every_ps\": 0.01}]}]}",
           seed);
  qn_faults faults = {0};
  qn_potential_facts facts;
  qn_error error;
  qn_embedded file = qn_embedded_mendelev();
  qn_spec_parse_simulation(text, strlen(text), out, &faults);
  assert_int_equal(qn_potential_describe(file.text, file.size, &facts, &error), QN_OK);
  qn_spec_resolve_potential(out, &facts, &faults);
  for (int i = 0; i < faults.count; i++) print_error("%s: %s\n", faults.items[i].pointer, faults.items[i].detail);
  assert_int_equal(faults.count, 0);
}

static int setup(void **state) {
  (void)state;
  qn_error error;
  qn_embedded file = qn_embedded_mendelev();
  if (qn_eam_parse(&potential, file.text, file.size, &error) != QN_OK) return -1;
  parse(&spec, 1);
  parse(&other, 2);
  snprintf(base, sizeof base, "/tmp/quenchd-job.%d", (int)getpid());
  return 0;
}

static int teardown(void **state) {
  (void)state;
  qn_error error;
  qn_eam_fini(&potential);
  return qn_durable_remove(base, &error) == QN_OK ? 0 : -1;
}

static const char *folder(const char *name) {
  static char path[4][128];
  static int next;
  char *out = path[next++ % 4];
  snprintf(out, 128, "%s/%s", base, name);
  return out;
}

/* Ends the run with `status` when it is asked the `left`th time. */
typedef struct stopper {
  int left;
  qn_status status;
  double progress;
} stopper;

static qn_status on_check(void *context, double progress, qn_error *error) {
  stopper *s = context;
  assert_true(progress >= s->progress && progress <= 1);
  s->progress = progress;
  return s->left-- > 0 ? QN_OK : qn_error_set(error, s->status, "stopped");
}

static qn_status run(const qn_simulation_spec *what, const char *directory, const char *const *earlier, stopper *s, double checkpoint_s,
                     qn_job_output *output, qn_error *error) {
  const qn_job_simulation job = {.spec = what, .potential = &potential, .directory = directory, .earlier = earlier, .threads = 1};
  const qn_job_control control = {.context = s, .check = s != NULL ? on_check : NULL, .checkpoint_s = checkpoint_s};
  return qn_job_simulate(&job, &control, output, error);
}

/* All files of a finished run, with their hashes. */
static void fingerprint(const qn_job_output *output, const char *directory, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < output->count; i++) {
    const qn_job_artifact *a = &output->artifacts[i];
    char path[QN_PATH_SIZE], hash[QN_HASH_SIZE];
    int64_t bytes;
    qn_error error;
    assert_int_equal(qn_durable_join(path, directory, a->path, &error), QN_OK);
    assert_int_equal(qn_durable_hash(path, NULL, hash, &bytes, &error), QN_OK);
    assert_string_equal(hash, a->sha256);
    assert_int_equal(bytes, a->size);
    used += (size_t)snprintf(text + used, size - used, "%s %s %d %g %lld %.12g %s\n", a->kind, a->path, a->stage, a->temperature_k,
                             (long long)a->frames, a->interval_ps, a->sha256);
  }
}

static char reference[4096];

static void test_straight(void **state) {
  (void)state;
  qn_job_output output;
  qn_error error;
  if (run(&spec, folder("straight"), NULL, NULL, 0, &output, &error) != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(output.atoms, 500);
  assert_string_equal(output.composition, "Cu50Zr50");
  assert_int_equal(output.resumed_step, 0);
  fingerprint(&output, folder("straight"), reference, sizeof reference);
  print_message("%s", reference);
  assert_int_equal(output.count, 1 + 3 + 3); /* thermo; snapshots at 2000, 1900, 1800 K; trajectories of stage 0 and, two streams, 2 */

  qn_trajectory *trajectory;
  char path[QN_PATH_SIZE];
  static const struct {
    const char *name;
    int64_t frames;
    double interval;
  } streams[] = {{"trajectory-0.nc", 11, 0.02}, {"trajectory-2-0.nc", 51, 0.004}, {"trajectory-2-1.nc", 41, 0.01}};
  for (int k = 0; k < 3; k++) {
    assert_int_equal(qn_durable_join(path, folder("straight"), streams[k].name, &error), QN_OK);
    assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_OK);
    const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
    assert_int_equal(info->frames, streams[k].frames);
    assert_true(fabs(info->interval - streams[k].interval) < 1e-9);
    assert_int_equal(info->wrapping, QN_WRAPPING_UNWRAPPED);
    qn_trajectory_close(trajectory);
  }
  int found = 0;
  for (int i = 0; i < output.count; i++)
    if (output.artifacts[i].stage == 2 && strcmp(output.artifacts[i].kind, "trajectory") == 0) found |= 1 << output.artifacts[i].sampling;
  assert_int_equal(found, 3);
  qn_series series;
  assert_int_equal(qn_durable_join(path, folder("straight"), "thermo.csv", &error), QN_OK);
  assert_int_equal(qn_series_read(&series, path, &error), QN_OK);
  assert_true(series.rows > 1);
  assert_true(qn_series_find(&series, "temperature_k") >= 0);
  qn_series_fini(&series);
  qn_job_output_fini(&output);
}

/* The alloy's name does not hang on which species was named first: neither of a crystal nor of what goes on from its snapshot. */
static void test_composition_is_canonical(void **state) {
  (void)state;
  qn_simulation_spec *crystal = malloc(sizeof *crystal);
  qn_job_output output;
  qn_error error;
  *crystal = spec;
  crystal->lattice = (qn_lattice){.crystal = QN_CRYSTAL_B2, .cells = {6, 6, 6}, .constant = 3.26, .species_count = 2, .species = {{.symbol = "Zr"}, {.symbol = "Cu"}},
                                  .fraction = {0.5, 0.5}, .ordered = true};
  crystal->protocol.stage_count = 1;
  crystal->protocol.stages[0].duration = 0.01;
  crystal->protocol.stages[0].sampling_count = 0;
  if (run(crystal, folder("b2"), NULL, NULL, 0, &output, &error) != QN_OK) fail_msg("%s", error.message);
  assert_string_equal(output.composition, "Cu50Zr50");
  qn_job_output_fini(&output);
  free(crystal);
}

/* At constant energy half of the heat of a crystal goes into its potential energy at once: the temperature is what the frames had, whether
 * thermo rows are written or not, and without the start; a step that two streams have counts once. */
static void test_temperature_at_constant_energy(void **state) {
  (void)state;
  qn_simulation_spec *nve = malloc(sizeof *nve);
  qn_job_output output;
  qn_error error;
  double measured[3];
  *nve = spec;
  nve->protocol.stage_count = 1;
  nve->protocol.timestep = 0.001;
  for (int with = 0; with < 3; with++) {
    nve->protocol.stages[0] = (qn_stage){.kind = QN_STAGE_HOLD, .ensemble = QN_ENSEMBLE_NVE, .temperature = 2500, .duration = 1,
                                         .sampling_count = with == 2 ? 2 : 1, .samplings = {{.every = 0.02}, {.every = 0.1}},
                                         .thermo_every = with ? 0.02 : 0};
    static const char *const names[] = {"nve without rows", "nve with rows", "nve in two streams"};
    const char *directory = folder(names[with]);
    if (run(nve, directory, NULL, NULL, 0, &output, &error) != QN_OK) fail_msg("%s", error.message);
    measured[with] = (double)NAN;
    for (int i = 0; i < output.count; i++)
      if (strcmp(output.artifacts[i].kind, "trajectory") == 0) measured[with] = output.artifacts[i].temperature_k;
    qn_job_output_fini(&output);
  }
  char path[QN_PATH_SIZE];
  qn_series series;
  snprintf(path, sizeof path, "%s/thermo.csv", folder("nve with rows"));
  assert_int_equal(qn_series_read(&series, path, &error), QN_OK);
  const int column = qn_series_find(&series, "temperature_k");
  double sum = 0;
  for (int64_t row = 1; row < series.rows; row++) sum += series.data[row * series.columns + column];
  assert_true(fabs(series.data[column] - 2500) < 1e-6);
  assert_true(fabs(measured[1] - sum / (double)(series.rows - 1)) < 1e-6);
  assert_true(measured[0] == measured[1] && measured[2] == measured[1]);
  assert_true(measured[0] < 2300);
  qn_series_fini(&series);
  free(nve);
}

/* Stopped again and again, in the same folder. */
static void test_in_place(void **state) {
  (void)state;
  qn_job_output output;
  qn_error error;
  char got[4096];
  int runs = 0, resumed = 0;
  for (qn_status status = QN_UNAVAILABLE; status != QN_OK; runs++) {
    stopper s = {.left = 1 + runs % 3, .status = QN_UNAVAILABLE};
    status = run(&spec, folder("place"), NULL, &s, 0, &output, &error);
    if (status != QN_OK && status != QN_UNAVAILABLE) fail_msg("%s", error.message);
    resumed += output.resumed_step > 0;
    if (status == QN_OK) fingerprint(&output, folder("place"), got, sizeof got);
    qn_job_output_fini(&output);
    assert_true(runs < 200);
  }
  print_message("%d runs, %d resumed\n", runs, resumed);
  assert_true(runs > 2);
  assert_int_equal(resumed, runs - 1);
  assert_string_equal(got, reference);
  /* Done is done: once more changes nothing. */
  assert_int_equal(run(&spec, folder("place"), NULL, NULL, 0, &output, &error), QN_OK);
  fingerprint(&output, folder("place"), got, sizeof got);
  assert_string_equal(got, reference);
  qn_job_output_fini(&output);
}

static void stop_at(const char *directory, int looks, double checkpoint_s, qn_status how) {
  qn_job_output output;
  qn_error error;
  stopper s = {.left = looks, .status = how};
  assert_int_equal(run(&spec, directory, NULL, &s, checkpoint_s, &output, &error), how);
  qn_job_output_fini(&output);
}

static void finish_and_compare(const char *directory, const char *const *earlier, bool resumes) {
  qn_job_output output;
  qn_error error;
  char got[4096];
  if (run(&spec, directory, earlier, NULL, 0, &output, &error) != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(output.resumed_step > 0, resumes);
  fingerprint(&output, directory, got, sizeof got);
  assert_string_equal(got, reference);
  qn_job_output_fini(&output);
}

static void list(const char *directory, char *text, size_t size) {
  char command[256];
  snprintf(command, sizeof command, "cd %s && sha256sum * 2>&1", directory);
  FILE *pipe = popen(command, "r");
  size_t got = fread(text, 1, size - 1, pipe);
  text[got] = '\0';
  pclose(pipe);
}

/* Another attempt takes over, and what the first one left stays as it is: its worker may still live, and write. */
static void test_from_another_folder(void **state) {
  (void)state;
  char before[4096], after[4096];
  stop_at(folder("first"), 5, 0, QN_UNAVAILABLE);
  list(folder("first"), before, sizeof before);
  const char *earlier[] = {folder("nothing here"), folder("first"), NULL};
  finish_and_compare(folder("second"), earlier, true);
  list(folder("first"), after, sizeof after);
  assert_string_equal(after, before);
}

static void spoil(const char *directory, const char *name, bool cut) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int file = open(path, O_RDWR);
  assert_true(file >= 0);
  off_t size = lseek(file, 0, SEEK_END);
  if (cut) assert_int_equal(ftruncate(file, size / 2), 0);
  else assert_int_equal(pwrite(file, "\x5a", 1, size / 3), 1);
  close(file);
}

static void test_damaged_checkpoints(void **state) {
  (void)state;
  stop_at(folder("torn"), 6, 1e-6, QN_UNAVAILABLE);
  spoil(folder("torn"), "checkpoint", true);
  finish_and_compare(folder("torn"), NULL, true); /* from the one before */

  stop_at(folder("both"), 6, 1e-6, QN_UNAVAILABLE);
  spoil(folder("both"), "checkpoint", false);
  spoil(folder("both"), "checkpoint.previous", true);
  finish_and_compare(folder("both"), NULL, false);

  stop_at(folder("short"), 6, 1e-6, QN_UNAVAILABLE);
  spoil(folder("short"), "thermo.csv.part", true); /* both checkpoints say that there are more rows */
  finish_and_compare(folder("short"), NULL, false);

  stop_at(folder("zeros"), 6, 1e-6, QN_UNAVAILABLE);
  spoil(folder("zeros"), "trajectory-0.nc.part", true); /* its header tells of frames that are not there */
  finish_and_compare(folder("zeros"), NULL, false);
}

static int64_t frames_of(const char *path, int64_t change) {
  unsigned char bytes[4];
  int file = open(path, O_RDWR);
  assert_true(file >= 0);
  assert_int_equal(pread(file, bytes, 4, 4), 4);
  int64_t frames = ((int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]) + change;
  for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(frames >> (24 - 8 * i));
  assert_int_equal(pwrite(file, bytes, 4, 4), 4);
  close(file);
  return frames;
}

/* The trajectory has fewer frames than the newest checkpoint says, but as many as the one before it says. */
static void test_short_trajectory(void **state) {
  (void)state;
  char path[256];
  snprintf(path, sizeof path, "%s/trajectory-0.nc.part", folder("frames"));
  int looks = 3;
  for (;; looks++) { /* until both checkpoints lie in the first stage, with frames between them */
    stop_at(folder("frames"), looks, 1e-6, QN_UNAVAILABLE);
    qn_checkpoint newest, previous;
    qn_error error;
    char checkpoint[256];
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder("frames"));
    assert_int_equal(qn_checkpoint_read(&newest, checkpoint, &error), QN_OK);
    assert_int_equal(qn_checkpoint_read_previous(&previous, checkpoint, &error), QN_OK);
    const char *a = qn_checkpoint_find(&newest, "files")->data, *b = qn_checkpoint_find(&previous, "files")->data;
    long long more = strtoll(strstr(a, "\"frames\":[") + 10, NULL, 10), fewer = strtoll(strstr(b, "\"frames\":[") + 10, NULL, 10);
    bool fit = access(path, F_OK) == 0 && fewer >= 1 && more > fewer && strstr(a, "\"stage\":0") != NULL && strstr(b, "\"stage\":0") != NULL;
    qn_checkpoint_fini(&newest);
    qn_checkpoint_fini(&previous);
    if (fit) {
      frames_of(path, -1);
      break;
    }
    assert_true(looks < 60);
    assert_int_equal(qn_durable_remove(folder("frames"), &error), QN_OK);
  }
  finish_and_compare(folder("frames"), NULL, true);
}

/* The checkpoint of `directory` as another engine would have written it; "" leaves that part out. */
static void rewrite_engine(const char *directory, const char *engine) {
  qn_checkpoint found;
  qn_error error;
  char path[256];
  snprintf(path, sizeof path, "%s/checkpoint", directory);
  assert_int_equal(qn_checkpoint_read(&found, path, &error), QN_OK);
  qn_checkpoint_part parts[QN_CHECKPOINT_PARTS];
  int count = 0;
  for (int i = 0; i < found.count; i++) {
    bool engines = strcmp(found.parts[i].name, "engine") == 0;
    if (engines && engine[0] == '\0') continue;
    parts[count] = found.parts[i];
    if (engines) parts[count].data = engine, parts[count].size = strlen(engine);
    count++;
  }
  assert_int_equal(qn_checkpoint_write(path, parts, count, &error), QN_OK);
  qn_checkpoint_fini(&found);
  snprintf(path, sizeof path, "%s/checkpoint.previous", directory);
  unlink(path);
}

static bool resumes(const char *directory) {
  qn_job_output output;
  qn_error error;
  stopper s = {.left = 0, .status = QN_CONFLICT};
  assert_int_equal(run(&spec, directory, NULL, &s, 0, &output, &error), QN_CONFLICT);
  bool resumed = output.resumed_step > 0;
  qn_job_output_fini(&output);
  return resumed;
}

static void test_another_engine(void **state) {
  (void)state;
  stop_at(folder("engine"), 6, 0, QN_UNAVAILABLE);
  rewrite_engine(folder("engine"), "{\"version\": \"9.9.9\", \"revision\": 999, \"arithmetic\": \"x86-64-fma\"}");
  assert_false(resumes(folder("engine"))); /* its bits would be others */
  char same[64];
  snprintf(same, sizeof same, "{\"version\": \"9.9.9\", \"revision\": %d}", QN_RUN_REVISION);
  stop_at(folder("newer"), 6, 0, QN_UNAVAILABLE);
  rewrite_engine(folder("newer"), same);
  assert_true(resumes(folder("newer")));
  stop_at(folder("silent"), 6, 0, QN_UNAVAILABLE);
  rewrite_engine(folder("silent"), ""); /* as 0.1.0 wrote them */
  assert_int_equal(resumes(folder("silent")), QN_RUN_REVISION == 1);
}

/* Long work on files asks between blocks, and stops when told so. */
typedef struct asked { int times, most; } asked;

static qn_status on_pause(void *context, qn_error *error) {
  asked *a = context;
  return ++a->times < a->most ? QN_OK : qn_error_set(error, QN_CANCELLED, "stopped");
}

static void test_long_files(void **state) {
  (void)state;
  char from[256], to[256], hash[QN_HASH_SIZE], copied[QN_HASH_SIZE];
  qn_error error;
  int64_t size;
  const off_t length = (off_t)200 << 20;
  assert_int_equal(qn_durable_make(folder("long"), &error), QN_OK);
  snprintf(from, sizeof from, "%s/from", folder("long"));
  snprintf(to, sizeof to, "%s/to", folder("long"));
  int file = open(from, O_RDWR | O_CREAT, 0600);
  assert_int_equal(ftruncate(file, length), 0);
  assert_int_equal(pwrite(file, "abc", 3, length / 2), 3);
  close(file);
  asked counted = {.most = 1000}, once = {.most = 1};
  assert_int_equal(qn_durable_hash(from, &(qn_durable_pause){&counted, on_pause}, hash, &size, &error), QN_OK);
  assert_int_equal(size, length);
  assert_true(counted.times >= 3);
  assert_int_equal(qn_durable_hash(from, &(qn_durable_pause){&once, on_pause}, hash, &size, &error), QN_CANCELLED);
  assert_int_equal(once.times, 1);

  assert_int_equal(qn_durable_hash(from, NULL, hash, &size, &error), QN_OK);
  counted.times = once.times = 0;
  assert_int_equal(qn_durable_copy(from, to, QN_DURABLE_OWN, &(qn_durable_pause){&counted, on_pause}, &error), QN_OK);
  assert_int_equal(qn_durable_hash(to, NULL, copied, &size, &error), QN_OK);
  assert_string_equal(copied, hash);
  if (counted.times > 0) /* a file system that shares blocks is done at once */
    assert_int_equal(qn_durable_copy(from, to, QN_DURABLE_OWN, &(qn_durable_pause){&once, on_pause}, &error), QN_CANCELLED);
  /* What is written to a copy of one's own is not seen in the other; between file systems it goes through our memory. A small one, for a small
   * /dev/shm. */
  assert_int_equal(truncate(from, 4 << 20), 0);
  assert_int_equal(qn_durable_hash(from, NULL, hash, &size, &error), QN_OK);
  snprintf(to, sizeof to, "/dev/shm/quenchd-job.%d", (int)getpid());
  assert_int_equal(qn_durable_copy(from, to, QN_DURABLE_OWN, NULL, &error), QN_OK);
  file = open(to, O_RDWR);
  assert_int_equal(pwrite(file, "x", 1, 0), 1);
  close(file);
  assert_int_equal(qn_durable_hash(to, NULL, copied, &size, &error), QN_OK);
  assert_string_not_equal(copied, hash);
  unlink(to);
  assert_int_equal(qn_durable_hash(from, NULL, copied, &size, &error), QN_OK);
  assert_string_equal(copied, hash);
  assert_int_equal(qn_durable_copy("/no/such", to, QN_DURABLE_OWN, NULL, &error), QN_NOT_FOUND);
}

/* A file system that has no room says so by another status than a file that cannot be written. */
static void test_no_room(void **state) {
  (void)state;
  static const char *const names[] = {"thermo.csv.part", "trajectory-0.nc.part", "snapshot-0.xyz.part", "checkpoint.new"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[256];
    qn_error error;
    qn_job_output output;
    assert_int_equal(qn_durable_make(folder("room"), &error), QN_OK);
    snprintf(path, sizeof path, "%s/%s", folder("room"), names[i]);
    assert_int_equal(symlink("/dev/full", path), 0);
    qn_status status = run(&spec, folder("room"), NULL, NULL, 0, &output, &error);
    print_message("%s: %s: %s\n", names[i], qn_status_name(status), error.message);
    qn_job_output_fini(&output);
    assert_int_equal(status, QN_NO_STORAGE);
    assert_non_null(strstr(error.message, "No space left on device"));
    assert_non_null(strstr(error.message, names[i]));
    assert_int_equal(qn_durable_remove(folder("room"), &error), QN_OK);
  }
}

static void test_checkpoint_of_another_spec(void **state) {
  (void)state;
  qn_job_output output;
  qn_error error;
  stopper s = {.left = 5, .status = QN_UNAVAILABLE};
  assert_int_equal(run(&other, folder("other"), NULL, &s, 0, &output, &error), QN_UNAVAILABLE);
  qn_job_output_fini(&output);
  finish_and_compare(folder("other"), NULL, false);
}

static void test_threads(void **state) {
  (void)state;
  qn_job_output output;
  qn_error error;
  char got[4096];
  const qn_job_simulation job = {.spec = &spec, .potential = &potential, .directory = folder("threads"), .threads = 3};
  assert_int_equal(qn_job_simulate(&job, NULL, &output, &error), QN_OK);
  fingerprint(&output, folder("threads"), got, sizeof got);
  assert_string_equal(got, reference);
  qn_job_output_fini(&output);
}

static void test_cancel(void **state) {
  (void)state;
  stop_at(folder("cancelled"), 2, 0, QN_CANCELLED);
  stop_at(folder("lost"), 2, 0, QN_CONFLICT);
}

static void test_folder_that_cannot_be(void **state) {
  (void)state;
  qn_job_output output;
  qn_error error;
  assert_int_equal(run(&spec, "/proc/no/such", NULL, NULL, 0, &output, &error), QN_IO);
  assert_non_null(strstr(error.message, "/proc/no"));
  qn_job_output_fini(&output);
}

/* No more than some kB a file: the kernel says so as it says that a disk is full. In a child, since limits stay. */
static void test_full_disk(void **state) {
  (void)state;
  for (rlim_t limit = 1 << 10; limit < 1 << 18; limit *= 4) {
    const char *directory = folder("full");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
      qn_job_output output;
      qn_error error = {0};
      signal(SIGXFSZ, SIG_IGN);
      const struct rlimit most = {limit, limit};
      setrlimit(RLIMIT_FSIZE, &most);
      qn_status status = run(&spec, directory, NULL, NULL, 0, &output, &error);
      if (status != QN_IO) fprintf(stderr, "%lld: %s %s\n", (long long)limit, qn_status_name(status), error.message);
      _exit(status == QN_IO && strstr(error.message, base) != NULL ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
  }
  qn_job_output output;
  qn_error error;
  char got[4096];
  assert_int_equal(run(&spec, folder("full"), NULL, NULL, 0, &output, &error), QN_OK); /* once there is room again */
  fingerprint(&output, folder("full"), got, sizeof got);
  assert_string_equal(got, reference);
  qn_job_output_fini(&output);
}

static qn_analysis_spec usual(const char *type, int stage, int sampling) {
  qn_analysis_spec made = {.type = qn_analysis_find(type), .stage = stage, .sampling = sampling};
  for (int i = 0; i < made.type->parameter_count; i++) made.parameters[i] = made.type->parameters[i].fallback;
  return made;
}

static const qn_value *find_value(const qn_report *report, const char *quantity) {
  for (int i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].quantity, quantity) == 0 && strcmp(report->values[i].species, "all") == 0) return &report->values[i];
  fail_msg("no %s", quantity);
  return NULL;
}

static double longest_lag(const qn_report *report) { return report->curves[0].data[(report->curves[0].rows - 1) * report->curves[0].columns]; }

/* Each analysis takes the stream that it prefers; one that fails does not disturb the others. */
static void test_analysis(void **state) {
  (void)state;
  qn_error error;
  qn_analysis_spec specs[] = {usual("diffusion", 2, -1),  usual("relaxation", 2, -1), usual("relaxation", 2, 1), usual("cage_jumps", 2, -1),
                              usual("diffusion", 0, -1),  usual("thermodynamics", -1, -1), usual("energy_series", 2, -1)};
  enum { COUNT = sizeof specs / sizeof specs[0] };
  qn_job_wanted wanted[COUNT];
  for (int i = 0; i < COUNT; i++) wanted[i].spec = &specs[i];
  qn_job_simulated simulated = {.spec = &spec, .directory = folder("straight"), .atoms = 500, .potential = &potential};
  stopper s = {.left = 1000, .status = QN_CANCELLED};
  qn_job_control control = {.context = &s, .check = on_check};
  if (qn_job_analyse_simulation(&simulated, wanted, COUNT, 1, &control, &error) != QN_OK) fail_msg("%s", error.message);
  assert_true(s.progress > 0.5);
  for (int i = 0; i < COUNT; i++) assert_int_equal(wanted[i].status == QN_OK, i != 3 && i != 4);
  assert_true(fabs(longest_lag(&wanted[0].report) - 0.1) < 1e-9);   /* a quarter of 41 frames 0.01 ps apart */
  assert_true(fabs(longest_lag(&wanted[1].report) - 0.048) < 1e-9); /* of 51 frames 0.004 ps apart */
  assert_true(fabs(longest_lag(&wanted[2].report) - 0.1) < 1e-9);
  assert_non_null(strstr(wanted[3].error.message, "windows of 200 ps"));
  assert_non_null(strstr(wanted[4].error.message, "box changes")); /* npt */

  /* One step of the quench each, and the holds; the volume that the snapshot at 1900 K was taken at is near. */
  const qn_report *report = &wanted[5].report;
  int levels = 0;
  for (int i = 0; i < report->value_count; i++) levels += strcmp(report->values[i].quantity, "volume_per_atom") == 0;
  assert_int_equal(levels, 4);
  const qn_value *volume = find_value(report, "volume_per_atom");
  assert_true(volume->temperature_k == 2000 && volume->value > 15 && volume->value < 22);
  const qn_value *energy = find_value(&wanted[6].report, "potential_energy_per_atom");
  assert_int_equal(energy->status, QN_VALUE_OK);
  assert_true(energy->value < -4 && energy->value > -6 && energy->standard_error > 0);
  for (int i = 0; i < COUNT; i++) qn_report_fini(&wanted[i].report);

  s = (stopper){.left = 10, .status = QN_CANCELLED};
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, COUNT, 1, &control, &error), QN_CANCELLED);
  simulated.directory = folder("nowhere");
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 1, 1, NULL, &error), QN_OK);
  assert_int_equal(wanted[0].status, QN_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_straight), cmocka_unit_test(test_composition_is_canonical), cmocka_unit_test(test_temperature_at_constant_energy),
      cmocka_unit_test(test_in_place), cmocka_unit_test(test_from_another_folder),
      cmocka_unit_test(test_damaged_checkpoints), cmocka_unit_test(test_short_trajectory), cmocka_unit_test(test_another_engine),
      cmocka_unit_test(test_long_files), cmocka_unit_test(test_no_room), cmocka_unit_test(test_checkpoint_of_another_spec), cmocka_unit_test(test_threads),
      cmocka_unit_test(test_cancel), cmocka_unit_test(test_folder_that_cannot_be), cmocka_unit_test(test_full_disk),
      cmocka_unit_test(test_analysis),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
