/* Mutated specs, from fixed seeds: whatever comes in, the parser ends, and gives faults or a spec that reads back as itself. */
#include "api/spec_text.h"

#include <stdint.h>
#include <stdio.h>

#include "api/fake_store.h"
#include "api/problem.h"
#include "api/spec.h"

static uint64_t next(uint64_t *state) { /* splitmix64 */
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t count) { return (size_t)(next(state) % count); }

static const char *const PIECES[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "null",
                                     "true",
                                     "0",
                                     "-1",
                                     "1e308",
                                     "1e-320",
                                     "0.05",
                                     "\"\\ud800\"",
                                     "\"\\u0000\"",
                                     "\xff",
                                     "\xe4\xb8",
                                     "\"type\"",
                                     "\"hold\"",
                                     "\"quench\"",
                                     "\"surface\"",
                                     "\"npt\"",
                                     "\"snapshot\"",
                                     "9223372036854775807",
                                     "\\",
                                     "\n",
                                     "{}",
                                     "[]",
                                     "//"};

/* A text with some bytes changed, dropped, repeated, or pieces put in. */
static size_t mutate_text(const char *base, char *out, size_t room, uint64_t *random) {
  size_t size = strlen(base);
  memcpy(out, base, size);
  for (size_t edits = 1 + below(random, 4); edits > 0; edits--) {
    size_t at = below(random, size + 1);
    switch (below(random, 4)) {
    case 0:
      if (at < size) out[at] = (char)next(random);
      break;
    case 1: {
      size_t cut = below(random, 20);
      if (cut > size - at) cut = size - at;
      memmove(out + at, out + at + cut, size - at - cut);
      size -= cut;
      break;
    }
    case 2: {
      const char *piece = PIECES[below(random, sizeof PIECES / sizeof PIECES[0])];
      size_t length = strlen(piece);
      if (size + length > room) break;
      memmove(out + at + length, out + at, size - at);
      memcpy(out + at, piece, length);
      size += length;
      break;
    }
    default: {
      size_t length = below(random, 60);
      if (length > size - at) length = size - at;
      if (size + length > room) break;
      memmove(out + at + length, out + at, size - at);
      size += length;
    }
    }
  }
  return size;
}

static json_t *odd_value(uint64_t *random) {
  static const double numbers[] = {0, -1, 1, 0.05, 1e-3, 1e9, 1e308, 5e-324, 64, 1000, 2000, 1.5, 9007199254740992.0};
  static const char *const words[] = {"",    "hold", "quench",   "surface", "nve",       "nvt",
                                      "npt", "mean", "linear",   "x",       "z",         "Cu",
                                      "fcc", "b2",   "snapshot", "lattice", "diffusion", "\xc3\xbc"};
  switch (below(random, 7)) {
  case 0:
    return json_null();
  case 1:
    return json_boolean(next(random) & 1);
  case 2:
    return json_integer((json_int_t)next(random));
  case 3:
    return json_string(words[below(random, sizeof words / sizeof words[0])]);
  case 4:
    return json_array();
  case 5:
    return json_object();
  default:
    return json_real(numbers[below(random, sizeof numbers / sizeof numbers[0])]);
  }
}

/* A tree with some values replaced, removed, or moved to another key. */
static void mutate_tree(json_t *value, json_t *root, uint64_t *random, int *edits) {
  if (json_is_object(value)) {
    const char *key;
    json_t *member;
    void *safe;
    json_object_foreach_safe(value, safe, key, member) {
      if (*edits > 0 && below(random, 12) == 0) {
        (*edits)--;
        if (next(random) & 1)
          json_object_set_new(value, key, odd_value(random));
        else
          json_object_del(value, key);
      } else {
        mutate_tree(member, root, random, edits);
      }
    }
  } else if (json_is_array(value)) {
    for (size_t i = 0; i < json_array_size(value); i++) {
      if (*edits > 0 && below(random, 12) == 0) {
        (*edits)--;
        if (next(random) & 1)
          json_array_set_new(value, i, odd_value(random));
        else
          json_array_insert_new(value, i, json_deep_copy(json_array_get(value, below(random, json_array_size(value)))));
      } else {
        mutate_tree(json_array_get(value, i), root, random, edits);
      }
    }
  }
}

/* Parse; with faults, look for more, and render them as a problem; without, the canonical form must read back. Gives whether the spec was
 * good. */
static bool run(const char *text, size_t size, const qn_potential_facts *facts, const qn_simulation_spec *parent) {
  static qn_simulation_spec spec;
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE], again[QN_HASH_SIZE];
  qn_spec_parse_simulation(text, size, &spec, &faults);
  bool good = qn_faults_total(&faults) == 0;
  if (good) {
    char *once = qn_spec_render_simulation(&spec, hash);
    assert_non_null(once);
    qn_spec_parse_simulation(once, strlen(once), &spec, &faults);
    if (faults.count > 0) print_error("%s\n%s: %s\n", once, faults.items[0].pointer, faults.items[0].detail);
    assert_int_equal(qn_faults_total(&faults), 0);
    char *twice = qn_spec_render_simulation(&spec, again);
    assert_string_equal(once, twice);
    assert_string_equal(hash, again);
    free(once), free(twice);
    qn_spec_resolve_potential(&spec, facts, &faults);
  } else {
    if (spec.initial == QN_INITIAL_SNAPSHOT) qn_spec_resolve_snapshot(&spec, parent, &faults);
    qn_spec_resolve_potential(&spec, facts, &faults);
    for (int i = 0; i < faults.count; i++) assert_null(strstr(faults.items[i].detail, "nan"));
    qn_response response;
    qn_response_init(&response);
    qn_problem_from_faults(&response, NULL, &faults);
    assert_true(response.status == 400 || response.status == 422);
    json_t *problem = json_loadb(response.bytes, response.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(problem);
    assert_true(json_array_size(json_object_get(problem, "errors")) > 0);
    json_decref(problem);
    qn_response_fini(&response);
  }
  qn_faults_fini(&faults);
  return good;
}

static void test_mutations(void **state) {
  (void)state;
  enum { ROUNDS = 20000 };
  static const char *const bases[] = {BULK, FROM_SNAPSHOT};
  qn_store *store = fake_store_alloc();
  qn_potential_facts facts;
  qn_error error;
  qn_simulation_spec *parent = malloc(sizeof *parent);
  qn_faults none = {0};
  assert_int_equal(qn_potential_facts_of_row(&store->potentials[0], &facts, &error), QN_OK);
  qn_spec_parse_simulation(BULK, strlen(BULK), parent, &none);
  assert_int_equal(none.count, 0);
  int good_texts = 0, good_trees = 0;
  for (uint64_t seed = 0; seed < ROUNDS; seed++) {
    uint64_t random = seed * 0x2545f4914f6cdd1du;
    const char *base = bases[seed % 2];
    char text[8192];
    size_t size = mutate_text(base, text, sizeof text, &random);
    char *exact = malloc(size + 1); /* so that a read beyond the end is seen */
    memcpy(exact, text, size);
    good_texts += run(exact, size, &facts, parent);
    free(exact);

    json_t *root = json_loads(base, 0, NULL);
    int edits = 1 + (int)below(&random, 3);
    mutate_tree(root, root, &random, &edits);
    char *tree = json_dumps(root, 0);
    good_trees += run(tree, strlen(tree), &facts, parent);
    free(tree);
    json_decref(root);
  }
  /* Both outcomes must be met often, or the mutations test nothing. */
  assert_true(good_texts > ROUNDS / 200 && good_texts < ROUNDS / 2);
  assert_true(good_trees > ROUNDS / 200 && good_trees < ROUNDS / 2);
  free(parent);
  fake_store_free(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
