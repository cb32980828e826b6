/* quenchd token create | list | revoke */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/operations.h"
#include "server/cli/commands.h"
#include "server/cli/operator.h"
#include "server/store/store.h"

static const double day_s = 86400;

static qn_status create(qn_store *store, const qn_config *config, const qn_principal *operator, qn_error *error) {
  char secret[QN_SECRET_SIZE];
  qn_token_row row;
  qn_status status = qn_store_create_token(store, config->token_name, qn_scope_parse(config->token_scope), config->token_days * day_s, operator,
                                           secret, &row, error);
  if (status != QN_OK) return status;
  fprintf(stderr, "Token %lld, \"%s\", scope %s. It is shown this once and not kept: only its hash is.\n", (long long)row.id, row.name,
          qn_scope_name(row.scope));
  printf("%s\n", secret);
  qn_token_row_fini(&row);
  return QN_OK;
}

static const char *or_dash(const char *text) { return text[0] != '\0' ? text : "-"; }

/* Newest first, as everywhere. */
static qn_status list(qn_store *store, qn_error *error) {
  qn_page_query query = {0, 1000};
  for (bool more = true; more;) {
    qn_token_page page;
    qn_status status = qn_store_list_tokens(store, query, &page, error);
    if (status != QN_OK) return status;
    if (query.before == 0)
      printf("%-6s %-24s %-8s %-28s %-28s %-28s %s\n", "ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "REVOKED", "LAST USED");
    for (int i = 0; i < page.count; i++) {
      const qn_token_row *row = &page.rows[i];
      printf("%-6lld %-24s %-8s %-28s %-28s %-28s %s\n", (long long)row->id, row->name, qn_scope_name(row->scope), row->created_at,
             or_dash(row->expires_at), or_dash(row->revoked_at), or_dash(row->last_used_at));
      query.before = row->id;
    }
    more = page.more;
    qn_token_page_fini(&page);
  }
  return QN_OK;
}

static qn_status revoke(qn_store *store, int64_t id, const qn_principal *operator, qn_error *error) {
  qn_token_row row;
  qn_status status = qn_store_revoke_token(store, id, operator, &row, error);
  if (status == QN_OK) printf("token %lld is revoked\n", (long long)id);
  if (status == QN_OK) qn_token_row_fini(&row);
  return status;
}

static bool read_id(const char *text, int64_t *id) {
  char *end;
  *id = strtoll(text, &end, 10);
  return *end == '\0' && end != text && *id > 0;
}

static int wrong_use(const char *reason) {
  fprintf(stderr, "quenchd token: %s\nTry: quenchd token --help\n", reason);
  return QN_EXIT_USAGE;
}

int qn_command_token(const qn_config *config, const char *const *arguments, int count) {
  const char *verb = arguments[0];
  bool creates = strcmp(verb, "create") == 0, lists = strcmp(verb, "list") == 0, revokes = strcmp(verb, "revoke") == 0;
  int64_t id = 0;
  if (!creates && !lists && !revokes) return wrong_use("accepted is create, list or revoke ID");
  if (revokes ? count != 2 || !read_id(arguments[1], &id) : count != 1)
    return wrong_use(revokes ? "revoke takes the ID of one token, as `list` shows it" : "there is an argument too many");
  if (creates && config->token_name[0] == '\0') return wrong_use("create needs --name NAME");

  qn_error error;
  qn_store *store = NULL;
  qn_store_options options = {.database_url = config->database_url, .data_directory = config->data_directory, .connections = 1};
  qn_status status = qn_store_open(&store, &options, &error);
  const qn_principal operator = qn_cli_operator();
  if (status == QN_OK)
    status = creates ? create(store, config, &operator, &error) : lists ? list(store, &error) : revoke(store, id, &operator, &error);
  qn_store_close(store);
  return status == QN_OK ? QN_EXIT_OK : qn_command_failed(&error);
}
