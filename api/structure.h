/* Structures: a file that was uploaded, brought to the one form in which they are kept; and what one says to a simulation that starts from it. */
#ifndef QN_API_STRUCTURE_H
#define QN_API_STRUCTURE_H

#include <jansson.h>

#include "api/upload.h"
#include "engine/trajectory/extxyz.h"

/* Unpacked text of a structure, at most. */
#define QN_MOST_STRUCTURE_BYTES (INT64_C(4) << 30)

/* What a kept structure is. */
typedef struct qn_structure_facts {
  int64_t atoms;
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  int64_t species_atoms[QN_MAX_SPECIES];
  double length_a[3];
  bool has_velocities, has_mean_lengths;
} qn_structure_facts;

/* Read a kept structure (extended XYZ). */
qn_status qn_structure_facts_read(const char *path, qn_structure_facts *facts, qn_error *error);

/* Read an uploaded file and write it as extended XYZ at `to`: positions with images, velocities where it has them, 17 digits. `format`: what it was. */
qn_status qn_structure_convert(const char *from, const qn_upload_spec *spec, const char *to, qn_structure_facts *facts, const char **format,
                               qn_error *error);

/* What the facts say as a JSON object, for people: new reference. */
json_t *qn_structure_details(const qn_structure_facts *facts, const char *format);

#endif
