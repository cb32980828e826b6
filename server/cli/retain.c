/* quenchd retain: list what old jobs left behind, what holds it back, and remove it on demand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/operations.h"
#include "server/cli/commands.h"
#include "server/cli/operator.h"
#include "server/store/pool.h"
#include "server/store/removals.h"

enum { BATCH = 1000, MOST_LISTED = 10000 };

static int wrong_use(const char *reason, const char *word) {
  fprintf(stderr, "quenchd retain: %s%s\nTry: quenchd retain --help\n", reason, word);
  return QN_EXIT_USAGE;
}

/* The words of a list with commas, each by its place in `names`; the first that is not there, or NULL. */
static const char *read_words(const char *list, const char *(*name)(int index), int first, int count, bool *flags) {
  static char word[64];
  while (*list != '\0') {
    size_t length = strcspn(list, ",");
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), list);
    bool found = false;
    for (int i = first; i < count && !found; i++) {
      found = strcmp(word, name(i)) == 0;
      flags[i] = flags[i] || found;
    }
    if (!found) return word;
    list += length + (list[length] == ',');
  }
  return NULL;
}

static const char *kind_name(int index) { return qn_retained_name((qn_retained)index); }
static const char *state_name(int index) { return qn_job_state_name((qn_job_state)index); }

typedef struct totals {
  long long count, bytes, held, held_bytes;
} totals;

static void print(const qn_retention_report *report, bool with_held, totals *sum) {
  for (int i = 0; i < report->count; i++) {
    const qn_retention_item *item = &report->rows[i];
    bool held = item->needed_by != 0;
    if (held && !with_held) continue;
    char path[32] = "-", reason[64] = "";
    if (item->path[0] == '\0') snprintf(path, sizeof path, "job %lld", (long long)item->job);
    if (held) snprintf(reason, sizeof reason, "  held back: job %lld needs it", (long long)item->needed_by);
    printf("%-10s %14lld  %s  %s%s\n", qn_retained_name(item->kind), (long long)item->bytes, item->finished_at,
           item->path[0] != '\0' ? item->path : path, reason);
    *(held ? &sum->held : &sum->count) += 1;
    *(held ? &sum->held_bytes : &sum->bytes) += item->bytes;
  }
}

static qn_status show(qn_store *store, qn_retention *wanted, const qn_principal *operator, totals *sum, bool *whole, qn_error *error) {
  qn_retention_report report;
  wanted->dry_run = true;
  wanted->most = MOST_LISTED;
  qn_status status = qn_store_retain(store, wanted, operator, &report, error);
  if (status != QN_OK) return status;
  print(&report, true, sum);
  *whole = report.complete;
  qn_retention_report_fini(&report);
  return QN_OK;
}

static qn_status remove_all(qn_store *store, qn_retention *wanted, const qn_principal *operator, totals *sum, qn_error *error) {
  wanted->dry_run = false;
  wanted->most = BATCH;
  for (bool more = true, first = true; more; first = false) {
    qn_retention_report report;
    qn_status status = qn_store_retain(store, wanted, operator, &report, error);
    if (status != QN_OK) return status;
    long long before = sum->count;
    print(&report, first, sum);
    more = !report.complete && sum->count > before;
    qn_retention_report_fini(&report);
  }
  return QN_OK;
}

/* What was marked is gone for everyone; its files go now, or when a server or worker that has the data directory finds them. */
static void unlink_all(qn_store *store) {
  qn_connection *connection;
  qn_error why;
  qn_status status = qn_pool_take(store, &connection, &why);
  for (int done = BATCH; status == QN_OK && done == BATCH;)
    status = qn_removals_work(connection, qn_store_data_directory(store), BATCH, &done, &why);
  if (connection != NULL) qn_pool_give(store, connection);
  if (status != QN_OK) fprintf(stderr, "quenchd retain: %s; the server will unlink the files\n", why.message);
}

int qn_command_retain(const qn_config *config, const char *const *arguments, int count) {
  (void)count;
  char *end;
  qn_retention wanted = {.older_than_days = strtod(arguments[0], &end)};
  if (*end != '\0' || end == arguments[0] || !(wanted.older_than_days >= 0 && wanted.older_than_days <= 36500))
    return wrong_use("accepted is a number of days from 0 to 36500, not ", arguments[0]);
  if (config->retain_kinds[0] == '\0') return wrong_use("--kinds is missing; accepted are trajectory, thermo, snapshot, folder, history", "");
  const char *unknown = read_words(config->retain_kinds, kind_name, 0, QN_RETAINED_KINDS, wanted.kinds);
  if (unknown != NULL) return wrong_use("accepted kinds are trajectory, thermo, snapshot, folder, history, not ", unknown);
  unknown = read_words(config->retain_states, state_name, QN_JOB_SUCCEEDED, QN_JOB_CANCELLED + 1, wanted.states);
  if (unknown != NULL) return wrong_use("accepted states are succeeded, failed, cancelled, not ", unknown);

  qn_error error;
  qn_store *store = NULL;
  qn_store_options options = {.database_url = config->database_url, .data_directory = config->data_directory, .connections = 1};
  const qn_principal operator = qn_cli_operator();
  totals sum = {0};
  bool whole = true;
  qn_status status = qn_store_open(&store, &options, &error);
  if (status == QN_OK)
    status = config->retain_remove ? remove_all(store, &wanted, &operator, &sum, &error) : show(store, &wanted, &operator, &sum, &whole, &error);
  if (status == QN_OK && config->retain_remove) unlink_all(store);
  qn_store_close(store);
  if (status != QN_OK) return qn_command_failed(&error);
  printf("%s: %lld, %lld bytes; held back: %lld, %lld bytes\n", config->retain_remove ? "removed" : "would be removed", sum.count, sum.bytes,
         sum.held, sum.held_bytes);
  if (!whole) printf("these are the first %d of each; there is more\n", MOST_LISTED);
  return QN_EXIT_OK;
}
