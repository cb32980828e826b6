/* Trajectories in NetCDF, AMBER convention 1.0 (classic format, 64-bit offsets), so that OVITO, VMD, MDAnalysis and ASE open them.
 *
 *   frame (unlimited), atom, spatial = 3, cell_spatial = 3, cell_angular = 3, label = 5
 *   float  coordinates(frame, atom, spatial)      angstrom; attribute wrapping = "unwrapped", "wrapped" or "unknown", that of the first frame
 *   double time(frame)                            picosecond
 *   double cell_lengths(frame, cell_spatial)      angstrom
 *   double cell_angles(frame, cell_angular)       degree, 90
 * and beyond the convention
 *   double cell_origin(frame, cell_spatial)       angstrom, lower corner of the box
 *   int    periodic(cell_spatial)                 0 for an axis that is not periodic; only where there is one
 *   double step(frame)
 *   int    atom_types(atom)                       1-based index into
 *   char   species_symbol(species, symbol)        with
 *   double species_mass(species)                  amu
 *
 * The global attributes title, programVersion, spec_sha256, potential and potential_sha256 hold its provenance.
 *
 * Coordinates are single precision, as the convention has it: 4e-6 A between 32 and 64 A. Memory: one frame.
 * libnetcdf is not thread-safe; every call here takes one lock of the process, so that trajectories may be used from any thread. */
#ifndef QN_TRAJECTORY_NETCDF_H
#define QN_TRAJECTORY_NETCDF_H

#include "engine/base/status.h"
#include "engine/trajectory/frame.h"
#include "engine/trajectory/provenance.h"

typedef struct qn_netcdf_writer qn_netcdf_writer;

/* A new file (an old one is replaced) for frames like `frame`: its count, species and types; no frame is written. */
qn_status qn_netcdf_create(qn_netcdf_writer **writer, const char *path, const qn_provenance *provenance, const qn_frame *frame, qn_error *error);

/* Go on with a file after its first `keep` frames; what follows them is dropped. QN_CORRUPT when the file has fewer, QN_INVALID when its
 * atoms or species are not those of `frame`. */
qn_status qn_netcdf_append(qn_netcdf_writer **writer, const char *path, int64_t keep, const qn_frame *frame, qn_error *error);

qn_status qn_netcdf_write(qn_netcdf_writer *writer, const qn_frame *frame, qn_error *error);
/* Everything written so far is on the disk and seen by readers. */
qn_status qn_netcdf_sync(qn_netcdf_writer *writer, qn_error *error);
int64_t qn_netcdf_written(const qn_netcdf_writer *writer); /* frames in the file */
/* Sync and free; free also on an error, or on NULL. */
qn_status qn_netcdf_close(qn_netcdf_writer *writer, qn_error *error);

/* Reading is by qn_trajectory_open. Files made elsewhere: units and scale_factor are honoured (netcdf_scale.h), an `id` stored with every frame
 * decides the order of atoms, `unwrapped_coordinates` is preferred to `coordinates`, of which a file does not say whether they are
 * wrapped, and a box of length 0 means an axis that is not periodic. */

#endif
