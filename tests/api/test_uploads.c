/* Files made elsewhere: what is said of them, what is kept, what is asked of them. */
#include "api/spec_text.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "api/client.h"
#include "api/structure.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

static client_answer upload(qn_store *store, const char *target, const char *body) {
  return client_send(store, QN_SCOPE_SUBMIT, "POST", target, "Content-Type: application/octet-stream", body,
                     strlen(body));
}

static int64_t integer(const client_answer *answer, const char *key) {
  return json_integer_value(json_object_get(answer->json, key));
}

/* ---- species ---- */

static void test_species_list(void **state) {
  (void)state;
  qn_species_list list;
  char detail[QN_DETAIL_SIZE];
  assert_true(qn_species_list_parse(&list, "Cu,Zr", detail));
  assert_true(list.count == 2 && !list.counted);
  assert_string_equal(list.species[1].symbol, "Zr");
  assert_true(fabs(list.species[1].mass - 91.224) < 1e-3); /* IUPAC */
  assert_true(qn_species_list_parse(&list, "Zr:1280,Cu:720", detail));
  assert_true(list.counted && list.atoms[0] == 1280 && list.atoms[1] == 720);
  assert_true(qn_species_list_parse(&list, "", detail));
  assert_int_equal(list.count, 0);
  static const char *const bad[] = {"Xx",
                                    "Cu,",
                                    ",",
                                    "cu",
                                    "Cu:",
                                    "Cu:0",
                                    "Cu:-1",
                                    "Cu:1.5",
                                    "Cu:10,Zr",
                                    "Cu Zr",
                                    "Cu:99999999999",
                                    "Cu,Zr,Cu,Zr,Cu,Zr,Cu,Zr,Cu,Zr,Cu,Zr,Cu,Zr,Cu,Zr,Al"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    detail[0] = '\0';
    if (qn_species_list_parse(&list, bad[i], detail)) print_error("\"%s\" was taken\n", bad[i]);
    assert_false(qn_species_list_parse(&list, bad[i], detail));
    assert_true(strlen(detail) > 0);
  }
}

/* ---- trajectories ---- */

static void test_trajectory(void **state) {
  qn_store *store = *state;
  static const char target[] = "/v1/trajectories?name=M%C3%BCller&temperature_k=900&timestep_fs=2&species=Cu,Zr";
  client_answer answer = upload(store, target, "frames");
  assert_int_equal(answer.status, 202);
  int64_t id = integer(&answer, "id");
  char location[64], one[64];
  snprintf(location, sizeof location, "/v1/trajectories/%lld", (long long)id);
  assert_string_equal(client_header(&answer, "Location"), location);
  assert_string_equal(store->last_upload, "frames");
  assert_string_equal(store->jobs[0].kind, "import");
  client_fini(&answer);
  qn_upload_spec spec;
  qn_faults faults = {0};
  qn_upload_parse(store->last_spec, &spec, &faults);
  assert_int_equal(qn_faults_total(&faults), 0);
  assert_true(spec.temperature_k == 900 && spec.timestep_fs == 2 && spec.interval_ps == 0 && spec.species.count == 2);
  qn_trajectory_options options = qn_upload_options(&spec);
  assert_true(fabs(options.timestep - 0.002) < 1e-15);

  /* The same file said to be the same is the same work, whatever its name; said to be something else it is not. */
  answer = upload(store, "/v1/trajectories?name=other&temperature_k=900&timestep_fs=2&species=Cu,Zr", "frames");
  assert_int_equal(answer.status, 200);
  assert_int_equal(integer(&answer, "id"), id);
  client_fini(&answer);
  static const char *const others[] = {"/v1/trajectories?temperature_k=901&timestep_fs=2&species=Cu,Zr",
                                       "/v1/trajectories?temperature_k=900&timestep_fs=1&species=Cu,Zr",
                                       "/v1/trajectories?temperature_k=900&timestep_fs=2&species=Zr,Cu"};
  for (int i = 0; i < 3; i++) {
    answer = upload(store, others[i], "frames");
    assert_int_equal(answer.status, 202);
    client_fini(&answer);
  }
  answer = upload(store, target, "other frames");
  assert_int_equal(answer.status, 202);
  client_fini(&answer);

  /* While it is read it can be looked at, and holds nothing to download. */
  snprintf(one, sizeof one, "/v1/trajectories/%lld", (long long)id);
  answer = client_get(store, one);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "state"), "queued");
  assert_string_equal(client_text(&answer, "name"), "M\xc3\xbcller");
  assert_true(json_is_null(json_object_get(answer.json, "simulation")) &&
              json_is_null(json_object_get(answer.json, "frames")));
  client_fini(&answer);
  snprintf(one, sizeof one, "/v1/trajectories/%lld/data", (long long)id);
  answer = client_get(store, one);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

static void test_trajectory_refusals(void **state) {
  qn_store *store = *state;
  static const struct {
    const char *query, *at;
  } cases[] = {
      {"species=Xx", "?species"},        {"temperature_k=0", "?temperature_k"}, {"temperature_k=-5", "?temperature_k"},
      {"timestep_fs=x", "?timestep_fs"}, {"timestep_fs=0", "?timestep_fs"},     {"interval_ps=-1", "?interval_ps"},
      {"colour=red", "?colour"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char target[128];
    snprintf(target, sizeof target, "/v1/trajectories?%s", cases[i].query);
    client_answer answer = upload(store, target, "frames");
    client_expect_problem(&answer, 400, "invalid_parameter");
    assert_non_null(client_fault(&answer, cases[i].at));
    client_fini(&answer);
  }
  client_answer answer = upload(store, "/v1/trajectories", "");
  client_expect_problem(&answer, 422, "malformed");
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/trajectories",
                       "Content-Type: multipart/form-data; boundary=x", "--x", 3);
  client_expect_problem(&answer, 415, "unsupported_media_type");
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_READ, "POST", "/v1/trajectories", "Content-Type: text/plain", "x", 1);
  client_expect_problem(&answer, 403, "forbidden");
  client_fini(&answer);
  assert_int_equal(store->job_count, 0);
}

/* A key covers the file and what is said of it. */
static void test_key_of_an_upload(void **state) {
  qn_store *store = *state;
  static const char headers[] = "Content-Type: text/plain\nIdempotency-Key: k\n";
  static const struct {
    const char *target, *body;
    int status;
  } cases[] = {{"/v1/trajectories?temperature_k=900", "a", 202},
               {"/v1/trajectories?temperature_k=900", "a", 202},
               {"/v1/trajectories?temperature_k=950", "a", 422},
               {"/v1/trajectories?temperature_k=900", "b", 422}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_send(store, QN_SCOPE_SUBMIT, "POST", cases[i].target, headers, cases[i].body, 1);
    assert_int_equal(answer.status, cases[i].status);
    client_fini(&answer);
  }
  assert_int_equal(store->job_count, 1);
}

/* ---- structures ---- */

static const char XYZ[] =
    "4\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3 pbc=\"T T T\" Temperature_k=900 Colour=red\n"
    "Cu 0 0 0\nZr 5 5 5\nCu 2.5 0 -0.25\nAl 1 2 3\n";
static const char DATA[] =
    "a data file\n\n2 atoms\n2 atom types\n0 20 xlo xhi\n0 20 ylo yhi\n0 20 zlo zhi\n\nAtoms # atomic\n\n"
    "1 2 1.0 2.0 3.0\n2 1 4.0 5.0 6.0\n\nVelocities\n\n1 0.1 0.2 0.3\n2 0.4 0.5 0.6\n";

static void test_structure(void **state) {
  qn_store *store = *state;
  client_answer answer = upload(store, "/v1/structures?name=start&temperature_k=900", XYZ);
  if (answer.status != 201) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 201);
  int64_t id = integer(&answer, "id");
  assert_int_equal(integer(&answer, "atoms"), 4);
  assert_string_equal(client_text(&answer, "composition"), "Al25Cu50Zr25");
  assert_string_equal(client_text(&answer, "name"), "start");
  assert_true(json_number_value(json_object_get(answer.json, "temperature_k")) == 900);
  json_t *details = json_object_get(answer.json, "details");
  assert_string_equal(json_string_value(json_object_get(details, "format")), "extxyz");
  assert_true(json_is_false(json_object_get(details, "velocities")));
  assert_true(json_number_value(json_array_get(json_object_get(details, "length_a"), 1)) == 21);
  assert_null(strstr(store->last_upload, "Colour"));
  assert_non_null(strstr(store->last_upload, "Temperature_k=900"));
  client_fini(&answer);
  answer = upload(store, "/v1/structures?name=again&temperature_k=900", XYZ);
  assert_int_equal(answer.status, 200);
  assert_int_equal(integer(&answer, "id"), id);
  client_fini(&answer);

  answer = upload(store, "/v1/structures?species=Cu,Zr", DATA);
  assert_int_equal(answer.status, 201);
  assert_string_equal(client_text(&answer, "composition"), "Cu50Zr50");
  assert_true(json_is_true(json_object_get(json_object_get(answer.json, "details"), "velocities")));
  assert_true(json_is_null(json_object_get(answer.json, "temperature_k")));
  client_fini(&answer);
}

static void test_structure_refusals(void **state) {
  qn_store *store = *state;
  static const struct {
    const char *body, *says;
  } cases[] = {
      {"hello\n", "it is no extended XYZ"},
      {"1\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3\nCu 0 0 0\n", "one atom is no structure"},
      {"4\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3\nCu 0 0 0\nZr 1 1\nCu 1 2 3\nCu 4 5 6\n",
       "line 4"},
      {"4\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3\nCu 0 0 0\n", "line"},
      {"2\nProperties=species:S:1:pos:R:3\nCu 0 0 0\nCu 1 1 1\n", "Lattice"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = upload(store, "/v1/structures", cases[i].body);
    if (answer.status != 422 || strstr(client_text(&answer, "detail"), cases[i].says) == NULL)
      print_error("%zu: %s\n", i, answer.text);
    assert_int_equal(answer.status, 422);
    assert_non_null(strstr(client_text(&answer, "detail"), cases[i].says));
    assert_null(strstr(answer.text, "/tmp/")); /* where the server keeps it is nobody's business */
    client_fini(&answer);
  }
  client_answer answer = upload(store, "/v1/structures", DATA); /* types without species */
  assert_int_equal(answer.status, 422);
  assert_non_null(strstr(client_text(&answer, "detail"), "species"));
  client_fini(&answer);
  answer = upload(store, "/v1/structures?timestep_fs=1", XYZ); /* a structure has no times */
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
  assert_int_equal(store->artifact_count, 0);
}

/* ---- simulations from them ---- */

static const char FROM_STRUCTURE[] =
    "{\"potential\": \"cu-zr\", \"initial\": {\"type\": \"structure\", \"structure\": 0}, \"seed\": 3,"
    " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 900, \"duration_ps\": 5, "
    "\"sample_every_ps\": 0.05}]}";

static const char SHA[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* A kept structure lies at a path that outlives the request. */
static int64_t keep_structure(qn_store *store, char path[64], const char *text) {
  strcpy(path, "/tmp/quenchd-test-kept-XXXXXX");
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  int64_t id = fake_store_add_artifact(store, "snapshot", path, SHA, 1);
  store->artifacts[store->artifact_count - 1].simulation = 0;
  return id;
}

static const char TWO[] =
    "2\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nCu 0 0 0\nZr 5 5 5\n";

static void test_start_from_a_structure(void **state) {
  qn_store *store = *state;
  char path[64], number[32];
  int64_t id = keep_structure(store, path, TWO);
  snprintf(number, sizeof number, "%lld", (long long)id);
  char *text = spec_with(FROM_STRUCTURE, "/initial/structure", number);
  client_answer answer = client_post(store, "/v1/simulations", text);
  if (answer.status != 202) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 202);
  assert_int_equal(store->last.structure, id);
  assert_int_equal(store->last.parent, 0);
  client_fini(&answer);
  json_t *spec = json_loads(store->last_spec, 0, NULL), *initial = json_object_get(spec, "initial");
  assert_string_equal(json_string_value(json_object_get(initial, "structure_sha256")), SHA);
  assert_string_equal(json_string_value(json_object_get(initial, "velocities")), "draw"); /* it has none */
  /* What is kept is the same work. */
  json_t *again = json_copy(spec);
  char *canonical = json_dumps(again, 0);
  answer = client_post(store, "/v1/simulations", canonical);
  if (answer.status != 200) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
  free(canonical), json_decref(again), json_decref(spec);

  static const struct {
    const char *pointer, *value, *at, *says;
  } cases[] = {
      {"/initial/velocities", "\"keep\"", "/initial/velocities", "has no velocities; accepted: draw"},
      {"/initial/velocities", "\"warm\"", "/initial/velocities", "keep"},
      {"/initial/structure_sha256", "\"beef\"", "/initial/structure_sha256", NULL},
      {"/initial/cells", "[1, 1, 1]", "/initial/cells", "unknown key"},
      {"/initial/structure", "4711", "/initial/structure", "no structure 4711"},
      {"/initial/structure", NULL, "/initial/structure", "missing"},
      {"/stages/0/volume", "\"mean\"", "/stages/0/volume", "does not know its mean lengths"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *bad = spec_with(text, cases[i].pointer, cases[i].value);
    answer = client_post(store, "/v1/simulations", bad);
    const char *detail = client_fault(&answer, cases[i].at);
    if (detail == NULL || (cases[i].says != NULL && strstr(detail, cases[i].says) == NULL))
      print_error("%s: %s\n", bad, answer.text);
    client_expect_problem(&answer, 422, "invalid_spec");
    assert_non_null(detail);
    if (cases[i].says != NULL) assert_non_null(strstr(detail, cases[i].says));
    client_fini(&answer);
    free(bad);
  }
  unlink(path);
  answer = client_post(store, "/v1/simulations", text);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/initial/structure"), "is gone"));
  client_fini(&answer);
  free(text);
}

static void test_structure_and_potential(void **state) {
  qn_store *store = *state;
  char path[64], number[32];
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"2\nLattice=\"12 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3\nCu 0 0 0\nZr 5 5 5\n", "12 A long along x"},
      {"2\nLattice=\"20 0 0 0 21 0 0 0 22\" Properties=species:S:1:pos:R:3\nCu 0 0 0\nFe 5 5 5\n", "Fe"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    snprintf(number, sizeof number, "%lld", (long long)keep_structure(store, path, cases[i].text));
    char *text = spec_with(FROM_STRUCTURE, "/initial/structure", number);
    client_answer answer = client_post(store, "/v1/simulations", text);
    client_expect_problem(&answer, 422, "invalid_spec");
    if (strstr(answer.text, cases[i].says) == NULL) print_error("%s\n", answer.text);
    assert_non_null(strstr(answer.text, cases[i].says));
    client_fini(&answer);
    free(text);
    unlink(path);
  }
}

/* ---- analyses of them ---- */

static void test_analysis_of_a_trajectory(void **state) {
  qn_store *store = *state;
  client_answer answer = upload(store, "/v1/trajectories?temperature_k=900", "frames");
  int64_t id = integer(&answer, "id");
  client_fini(&answer);
  char body[200];
  snprintf(body, sizeof body, "{\"trajectory\": %lld, \"type\": \"diffusion\"}", (long long)id);
  answer = client_post(store, "/v1/analyses", body);
  if (answer.status != 202) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 202); /* its import may still fail, and then so will this */
  assert_int_equal(store->last.trajectory, id);
  assert_int_equal(store->last.parent, 0);
  assert_null(strstr(store->last_spec, "\"stage\""));
  client_fini(&answer);
  answer = client_get(store, "/v1/analyses");
  json_t *item = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_int_equal(json_integer_value(json_object_get(item, "trajectory")), id);
  assert_true(json_is_null(json_object_get(item, "simulation")));
  client_fini(&answer);
  char target[64];
  snprintf(target, sizeof target, "/v1/analyses?trajectory=%lld", (long long)id);
  answer = client_get(store, target);
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 1);
  client_fini(&answer);

  static const struct {
    const char *body, *at, *says;
  } cases[] = {
      {"{\"trajectory\": 4711, \"type\": \"diffusion\"}", "/trajectory", "no trajectory 4711"},
      {"{\"trajectory\": %lld, \"type\": \"diffusion\", \"stage\": 1}", "/stage", "has no stages"},
      {"{\"trajectory\": %lld, \"simulation\": 1, \"type\": \"diffusion\"}", "", "simulation"},
      {"{\"type\": \"diffusion\"}", "", "trajectory"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    snprintf(body, sizeof body, cases[i].body, (long long)id);
    answer = client_post(store, "/v1/analyses", body);
    const char *detail = client_fault(&answer, cases[i].at);
    if (detail == NULL || strstr(detail, cases[i].says) == NULL) print_error("%s: %s\n", body, answer.text);
    client_expect_problem(&answer, 422, "invalid_spec");
    assert_non_null(detail);
    assert_non_null(strstr(detail, cases[i].says));
    client_fini(&answer);
  }
  /* Once it is known what it holds, what it cannot answer is refused. */
  store->artifacts[0].state = QN_JOB_SUCCEEDED;
  store->artifacts[0].frames = 10;
  store->artifacts[0].interval_ps = 0.5;
  snprintf(body, sizeof body, "{\"trajectory\": %lld, \"type\": \"relaxation\", \"q_inv_a\": 2.7, \"max_lag_ps\": 50}",
           (long long)id);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  client_fini(&answer);
  answer = client_get(store, "/v1/analyses?trajectory=1&simulation=1");
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
}

/* The trajectory that a simulation left is that stage of the simulation: the same work. */
static void test_trajectory_of_a_simulation(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  int64_t simulation = integer(&answer, "id");
  client_fini(&answer);
  int64_t id = fake_store_add_artifact(store, "trajectory", "x.nc", "cafe", 2001);
  store->artifacts[0].simulation = simulation;
  store->artifacts[0].stage = 2;
  char body[200];
  snprintf(body, sizeof body, "{\"trajectory\": %lld, \"type\": \"diffusion\"}", (long long)id);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 200);
  assert_int_equal(store->analysis_count, 2);
  client_fini(&answer);
}

/* ---- parameters from other analyses ---- */

static void test_sources(void **state) {
  qn_store *store = *state;
  char *text = spec_with(BULK, "/analyses",
                         "[{\"type\": \"relaxation\", \"stage\": 2, \"q_inv_a\": \"structure_factor\"},"
                         " {\"type\": \"structure_factor\", \"stage\": 2}]");
  client_answer answer = client_post(store, "/v1/simulations", text);
  assert_int_equal(answer.status, 202);
  int64_t simulation = integer(&answer, "id");
  client_fini(&answer);
  free(text);
  /* What is needed is made first, and the other one waits for it. */
  assert_int_equal(store->analysis_count, 2);
  assert_string_equal(store->analyses[0].type, "structure_factor");
  assert_int_equal(store->last_needs[1].count, 1);
  assert_string_equal(store->last_needs[1].sha256[0], store->analyses[0].sha256);

  char body[300];
  const long long id = simulation, factor = store->analyses[0].id, relaxation = store->analyses[1].id;
  snprintf(body, sizeof body,
           "{\"simulation\": %lld, \"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\", \"max_lag_ps\": 20}",
           id);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 202);
  assert_string_equal(store->last.needs.sha256[0], store->analyses[0].sha256);
  client_fini(&answer);
  /* By its number it is the same. */
  snprintf(body, sizeof body,
           "{\"simulation\": %lld, \"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": %lld}, \"max_lag_ps\": 20}",
           id, factor);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);

  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": %lld}}", id,
           relaxation);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/q_inv_a"), "no structure_factor of the same simulation"));
  client_fini(&answer);
  snprintf(body, sizeof body,
           "{\"simulation\": %lld, \"type\": \"cage_jumps\", \"window_ps\": 5, \"debye_waller_a2\": \"debye_waller\"}",
           id);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/debye_waller_a2"), "no debye_waller of all atoms yet"));
  client_fini(&answer);
  /* Two that would do: one has to be named. */
  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"structure_factor\", \"stage\": 2, \"vectors\": 50}",
           id);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  snprintf(body, sizeof body,
           "{\"simulation\": %lld, \"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\", \"max_lag_ps\": 21}",
           id);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  char wanted[64];
  snprintf(wanted, sizeof wanted, ", %lld", factor);
  assert_non_null(strstr(client_fault(&answer, "/q_inv_a"), "more than one structure_factor: name one as"));
  assert_non_null(strstr(client_fault(&answer, "/q_inv_a"), wanted));
  client_fini(&answer);
}

/* A trajectory made elsewhere has analyses of its own. */
static void test_sources_of_a_trajectory(void **state) {
  qn_store *store = *state;
  client_answer answer = upload(store, "/v1/trajectories?temperature_k=900", "frames");
  const long long id = integer(&answer, "id");
  client_fini(&answer);
  char relaxation[200], factor[200];
  snprintf(relaxation, sizeof relaxation,
           "{\"trajectory\": %lld, \"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}", id);
  snprintf(factor, sizeof factor, "{\"trajectory\": %lld, \"type\": \"structure_factor\"}", id);
  answer = client_post(store, "/v1/analyses", relaxation);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/q_inv_a"), "the trajectory has no structure_factor"));
  client_fini(&answer);
  answer = client_post(store, "/v1/analyses", factor);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  answer = client_post(store, "/v1/analyses", relaxation);
  assert_int_equal(answer.status, 202);
  assert_string_equal(store->last.needs.sha256[0], store->analyses[0].sha256);
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_species_list),
      TEST(test_trajectory),
      TEST(test_trajectory_refusals),
      TEST(test_key_of_an_upload),
      TEST(test_structure),
      TEST(test_structure_refusals),
      TEST(test_start_from_a_structure),
      TEST(test_structure_and_potential),
      TEST(test_analysis_of_a_trajectory),
      TEST(test_trajectory_of_a_simulation),
      TEST(test_sources),
      TEST(test_sources_of_a_trajectory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
