/* Specs of simulations and analyses as the body of a POST: faults, or a spec whose canonical form reads back as itself. */
#include "fuzz/fuzz.h"

#include "api/fake_store.h"
#include "api/spec.h"

static void simulation(const char *text, size_t size, const qn_potential_facts *facts) {
  static qn_simulation_spec spec;
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE], again[QN_HASH_SIZE];
  qn_spec_parse_simulation(text, size, &spec, &faults);
  if (qn_faults_total(&faults) == 0) {
    char *once = qn_spec_render_simulation(&spec, hash);
    EXPECT(once != NULL, "a spec without faults has no canonical form");
    qn_spec_parse_simulation(once, strlen(once), &spec, &faults);
    EXPECT(qn_faults_total(&faults) == 0, "%s: %s in %s", faults.items[0].pointer, faults.items[0].detail, once);
    char *twice = qn_spec_render_simulation(&spec, again);
    EXPECT(strcmp(once, twice) == 0 && strcmp(hash, again) == 0, "%s and %s", once, twice);
    free(once), free(twice);
    qn_spec_resolve_potential(&spec, facts, &faults);
  }
  qn_faults_fini(&faults);
}

static void analysis(const char *text, size_t size) {
  qn_analysis_spec spec;
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE], again[QN_HASH_SIZE];
  qn_spec_parse_analysis(text, size, &spec, &faults);
  if (qn_faults_total(&faults) == 0) {
    char *once = qn_spec_render_analysis(&spec, hash);
    EXPECT(once != NULL, "an analysis without faults has no canonical form");
    qn_spec_parse_analysis(once, strlen(once), &spec, &faults);
    EXPECT(qn_faults_total(&faults) == 0, "%s: %s in %s", faults.items[0].pointer, faults.items[0].detail, once);
    char *twice = qn_spec_render_analysis(&spec, again);
    EXPECT(strcmp(once, twice) == 0 && strcmp(hash, again) == 0, "%s and %s", once, twice);
    free(once), free(twice);
  }
  qn_faults_fini(&faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static qn_store *store;
  static qn_potential_facts facts;
  if (store == NULL) {
    store = fake_store_alloc();
    EXPECT(qn_potential_facts_of_row(&store->potentials[0], &facts, NULL) == QN_OK, "the potential has no facts");
  }
  char *text = exact(data, size);
  simulation(text, size, &facts);
  analysis(text, size);
  free(text);
  return 0;
}
