/* Any trajectory on disk as frames: NetCDF of the AMBER convention, extended XYZ or LAMMPS dump text, each plain or gzipped;
 * told by content, not by name. A gzipped NetCDF file is unpacked into a temporary file.
 *
 * Opening looks through the file once for its number of frames and their times. Memory: one frame and the times. */
#ifndef QN_TRAJECTORY_TRAJECTORY_H
#define QN_TRAJECTORY_TRAJECTORY_H

#include <stdbool.h>

#include "engine/base/status.h"
#include "engine/trajectory/frame.h"
#include "engine/trajectory/provenance.h"
#include "engine/trajectory/watch.h"

typedef struct qn_trajectory_info {
  const char *format;  /* "netcdf", "extxyz", "lammps-dump" */
  int64_t frames, atoms;
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  bool named;          /* species are those of the file or of the options; otherwise made up: A, B, ... with mass 1 */
  const double *time;  /* [frames], ps; all NAN when the file has no times */
  double interval;     /* ps between frames when they are even to 1 %; NAN when they are not */
  qn_wrapping wrapping; /* of the first frame, as far as the file tells; frames carry their own */
  bool open[3];         /* axes that are not periodic, in the first frame */
  qn_provenance provenance; /* as far as the file tells */
} qn_trajectory_info;

typedef struct qn_trajectory qn_trajectory;

/* What a file made elsewhere may leave out. */
typedef struct qn_trajectory_options {
  double timestep;           /* ps; time = step * timestep where a LAMMPS dump has no ITEM: TIME; 0: unknown */
  double interval;           /* ps between frames, for files that have no times at all; 0: unknown */
  const qn_species *species; /* what types 1, 2, ... are, where a file has no symbols; NULL: named A, B, ..., mass 1. Borrowed. */
  int species_count;
  const int64_t *species_atoms; /* [species_count], for files that do not even tell types: the first species_atoms[0] atoms are of the first
                                 * species, the next ones of the second, ...; NULL: not known. Borrowed. */
  const char *folder;        /* where a gzipped NetCDF file is unpacked; NULL: TMPDIR or /tmp */
  const qn_reading_watch *watch; /* NULL: no limit. Borrowed while the trajectory is open. */
} qn_trajectory_options;

/* QN_PARSE, QN_CORRUPT, QN_UNSUPPORTED or QN_IO with the file's name and the reason. The number of atoms and their species are the same in
 * every frame, or the file is refused when the frame is read. */
qn_status qn_trajectory_open(qn_trajectory **trajectory, const char *path, qn_error *error);
qn_status qn_trajectory_open_with(qn_trajectory **trajectory, const char *path, const qn_trajectory_options *options, qn_error *error);
void qn_trajectory_close(qn_trajectory *trajectory);

const qn_trajectory_info *qn_trajectory_describe(const qn_trajectory *trajectory);

/* Frame `index`, from 0. What `frame` points to stays valid until the next call. Text files are read forward; going back starts over.
 * A file that grows has the frames it had when it was opened. */
qn_status qn_trajectory_read(qn_trajectory *trajectory, int64_t index, qn_frame *frame, qn_error *error);

#endif
