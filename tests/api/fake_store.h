/* api/store.h on arrays: enough storage to test the API without a database. */
#ifndef QN_TESTS_FAKE_STORE_H
#define QN_TESTS_FAKE_STORE_H

#include "api/store.h"

enum { FAKE_ROWS = 64 };

typedef struct fake_key {
  char key[256], body[65];
  qn_submitted answer;
} fake_key;

struct qn_store {
  qn_status broken; /* every call fails with it when it is not QN_OK */
  int64_t last_id;
  int potential_count, simulation_count, analysis_count, job_count, artifact_count, result_count, key_count;
  qn_potential_row potentials[FAKE_ROWS];
  char *potential_text[FAKE_ROWS];
  qn_simulation_row simulations[FAKE_ROWS];
  qn_analysis_row analyses[FAKE_ROWS];
  qn_job_row jobs[FAKE_ROWS];
  qn_artifact_row artifacts[FAKE_ROWS];
  qn_result_row results[FAKE_ROWS];
  fake_key keys[FAKE_ROWS];
  char last_spec[65536]; /* of the last submission */
  const char *series; /* path of the series of every simulation that has no thermo artifact; NULL: none */
  qn_result_query last_query;
  char last_species[128], last_composition[128]; /* of that query, whose texts are the handler's */
};

/* With the potential "cu-zr" as rows know it, though its text is a small one of the same elements. */
qn_store *fake_store_alloc(void);
void fake_store_free(qn_store *store);

int64_t fake_store_add_result(qn_store *store, const char *quantity, double value, const char *simulation_name);
int64_t fake_store_add_artifact(qn_store *store, const char *kind, const char *path, const char *sha256,
                                int64_t frames);

/* Text of a small eam/alloy potential of one element, malloc'ed. */
char *fake_setfl(const char *symbol, int points);

#endif
