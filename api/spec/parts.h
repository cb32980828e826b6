/* The parts of a spec, each with its reader and writer; only the files of this folder include this. A parser takes the value at `pointer`; a renderer
 * gives a new reference. */
#ifndef QN_API_SPEC_PARTS_H
#define QN_API_SPEC_PARTS_H

#include "api/json.h"
#include "api/read.h"
#include "api/spec.h"

/* What a simulation may be at most; a fault names the limit. */
#define QN_MOST_ATOMS INT64_C(2000000)
#define QN_MOST_STEPS 1e10
#define QN_MOST_FRAMES 1e6
#define QN_MOST_THERMO_ROWS 1e7
#define QN_MOST_ATOM_FRAMES 2e10 /* frames x atoms: 240 GB of trajectory */
#define QN_MOST_SNAPSHOTS 1000.0
#define QN_MOST_SEED INT64_C(9007199254740991) /* 2^53 - 1: exact in every JSON reader */
#define QN_MOST_ID INT64_C(9007199254740991)

extern const qn_bounds qn_temperature_bounds;

/* False when the way to start could not be told. */
bool qn_spec_parse_initial(qn_simulation_spec *spec, const json_t *value, const char *pointer, qn_faults *faults);
json_t *qn_spec_render_initial(const qn_simulation_spec *spec);

/* "priority", which says when the work is done and not what it is. */
int qn_spec_read_priority(qn_reader *reader);

/* Frames of the whole run; the start must be resolved. NAN when a fault hides them. */
double qn_spec_count_frames(const qn_simulation_spec *spec);

/* To twelve digits: undoes the rounding of fs to ps and back, so that what a spec states and what is read back from its canonical form is the
 * same double. */
double qn_spec_round(double value);

/* An integer as qn_reader_integer reads it; `faulty` after a fault. */
int64_t qn_spec_read_integer(qn_reader *reader, const char *key, int64_t minimum, int64_t maximum,
                             const int64_t *fallback, int64_t faulty);

/* The state that one stage leaves to the next. */
typedef struct qn_stage_walk {
  double timestep;                       /* ps; NAN after a fault */
  double temperature;                    /* target, K; 0 when none came yet, NAN after a fault */
  bool bare;                             /* the start has neither velocities nor a temperature: they come with the first hold */
  bool mean_length;                      /* mean lengths of the box are known */
  bool open;                             /* a surface was cut */
  bool cut[3];                           /* along these axes */
  double steps, frames, rows, snapshots; /* totals so far */
} qn_stage_walk;

void qn_spec_parse_stage(qn_stage *stage, qn_stage_walk *walk, const json_t *value, const char *pointer,
                         qn_faults *faults);
json_t *qn_spec_render_stage(const qn_stage *stage);

/* `reader` stands at the object with "type", "stage" and the parameters; unknown keys are noted too. */
void qn_spec_read_analysis(qn_analysis_spec *analysis, qn_reader *reader);
/* Is a parameter's value one that names its source? Then it is read as such. */
bool qn_spec_read_source(qn_analysis_spec *analysis, int parameter, qn_reader *reader);
/* The value that says where a parameter comes from; NULL when it is not fed. */
json_t *qn_spec_render_source(const qn_analysis_spec *analysis, int parameter);

/* The members of an analysis into `object`. */
void qn_spec_write_analysis(json_t *object, const qn_analysis_spec *analysis);

#endif
