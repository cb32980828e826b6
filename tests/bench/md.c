/* Speed of the engine's own run loop: nvt at one temperature, as `quenchd simulate` runs it.
 *
 *   md STRUCTURE.xyz POTENTIAL PRECISION THREADS REPEAT WARM STEPS TEMPERATURE ENSEMBLE
 *
 * The structure is repeated REPEAT times along each axis, WARM steps are not timed. Prints one JSON line: atoms, seconds, atom_steps_per_s,
 * cpu_seconds (of all threads), temperature_k, bytes_per_atom (what the run takes), and of runs longer than 0.2 ps the drift of the conserved quantity. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/dynamics/run.h"
#include "engine/model/velocities.h"
#include "engine/trajectory/extxyz.h"

static double clock_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double resident_bytes(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (file != NULL) fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void stop(const qn_error *error) {
  fprintf(stderr, "md: %s\n", error->message);
  exit(1);
}

/* The conserved quantity against time: sums of a straight line through the thermo rows, and the last row. */
typedef struct line {
  int rows;
  double first_time, first_energy, t, e, tt, te, ee; /* ps, eV, from the first row on */
  qn_thermo last;
} line;

static qn_status add_row(void *context, const qn_thermo *row, qn_error *error) {
  (void)error;
  line *to = context;
  if (to->rows++ == 0) to->first_time = row->time, to->first_energy = row->conserved;
  double t = row->time - to->first_time, e = row->conserved - to->first_energy;
  to->t += t, to->e += e, to->tt += t * t, to->te += t * e, to->ee += e * e;
  to->last = *row;
  return QN_OK;
}

/* Slope and its standard error, eV/ps. */
static double drift_of(const line *of, double *standard_error) {
  double n = of->rows, spread = of->tt - of->t * of->t / n, slope = (of->te - of->t * of->e / n) / spread;
  double rest = of->ee - of->e * of->e / n - slope * slope * spread;
  *standard_error = sqrt(fmax(rest, 0.0) / (n - 2.0) / spread);
  return of->rows > 2 ? slope : NAN;
}

int main(int argc, char **argv) {
  if (argc != 10) {
    fprintf(stderr, "usage: md STRUCTURE.xyz POTENTIAL double|fast THREADS REPEAT WARM STEPS TEMPERATURE nve|nvt|npt\n");
    return 2;
  }
  mallopt(M_MMAP_THRESHOLD, 1 << 17); /* as in a worker's job */
  qn_error error;
  qn_eam eam;
  qn_extxyz structure;
  if (qn_eam_read(&eam, argv[2], &error) != QN_OK || qn_extxyz_read(&structure, argv[1], NULL, 0, &error) != QN_OK) stop(&error);
  int threads = atoi(argv[4]), repeat = atoi(argv[5]);
  long warm = atol(argv[6]), steps = atol(argv[7]);
  double temperature = atof(argv[8]), before = resident_bytes();

  const qn_atoms *cell = &structure.atoms;
  qn_atoms atoms;
  qn_box box = structure.box;
  if (qn_atoms_init(&atoms, cell->count * repeat * repeat * repeat, &error) != QN_OK) stop(&error);
  atoms.species_count = cell->species_count;
  memcpy(atoms.species, cell->species, sizeof atoms.species);
  int64_t n = 0;
  for (int x = 0; x < repeat; x++)
    for (int y = 0; y < repeat; y++)
      for (int z = 0; z < repeat; z++)
        for (int64_t i = 0; i < cell->count; i++, n++) {
          const int at[3] = {x, y, z};
          atoms.type[n] = cell->type[i];
          for (int axis = 0; axis < 3; axis++) atoms.r[axis][n] = cell->r[axis][i] + at[axis] * structure.box.length[axis];
        }
  for (int axis = 0; axis < 3; axis++) box.length[axis] *= repeat;
  if (qn_velocities_maxwell(&atoms, temperature, 1, &error) != QN_OK) stop(&error);

  qn_ensemble ensemble = strcmp(argv[9], "nve") == 0 ? QN_ENSEMBLE_NVE : strcmp(argv[9], "npt") == 0 ? QN_ENSEMBLE_NPT : QN_ENSEMBLE_NVT;
  qn_protocol protocol = {.timestep = 0.001,
                          .seed = 1,
                          .precision = strcmp(argv[3], "fast") == 0 ? QN_PRECISION_FAST : QN_PRECISION_DOUBLE,
                          .stage_count = 1,
                          .stages = {{.kind = QN_STAGE_HOLD,
                                      .ensemble = ensemble,
                                      .temperature = temperature,
                                      .duration = (double)(warm + steps) * 0.001,
                                      .thermostat_time = 0.1,
                                      .barostat_time = 1.0,
                                      .thermo_every = 0.1}}};
  line kept = {0};
  const qn_run_callbacks callbacks = {.context = &kept, .thermo = add_row};
  qn_run *run;
  if (qn_run_alloc(&run, &protocol, &eam, &atoms, &box, NULL, temperature, threads, &callbacks, &error) != QN_OK) stop(&error);
  if (qn_run_advance(run, warm, &error) != QN_OK) stop(&error);
  kept = (line){0};
  double start = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
  if (qn_run_advance(run, steps, &error) != QN_OK) stop(&error);
  double seconds = clock_of(CLOCK_MONOTONIC) - start;
  cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  double standard_error, drift = drift_of(&kept, &standard_error), each = 1e3 / (double)n;
  printf("{\"precision\": \"%s\", \"threads\": %d, \"atoms\": %lld, \"steps\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
         "\"atom_steps_per_s\": %.1f, \"temperature_k\": %.2f, \"bytes_per_atom\": %.0f",
         argv[3], threads, (long long)n, steps, seconds, cpu, (double)n * (double)steps / seconds, kept.last.temperature, (resident_bytes() - before) / (double)n);
  if (isfinite(drift)) printf(", \"drift_ev_per_atom_per_ns\": %.3g, \"drift_error\": %.2g", drift * each, standard_error * each);
  puts("}");
  return 0;
}
