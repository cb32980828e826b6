/* Extended XYZ: structures and trajectories as text, one frame after the other.
 *
 *   <atoms>
 *   Lattice="ax 0 0 0 by 0 0 0 cz" Origin="x y z" pbc="T T T" key=value ... Properties=species:S:1:pos:R:3:... comment="..."
 *   <one line an atom, columns as Properties says>
 *
 * Lengths A, velocities A/ps, forces eV/A, energies eV. Columns used, in any order: species, pos, velocities (or velo), forces (or force),
 * local_energy, image, masses (or mass); every other column is read over. Keys other than Lattice, Origin, pbc and Properties are kept as text.
 * Values may be quoted, with escapes, or in brackets: Lattice=[[ax, 0, 0], [0, by, 0], [0, 0, cz]] and pbc=[T, T, T] are read as well.
 * Files may be gzipped. */
#ifndef QN_TRAJECTORY_EXTXYZ_H
#define QN_TRAJECTORY_EXTXYZ_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/model/atoms.h"
#include "engine/trajectory/frame.h"
#include "engine/trajectory/provenance.h"
#include "engine/trajectory/watch.h"

typedef struct qn_extxyz_key {
  char *name, *value; /* value without its quotes and escapes; with its brackets */
} qn_extxyz_key;

/* One frame as read. Owned by the caller: qn_extxyz_fini. */
typedef struct qn_extxyz {
  qn_atoms atoms;
  qn_box box;
  bool open[3];         /* axes that are not periodic */
  bool has_velocities, has_forces, has_image;
  double *local_energy; /* [count], eV, or NULL */
  double time;          /* ps, from Time_ps=, Time= or time=; NAN when absent */
  int key_count;
  qn_extxyz_key *keys;
} qn_extxyz;

void qn_extxyz_fini(qn_extxyz *structure); /* also fine on an all-zero object */

/* The value of a key, or NULL; and as exactly `count` numbers, false when it is something else. */
const char *qn_extxyz_value(const qn_extxyz *structure, const char *name);
bool qn_extxyz_numbers(const qn_extxyz *structure, const char *name, int count, double *numbers);

/* Frames of a file, in order.
 *
 * `species` (may be NULL; at most 256) is the table that masses come from, a potential's; a symbol outside it is an error, and of it the frame gets
 * those species that its atoms have, in its order. Without it species are numbered as they appear, masses come from the masses column or else
 * are standard atomic weights.
 * Errors: QN_PARSE with line and reason; QN_UNSUPPORTED for a tilted box, a box that is not periodic along all axes, or more than
 * QN_MAX_SPECIES species; QN_IO, QN_NO_MEMORY. */
typedef struct qn_extxyz_reader qn_extxyz_reader;
qn_status qn_extxyz_open(qn_extxyz_reader **reader, const char *path, const qn_species *species, int species_count, qn_error *error);
qn_status qn_extxyz_open_text(qn_extxyz_reader **reader, const char *text, size_t size, const qn_species *species, int species_count,
                              qn_error *error); /* `text` is borrowed */
/* Take frames that are not periodic along every axis too: as frames to look at they are good, as a start for a simulation not. */
void qn_extxyz_allow_open(qn_extxyz_reader *reader);
/* The next frame, positions and image as the file has them (image 0 without that column). `*found` is false at the end of the file. */
qn_status qn_extxyz_next(qn_extxyz_reader *reader, qn_extxyz *structure, bool *found, qn_error *error);
void qn_extxyz_set_watch(qn_extxyz_reader *reader, const qn_reading_watch *watch); /* borrowed */
void qn_extxyz_close(qn_extxyz_reader *reader);

/* The first frame of a file or text, as a start for a simulation. Positions outside the box are folded into it and counted in
 * atoms.image, unless the file has an image column: then positions and images stay as written, bit for bit. */
qn_status qn_extxyz_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, qn_error *error);
qn_status qn_extxyz_parse(qn_extxyz *structure, const char *text, size_t size, const qn_species *species, int species_count,
                          qn_error *error);

/* What to write. */
typedef struct qn_extxyz_layout {
  int digits;                 /* significant digits: 17 comes back bit for bit, 15 for people; 0 means 17 */
  bool image;                 /* positions as they are plus an image column; otherwise one unwrapped position, r + image * length */
  bool velocities, forces;
  const double *local_energy; /* [count], eV; NULL: no such column */
  int key_count;              /* extra keys, written in this order; one named comment goes to the end of the line */
  const qn_extxyz_key *keys;
} qn_extxyz_layout;

/* Names of keys that cannot be read back (empty ones; with blanks, quotes, brackets or '=') are QN_INVALID. Values may hold anything: what needs it is
 * quoted, with escapes. */
qn_status qn_extxyz_write(FILE *file, const qn_atoms *atoms, const qn_box *box, const qn_extxyz_layout *layout, qn_error *error);

/* A trajectory frame: species and pos (unwrapped), Time_ps and step as keys, 17 digits; and what is known of its provenance (may be NULL) as keys
 * spec_sha256, potential, potential_sha256 and engine_version. */
qn_status qn_extxyz_write_frame(FILE *file, const qn_frame *frame, const qn_provenance *provenance, qn_error *error);

/* These keys, for a layout: at most QN_EXTXYZ_PROVENANCE of them into `keys`, which point into `provenance`; gives how many are known. */
enum { QN_EXTXYZ_PROVENANCE = 4 };
int qn_extxyz_provenance(const qn_provenance *provenance, qn_extxyz_key keys[QN_EXTXYZ_PROVENANCE]);

#endif
