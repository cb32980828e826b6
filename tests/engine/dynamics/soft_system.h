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

static inline void soft_force(soft_system *s) {
  qn_atoms *atoms = &s->atoms;
  int64_t n = atoms->count;
  s->energy = 0.0;
  for (int a = 0; a < 3; a++) {
    s->virial[a] = 0.0;
    for (int64_t i = 0; i < n; i++) atoms->f[a][i] = 0.0;
  }
  double inverse[3];
  for (int a = 0; a < 3; a++) inverse[a] = 1.0 / s->box.length[a];
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i + 1; j < n; j++) {
      double d[3], square = 0.0;
      for (int a = 0; a < 3; a++) {
        d[a] = atoms->r[a][i] - atoms->r[a][j];
        double boxes = d[a] * inverse[a];
        boxes = (boxes + 6755399441055744.0) - 6755399441055744.0; /* round to nearest */
        d[a] -= boxes * s->box.length[a];
        square += d[a] * d[a];
      }
      double left = 1.0 - square / (SOFT_RANGE * SOFT_RANGE);
      if (left <= 0.0) continue;
      double cube = left * left * left, push = 8.0 * SOFT_HEIGHT / (SOFT_RANGE * SOFT_RANGE) * cube;
      s->energy += SOFT_HEIGHT * cube * left;
      for (int a = 0; a < 3; a++) {
        atoms->f[a][i] += push * d[a];
        atoms->f[a][j] -= push * d[a];
        s->virial[a] += push * d[a] * d[a];
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
  soft_force(s);
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
