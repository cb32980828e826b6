#include "server/store/migrate.h"

#include <math.h>
#include <string.h>

#include "api/hash.h"
#include "api/potential.h"
#include "server/log.h"
#include "server/store/embedded.h"
#include "server/store/pool.h"

/* "quenchd" as a number: whoever changes the schema holds the advisory lock of this key. */
#define LOCK "8174441127850471012"

static const qn_statement has_table = {"migrate_has_table", "SELECT to_regclass('schema_migrations') IS NOT NULL"};
static const qn_statement take_lock = {"migrate_lock", "SELECT pg_advisory_xact_lock(" LOCK ")"};
static const qn_statement list_applied = {"migrate_list", "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"};
static const qn_statement record = {"migrate_record",
                                    "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1::integer, $2, $3)"};

static const char make_table[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";

int qn_migrate_version(void) {
  return qn_embedded_migration_count;
}

static void hash_of(const qn_embedded_file *file, char hash[QN_HASH_SIZE]) {
  qn_hash_hex(file->text, (size_t)(file->end - file->text), hash);
}

/* How many are applied; QN_CONFLICT when they are not the first ones of this program's. */
static qn_status compare(qn_connection *connection, int *done, qn_error *error) {
  int count = qn_embedded_migration_count;
  PGresult *rows;
  qn_status status = qn_connection_run(connection, &list_applied, NULL, &rows, error);
  if (status != QN_OK) return status;
  *done = PQntuples(rows);
  for (int i = 0; i < *done && status == QN_OK; i++) {
    char hash[QN_HASH_SIZE];
    if (i < count) hash_of(&qn_embedded_migrations[i], hash);
    if (i >= count || qn_field_int(rows, i, 0) != i + 1)
      status = qn_error_set(error, QN_CONFLICT, "the schema has migration %s, which this quenchd does not know: it is older than the schema",
                            qn_field(rows, i, 1));
    else if (strcmp(hash, qn_field(rows, i, 2)) != 0)
      status = qn_error_set(error, QN_CONFLICT, "migration %s was changed after it was applied", qn_embedded_migrations[i].name);
  }
  PQclear(rows);
  return status;
}

typedef struct step { bool applied; } step;

/* Under the lock: apply the first migration that is missing. */
static qn_status apply_next(qn_connection *connection, void *context, qn_error *error) {
  step *progress = context;
  progress->applied = false;
  qn_status status = qn_connection_script(connection, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0", error);
  if (status == QN_OK) status = qn_connection_run(connection, &take_lock, NULL, NULL, error);
  if (status == QN_OK) status = qn_connection_script(connection, make_table, error);
  int done;
  if (status == QN_OK) status = compare(connection, &done, error);
  if (status != QN_OK) return status;

  if (done == qn_embedded_migration_count) return QN_OK;
  const qn_embedded_file *next = &qn_embedded_migrations[done];
  status = qn_connection_script(connection, next->text, error);
  if (status != QN_OK) return qn_error_prefix(error, "%s", next->name);
  char hash[QN_HASH_SIZE];
  hash_of(next, hash);
  qn_params params = {0};
  qn_params_int(&params, done + 1);
  qn_params_text(&params, next->name);
  qn_params_text(&params, hash);
  status = qn_connection_run(connection, &record, &params, NULL, error);
  progress->applied = status == QN_OK;
  return status;
}

/* A change of the schema may wait for others and take its time. */
static qn_status apply_unhurried(qn_connection *connection, void *context, qn_error *error) {
  double usual = connection->answer_s;
  connection->answer_s = connection->until = (double)INFINITY;
  qn_status status = apply_next(connection, context, error);
  connection->answer_s = usual;
  return status;
}

static qn_status register_potential(qn_store *store, qn_error *error) {
  qn_embedded file = qn_embedded_mendelev();
  qn_potential_facts facts;
  qn_potential_row row = {0};
  qn_status status = qn_potential_describe(file.text, file.size, &facts, error);
  if (status == QN_OK)
    status = qn_potential_row_make(file.name,
                                   "M. I. Mendelev, M. J. Kramer, R. T. Ott, D. J. Sordelet, D. Yagodin, P. Popel, Philosophical Magazine "
                                   "89, 967 (2009); OpenKIM MO_600021860456, doi:10.25950/2f5abf6e",
                                   "CDDL-1.0", &facts, file.size, &row, error);
  const qn_principal ours = {.name = "quenchd", .scope = QN_SCOPE_ADMIN};
  qn_added_potential added = {0};
  if (status == QN_OK) status = qn_store_add_potential(store, &row, file.text, file.size, NULL, &ours, &added, error);
  if (added.created) qn_log("info", "registered the potential %s", file.name);
  qn_potential_row_fini(&added.row);
  qn_potential_row_fini(&row);
  return status;
}

qn_status qn_migrate_run(qn_store *store, int *applied, qn_error *error) {
  *applied = 0;
  for (;;) {
    step progress;
    qn_status status = qn_pool_transact(store, apply_unhurried, &progress, true, error);
    if (status != QN_OK) return status;
    if (!progress.applied) break;
    (*applied)++;
  }
  return register_potential(store, error);
}

qn_status qn_migrate_check_on(qn_connection *connection, qn_error *error) {
  PGresult *answer;
  int done = 0;
  qn_status status = qn_connection_run(connection, &has_table, NULL, &answer, error);
  if (status != QN_OK) return status;
  bool exists = qn_field_bool(answer, 0, 0);
  PQclear(answer);
  if (exists) status = compare(connection, &done, error);
  if (status == QN_OK && done < qn_migrate_version())
    status = qn_error_set(error, QN_UNAVAILABLE, "the schema is at version %d and has to be brought to %d: quenchd migrate", done,
                          qn_migrate_version());
  return status;
}

qn_status qn_migrate_check(qn_store *store, qn_error *error) {
  qn_connection *connection;
  for (int attempt = 1;; attempt++) {
    qn_status status = qn_pool_take(store, &connection, error);
    if (status != QN_OK) return status;
    status = qn_migrate_check_on(connection, error);
    bool lost = connection->lost;
    qn_pool_give(store, connection);
    if (!lost || attempt == 2) return status;
  }
}
