/* Specs: from the JSON of a request to typed structs, with every fault reported at once; and to the canonical form (defaults filled in, keys
 * sorted, compact, numbers in one spelling) whose SHA-256 says whether two specs are the same work.
 *
 * The way of a simulation spec: parse; resolve the snapshot it starts from, when it does; resolve its potential; render. What was rendered
 * parses and renders again to the same bytes, so a worker reads the stored canonical form with the same parser. */
#ifndef QN_API_SPEC_H
#define QN_API_SPEC_H

#include <stdint.h>

#include "api/potential.h"
#include "api/problem.h"
#include "engine/analysis/analysis.h"
#include "engine/analysis/sources.h"
#include "engine/dynamics/protocol.h"
#include "engine/model/lattice.h"

enum { QN_NAME_SIZE = 128, QN_MAX_ANALYSES = 32 };

typedef enum qn_initial_kind { QN_INITIAL_LATTICE, QN_INITIAL_SNAPSHOT, QN_INITIAL_STRUCTURE } qn_initial_kind;

/* Where the velocities of a start from a structure come from. */
typedef enum qn_start_velocities {
  QN_START_VELOCITIES_OPEN, /* until resolved: keep them when the structure has some */
  QN_START_VELOCITIES_KEEP,
  QN_START_VELOCITIES_DRAW /* Maxwell's, at the start temperature, from the seed */
} qn_start_velocities;

/* A parameter whose value another analysis of the same simulation or trajectory measures. */
typedef struct qn_source_spec {
  int parameter; /* index */
  const qn_parameter_source *source;
  int64_t analysis;          /* the source by its id; 0: by its type */
  bool faulty;               /* its value is none that can be */
  char sha256[QN_HASH_SIZE]; /* of the source's spec; "" until resolved */
} qn_source_spec;

typedef struct qn_analysis_spec {
  const qn_analysis_type *type;
  double parameters[QN_MAX_PARAMETERS]; /* of one with a source: what it would be by default */
  int stage; /* whose frames; -1 (only before qn_spec_resolve_stage): the last hold that was sampled; -2 after a fault. Of an analysis of the thermo
              * series -1 means all stages */
  int sampling; /* which of the stage's streams of frames; -1: the only one (before qn_spec_resolve_stage: the one that the type prefers); -2 after a
                 * fault */
  int source_count;
  qn_source_spec sources[QN_MAX_SOURCES];
  bool faulty; /* what was read of it is not all that was meant */
} qn_analysis_spec;

typedef struct qn_simulation_spec {
  char name[QN_NAME_SIZE];
  int priority; /* of its job; QN_USUAL_PRIORITY (api/store.h) when none was given. No part of the canonical form */
  char potential[QN_POTENTIAL_NAME_MOST + 1]; /* name in the registry */
  char potential_sha256[QN_HASH_SIZE];        /* of its text; "" until resolved */
  qn_initial_kind initial;
  qn_lattice
      lattice;  /* species sorted by symbol unless ordered; masses 0 and constant 0 until resolved. Of a snapshot only
                                         * the species, once resolved, as far as they can be told */
  double sites; /* of the lattice; NAN when a fault hides them */
  int64_t snapshot_simulation; /* id; 0 after a fault */
  int snapshot_stage;          /* index; -1 until resolved: its last stage with a snapshot; -2 after a fault */
  double snapshot_temperature; /* K; 0 until resolved: the last of that stage; NAN after a fault. Of a structure: 0 where none was given */
  int64_t structure;           /* id; 0 after a fault */
  char structure_sha256[QN_HASH_SIZE]; /* of its file; "" until resolved */
  qn_start_velocities velocities;
  qn_protocol protocol;
  bool stage_faulty[QN_MAX_STAGES]; /* what was read of these is not all that was meant */
  int analysis_count;
  qn_analysis_spec analyses[QN_MAX_ANALYSES];
} qn_simulation_spec;

/* Parse and check the text of a simulation spec. With faults the spec is good for one thing, to find more of them: the functions below skip
 * the checks whose input was faulty itself, and run all others. */
void qn_spec_parse_simulation(const char *text, size_t size, qn_simulation_spec *spec, qn_faults *faults);

/* The same for a canonical spec that is kept, whose analyses were checked against its stages by the program that took it. */
void qn_spec_parse_stored(const char *text, size_t size, qn_simulation_spec *spec, qn_faults *faults);

/* Fill in what the simulation `parent`, whose snapshot is the start, tells: stage and temperature. */
void qn_spec_resolve_snapshot(qn_simulation_spec *spec, const qn_simulation_spec *parent, qn_faults *faults);

/* Fill in what a structure tells: its hash, whether velocities are kept or drawn, its species. Faults: a hash that is another one's, velocities to keep that are not
 * there, a mean volume that the structure does not know, too many atoms x frames. qn_spec_resolve_structure_box checks it against the potential. */
struct qn_structure_facts;
void qn_spec_resolve_structure(qn_simulation_spec *spec, const struct qn_structure_facts *facts, const char *sha256,
                               qn_faults *faults);
void qn_spec_resolve_structure_box(const qn_simulation_spec *spec, const struct qn_structure_facts *facts,
                                   const qn_potential_facts *potential, qn_faults *faults);

/* Fill in what the potential tells: its hash, the masses, and a lattice constant that was not given: the edge of the cubic cell whose volume per
 * atom is the mean, weighted by the composition, of the volumes per atom in the lattices that the potential's header states for its elements.
 * Faults: unknown species, a box too small for the cutoff (with the smallest number of cells), a potential_sha256 that is another one's. */
void qn_spec_resolve_potential(qn_simulation_spec *spec, const qn_potential_facts *potential, qn_faults *faults);

/* Target temperature before the first stage, K: what qn_run_alloc and the velocities of a lattice start take. */
double qn_spec_start_temperature(const qn_simulation_spec *spec);

/* Canonical JSON (malloc'ed; NULL: no memory). The hash leaves out name and analyses: naming the same work differently, or analysing it
 * further, does not make it other work. */
char *qn_spec_render_simulation(const qn_simulation_spec *spec, char hash[QN_HASH_SIZE]);

/* The body of POST /v1/analyses: {"simulation": id, "type": ..., parameters..., "stage": n, "priority": n}, or {"trajectory": id, ...}. */
typedef struct qn_analysis_request {
  int64_t simulation, trajectory; /* one of them is 0 */
  int priority; /* as that of a simulation */
  qn_analysis_spec analysis;
} qn_analysis_request;
void qn_spec_parse_analysis_request(const char *text, size_t size, qn_analysis_request *request, qn_faults *faults);

/* The spec of one analysis without its simulation: what is stored with its job (qn_submission.spec or qn_child.spec), and back. */
void qn_spec_parse_analysis(const char *text, size_t size, qn_analysis_spec *analysis, qn_faults *faults);
char *qn_spec_render_analysis(const qn_analysis_spec *analysis, char hash[QN_HASH_SIZE]);

/* The sources of fed parameters among `count` analyses, all of the same simulation: of those of the right type that suit, the one of the same stage, else the
 * only one. `list` is the pointer of their list. */
void qn_spec_resolve_sources(qn_analysis_spec *analyses, int count, const char *list, qn_faults *faults);
/* The same choice among any analyses: index of the source, -1: none, -2: several would do. */
int qn_spec_choose_source(const qn_parameter_source *source, int stage, const qn_analysis_spec *analyses, int count);

/* Check an analysis of a trajectory made elsewhere against what is known of its frames. `pointer`: of the analysis. */
void qn_spec_check_frames(const qn_analysis_spec *analysis, const qn_analysis_prospect *prospect, const char *pointer, qn_faults *faults);

/* Choose the stage and the stream of frames of an analysis of `spec` where they were left open, and check that the stage has frames, of one temperature, and
 * that the analysis can be made of them: what it would refuse after the run is a fault before it. `pointer`: of the analysis. */
void qn_spec_resolve_stage(const qn_simulation_spec *spec, qn_analysis_spec *analysis, const char *pointer,
                           qn_faults *faults);

/* The stream of a stage that an analysis takes; and that with the shortest interval. The stage has frames. */
int qn_spec_stream(const qn_stage *stage, const qn_analysis_spec *analysis);
int qn_spec_finest_stream(const qn_stage *stage);

#endif
