#include "server/job/order.h"

#include <stdlib.h>
#include <string.h>

/* Two rounds as one progress. */
typedef struct part {
  const qn_job_control *whole;
  double done, share;
} part;

static qn_status on_check(void *context, double progress, qn_error *error) {
  const part *p = context;
  return p->whole->check(p->whole->context, p->done + p->share * progress, error);
}

static void fail(qn_job_wanted *wanted, const qn_error *why) {
  wanted->status = why->status;
  wanted->error = *why;
}

/* The analysis whose spec has this hash. */
static const qn_job_wanted *find(const qn_job_wanted *wanted, int count, const char *sha256) {
  for (int i = 0; i < count; i++) {
    char hash[QN_HASH_SIZE] = "";
    free(qn_spec_render_analysis(wanted[i].spec, hash));
    if (strcmp(hash, sha256) == 0) return &wanted[i];
  }
  return NULL;
}

static qn_status take(qn_job_wanted *one, const qn_source_spec *from, const qn_job_wanted *wanted, int count, qn_error *error) {
  const qn_parameter *parameter = &one->spec->type->parameters[from->parameter];
  const qn_job_wanted *giver = find(wanted, count, from->sha256);
  if (giver == NULL || giver->spec->source_count > 0)
    return qn_error_set(error, QN_INVALID, "%s: there is no such %s beside it", parameter->name, from->source->type);
  if (giver->status != QN_OK)
    return qn_error_set(error, giver->status, "%s cannot be taken from %s, which failed: %s", parameter->name, from->source->type, giver->error.message);
  const qn_value *value;
  qn_status status = qn_parameter_source_take(from->source, parameter, &giver->report, &value, error);
  if (status != QN_OK) return status;
  one->used.parameters[from->parameter] = value->value;
  one->inputs[one->input_count++] = (qn_job_input){from->source, value->value, value->standard_error};
  return QN_OK;
}

static qn_status run_round(qn_job_wanted *wanted, const bool *chosen, int count, qn_job_round *round, void *context, const qn_job_control *control,
                           qn_error *error) {
  qn_job_wanted *some = calloc((size_t)count + 1, sizeof *some);
  int *of = calloc((size_t)count + 1, sizeof *of), chosen_count = 0;
  qn_status status = some != NULL && of != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for analyses");
  for (int i = 0; i < count && status == QN_OK; i++) {
    if (!chosen[i]) continue;
    of[chosen_count] = i;
    some[chosen_count++] = (qn_job_wanted){.spec = &wanted[i].used};
  }
  if (status == QN_OK && chosen_count > 0) status = round(context, some, chosen_count, control, error);
  for (int k = 0; k < chosen_count && status == QN_OK; k++) {
    wanted[of[k]].status = some[k].status;
    wanted[of[k]].error = some[k].error;
    wanted[of[k]].report = some[k].report;
  }
  free(of);
  free(some);
  return status;
}

qn_status qn_job_in_order(qn_job_wanted *wanted, int count, qn_job_round *round, void *context, const qn_job_control *control, qn_error *error) {
  bool chosen[QN_MAX_ANALYSES], later = false;
  if (count > QN_MAX_ANALYSES) return qn_error_set(error, QN_INVALID, "%d analyses at once; at most %d are possible", count, QN_MAX_ANALYSES);
  for (int i = 0; i < count; i++) {
    wanted[i] = (qn_job_wanted){.spec = wanted[i].spec, .used = *wanted[i].spec};
    wanted[i].used.source_count = 0;
    chosen[i] = wanted[i].spec->source_count == 0;
    later = later || !chosen[i];
  }
  part first = {control, 0, later ? 0.5 : 1}, second = {control, 0.5, 0.5};
  bool watched = control != NULL && control->check != NULL;
  const qn_job_control parts[2] = {{.context = &first, .check = watched ? on_check : NULL}, {.context = &second, .check = watched ? on_check : NULL}};
  qn_status status = run_round(wanted, chosen, count, round, context, &parts[0], error);
  if (status != QN_OK || !later) return status;
  for (int i = 0; i < count; i++) {
    qn_error why;
    chosen[i] = wanted[i].spec->source_count > 0;
    for (int s = 0; chosen[i] && s < wanted[i].spec->source_count; s++) {
      if (take(&wanted[i], &wanted[i].spec->sources[s], wanted, count, &why) == QN_OK) continue;
      fail(&wanted[i], &why);
      chosen[i] = false;
    }
  }
  status = run_round(wanted, chosen, count, round, context, &parts[1], error);
  for (int i = 0; i < count && status != QN_OK; i++) qn_report_fini(&wanted[i].report);
  return status;
}
