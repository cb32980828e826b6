/* The ensembles themselves, by what statistical mechanics says of their fluctuations. */
#include "engine/dynamics/estimates.h"
#include "engine/dynamics/soft_system.h"

typedef struct samples {
  int count;
  double freedom;
  double length[3]; /* at the end */
  double *volume, *energy, *kinetic, *barostat;
  double *part[5]; /* twice the kinetic energy by axis, and of the two species */
} samples;

enum { EVERY = 40 }; /* steps between samples */
static const double STEP = 0.004;

static void samples_init(samples *s, int count) {
  s->count = count;
  double **all[] = {&s->volume, &s->energy, &s->kinetic, &s->barostat, &s->part[0], &s->part[1], &s->part[2], &s->part[3], &s->part[4]};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i] = test_malloc((size_t)count * sizeof(double));
}

static void samples_fini(samples *s) {
  test_free(s->volume);
  test_free(s->energy);
  test_free(s->kinetic);
  test_free(s->barostat);
  for (int k = 0; k < 5; k++) test_free(s->part[k]);
}

static void sample(samples *out, qn_crystal crystal, const qn_integrator_settings *settings, int count) {
  soft_system s;
  bool fcc = crystal == QN_CRYSTAL_FCC;
  soft_init(&s, crystal, fcc ? 3 : 4, fcc ? 4.0 : 3.05, 2.0 * settings->temperature, 1);
  out->freedom = s.integrator.freedom;
  samples_init(out, count);
  qn_integrator_start(&s.integrator, settings, &s.atoms);
  soft_steps(&s, 2000);
  const qn_integrator_state *state = &s.integrator.state;
  for (int k = 0; k < count; k++) {
    soft_steps(&s, EVERY);
    qn_integrator_settle(&s.integrator, &s.atoms);
    out->volume[k] = qn_box_volume(&s.box);
    out->energy[k] = s.energy;
    out->kinetic[k] = qn_integrator_kinetic(&s.integrator);
    qn_barostat_bath bath = {settings->anisotropic, s.integrator.freedom, QN_BOLTZMANN * settings->temperature, settings->pressure,
                             settings->barostat_time};
    out->barostat[k] = qn_barostat_twice_kinetic(&state->barostat, &bath);
    for (int a = 0; a < 3; a++) out->part[a][k] = state->twice_kinetic[a];
    out->part[3][k] = out->part[4][k] = 0.0;
    for (int64_t i = 0; i < s.atoms.count; i++)
      for (int a = 0; a < 3; a++)
        out->part[3 + s.atoms.type[i]][k] += s.integrator.verlet.mass[i] * s.atoms.v[a][i] * s.atoms.v[a][i];
  }
  for (int a = 0; a < 3; a++) out->length[a] = s.box.length[a];
  soft_fini(&s);
}

/* NVT: mean and variance of the kinetic energy, equipartition between axes and species. */
static void canonical_kinetic_energy(void **state) {
  (void)state;
  samples s;
  qn_integrator_settings settings = soft_settings(QN_ENSEMBLE_NVT, false, STEP);
  sample(&s, QN_CRYSTAL_FCC, &settings, 2500);
  double kt = QN_BOLTZMANN * settings.temperature, freedom = s.freedom, mean = 0.5 * freedom * kt;
  check_estimate("kinetic energy, eV", block_mean(s.kinetic, s.count), mean, 0.01);
  double *square = s.barostat; /* at rest here */
  for (int i = 0; i < s.count; i++) square[i] = pow(s.kinetic[i] - mean, 2);
  check_estimate("its variance, eV^2", block_mean(square, s.count), 0.5 * freedom * kt * kt, 0.1);
  static const char *const names[] = {"along x, eV", "along y, eV", "along z, eV", "of Cu, eV", "of Zr, eV"};
  double heavy = 91.224 / (63.546 + 91.224);
  for (int k = 0; k < 5; k++) {
    /* The three degrees of the centre of mass are taken from the species by their share of the mass. */
    double expected = k < 3 ? freedom / 3.0 : 3.0 * 54 - 3.0 * (k == 4 ? heavy : 1.0 - heavy);
    check_estimate(names[k], block_mean(s.part[k], s.count), expected * kt, 0.01);
  }
  samples_fini(&s);
}

/* NVT at two temperatures: ln p2(U)/p1(U) has the slope 1/kT1 - 1/kT2. */
static void potential_energies_have_the_boltzmann_slope(void **state) {
  (void)state;
  samples s[2];
  double beta[2];
  for (int k = 0; k < 2; k++) {
    qn_integrator_settings settings = soft_settings(QN_ENSEMBLE_NVT, false, STEP);
    settings.temperature = k == 0 ? 1000.0 : 1150.0;
    beta[k] = 1.0 / (QN_BOLTZMANN * settings.temperature);
    sample(&s[k], QN_CRYSTAL_FCC, &settings, 2000);
  }
  check_estimate("slope in energy, 1/eV", boltzmann_slope(s[0].energy, s[1].energy, 2000), beta[0] - beta[1], 0.08);
  for (int k = 0; k < 2; k++) samples_fini(&s[k]);
}

static void check_volumes(bool anisotropic, double temperature, const double pressure[2]) {
  samples s[2];
  double kt = QN_BOLTZMANN * temperature;
  for (int k = 0; k < 2; k++) {
    qn_integrator_settings settings = soft_settings(QN_ENSEMBLE_NPT, anisotropic, STEP);
    settings.temperature = temperature;
    settings.pressure = pressure[k] / QN_EV_A3_GPA;
    sample(&s[k], anisotropic ? QN_CRYSTAL_BCC : QN_CRYSTAL_FCC, &settings, 2000);
    print_message("%g GPa: volume %.1f A^3, box %.2f %.2f %.2f A\n", pressure[k], block_mean(s[k].volume, s[k].count).mean,
                  s[k].length[0], s[k].length[1], s[k].length[2]);
    check_estimate("barostat W e^2, eV", block_mean(s[k].barostat, s[k].count), anisotropic ? 3.0 * kt : kt, 0.1);
    check_estimate("kinetic energy, eV", block_mean(s[k].kinetic, s[k].count), 0.5 * s[k].freedom * kt, 0.01);
  }
  double expected = (pressure[0] - pressure[1]) / QN_EV_A3_GPA / kt;
  check_estimate("slope in volume, 1/A^3", boltzmann_slope(s[0].volume, s[1].volume, 2000), expected, 0.08);
  for (int k = 0; k < 2; k++) samples_fini(&s[k]);
}

/* NPT at two pressures: ln p2(V)/p1(V) has the slope (P1 - P2)/kT; the barostat itself is at the target. */
static void volumes_have_the_boltzmann_slope(void **state) {
  (void)state;
  check_volumes(false, 1000.0, (const double[]){8.0, 8.4});
}

/* A crystal, whose axes stay near each other. */
static void volumes_have_the_boltzmann_slope_by_axis(void **state) {
  (void)state;
  check_volumes(true, 400.0, (const double[]){16.0, 16.6});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(canonical_kinetic_energy),
      cmocka_unit_test(potential_energies_have_the_boltzmann_slope),
      cmocka_unit_test(volumes_have_the_boltzmann_slope),
      cmocka_unit_test(volumes_have_the_boltzmann_slope_by_axis),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
