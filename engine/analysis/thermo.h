/* The thermo series of a run and the levels of temperature that it went through, for analyses that look at no frame. */
#ifndef QN_ANALYSIS_THERMO_H
#define QN_ANALYSIS_THERMO_H

#include "engine/analysis/analysis.h"
#include "engine/trajectory/series.h"

/* A hold, a step of a quench, or a linear ramp. */
typedef struct qn_thermo_level {
  int stage;
  int64_t begin, end;   /* steps of the run: rows with begin < step <= end belong to it */
  double from, to;      /* K, targets at its ends; alike but for a ramp. NAN in nve, where the temperature is the measured mean */
  double pressure;      /* GPa, the target of npt; NAN elsewhere */
  qn_knowledge surfaces; /* vacuum in the box, whose volume then means nothing */
} qn_thermo_level;

struct qn_thermo_table {
  const qn_series *series; /* with the columns stage, step, time_ps, temperature_k, potential_energy_ev, kinetic_energy_ev, pressure_gpa, volume_a3 */
  int64_t atoms;
  int level_count;
  const qn_thermo_level *levels;
};

#endif
