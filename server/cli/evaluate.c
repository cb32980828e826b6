/* quenchd evaluate: every frame of an extended-XYZ file with its energy, forces, per-atom energies and virial. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"
#include "engine/potential/force.h"
#include "engine/trajectory/extxyz.h"
#include "server/cli/commands.h"
#include "server/cli/potential.h"

enum { DIGITS = 15 };

/* What another calculation said of the structure must not stand beside this one's numbers; every other key goes through. */
static bool is_computed(const char *name) {
  static const char *const names[] = {"energy", "free_energy", "virial", "stress", "virial_pressure_bar"};
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
    if (strcmp(name, names[n]) == 0) return true;
  return strncmp(name, "virial_pressure_bar_", strlen("virial_pressure_bar_")) == 0;
}

/* Positions go out as they came in: the kernel wraps them while it works. */
static qn_status print_frame(qn_extxyz *frame, const qn_force_result *result, const double *atom_energy, qn_error *error) {
  char energy[32], pressure[6 * 32] = "";
  snprintf(energy, sizeof energy, "%.*g", DIGITS, result->energy);
  size_t used = 0;
  for (int k = 0; k < 6; k++)
    used += (size_t)snprintf(pressure + used, sizeof pressure - used, "%s%.*g", k > 0 ? " " : "", DIGITS,
                             result->virial[k] / qn_box_volume(&frame->box) * QN_EV_A3_BAR);
  char energy_name[] = "energy", pressure_name[] = "virial_pressure_bar_xx_yy_zz_xy_xz_yz";
  qn_extxyz_key *keys = qn_memory_alloc((size_t)frame->key_count + 2, sizeof *keys);
  if (keys == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the keys of a frame");
  int count = 0;
  keys[count++] = (qn_extxyz_key){energy_name, energy};
  keys[count++] = (qn_extxyz_key){pressure_name, pressure};
  for (int k = 0; k < frame->key_count; k++)
    if (!is_computed(frame->keys[k].name)) keys[count++] = frame->keys[k];
  qn_extxyz_layout layout = {.digits = DIGITS, .image = frame->has_image, .velocities = frame->has_velocities, .forces = true,
                             .local_energy = atom_energy, .key_count = count, .keys = keys};
  qn_status status = qn_extxyz_write(stdout, &frame->atoms, &frame->box, &layout, error);
  free(keys);
  return status;
}

static qn_status evaluate(qn_extxyz *frame, const qn_eam *potential, const qn_force_options *options, qn_error *error) {
  qn_force *force = NULL;
  int64_t count = frame->atoms.count;
  double *atom_energy = qn_memory_alloc((size_t)count, sizeof *atom_energy);
  double *before = qn_memory_alloc(3 * (size_t)count, sizeof *before);
  int32_t *image = qn_memory_alloc(3 * (size_t)count, sizeof *image);
  qn_status status = QN_OK;
  if (atom_energy == NULL || before == NULL || image == NULL)
    status = qn_error_set(error, QN_NO_MEMORY, "out of memory for %lld atoms", (long long)count);
  for (int axis = 0; axis < 3 && status == QN_OK; axis++) {
    memcpy(before + axis * count, frame->atoms.r[axis], (size_t)count * sizeof *before);
    memcpy(image + axis * count, frame->atoms.image[axis], (size_t)count * sizeof *image);
  }
  qn_force_result result;
  if (status == QN_OK) status = qn_atoms_wrap(&frame->atoms, &frame->box, error);
  if (status == QN_OK) status = qn_force_alloc(&force, potential, &frame->atoms, &frame->box, options, error);
  if (status == QN_OK) status = qn_force_compute(force, &frame->box, &frame->atoms, &result, atom_energy, error);
  for (int axis = 0; axis < 3 && status == QN_OK; axis++) {
    memcpy(frame->atoms.r[axis], before + axis * count, (size_t)count * sizeof *before);
    memcpy(frame->atoms.image[axis], image + axis * count, (size_t)count * sizeof *image);
  }
  if (status == QN_OK) status = print_frame(frame, &result, atom_energy, error);
  qn_force_free(force);
  free(image);
  free(before);
  free(atom_energy);
  return status;
}

int qn_command_evaluate(const qn_config *config, const char *const *arguments, int count) {
  (void)count;
  qn_error error;
  qn_eam potential;
  if (qn_cli_potential(config->potential, &potential, &error) != QN_OK) {
    qn_command_failed(&error);
    return config->potential[0] == '\0' ? QN_EXIT_USAGE : QN_EXIT_FAILURE;
  }
  qn_force_options options = {.precision = strcmp(config->precision, "fast") == 0 ? QN_PRECISION_FAST : QN_PRECISION_DOUBLE,
                              .threads = qn_cli_threads(config->threads)};
  qn_extxyz_reader *reader = NULL;
  qn_status status = qn_extxyz_open(&reader, arguments[0], potential.species, potential.species_count, &error);
  bool found = status == QN_OK;
  for (int frame = 0; found && status == QN_OK; frame++) {
    qn_extxyz structure = {0};
    status = qn_extxyz_next(reader, &structure, &found, &error);
    if (status == QN_OK && !found && frame == 0) status = qn_error_set(&error, QN_PARSE, "the file holds no frame");
    if (status == QN_OK && found) {
      status = evaluate(&structure, &potential, &options, &error);
      if (status != QN_OK && frame > 0) qn_error_prefix(&error, "frame %d", frame + 1);
    }
    if (status != QN_OK) qn_error_prefix(&error, "%.200s", arguments[0]);
    qn_extxyz_fini(&structure);
  }
  qn_extxyz_close(reader);
  qn_eam_fini(&potential);
  return status == QN_OK ? QN_EXIT_OK : qn_command_failed(&error);
}
