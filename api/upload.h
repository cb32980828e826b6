/* What is said of a file made elsewhere where it does not say it itself: species, times, temperature. For POST of trajectories and structures, and for the
 * command line. */
#ifndef QN_API_UPLOAD_H
#define QN_API_UPLOAD_H

#include <stdbool.h>

#include "api/potential.h"
#include "api/problem.h"
#include "engine/trajectory/trajectory.h"

enum { QN_UPLOAD_NAME_SIZE = 128 };

/* "Cu,Zr": what the types 1, 2, ... of a file are; "Cu:1000,Zr:1000": in a file without types, the first 1000 atoms and the next. */
typedef struct qn_species_list {
  int count;
  qn_species species[QN_MAX_SPECIES]; /* with standard atomic weights */
  bool counted;
  int64_t atoms[QN_MAX_SPECIES];
} qn_species_list;
/* False with `detail` (QN_DETAIL_SIZE) saying what would be accepted. "" is an empty list. */
bool qn_species_list_parse(qn_species_list *list, const char *text, char *detail);

typedef struct qn_upload_spec {
  char name[QN_UPLOAD_NAME_SIZE];
  double temperature_k; /* NAN: not said */
  double timestep_fs, interval_ps; /* 0: not said; a structure has neither */
  char species_text[256];
  qn_species_list species;
  char content_sha256[QN_HASH_SIZE];
} qn_upload_spec;

/* From the query of a request, with the hash of its body. `timed`: it is a trajectory. `faults` NULL: they were told before (api/query.h). */
void qn_upload_of_request(qn_upload_spec *spec, const qn_request *request, bool timed, qn_faults *faults);

/* Canonical JSON (malloc'ed; NULL: no memory). The hash leaves the name out. */
char *qn_upload_render(const qn_upload_spec *spec, const char *kind, char hash[QN_HASH_SIZE]);
/* Back from it; faults only when it is damaged. */
void qn_upload_parse(const char *text, qn_upload_spec *spec, qn_faults *faults);

/* What a reader of trajectories is to be told; points into `spec`. */
qn_trajectory_options qn_upload_options(const qn_upload_spec *spec);

#endif
