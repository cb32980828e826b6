/* Volume, density, enthalpy and potential energy an atom, temperature and pressure, for each stage of a run and each step of a quench: what the glass
 * transition is read from.
 *
 *   enthalpy = (E_pot + E_kin + P V) / N, with the pressure of the barostat in npt and the measured one elsewhere
 *
 * From the thermo series, without frames. Of each step or hold the first part is left out (half of it, unless told otherwise), as the sample has not
 * come to rest there; a linear ramp is cut into pieces of some kelvin, used whole. Every value carries the temperature of its step. Where
 * there are free surfaces, or may be (region "system"), the box is part vacuum, and volume, density, enthalpy and pressure are not given.
 *
 * A volume that is held fixed, in nvt and nve, is given and not measured: status given, no error.
 *
 * Errors are the largest of the jackknives over 8, 16 and 32 blocks of rows, so that motion as slow as an eighth of the step is seen. Status: ok;
 * too_few_samples below 16 rows. */
#include "engine/analysis/thermo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/jackknife.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { DISCARD, PIECE, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"discard", "share of each hold or quench step that is left out at its beginning", 0.5, 0, 0.95, false, NULL},
    {"piece_k", "temperature range of the pieces of a linear ramp", 25, 0.1, 5000, false, NULL},
};
enum { FEWEST_ROWS = 16, MOST_BLOCKS = 32 };

/* Columns of the series. */
enum { STAGE, STEP, TIME, TEMPERATURE, POTENTIAL, KINETIC, PRESSURE, VOLUME, COLUMNS };
static const char *const column_names[COLUMNS] = {"stage", "step", "time_ps", "temperature_k", "potential_energy_ev", "kinetic_energy_ev",
                                                  "pressure_gpa", "volume_a3"};

typedef enum quantity { HEAT, ENERGY, SPACE, DENSITY, ENTHALPY, FORCE, QUANTITIES } quantity;
static const char *const quantities[QUANTITIES + 1] = {"temperature",    "potential_energy_per_atom", "volume_per_atom",
                                                       "number_density", "enthalpy_per_atom",         "pressure",
                                                       NULL};
static const struct {
  const char *unit, *column;
  bool bulk; /* means something without free surfaces alone */
} about[QUANTITIES] = {{"K", "mean_temperature_k", false}, {"eV", "potential_energy_ev", false}, {"A3", "volume_a3", true},
                       {"1/A3", "number_density_inv_a3", true}, {"eV", "enthalpy_ev", true}, {"GPa", "pressure_gpa", true}};

typedef struct rows {
  const qn_thermo_table *table;
  const qn_thermo_level *level;
  int column[COLUMNS];
  int64_t count, *row; /* [count], indices into the series */
} rows;

static double cell(const rows *r, int64_t k, int column) {
  return r->table->series->data[r->row[k] * r->table->series->columns + r->column[column]];
}

static double value_of(const rows *r, int64_t k, quantity what) {
  double atoms = (double)r->table->atoms, volume = cell(r, k, VOLUME);
  double pressure = isnan(r->level->pressure) ? cell(r, k, PRESSURE) : r->level->pressure;
  switch (what) {
    case HEAT: return cell(r, k, TEMPERATURE);
    case ENERGY: return cell(r, k, POTENTIAL) / atoms;
    case SPACE: return volume / atoms;
    case DENSITY: return atoms / volume;
    case ENTHALPY: return (cell(r, k, POTENTIAL) + cell(r, k, KINETIC) + pressure / QN_EV_A3_GPA * volume) / atoms;
    default: return cell(r, k, PRESSURE);
  }
}

/* The mean without the rows of one of `blocks` equal blocks (-1: of all). */
static double mean(const rows *r, quantity what, int blocks, int without) {
  double total = 0, count = 0;
  for (int64_t k = 0; k < r->count; k++) {
    if (without >= 0 && k * blocks / r->count == without) continue;
    total += value_of(r, k, what);
    count++;
  }
  return total / count;
}

static void measure(const rows *r, quantity what, qn_value *value) {
  value->value = mean(r, what, 1, -1);
  value->window_start_ps = cell(r, 0, TIME);
  value->window_end_ps = cell(r, r->count - 1, TIME);
  for (int blocks = 8; blocks <= MOST_BLOCKS && r->count >= 2 * blocks; blocks *= 2) {
    double without[MOST_BLOCKS];
    for (int k = 0; k < blocks; k++) without[k] = mean(r, what, blocks, k);
    double error = qn_jackknife_error(without, blocks);
    if (value->samples > 0 && !(error > value->standard_error)) continue;
    value->standard_error = error;
    value->samples = isfinite(error) ? blocks : 0;
  }
  value->status = !isfinite(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

/* Rows with first < step <= last. */
static void choose_rows(rows *r, const qn_thermo_level *level, double first, double last) {
  const qn_series *series = r->table->series;
  r->level = level;
  r->count = 0;
  for (int64_t k = 0; k < series->rows; k++) {
    const double *row = series->data + k * series->columns;
    if ((int)row[r->column[STAGE]] == level->stage && row[r->column[STEP]] > first && row[r->column[STEP]] <= last) r->row[r->count++] = k;
  }
}

static qn_status report_rows(const rows *r, double temperature, qn_report *report, qn_error *error) {
  static const char *const regions[] = {"system", "bulk", "slab"}; /* by qn_knowledge */
  for (int what = 0; what < QUANTITIES && r->count > 0; what++) {
    if (about[what].bulk && r->level->surfaces != QN_NO) continue;
    qn_value *value =
        qn_report_add_value(report, quantities[what], about[what].unit, "all", regions[r->level->surfaces], error);
    if (value == NULL) return QN_NO_MEMORY;
    measure(r, (quantity)what, value);
    if ((what == SPACE || what == DENSITY) && isnan(r->level->pressure)) {
      value->status = QN_VALUE_GIVEN;
      value->standard_error = NAN;
      value->samples = 0;
    }
    value->temperature_k = isnan(temperature) ? mean(r, HEAT, 1, -1) : temperature;
  }
  return QN_OK;
}

static qn_status report_level(rows *r, const qn_thermo_level *level, const double *values, qn_report *report, qn_error *error) {
  double begin = (double)level->begin, span = (double)(level->end - level->begin);
  bool ramp = !isnan(level->from) && level->from != level->to;
  int pieces = ramp ? (int)ceil(fabs(level->to - level->from) / values[PIECE] - 1e-9) : 1;
  qn_status status = QN_OK;
  for (int p = 0; p < pieces && status == QN_OK; p++) {
    double first = begin + (ramp ? span * p / pieces : values[DISCARD] * span), last = ramp ? begin + span * (p + 1) / pieces : (double)level->end;
    choose_rows(r, level, first, last);
    status = report_rows(r, ramp ? level->from + (level->to - level->from) * (p + 0.5) / pieces : level->to, report, error);
  }
  return status;
}

/* Each quantity against temperature, in the order of time. */
static qn_status report_curves(qn_report *report, qn_error *error) {
  static const char *const regions[] = {"bulk", "slab", "system"};
  for (int what = 0; what < QUANTITIES; what++)
    for (int region = 0; region < 3; region++) {
      int64_t count = 0, at = 0;
      for (int pass = 0; pass < 2; pass++) {
        const char *const columns[] = {"temperature_k", about[what].column, "standard_error", NULL};
        qn_curve *curve = pass == 0 ? NULL : qn_report_add_curve(report, quantities[what], "all", regions[region], columns, count, error);
        if (pass == 1 && curve == NULL) return QN_NO_MEMORY;
        for (int v = 0; v < report->value_count; v++) {
          const qn_value *value = &report->values[v];
          if (strcmp(value->quantity, quantities[what]) != 0 || strcmp(value->region, regions[region]) != 0) continue;
          count += pass == 0;
          if (curve == NULL) continue;
          const double row[3] = {value->temperature_k, value->value, value->standard_error};
          memcpy(curve->data + 3 * at++, row, sizeof row);
        }
        if (count == 0) break;
      }
    }
  return QN_OK;
}

static qn_status summarise(const double *values, const qn_thermo_table *table, qn_report *report, qn_error *error) {
  memset(report, 0, sizeof *report);
  rows r = {.table = table};
  for (int c = 0; c < COLUMNS; c++) {
    r.column[c] = qn_series_find(table->series, column_names[c]);
    if (r.column[c] < 0) return qn_error_set(error, QN_CORRUPT, "the thermo series has no column %s", column_names[c]);
  }
  r.row = qn_memory_alloc((size_t)table->series->rows, sizeof *r.row);
  if (r.row == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = QN_OK;
  for (int l = 0; l < table->level_count && status == QN_OK; l++) status = report_level(&r, &table->levels[l], values, report, error);
  free(r.row);
  if (status == QN_OK && report->value_count == 0) status = qn_error_set(error, QN_UNSUPPORTED, "the stages asked for have no thermo rows");
  if (status == QN_OK) status = report_curves(report, error);
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

const qn_analysis_type qn_thermodynamics = {
    .name = "thermodynamics",
    .meaning = "volume, density, enthalpy and potential energy an atom, for each stage and each step of a quench, from the thermo series",
    .parameter_count = PARAMETERS,
    .parameters = parameters,
    .quantities = quantities,
    .summarise = summarise};
