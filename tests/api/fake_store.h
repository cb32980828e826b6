/* api/store.h on arrays: enough storage to test the API without a database. */
#ifndef QN_TESTS_FAKE_STORE_H
#define QN_TESTS_FAKE_STORE_H

#include "api/operations.h"

enum { FAKE_ROWS = 64 };

typedef struct fake_key {
  char key[256], principal[64], request[65];
  qn_answer answer;
} fake_key;

struct qn_store {
  qn_status broken; /* every call fails with it when it is not QN_OK */
  int64_t last_id;
  int potential_count, simulation_count, analysis_count, job_count, artifact_count, result_count, fit_count, key_count;
  qn_potential_row potentials[FAKE_ROWS];
  char *potential_text[FAKE_ROWS];
  qn_simulation_row simulations[FAKE_ROWS];
  qn_analysis_row analyses[FAKE_ROWS];
  qn_job_row jobs[FAKE_ROWS];
  qn_artifact_row artifacts[FAKE_ROWS];
  char structure_work[FAKE_ROWS][65]; /* hash of the upload that artifact i is */
  qn_result_row results[FAKE_ROWS];
  qn_fit_row fits[FAKE_ROWS];
  fake_key keys[FAKE_ROWS];
  bool key_in_flight;  /* every key is held by another request */
  qn_token_row tokens[FAKE_ROWS];
  int token_count;
  qn_audit_query last_audit; /* its texts only while the request lasts; so copied: */
  char last_principal[65];
  qn_retention last_retention;
  int last_priority;   /* of the last submission, when `last_prioritised` */
  bool last_prioritised;
  char last_request_id[65];
  char last_spec[65536];          /* of the last submission */
  qn_submission last;             /* the same; its texts are gone but for those below */
  char last_upload[4096];         /* what the file of the last upload held */
  qn_needs last_needs[FAKE_ROWS]; /* of analysis i of `analyses` */
  const char *series; /* path of the series of every simulation that has no thermo artifact; NULL: none */
  qn_result_query last_query;
  char last_species[128], last_composition[128], last_parameters[1024], last_inputs[1024]; /* of that query, whose texts are the handler's */
};

/* With the potential "cu-zr" as rows know it, though its text is a small one of the same elements. */
qn_store *fake_store_alloc(void);
void fake_store_free(qn_store *store);

int64_t fake_store_add_result(qn_store *store, const char *quantity, double value, const char *simulation_name);
/* Of simulation 1. */
int64_t fake_store_add_artifact(qn_store *store, const char *kind, const char *path, const char *sha256,
                                int64_t frames);
/* One more text of the row replaced. */
void fake_store_set(char **text, const char *value);

/* Text of a small eam/alloy potential of one element, malloc'ed. */
char *fake_setfl(const char *symbol, int points);

#endif
