/* The command line as a person meets it: help, versions, wrong uses; and settings from flags and environment. */
#include "server/cli/program.h"

#include "engine/base/version.h"
#include "server/config/config.h"

static void expect(const char *line, int code, const char *out, const char *err) {
  program run;
  program_run(&run, line);
  if (run.code != code || strstr(run.out, out) == NULL || strstr(run.err, err) == NULL)
    fail_msg("quenchd %s: exit %d\nout: %s\nerr: %s", line, run.code, run.out, run.err);
  if (code == 0) assert_string_equal(run.err, "");
  else assert_string_equal(run.out, "");
  program_fini(&run);
}

static void test_help(void **state) {
  (void)state;
  static const char *commands[] = {"serve", "work", "migrate", "token", "simulate", "evaluate", "analyse", "fit", "routes"};
  char version[128];
  snprintf(version, sizeof version, "quenchd %s\n", qn_version());
  expect("--version", 0, version, "");
  expect("--help", 0, "usage: quenchd COMMAND", "");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    char line[64], usage[64];
    snprintf(line, sizeof line, "%s --help", commands[i]);
    snprintf(usage, sizeof usage, "usage: quenchd %s", commands[i]);
    expect(line, 0, usage, "");
    expect("-h", 0, commands[i], "");
  }
  expect("serve --help", 0, "QUENCHD_LISTEN, default 127.0.0.1:8080", "");
  expect("serve --jobs many --help", 0, "usage: quenchd serve", "");
}

static void test_wrong_uses(void **state) {
  (void)state;
  expect("", 2, "", "usage: quenchd COMMAND");
  expect("frobnicate", 2, "", "there is no command \"frobnicate\"");
  expect("serve now", 2, "", "one argument too many");
  expect("serve --frob 1", 2, "", "there is no flag --frob");
  expect("serve --out x", 2, "", "there is no flag --out"); /* another command's */
  expect("serve --listen", 2, "", "--listen needs a value: ADDR:PORT");
  expect("serve --handlers 0", 2, "", "a whole number from 1 to 256");
  expect("serve --handlers 1.5", 2, "", "a whole number");
  expect("serve --handlers 12x", 2, "", "a whole number");
  expect("serve --idle-timeout nan", 2, "", "a number from 1 to 3600");
  expect("serve --no-worker=perhaps", 2, "", "yes or no");
  expect("work --lease 2 --heartbeat 1.5", 2, "", "at most half of the lease");
  expect("token", 2, "", "argument is missing");
  expect("token steal", 2, "", "create, list or revoke ID");
  expect("token create", 2, "", "--name NAME");
  expect("token create --name a --scope root", 2, "", "read|submit|admin");
  expect("token revoke", 2, "", "ID of one token");
  expect("token revoke x", 2, "", "ID of one token");
  expect("simulate", 2, "", "argument is missing");
  expect("simulate spec.json", 2, "", "--out DIR");
  expect("analyse one", 2, "", "argument is missing");
  expect("analyse one two --timestep-fs fast", 2, "", "a number from 1e-06 to 1e+06");
  expect("analyse one two --temperature-k -5", 2, "", "a number from 1e-06 to 20000");
  expect("fit", 2, "", "argument is missing");
  expect("fit one --potential x", 2, "", "there is no flag --potential");
}

static void test_no_database(void **state) {
  (void)state;
  expect("migrate --database-url host=/nonexistent --data-dir /tmp/quenchd-none", 1, "", "quenchd: ");
  expect("token list --database-url host=/nonexistent --data-dir /tmp/quenchd-none", 1, "", "quenchd: ");
  expect("serve --listen 256.1.1.1:0 --database-url host=/nonexistent --data-dir /tmp/quenchd-none", 1, "", "cannot listen on");
  expect("serve --data-dir /proc/none --listen 127.0.0.1:0", 1, "", "/proc/none");
  rmdir("/tmp/quenchd-none");
}

static void test_settings(void **state) {
  (void)state;
  qn_config config;
  qn_error error;
  const char *positional[2];
  int count;
  char *flags[] = {(char[]){"--handlers=7"}, (char[]){"a"}, (char[]){"--no-worker"}, (char[]){"--"}, (char[]){"--b"}};
  unsetenv("QUENCHD_LISTEN");
  setenv("QUENCHD_HANDLERS", "3", 1);
  setenv("QUENCHD_DRAIN_S", "2.5", 1);
  setenv("QUENCHD_JOBS", "", 1); /* empty is as good as unset */
  assert_int_equal(qn_config_read(&config, QN_FOR_SERVE, 5, flags, 0, 2, positional, &count, &error), QN_OK);
  assert_int_equal(config.handlers, 7);
  assert_true(config.drain_s == 2.5 && config.no_worker);
  assert_string_equal(config.listen, "127.0.0.1:8080");
  assert_int_equal(config.jobs, 0);
  assert_int_equal(count, 2);
  assert_string_equal(positional[0], "a");
  assert_string_equal(positional[1], "--b");

  /* What is exported comes back the same in a child. */
  config.threads = 5;
  config.lease_s = 0.1 + 7;
  config.database_url = "postgresql://a b?x=%41";
  qn_config child;
  assert_int_equal(qn_config_export(&config, QN_FOR_WORK, &error), QN_OK);
  assert_int_equal(qn_config_read(&child, QN_FOR_WORK, 0, NULL, 0, 0, positional, &count, &error), QN_OK);
  assert_int_equal(child.threads, 5);
  assert_true(child.lease_s == config.lease_s && child.drain_s == 2.5);
  assert_string_equal(child.database_url, config.database_url);

  setenv("QUENCHD_HANDLERS", "lots", 1);
  assert_int_equal(qn_config_read(&config, QN_FOR_SERVE, 0, NULL, 0, 0, positional, &count, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "QUENCHD_HANDLERS is \"lots\""));
  assert_int_equal(qn_config_read(&config, QN_FOR_WORK, 0, NULL, 0, 0, positional, &count, &error), QN_OK); /* not its business */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_help), cmocka_unit_test(test_wrong_uses), cmocka_unit_test(test_no_database),
                                     cmocka_unit_test(test_settings)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
