/* Pages of rows from results: what every listing does alike. */
#ifndef QN_SERVER_STORE_ROWS_H
#define QN_SERVER_STORE_ROWS_H

#include <stdlib.h>

#include "server/store/pool.h"

enum { QN_PAGE_LIMIT = 1000 };

/* Parameters $1 and $2 of a page: the exclusive upper end of ids, and one row more than asked, which tells whether there are older ones. */
static inline int qn_rows_page(qn_params *params, qn_page_query query) {
  int limit = query.limit < 1 ? 1 : query.limit > QN_PAGE_LIMIT ? QN_PAGE_LIMIT : query.limit;
  qn_params_int(params, query.before > 0 ? query.before : INT64_MAX);
  qn_params_int(params, limit + 1);
  return limit;
}

typedef bool qn_rows_fill(const PGresult *result, int row, void *out); /* false: no memory; what was filled is released with the page */

/* At most `limit` rows of `size` bytes each. *rows and *count are right also when memory ends half way. */
static inline qn_status qn_rows_collect(const PGresult *result, int limit, size_t size, qn_rows_fill *fill, void **rows, int *count,
                                        bool *more, qn_error *error) {
  int found = PQntuples(result);
  if (more != NULL) *more = found > limit;
  if (found > limit) found = limit;
  *count = 0;
  *rows = calloc(found > 0 ? (size_t)found : 1, size);
  bool whole = *rows != NULL;
  while (whole && *count < found) {
    whole = fill(result, *count, (char *)*rows + (size_t)*count * size);
    (*count)++;
  }
  return whole ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for %d rows", found);
}

/* One row by its id. On failure `row` may hold texts: the caller releases it. */
static inline qn_status qn_rows_one(qn_store *store, const qn_statement *statement, int64_t id, const char *what, qn_rows_fill *fill, void *row,
                     qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_pool_run(store, statement, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_NOT_FOUND, "there is no %s %lld", what, (long long)id);
  else if (!fill(result, 0, row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a row");
  PQclear(result);
  return status;
}

/* A page of rows: one more than `limit` is asked for. */
static inline qn_status qn_rows_many(qn_store *store, const qn_statement *statement, const qn_params *params, int limit, size_t size, qn_rows_fill *fill,
                      void **rows, int *count, bool *more, qn_error *error) {
  PGresult *result;
  qn_status status = qn_pool_run(store, statement, params, &result, error);
  if (status != QN_OK) return status;
  status = qn_rows_collect(result, limit, size, fill, rows, count, more, error);
  PQclear(result);
  return status;
}

/* The enum of the schema has the names of the API. */
static inline qn_job_state qn_rows_state(const PGresult *result, int row, int column) {
  qn_job_state state = QN_JOB_BLOCKED;
  qn_job_state_parse(qn_field(result, row, column), &state);
  return state;
}

#endif
