/* Specs: from the JSON of a request to typed structs, with every fault reported at once; and to the canonical form (defaults filled in, keys
 * sorted, compact, numbers in one spelling) whose SHA-256 says whether two specs are the same work. */
#ifndef QN_API_SPEC_H
#define QN_API_SPEC_H

#include <jansson.h>
#include <stdint.h>

#include "api/problem.h"
#include "engine/analysis/analysis.h"
#include "engine/dynamics/protocol.h"
#include "engine/model/lattice.h"

enum { QN_NAME_SIZE = 128, QN_HASH_SIZE = 65, QN_MAX_ANALYSES = 32 };

typedef enum qn_initial_kind { QN_INITIAL_LATTICE, QN_INITIAL_SNAPSHOT } qn_initial_kind;

typedef struct qn_analysis_spec {
  const qn_analysis_type *type;
  double parameters[QN_MAX_PARAMETERS];
  int stage; /* whose frames; -1: the last stage that was sampled */
} qn_analysis_spec;

typedef struct qn_simulation_spec {
  char name[QN_NAME_SIZE];
  char potential[QN_NAME_SIZE];      /* name in the registry */
  qn_initial_kind initial;
  qn_lattice lattice;                /* masses come from the potential later; constant 0: from the potential's own lattice constants, see qn_spec_lattice_constant */
  int64_t snapshot_simulation;       /* id */
  int snapshot_stage;                /* index; -1: its last snapshot */
  double snapshot_temperature;       /* K; 0: the last of that stage */
  qn_protocol protocol;
  int analysis_count;
  qn_analysis_spec analyses[QN_MAX_ANALYSES];
} qn_simulation_spec;

/* Parse and check the text of a simulation spec. With faults the spec is not to be used. `canonical` (malloc'ed text, freed by the caller) and
 * `hash` (hex SHA-256 of it) are filled on success. The name is part of the canonical form's record but not of its hash: naming the same work
 * differently does not make it other work. */
void qn_spec_parse_simulation(const char *text, size_t size, qn_simulation_spec *spec, char **canonical,
                              char hash[QN_HASH_SIZE], qn_faults *faults);

/* Likewise for the body of POST /v1/analyses: {"simulation": id, "type": ..., parameters..., "stage": n}. */
typedef struct qn_analysis_request {
  int64_t simulation;
  qn_analysis_spec analysis;
} qn_analysis_request;
void qn_spec_parse_analysis(const char *text, size_t size, qn_analysis_request *request, char **canonical,
                            char hash[QN_HASH_SIZE], qn_faults *faults);

/* The spec of one analysis as the canonical JSON that is stored with its job, and back (for a worker that runs it). */
char *qn_spec_render_analysis(const qn_analysis_spec *analysis, char hash[QN_HASH_SIZE]);

/* Checks that need the potential (species known, box large enough for the cutoff: the fault names the smallest number of cells). */
void qn_spec_check_potential(const qn_simulation_spec *spec, const qn_eam *potential, qn_faults *faults);

#endif
