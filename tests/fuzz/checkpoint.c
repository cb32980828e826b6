/* Checkpoints: parsed as they come; and with length, checksum and identity made right, loaded into a run, which then goes on for some steps.
 * With the double kernel: the fast one's tables take a second to make under sanitizers, for each input.
 *
 * With QN_FUZZ_SEEDS=FOLDER it writes the checkpoints of an undisturbed run there: how the corpus is made anew when the format changes. */
#include "fuzz/fuzz.h"

#include <zlib.h>

#include "engine/dynamics/run_record.h"
#include "engine/trajectory/checkpoint.h"

enum { HEADER = 24, SIZE_AT = 16, CRC = 4, IDENTITY = 24, MOST_STEPS = 3 };
static const char START[16] = "QNCHKPT\0\1\0\0"; /* magic and version */

static const qn_protocol protocol = {.timestep = 0.002, .seed = 1, .precision = QN_PRECISION_DOUBLE, .stage_count = 3, .stages = {
    {.kind = QN_STAGE_HOLD, .ensemble = QN_ENSEMBLE_NPT, .temperature = 2000, .duration = 0.04, .thermostat_time = 0.1, .barostat_time = 0.5},
    {.kind = QN_STAGE_QUENCH, .ensemble = QN_ENSEMBLE_NVT, .to = 1900, .step = 50, .rate = 2.5e6, .thermostat_time = 0.1},
    {.kind = QN_STAGE_HOLD, .ensemble = QN_ENSEMBLE_NVT, .temperature = 1900, .duration = 0.02, .thermostat_time = 0.1}}};
static unsigned char identity[IDENTITY];

/* Atoms and a run as they are before the first step. The potential is one for all; it is read only. */
typedef struct setting {
  qn_atoms atoms;
  qn_box box;
  qn_run *run;
} setting;

static void set(setting *s) {
  static qn_eam potential;
  if (potential.species_count == 0) soft_potential(&potential);
  const qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC, .cells = {3, 3, 3}, .constant = 4.1, .species_count = 2,
                              .species = {{"Cu", 63.546}, {"Zr", 91.224}}, .fraction = {0.5, 0.5}};
  qn_error error = {0};
  const qn_run_callbacks none = {0};
  *s = (setting){0};
  EXPECT(qn_lattice_build(&lattice, 1, &s->atoms, &s->box, &error) == QN_OK && qn_velocities_maxwell(&s->atoms, 2000, 2, &error) == QN_OK &&
         qn_run_alloc(&s->run, &protocol, &potential, &s->atoms, &s->box, NULL, 2000, 1, &none, &error) == QN_OK, "%s", error.message);
}

static void unset(setting *s) {
  qn_run_free(s->run);
  qn_atoms_fini(&s->atoms);
}

static void write_seeds(const char *folder) {
  for (int step = 0; step <= 45; step += 15) {
    setting s;
    void *state;
    size_t size;
    char path[4096];
    set(&s);
    while (qn_run_step(s.run) < step) EXPECT(qn_run_advance(s.run, 1, NULL) == QN_OK, "the run for the seeds fails");
    EXPECT(qn_run_save(s.run, &state, &size, NULL) == QN_OK, "no state");
    const qn_checkpoint_part parts[] = {{"run", state, size}, {"spec", "abc", 3}};
    snprintf(path, sizeof path, "%s/step-%d", folder, step);
    EXPECT(qn_checkpoint_write(path, parts, 2, NULL) == QN_OK, "no seed %s", path);
    free(state);
    unset(&s);
  }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  setting s;
  void *state;
  size_t size;
  set(&s);
  EXPECT(qn_run_save(s.run, &state, &size, NULL) == QN_OK && size > IDENTITY, "no state");
  memcpy(identity, state, IDENTITY);
  free(state);
  unset(&s);
  if (getenv("QN_FUZZ_SEEDS") != NULL) write_seeds(getenv("QN_FUZZ_SEEDS"));
  return 0;
}

/* What chance would not find: the start of the file, its length and its checksum. */
static void repair(unsigned char *bytes, size_t size) {
  uint64_t length = size;
  memcpy(bytes, START, 12);
  memcpy(bytes + SIZE_AT, &length, sizeof length);
  uint32_t crc = (uint32_t)crc32_z(crc32(0, NULL, 0), bytes, size - CRC);
  memcpy(bytes + size - CRC, &crc, CRC);
}

static void load(const qn_checkpoint_part *part) {
  unsigned char *state = (unsigned char *)exact(part->data, part->size);
  if (part->size >= IDENTITY) memcpy(state, identity, IDENTITY);
  setting s;
  qn_error error = {0};
  set(&s);
  if (qn_run_load(s.run, state, part->size, &error) == QN_OK) {
    void *again;
    size_t size;
    EXPECT(qn_run_save(s.run, &again, &size, &error) == QN_OK, "what was loaded cannot be saved: %s", error.message);
    EXPECT(size == part->size && memcmp(again, state, size) == 0, "what was loaded is saved otherwise");
    free(again);
    for (int i = 0; i < MOST_STEPS && !qn_run_done(s.run); i++)
      if (qn_run_advance(s.run, 1, &error) != QN_OK) break;
  } else {
    EXPECT(error.message[0] != '\0', "refused without a reason");
  }
  unset(&s);
  free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  qn_checkpoint checkpoint;
  qn_error error = {0};
  unsigned char *bytes = (unsigned char *)exact(data, size);
  if (qn_checkpoint_parse(&checkpoint, bytes, size, &error) != QN_OK && size >= HEADER + CRC) {
    repair(bytes, size);
    if (qn_checkpoint_parse(&checkpoint, bytes, size, &error) != QN_OK) checkpoint.count = 0;
  }
  if (checkpoint.count > 0) load(&checkpoint.parts[0]);
  free(bytes);
  return 0;
}
