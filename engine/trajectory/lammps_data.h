/* LAMMPS data files, as its manual describes them for read_data, in metal units: A, ps, amu.
 *
 * Used are the header's atoms, atom types and bounds, and the sections Masses, Atom Type Labels, Atoms (styles atomic, and charge where
 * "Atoms # charge" says so) and Velocities; other sections are read over. Atoms are sorted by id. What the types are say, in
 * this order: the caller, type labels, comments behind the masses ("1 63.546 # Cu"), the masses themselves when they are those of elements.
 * The box is taken as periodic: the file does not say. Files may be gzipped. */
#ifndef QN_TRAJECTORY_LAMMPS_DATA_H
#define QN_TRAJECTORY_LAMMPS_DATA_H

#include "engine/trajectory/extxyz.h"

/* The atoms of a data file, wrapped into the box, with images; has_velocities tells whether there were some. `species` (may be NULL) is what types
 * 1, 2, ... are; masses are the file's where it has them. `watch` may be NULL. The caller owns `structure`: qn_extxyz_fini. QN_PARSE with line and reason; QN_UNSUPPORTED
 * for tilted boxes, other atom styles, and types that nothing names. */
qn_status qn_lammps_data_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, const qn_reading_watch *watch,
                              qn_error *error);

#endif
