/* quenchd token create | list | revoke */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/commands.h"
#include "server/store/tokens.h"

static const double day_s = 86400;

static qn_status create(qn_store *store, const qn_config *config, qn_error *error) {
  char secret[QN_TOKEN_SIZE];
  int64_t id;
  qn_status status = qn_token_create(store, config->token_name, qn_token_scope_parse(config->token_scope), config->token_days * day_s,
                                     secret, &id, error);
  if (status != QN_OK) return status;
  fprintf(stderr, "Token %lld, \"%s\", scope %s. It is shown this once and not kept: only its hash is.\n", (long long)id,
          config->token_name, config->token_scope);
  printf("%s\n", secret);
  return QN_OK;
}

static qn_status list(qn_store *store, qn_error *error) {
  qn_token_row *rows = NULL;
  int count = 0;
  qn_status status = qn_token_list(store, &rows, &count, error);
  if (status != QN_OK) return status;
  printf("%-6s %-24s %-8s %-28s %-28s %-28s %s\n", "ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "REVOKED", "LAST USED");
  for (int i = 0; i < count; i++) {
    const qn_token_row *row = &rows[i];
    printf("%-6lld %-24s %-8s %-28s %-28s %-28s %s\n", (long long)row->id, row->name, qn_scope_name(row->scope), row->created_at,
           row->expires_at[0] != '\0' ? row->expires_at : "-", row->revoked_at[0] != '\0' ? row->revoked_at : "-",
           row->last_used_at[0] != '\0' ? row->last_used_at : "-");
  }
  free(rows);
  return QN_OK;
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
  if (status == QN_OK) status = creates ? create(store, config, &error) : lists ? list(store, &error) : qn_token_revoke(store, id, &error);
  qn_store_close(store);
  if (status != QN_OK) return qn_command_failed(&error);
  if (revokes) printf("token %lld is revoked\n", (long long)id);
  return QN_EXIT_OK;
}
