/* A small, cheap system with a smooth force, so that ensembles can be sampled in seconds and without the engine's own kernels:
 * soft spheres of two masses, phi(r) = A (1 - r^2/c^2)^4 for r < c, every pair looked at. */
#ifndef QN_TESTS_DYNAMICS_SOFT_SYSTEM_H
#define QN_TESTS_DYNAMICS_SOFT_SYSTEM_H

#include "engine/check.h"

#include "engine/base/units.h"
#include "engine/dynamics/integrator.h"
#include "engine/model/lattice.h"
#include "engine/model/velocities.h"

static const double SOFT_HEIGHT = 2.0; /* A, eV */
static const double SOFT_RANGE = 3.6;  /* c, A */

typedef struct soft_system {
  qn_atoms atoms;
  qn_box box;
  qn_integrator integrator;
  double energy;    /* eV */
  double virial[3]; /* eV */
} soft_system;

enum { SOFT_MOST = 512 };

static inline void soft_force(soft_system *s) {
  qn_atoms *atoms = &s->atoms;
  int64_t n = atoms->count;
  assert_true(n <= SOFT_MOST);
  s->energy = 0.0;
  for (int a = 0; a < 3; a++) {
    s->virial[a] = 0.0;
    for (int64_t i = 0; i < n; i++) atoms->f[a][i] = 0.0;
  }
  double d[3][SOFT_MOST], square[SOFT_MOST];
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < i; j++) square[j] = 0.0;
    for (int a = 0; a < 3; a++) {
      double length = s->box.length[a], inverse = 1.0 / length, here = atoms->r[a][i];
      const double *r = atoms->r[a];
      double *to = d[a];
      for (int64_t j = 0; j < i; j++) {
        double x = here - r[j], boxes = (x * inverse + 6755399441055744.0) - 6755399441055744.0; /* rounds to nearest */
        x -= boxes * length;
        to[j] = x;
        square[j] += x * x;
      }
    }
    for (int64_t j = 0; j < i; j++) {
      if (square[j] >= SOFT_RANGE * SOFT_RANGE) continue;
      double left = 1.0 - square[j] / (SOFT_RANGE * SOFT_RANGE);
      double cube = left * left * left, push = 8.0 * SOFT_HEIGHT / (SOFT_RANGE * SOFT_RANGE) * cube;
      s->energy += SOFT_HEIGHT * cube * left;
      for (int a = 0; a < 3; a++) {
        atoms->f[a][i] += push * d[a][j];
        atoms->f[a][j] -= push * d[a][j];
        s->virial[a] += push * d[a][j] * d[a][j];
      }
    }
  }
}

/* cells^3 cubic cells of edge `constant`, masses 64 and 91 in equal parts, at `temperature`. */
static inline void soft_init(soft_system *s, qn_crystal crystal, int cells, double constant, double temperature, int threads) {
  const qn_lattice lattice = {.crystal = crystal,
                              .cells = {cells, cells, cells},
                              .constant = constant,
                              .species_count = 2,
                              .species = {{"Cu", 63.546}, {"Zr", 91.224}},
                              .fraction = {0.5, 0.5}};
  *s = (soft_system){0};
  assert_int_equal(qn_lattice_build(&lattice, 1, &s->atoms, &s->box, NULL), QN_OK);
  assert_int_equal(qn_velocities_maxwell(&s->atoms, temperature, 2, NULL), QN_OK);
  assert_int_equal(qn_integrator_init(&s->integrator, &s->atoms, threads, NULL), QN_OK);
  if (s->atoms.count <= SOFT_MOST) soft_force(s);
}

static inline void soft_fini(soft_system *s) {
  qn_integrator_fini(&s->integrator);
  qn_atoms_fini(&s->atoms);
}

static inline void soft_step(soft_system *s) {
  qn_integrator_first(&s->integrator, &s->atoms, &s->box, s->virial);
  soft_force(s);
  qn_integrator_second(&s->integrator, &s->atoms, &s->box, s->virial);
}

static inline void soft_steps(soft_system *s, int64_t steps) {
  for (int64_t i = 0; i < steps; i++) soft_step(s);
}

static inline double soft_conserved(const soft_system *s) {
  return qn_integrator_conserved(&s->integrator, s->energy, qn_box_volume(&s->box));
}

static inline qn_integrator_settings soft_settings(qn_ensemble ensemble, bool anisotropic, double timestep) {
  return (qn_integrator_settings){.ensemble = ensemble,
                                  .anisotropic = anisotropic,
                                  .timestep = timestep,
                                  .temperature = 1000.0,
                                  .pressure = 10.0 / QN_EV_A3_GPA,
                                  .thermostat_time = 0.1,
                                  .barostat_time = 0.2};
}

#endif
