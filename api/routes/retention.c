/* Retention: what is old enough to go, what would be freed, and what holds it back; and its removal. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/operations.h"
#include "api/read.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

enum { USUAL_LIMIT = 1000, MOST_LIMIT = 10000 };

/* The words of an array at `key` into flags; NULL `fallback`: it must be there. `words` are NULL-terminated, at most 8. */
static void read_words(qn_reader *reader, const char *key, const char *const *words, bool *flags, bool needed) {
  const json_t *list = qn_reader_take(reader, key), *item;
  char accepted[160] = "";
  for (int w = 0; words[w] != NULL; w++) {
    size_t used = strlen(accepted);
    snprintf(accepted + used, sizeof accepted - used, "%s%s", w > 0 ? ", " : "", words[w]);
    flags[w] = list == NULL && !needed;
  }
  if (list == NULL && !needed) return;
  size_t i;
  bool good = json_array_size(list) > 0;
  json_array_foreach(list, i, item) {
    bool found = false;
    for (int w = 0; words[w] != NULL; w++)
      if (json_is_string(item) && strcmp(json_string_value(item), words[w]) == 0) flags[w] = found = true;
    good = good && found;
  }
  if (!good) qn_reader_fault(reader, key, "must be an array of at least one of: %s", accepted);
}

static void parse(const qn_request *request, qn_retention *wanted, qn_faults *faults) {
  static const char *const states[] = {"succeeded", "failed", "cancelled", NULL};
  static const int64_t usual_limit = USUAL_LIMIT;
  const char *kinds[QN_RETAINED_KINDS + 1] = {NULL};
  for (int k = 0; k < QN_RETAINED_KINDS; k++) kinds[k] = qn_retained_name((qn_retained)k);
  json_t *root = qn_json_parse(request->body, request->body_size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  wanted->older_than_days = qn_reader_number(&reader, "older_than_days", (qn_bounds){0.0, 36500.0, "d"}, QN_REQUIRED);
  read_words(&reader, "kinds", kinds, wanted->kinds, true);
  read_words(&reader, "states", states, &wanted->states[QN_JOB_SUCCEEDED], false);
  wanted->dry_run = qn_reader_flag(&reader, "dry_run", true);
  wanted->most = (int)qn_reader_integer(&reader, "limit", 1, MOST_LIMIT, &usual_limit);
  qn_reader_end(&reader, "a retention");
  json_decref(root);
}

static json_t *item_json(const qn_retention_item *row) {
  json_t *object = json_object();
  json_object_set_new(object, "kind", json_string(qn_retained_name(row->kind)));
  json_object_set_new(object, "artifact", row->artifact != 0 ? json_integer(row->artifact) : json_null());
  json_object_set_new(object, "simulation", row->simulation != 0 ? json_integer(row->simulation) : json_null());
  json_object_set_new(object, "job", json_integer(row->job));
  json_object_set_new(object, "path", qn_text_or_null(row->path));
  json_object_set_new(object, "bytes", json_integer(row->bytes));
  json_object_set_new(object, "finished_at", qn_json_text(row->finished_at));
  json_object_set_new(object, "needed_by", row->needed_by != 0 ? json_integer(row->needed_by) : json_null());
  return object;
}

static json_t *report_json(const qn_retention *wanted, const qn_retention_report *report) {
  json_t *items = json_array(), *object = json_object();
  json_int_t count = 0, bytes = 0, held = 0, held_bytes = 0;
  for (int i = 0; i < report->count; i++) {
    const qn_retention_item *row = &report->rows[i];
    *(row->needed_by == 0 ? &count : &held) += 1;
    *(row->needed_by == 0 ? &bytes : &held_bytes) += row->bytes;
    json_array_append_new(items, item_json(row));
  }
  json_object_set_new(object, "dry_run", json_boolean(wanted->dry_run));
  json_object_set_new(object, "older_than_days", qn_json_number(wanted->older_than_days));
  json_object_set_new(object, "count", json_integer(count));
  json_object_set_new(object, "bytes", json_integer(bytes));
  json_object_set_new(object, "held_count", json_integer(held));
  json_object_set_new(object, "held_bytes", json_integer(held_bytes));
  json_object_set_new(object, "complete", json_boolean(report->complete));
  json_object_set_new(object, "items", items);
  return object;
}

void qn_apply_retention(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  qn_retention wanted = {0};
  qn_retention_report report = {0};
  qn_error error;
  parse(request, &wanted, &faults);
  if (qn_faults_total(&faults) > 0)
    qn_problem_from_faults(response, request, &faults);
  else if (qn_store_retain(store, &wanted, &request->principal, &report, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_json(response, request, 200, report_json(&wanted, &report));
  qn_retention_report_fini(&report);
  qn_faults_fini(&faults);
}
