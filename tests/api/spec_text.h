/* Specs as JSON values that tests change at a pointer before they are written and parsed. */
#ifndef QN_TESTS_SPEC_TEXT_H
#define QN_TESTS_SPEC_TEXT_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const char BULK[] =
    "{\"name\": \"bulk\", \"potential\": \"cu-zr\","
    " \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": [5, 5, 5], \"composition\": {\"Cu\": "
    "0.5, \"Zr\": 0.5}},"
    " \"seed\": 1, \"timestep_fs\": 1,"
    " \"stages\": ["
    "  {\"type\": \"hold\", \"ensemble\": \"npt\", \"temperature_k\": 2000, \"duration_ps\": 20},"
    "  {\"type\": \"quench\", \"to_k\": 1500, \"step_k\": 50, \"rate_k_per_ns\": 25000, \"snapshot\": true},"
    "  {\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 1500, \"volume\": \"mean\", \"duration_ps\": "
    "100, \"sample_every_ps\": 0.05},"
    "  {\"type\": \"surface\", \"axis\": \"z\", \"vacuum_a\": 10},"
    "  {\"type\": \"hold\", \"ensemble\": \"nve\", \"duration_ps\": 10}],"
    " \"analyses\": [{\"type\": \"diffusion\", \"stage\": 2}, {\"type\": \"relaxation\", \"stage\": 2, \"q_inv_a\": "
    "2.7}]}";

static const char FROM_SNAPSHOT[] =
    "{\"potential\": \"cu-zr\", \"initial\": {\"type\": \"snapshot\", \"simulation\": 7, \"temperature_k\": 1600},"
    " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 1600, \"volume\": \"mean\", "
    "\"duration_ps\": 5, \"sample_every_ps\": 0.05}]}";

/* Put `value` (JSON text; NULL removes) at a pointer of `root`. A last part "-" appends. */
static inline void spec_set(json_t *root, const char *pointer, const char *value) {
  char copy[256];
  assert_true(strlen(pointer) < sizeof copy && pointer[0] == '/');
  strcpy(copy, pointer + 1);
  json_t *at = root;
  for (char *slash; (slash = strchr(copy, '/')) != NULL; memmove(copy, slash + 1, strlen(slash + 1) + 1)) {
    *slash = '\0';
    at = json_is_array(at) ? json_array_get(at, (size_t)atoi(copy)) : json_object_get(at, copy);
    assert_non_null(at);
  }
  json_t *made = value != NULL ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
  if (value != NULL) assert_non_null(made);
  int bad;
  if (json_is_array(at)) {
    if (strcmp(copy, "-") == 0)
      bad = json_array_append_new(at, made);
    else
      bad = made != NULL ? json_array_set_new(at, (size_t)atoi(copy), made) : json_array_remove(at, (size_t)atoi(copy));
  } else {
    bad = made != NULL ? json_object_set_new(at, copy, made) : json_object_del(at, copy);
  }
  assert_int_equal(bad, 0);
}

/* The text of `base` with one change; malloc'ed. */
static inline char *spec_with(const char *base, const char *pointer, const char *value) {
  json_t *root = json_loads(base, 0, NULL);
  assert_non_null(root);
  if (pointer != NULL) spec_set(root, pointer, value);
  char *text = json_dumps(root, 0);
  json_decref(root);
  return text;
}

#endif
