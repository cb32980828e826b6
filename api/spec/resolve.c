#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/spec/parts.h"

/* ---- the snapshot that a simulation starts from ---- */

/* Target temperature before stage `index`, K. */
static double target_before(const qn_simulation_spec *spec, int index) {
  double temperature = qn_spec_start_temperature(spec);
  for (int s = 0; s < index; s++) temperature = qn_stage_final_target(&spec->protocol.stages[s], temperature);
  return temperature;
}

static void list_snapshots(const qn_simulation_spec *parent, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "none");
  bool first = true;
  for (int s = 0; s < parent->protocol.stage_count && used < size; s++) {
    if (!parent->protocol.stages[s].snapshot) continue;
    if (first) used = 0;
    used += (size_t)snprintf(text + used, size - used, "%s%d", first ? "" : ", ", s);
    first = false;
  }
}

static void resolve_temperature(qn_simulation_spec *spec, const qn_simulation_spec *parent, qn_faults *faults) {
  const qn_stage *stage = &parent->protocol.stages[spec->snapshot_stage];
  double before = target_before(parent, spec->snapshot_stage), last = qn_stage_final_target(stage, before);
  if (spec->snapshot_temperature == 0.0) {
    spec->snapshot_temperature = last;
    return;
  }
  if (isnan(spec->snapshot_temperature)) return;
  double nearest = last;
  if (stage->kind == QN_STAGE_QUENCH && stage->step > 0.0)
    for (int level = 0; level < qn_stage_levels(stage, before); level++) {
      double target = qn_stage_level_target(stage, before, level);
      if (fabs(target - spec->snapshot_temperature) < fabs(nearest - spec->snapshot_temperature)) nearest = target;
    }
  if (fabs(nearest - spec->snapshot_temperature) > 1e-6)
    qn_faults_add(faults, "/initial/temperature_k", "stage %d keeps no snapshot at %.9g K; the nearest is at %.9g K",
                  spec->snapshot_stage, spec->snapshot_temperature, nearest);
  else
    spec->snapshot_temperature = nearest;
}

double qn_spec_count_frames(const qn_simulation_spec *spec) {
  const qn_protocol *protocol = &spec->protocol;
  double temperature = qn_spec_start_temperature(spec), frames = 0.0;
  for (int s = 0; s < protocol->stage_count; s++)
    if (spec->stage_faulty[s]) return NAN;
  if (isnan(protocol->timestep) || isnan(temperature)) return NAN;
  for (int s = 0; s < protocol->stage_count; s++) {
    const qn_stage *stage = &protocol->stages[s];
    int64_t steps = qn_stage_steps(stage, temperature, protocol->timestep);
    for (int k = 0; k < stage->sampling_count; k++)
      frames += (double)qn_sampling_frames(&stage->samplings[k], steps, protocol->timestep);
    temperature = qn_stage_final_target(stage, temperature);
  }
  return frames;
}

/* What the atoms of the parent mean for the child, as far as the parent's spec tells. */
static void inherit_atoms(qn_simulation_spec *spec, const qn_simulation_spec *parent, qn_faults *faults) {
  if (parent->initial != QN_INITIAL_LATTICE) return;
  spec->lattice.species_count = parent->lattice.species_count;
  memcpy(spec->lattice.species, parent->lattice.species, sizeof spec->lattice.species);
  double heavy = qn_spec_count_frames(spec) * parent->sites;
  if (heavy > QN_MOST_ATOM_FRAMES)
    qn_faults_add(faults, "/stages", "%.4g atoms x frames in all; at most %.12g are accepted", heavy,
                  QN_MOST_ATOM_FRAMES);
}

/* Once the vacuum of a surface is there, no stage may close it. */
static void check_vacuum(const qn_simulation_spec *spec, const qn_simulation_spec *parent, qn_faults *faults) {
  bool open = false;
  for (int s = 0; s <= spec->snapshot_stage; s++) open = open || parent->protocol.stages[s].kind == QN_STAGE_SURFACE;
  for (int s = 0; open && s < spec->protocol.stage_count; s++)
    if (!spec->stage_faulty[s] && spec->protocol.stages[s].kind != QN_STAGE_SURFACE &&
        spec->protocol.stages[s].ensemble == QN_ENSEMBLE_NPT) {
      char pointer[QN_POINTER_SIZE];
      snprintf(pointer, sizeof pointer, "/stages/%d/ensemble", s);
      qn_faults_add(faults, pointer,
                    "npt would close the vacuum of the surface that the snapshot has; accepted here: nve, nvt");
    }
}

void qn_spec_resolve_snapshot(qn_simulation_spec *spec, const qn_simulation_spec *parent, qn_faults *faults) {
  char kept[256];
  if (spec->snapshot_stage == -2) return;
  list_snapshots(parent, kept, sizeof kept);
  if (spec->snapshot_stage < 0)
    for (int s = 0; s < parent->protocol.stage_count; s++)
      if (parent->protocol.stages[s].snapshot) spec->snapshot_stage = s;
  if (spec->snapshot_stage < 0 || spec->snapshot_stage >= parent->protocol.stage_count ||
      !parent->protocol.stages[spec->snapshot_stage].snapshot) {
    qn_faults_add(faults, "/initial/stage", "that stage of simulation %lld keeps no snapshot; those that do: %s",
                  (long long)spec->snapshot_simulation, kept);
    return;
  }
  resolve_temperature(spec, parent, faults);
  inherit_atoms(spec, parent, faults);
  check_vacuum(spec, parent, faults);
}

/* ---- the potential ---- */

/* Atoms in a cubic cell of a lattice as setfl headers name it; 0 when the name says nothing. */
static double atoms_per_cell(const char *lattice) {
  if (strcmp(lattice, "fcc") == 0) return 4.0;
  if (strcmp(lattice, "bcc") == 0) return 2.0;
  if (strcmp(lattice, "sc") == 0) return 1.0;
  if (strcmp(lattice, "diamond") == 0 || strcmp(lattice, "dia") == 0) return 8.0;
  /* hcp at the ideal ratio of its axes has the volume a^3 / sqrt(2) an atom. */
  if (strcmp(lattice, "hcp") == 0) return 1.4142135623730951;
  return 0.0;
}

static int find_species(const qn_potential_facts *potential, const char *symbol) {
  for (int s = 0; s < potential->species_count; s++)
    if (strcmp(potential->species[s].symbol, symbol) == 0) return s;
  return -1;
}

static void resolve_masses(const qn_simulation_spec *spec, qn_lattice *lattice, const qn_potential_facts *potential,
                           qn_faults *faults) {
  char known[300] = "";
  size_t used = 0;
  for (int s = 0; s < potential->species_count && used < sizeof known; s++)
    used +=
        (size_t)snprintf(known + used, sizeof known - used, "%s%s", s > 0 ? ", " : "", potential->species[s].symbol);
  for (int s = 0; s < lattice->species_count; s++) {
    qn_species *species = &lattice->species[s];
    int index = find_species(potential, species->symbol);
    char pointer[QN_POINTER_SIZE];
    if (lattice->ordered)
      snprintf(pointer, sizeof pointer, "/initial/ordered/%d", s);
    else
      snprintf(pointer, sizeof pointer, "/initial/composition/%s", species->symbol);
    if (index < 0)
      qn_faults_add(faults, pointer, "the potential does not know %s; it knows %s", species->symbol, known);
    else
      species->mass = potential->species[index].mass;
    if (lattice->fraction[s] * spec->sites < 0.5)
      qn_faults_add(faults, pointer,
                    "%.6g of %.0f sites is less than half an atom of %s; leave it out or take more cells",
                    lattice->fraction[s], spec->sites, species->symbol);
  }
}

/* A^3 per atom in the lattice that the potential states for an element; NAN when it states none with a known volume. */
static double atomic_volume(const qn_potential_facts *potential, int index) {
  double atoms = atoms_per_cell(potential->lattice[index]), edge = potential->lattice_constant_a[index];
  return atoms > 0.0 && edge > 0.0 ? edge * edge * edge / atoms : NAN;
}

/* Edge of the cubic cell, A, from volumes per atom. A species that the potential does not know is taken to be as large as the potential's
 * elements on average, and *guessed is set. NAN after a fault, here or before. */
static double derive_constant(const qn_lattice *lattice, const qn_potential_facts *potential, double sites_per_cell,
                              bool *guessed, qn_faults *faults) {
  double volume = 0.0, mean = 0.0;
  for (int k = 0; k < potential->species_count; k++) mean += atomic_volume(potential, k) / potential->species_count;
  for (int s = 0; s < lattice->species_count; s++) {
    int index = find_species(potential, lattice->species[s].symbol);
    double each = index < 0 ? mean : atomic_volume(potential, index);
    if (index < 0) *guessed = true;
    if (index >= 0 && isnan(each)) {
      qn_faults_add(faults, "/initial/lattice_constant_a",
                    "is needed: the potential states no lattice with a known volume for %s (\"%s\", %.9g A)",
                    lattice->species[s].symbol, potential->lattice[index], potential->lattice_constant_a[index]);
      return NAN;
    }
    volume += lattice->fraction[s] * each;
  }
  /* 1e-6 A is far below anything physical and keeps the canonical number short. */
  return round(cbrt(volume * sites_per_cell) * 1e6) / 1e6;
}

/* A guessed constant may be a fifth too small. */
static void check_box(const qn_lattice *lattice, double constant, bool guessed, const qn_potential_facts *potential,
                      qn_faults *faults) {
  for (int axis = 0; axis < 3; axis++) {
    double length = lattice->cells[axis] * constant;
    if (lattice->cells[axis] == 0 || !(length * (guessed ? 1.2 : 1.0) < potential->smallest_length_a)) continue;
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/initial/cells/%d", axis);
    qn_faults_add(
        faults, pointer,
        "the box is %s%.4g A long along %c, too small for the cutoff of %.4g A: at least %.0f cells of %.*g A "
        "are needed (%.4g A)",
        guessed ? "about " : "", length, "xyz"[axis], potential -> cutoff_a,
        ceil(potential->smallest_length_a / constant), guessed ? 2 : 6, constant, potential -> smallest_length_a);
  }
}

static void resolve_lattice(qn_simulation_spec *spec, const qn_potential_facts *potential, qn_faults *faults) {
  qn_lattice *lattice = &spec->lattice;
  bool guessed = false;
  double constant = lattice->constant;
  resolve_masses(spec, lattice, potential, faults);
  if (constant == 0.0) {
    const qn_lattice cell = {.crystal = lattice->crystal, .cells = {1, 1, 1}};
    constant = derive_constant(lattice, potential, (double)qn_lattice_sites(&cell), &guessed, faults);
    lattice->constant = guessed ? NAN : constant;
  }
  check_box(lattice, constant, guessed, potential, faults);
}

void qn_spec_resolve_potential(qn_simulation_spec *spec, const qn_potential_facts *potential, qn_faults *faults) {
  if (spec->potential_sha256[0] != '\0' && strcmp(spec->potential_sha256, potential->sha256) != 0)
    qn_faults_add(faults, "/potential_sha256", "%s has another text: its SHA-256 is %s", spec->potential,
                  potential->sha256);
  memcpy(spec->potential_sha256, potential->sha256, sizeof spec->potential_sha256);
  if (spec->initial == QN_INITIAL_LATTICE) {
    resolve_lattice(spec, potential, faults);
    return;
  }
  bool snapshot = spec->initial == QN_INITIAL_SNAPSHOT;
  for (int s = 0; s < spec->lattice.species_count; s++)
    if (find_species(potential, spec->lattice.species[s].symbol) < 0)
      qn_faults_add(faults, "/potential", "%s does not know %s, which %s %lld has", spec->potential,
                    spec->lattice.species[s].symbol, snapshot ? "simulation" : "structure",
                    (long long)(snapshot ? spec->snapshot_simulation : spec->structure));
}
