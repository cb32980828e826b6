/* A single structure in whatever form a laboratory has it: extended XYZ or a LAMMPS data file, plain or gzipped, told by content. */
#ifndef QN_TRAJECTORY_STRUCTURE_H
#define QN_TRAJECTORY_STRUCTURE_H

#include "engine/trajectory/extxyz.h"

/* As qn_extxyz_read (the first frame, species of its own) or qn_lammps_data_read. `species` (may be NULL) is what the types of a data file are; extended XYZ
 * names its species itself. `*format` (may be NULL): "extxyz" or "lammps-data". `watch` may be NULL. */
qn_status qn_structure_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, const qn_reading_watch *watch,
                            const char **format, qn_error *error);

#endif
