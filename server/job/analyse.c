#include <stdlib.h>
#include <string.h>

#include "engine/analysis/run.h"
#include "engine/analysis/vacuum.h"
#include "server/job/durable.h"
#include "server/job/job.h"
#include "server/job/levels.h"
#include "server/job/order.h"
#include "server/job/record.h"

/* Frames of a trajectory: those of a slice, or all. */
typedef struct frames_of {
  qn_trajectory *trajectory;
  const qn_slice *slice;
} frames_of;

/* Readings, of which several may be needed, as one progress; one that ends early leaves a gap. */
typedef struct watch {
  const qn_job_control *control;
  int done, readings;
} watch;

static qn_status on_progress(void *context, int64_t done, int64_t frames, qn_error *error) {
  const watch *w = context;
  if (w->control == NULL || w->control->check == NULL) return QN_OK;
  return w->control->check(w->control->context, (w->done + (double)done / (double)frames) / w->readings, error);
}

static void fail(qn_job_wanted *wanted, const qn_error *why) {
  wanted->status = why->status;
  wanted->error = *why;
}

static bool needs_feed(const qn_analysis_spec *spec) {
  const qn_analysis_feed *feed = spec->type->feed;
  return feed != NULL && spec->parameters[qn_analysis_parameter(spec->type, feed->parameter)] == 0.0;
}

/* One reading for those of `wanted` that are chosen; `fed` may be NULL. */
static qn_status read_once(frames_of from, qn_job_wanted *wanted, const bool *chosen, int count, const qn_value *fed,
                           const qn_eam *potential, int threads, watch *w, qn_error *error) {
  qn_analysis_order orders[QN_MAX_ANALYSES];
  int of[QN_MAX_ANALYSES], ordered = 0;
  for (int i = 0; i < count; i++) {
    if (!chosen[i]) continue;
    of[ordered] = i;
    orders[ordered++] = (qn_analysis_order){
        .type = wanted[i].spec->type, .parameters = wanted[i].spec->parameters, .fed = needs_feed(wanted[i].spec) ? fed : NULL};
  }
  qn_analysis_slice slice;
  qn_analysis_frames frames;
  qn_status status = from.slice == NULL
                         ? qn_analysis_slice_init(&slice, &frames, from.trajectory, 0, 0, 1, error)
                         : qn_analysis_slice_init(&slice, &frames, from.trajectory, from.slice->first,
                                                  from.slice->first + (from.slice->count - 1) * from.slice->step + 1, from.slice->step, error);
  if (status == QN_OK) status = qn_analysis_run(&frames, orders, ordered, potential, threads, on_progress, w, error);
  for (int k = 0; k < ordered && status == QN_OK; k++) {
    wanted[of[k]].status = orders[k].status;
    wanted[of[k]].report = orders[k].report;
    if (orders[k].status != QN_OK) wanted[of[k]].error = orders[k].error;
  }
  w->done++;
  return status;
}

/* The value that `feed` asks for, over a trajectory; false when there is none to be had. */
static bool find_feed(frames_of from, const qn_analysis_feed *feed, int threads, watch *w, qn_value *fed, qn_status *status,
                      qn_error *error) {
  qn_analysis_spec spec = {.type = qn_analysis_find(feed->type), .stage = -1, .sampling = -1};
  for (int p = 0; p < spec.type->parameter_count; p++) spec.parameters[p] = spec.type->parameters[p].fallback;
  qn_job_wanted wanted = {.spec = &spec};
  *status = read_once(from, &wanted, (const bool[]){true}, 1, NULL, NULL, threads, w, error);
  bool found = false;
  for (int v = 0; *status == QN_OK && wanted.status == QN_OK && v < wanted.report.value_count; v++) {
    const qn_value *value = &wanted.report.values[v];
    if (strcmp(value->quantity, feed->quantity) != 0 || strcmp(value->species, "all") != 0 || value->status != QN_VALUE_OK) continue;
    *fed = *value;
    found = true;
  }
  qn_report_fini(&wanted.report);
  return found;
}

/* The chosen analyses of one trajectory; what feeds them comes from `finest` (the same one, where there is no finer). */
static qn_status analyse(frames_of from, frames_of finest, qn_job_wanted *wanted, const bool *chosen, int count,
                         const qn_eam *potential, int threads, watch *w, qn_error *error) {
  const qn_analysis_feed *feed = NULL;
  for (int i = 0; i < count; i++)
    if (chosen[i] && needs_feed(wanted[i].spec)) feed = wanted[i].spec->type->feed; /* one type is fed so far */
  qn_value fed;
  bool found = false;
  qn_status status = QN_OK;
  if (feed != NULL && finest.trajectory != NULL) found = find_feed(finest, feed, threads, w, &fed, &status, error);
  return status == QN_OK ? read_once(from, wanted, chosen, count, found ? &fed : NULL, potential, threads, w, error) : status;
}

static void drop_reports(qn_job_wanted *wanted, int count) {
  for (int i = 0; i < count; i++) qn_report_fini(&wanted[i].report);
}

/* Analyses of the thermo series among them are refused; false when nothing is left. */
static bool choose_framed(qn_job_wanted *wanted, int count, bool chosen[QN_MAX_ANALYSES]) {
  bool any = false;
  for (int i = 0; i < count; i++) {
    qn_error error;
    chosen[i] = wanted[i].spec->type->summarise == NULL;
    any = any || chosen[i];
    if (chosen[i]) continue;
    qn_error_set(&error, QN_UNSUPPORTED, "needs the thermo series of a simulation; a trajectory has none");
    fail(&wanted[i], &error);
  }
  return any;
}

static qn_status begin(qn_job_wanted *wanted, int count, qn_error *error) {
  if (count > QN_MAX_ANALYSES) return qn_error_set(error, QN_INVALID, "%d analyses at once; at most %d are possible", count, QN_MAX_ANALYSES);
  for (int i = 0; i < count; i++) {
    wanted[i].status = QN_OK;
    wanted[i].report = (qn_report){0};
  }
  return QN_OK;
}

typedef struct of_trajectory {
  frames_of from;
  const qn_eam *potential;
  int threads;
} of_trajectory;

static qn_status analyse_trajectory(void *context, qn_job_wanted *wanted, int count, const qn_job_control *control, qn_error *error) {
  const of_trajectory *of = context;
  watch w = {.control = control, .readings = 1};
  bool chosen[QN_MAX_ANALYSES];
  qn_status status = begin(wanted, count, error);
  for (int i = 0; i < count && status == QN_OK; i++)
    if (needs_feed(wanted[i].spec)) w.readings = 2;
  if (status == QN_OK && choose_framed(wanted, count, chosen))
    status = analyse(of->from, of->from, wanted, chosen, count, of->potential, of->threads, &w, error);
  if (status != QN_OK) drop_reports(wanted, count);
  return status;
}

qn_status qn_job_analyse_trajectory(qn_trajectory *trajectory, const qn_slice *slice, qn_job_wanted *wanted, int count, const qn_eam *potential,
                                    int threads, const qn_job_control *control, qn_error *error) {
  of_trajectory of = {{trajectory, slice}, potential, threads};
  return qn_job_in_order(wanted, count, analyse_trajectory, &of, control, error);
}

/* ---- a simulation ---- */

static qn_status open_stream(const qn_job_simulated *simulated, int stage, int sampling, qn_trajectory **trajectory, qn_error *error) {
  char name[64], path[QN_PATH_SIZE];
  *trajectory = NULL;
  qn_record_trajectory_name(name, simulated->spec->protocol.stages, stage, sampling);
  qn_status status = qn_durable_join(path, simulated->directory, name, error);
  return status == QN_OK ? qn_trajectory_open(trajectory, path, error) : status;
}

/* Those of one stream of frames. */
static qn_status analyse_stream(const qn_job_simulated *simulated, int stage, int sampling, qn_job_wanted *wanted, const bool *chosen, int count,
                                int threads, watch *w, qn_error *error) {
  int finest_stream = qn_spec_finest_stream(&simulated->spec->protocol.stages[stage]);
  qn_trajectory *trajectory, *finest = NULL;
  qn_error why;
  if (open_stream(simulated, stage, sampling, &trajectory, &why) != QN_OK) {
    for (int i = 0; i < count; i++)
      if (chosen[i]) fail(&wanted[i], &why);
    return QN_OK;
  }
  if (finest_stream != sampling) open_stream(simulated, stage, finest_stream, &finest, &why); /* without it nothing is fed */
  qn_status status = analyse((frames_of){trajectory, NULL}, (frames_of){finest_stream == sampling ? trajectory : finest, NULL}, wanted, chosen, count, simulated->potential, threads, w, error);
  qn_trajectory_close(trajectory);
  qn_trajectory_close(finest);
  return status;
}

/* Did the simulation start with free surfaces? A spec that starts from a snapshot does not say; its first frames do, and npt is not for slabs. */
static qn_knowledge start_surfaces(const qn_job_simulated *simulated) {
  const qn_protocol *protocol = &simulated->spec->protocol;
  qn_knowledge known = simulated->spec->initial == QN_INITIAL_LATTICE ? QN_NO : QN_UNKNOWN;
  for (int s = 0; s < protocol->stage_count && known == QN_UNKNOWN && protocol->stages[s].kind != QN_STAGE_SURFACE; s++) {
    qn_trajectory *trajectory;
    qn_frame frame;
    qn_error ignored;
    if (protocol->stages[s].ensemble == QN_ENSEMBLE_NPT) known = QN_NO;
    else if (protocol->stages[s].sampling_count > 0 && open_stream(simulated, s, 0, &trajectory, &ignored) == QN_OK) {
      if (qn_trajectory_read(trajectory, 0, &frame, &ignored) == QN_OK) known = qn_vacuum_axis(&frame, NULL, NULL) >= 0 ? QN_YES : QN_NO;
      qn_trajectory_close(trajectory);
    }
  }
  return known;
}

static void analyse_thermo(const qn_job_simulated *simulated, qn_job_wanted *wanted) {
  char path[QN_PATH_SIZE];
  qn_error error;
  qn_series series = {0};
  qn_thermo_level *levels = NULL;
  qn_thermo_table table = {.series = &series, .atoms = simulated->atoms};
  qn_status status = qn_durable_join(path, simulated->directory, qn_record_thermo_name, &error);
  if (status == QN_OK) status = qn_series_read(&series, path, &error);
  if (status == QN_OK) status = qn_levels_list(simulated->spec, wanted->spec->stage, start_surfaces(simulated), &levels, &table.level_count, &error);
  table.levels = levels;
  if (status == QN_OK) status = wanted->spec->type->summarise(wanted->spec->parameters, &table, &wanted->report, &error);
  if (status != QN_OK) fail(wanted, &error);
  free(levels);
  qn_series_fini(&series);
}

/* Which stream an analysis wants: stage x QN_MAX_SAMPLINGS + sampling; -1: the thermo series. */
static int stream_of(const qn_simulation_spec *spec, const qn_analysis_spec *analysis) {
  if (analysis->type->summarise != NULL) return -1;
  return analysis->stage * QN_MAX_SAMPLINGS + qn_spec_stream(&spec->protocol.stages[analysis->stage], analysis);
}

typedef struct of_simulation {
  const qn_job_simulated *simulated;
  int threads;
} of_simulation;

static qn_status analyse_simulation(void *context, qn_job_wanted *wanted, int count, const qn_job_control *control, qn_error *error) {
  const of_simulation *of = context;
  const qn_job_simulated *simulated = of->simulated;
  const qn_protocol *protocol = &simulated->spec->protocol;
  watch w = {.control = control};
  qn_status status = begin(wanted, count, error);
  bool done[QN_MAX_ANALYSES] = {false};
  int streams[QN_MAX_ANALYSES];
  for (int i = 0; i < count && status == QN_OK; i++) {
    const qn_analysis_spec *spec = wanted[i].spec;
    if (spec->type->summarise == NULL && (spec->stage < 0 || spec->stage >= protocol->stage_count || protocol->stages[spec->stage].sampling_count == 0 ||
                                          spec->sampling >= protocol->stages[spec->stage].sampling_count))
      return qn_error_set(error, QN_INVALID, "%s: stage %d has no such frames", spec->type->name, spec->stage);
    streams[i] = stream_of(simulated->spec, spec);
    if (streams[i] < 0) continue;
    bool first = true, first_fed = needs_feed(spec);
    for (int k = 0; k < i; k++) {
      first = first && streams[k] != streams[i];
      first_fed = first_fed && (streams[k] != streams[i] || !needs_feed(wanted[k].spec));
    }
    w.readings += first + first_fed;
  }
  for (int i = 0; i < count && status == QN_OK; i++) {
    bool chosen[QN_MAX_ANALYSES] = {false};
    if (done[i]) continue;
    if (streams[i] < 0) {
      analyse_thermo(simulated, &wanted[i]);
      continue;
    }
    for (int k = i; k < count; k++) done[k] = done[k] || (chosen[k] = streams[k] == streams[i]);
    status = analyse_stream(simulated, streams[i] / QN_MAX_SAMPLINGS, streams[i] % QN_MAX_SAMPLINGS, wanted, chosen, count, of->threads, &w, error);
  }
  if (status != QN_OK) drop_reports(wanted, count);
  return status;
}

qn_status qn_job_analyse_simulation(const qn_job_simulated *simulated, qn_job_wanted *wanted, int count, int threads,
                                    const qn_job_control *control, qn_error *error) {
  of_simulation of = {simulated, threads};
  return qn_job_in_order(wanted, count, analyse_simulation, &of, control, error);
}
