#include "engine/dynamics/verlet.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"

enum {
  CHUNK = 1024, /* atoms; a chunk's sums never depend on who computes it */
  LANES = 8,    /* independent running sums, so that the compiler may use vectors without reordering */
  PARTIAL = 8   /* doubles a chunk: three twice-kinetic, three momenta, the largest square of a velocity, one to fill the line */
};

static int64_t chunk_count(int64_t atoms) { return (atoms + CHUNK - 1) / CHUNK; }

static int64_t chunk_length(int64_t atoms, int64_t chunk) {
  int64_t left = atoms - chunk * CHUNK;
  return left < CHUNK ? left : CHUNK;
}

qn_status qn_verlet_init(qn_verlet *verlet, const qn_atoms *atoms, int threads, qn_error *error) {
  size_t count = (size_t)atoms->count;
  *verlet = (qn_verlet){.count = atoms->count, .threads = threads};
  verlet->mass = qn_memory_alloc(count, sizeof(double));
  verlet->inverse = qn_memory_alloc(count, sizeof(double));
  verlet->partial = qn_memory_alloc((size_t)chunk_count(atoms->count) * PARTIAL, sizeof(double));
  if (verlet->mass == NULL || verlet->inverse == NULL || verlet->partial == NULL) {
    qn_verlet_fini(verlet);
    return qn_error_set(error, QN_NO_MEMORY, "no memory to integrate %lld atoms", (long long)atoms->count);
  }
  for (int64_t i = 0; i < atoms->count; i++) {
    verlet->mass[i] = atoms->species[atoms->type[i]].mass * QN_MVV_EV;
    verlet->inverse[i] = 1.0 / verlet->mass[i];
    verlet->total_mass += verlet->mass[i];
  }
  return QN_OK;
}

void qn_verlet_fini(qn_verlet *verlet) {
  free(verlet->mass);
  free(verlet->inverse);
  free(verlet->partial);
  *verlet = (qn_verlet){0};
}

static void first_chunk(int64_t count, double *restrict r, double *restrict v, const double *restrict f,
                        const double *restrict inverse, const qn_verlet_axis *axis) {
  const qn_verlet_axis a = *axis;
  for (int64_t i = 0; i < count; i++) {
    double velocity = (v[i] - a.drift) * a.pending * a.scale;
    velocity = velocity * a.keep + f[i] * inverse[i] * a.kick;
    v[i] = velocity;
    r[i] = r[i] * a.stretch + a.shift + velocity * a.drive;
  }
}

void qn_verlet_first(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3]) {
  int64_t chunks = chunk_count(verlet->count);
#pragma omp parallel for schedule(static) num_threads(verlet->threads) if (chunks > 1)
  for (int64_t c = 0; c < chunks; c++) {
    int64_t begin = c * CHUNK, length = chunk_length(verlet->count, c);
    for (int a = 0; a < 3; a++)
      first_chunk(length, atoms->r[a] + begin, atoms->v[a] + begin, atoms->f[a] + begin, verlet->inverse + begin, &axis[a]);
  }
}

/* Adds the lanes as a balanced tree. */
static double add_lanes(const double lane[LANES]) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static void second_chunk(int64_t count, double *restrict v, const double *restrict f, const double *restrict mass,
                         const double *restrict inverse, const qn_verlet_axis *axis, double *twice_kinetic, double *momentum,
                         double *top_square) {
  const double keep = axis->keep, kick = axis->kick;
  double square[LANES] = {0}, linear[LANES] = {0}, top[LANES] = {0};
  int64_t whole = count - count % LANES;
  for (int64_t i = 0; i < whole; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      double velocity = v[i + l] * keep + f[i + l] * inverse[i + l] * kick;
      double p = mass[i + l] * velocity, s = velocity * velocity;
      v[i + l] = velocity;
      linear[l] += p;
      square[l] += p * velocity;
      top[l] = s > top[l] ? s : top[l];
    }
  }
  for (int64_t i = whole; i < count; i++) {
    double velocity = v[i] * keep + f[i] * inverse[i] * kick;
    double p = mass[i] * velocity, s = velocity * velocity;
    v[i] = velocity;
    linear[i - whole] += p;
    square[i - whole] += p * velocity;
    top[i - whole] = s > top[i - whole] ? s : top[i - whole];
  }
  *momentum = add_lanes(linear);
  *twice_kinetic = add_lanes(square);
  for (int l = 0; l < LANES; l++)
    if (top[l] > *top_square) *top_square = top[l];
}

void qn_verlet_second(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3], qn_verlet_sums *sums) {
  int64_t chunks = chunk_count(verlet->count);
#pragma omp parallel for schedule(static) num_threads(verlet->threads) if (chunks > 1)
  for (int64_t c = 0; c < chunks; c++) {
    int64_t begin = c * CHUNK, length = chunk_length(verlet->count, c);
    double *partial = verlet->partial + c * PARTIAL;
    double top_square = 0.0;
    for (int a = 0; a < 3; a++)
      second_chunk(length, atoms->v[a] + begin, atoms->f[a] + begin, verlet->mass + begin, verlet->inverse + begin, &axis[a],
                   &partial[a], &partial[3 + a], &top_square);
    partial[6] = top_square;
  }

  *sums = (qn_verlet_sums){0};
  double top_square = 0.0;
  for (int64_t c = 0; c < chunks; c++) {
    const double *partial = verlet->partial + c * PARTIAL;
    for (int a = 0; a < 3; a++) {
      sums->twice_kinetic[a] += partial[a];
      sums->momentum[a] += partial[3 + a];
    }
    if (partial[6] > top_square) top_square = partial[6];
  }
  sums->top_speed = sqrt(top_square);
}

static void settle_chunk(int64_t count, double *v, double drift, double pending) {
  for (int64_t i = 0; i < count; i++) v[i] = (v[i] - drift) * pending;
}

void qn_verlet_settle(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3]) {
  int64_t chunks = chunk_count(verlet->count);
#pragma omp parallel for schedule(static) num_threads(verlet->threads) if (chunks > 1)
  for (int64_t c = 0; c < chunks; c++)
    for (int a = 0; a < 3; a++)
      settle_chunk(chunk_length(verlet->count, c), atoms->v[a] + c * CHUNK, axis[a].drift, axis[a].pending);
}
