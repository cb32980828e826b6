/* quenchd: one program, a command for each thing that it does. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/version.h"
#include "server/cli/commands.h"

typedef struct command {
  const char *name, *arguments, *summary; /* `summary` NULL: for the program itself, not for people */
  unsigned settings;
  int least, most; /* positional arguments */
  qn_command_run *run;
} command;

enum { MOST_ARGUMENTS = 2 };

static const command commands[] = {
  {"serve", "", "HTTP, and a supervised worker process beside it", QN_FOR_SERVE, 0, 0, qn_command_serve},
  {"work", "", "a worker alone: claim jobs and run them, on any machine that shares database and data directory", QN_FOR_WORK, 0, 0,
   qn_command_work},
  {"migrate", "", "bring the schema of the database up to date", QN_FOR_MIGRATE, 0, 0, qn_command_migrate},
  {"token", "create | list | revoke ID", "create, list and revoke API tokens", QN_FOR_TOKEN, 1, 2, qn_command_token},
  {"retain", "DAYS --kinds KIND,...", "list what jobs that ended so many days ago left behind, and remove it", QN_FOR_RETAIN, 1, 1,
   qn_command_retain},
  {"simulate", "SPEC.json --out DIR", "run a simulation and its analyses without server or database", QN_FOR_SIMULATE, 1, 1,
   qn_command_simulate},
  {"evaluate", "FILE.xyz --potential P", "energy, forces and virial of a structure, as extended XYZ", QN_FOR_EVALUATE, 1, 1,
   qn_command_evaluate},
  {"analyse", "TRAJECTORY SPEC.json", "the analyses of a spec on any trajectory", QN_FOR_ANALYSE, 2, 2, qn_command_analyse},
  {"fit", "SPEC.json", "a law fitted to the points of a spec", QN_FOR_FIT, 1, 1, qn_command_fit},
  {"run-job", "", NULL, 0, 0, 0, qn_command_run_job},
  {"routes", "", "list the routes of the HTTP interface", 0, 0, 0, qn_command_routes},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *file) {
  fputs("usage: quenchd COMMAND [ARGUMENTS] [--FLAG VALUE ...]\n\ncommands:\n", file);
  for (int i = 0; i < COMMANDS; i++) {
    if (commands[i].summary == NULL) continue;
    fprintf(file, "  %s%s%s\n      %s\n", commands[i].name, commands[i].arguments[0] != '\0' ? " " : "", commands[i].arguments,
            commands[i].summary);
  }
  fputs("\n  --help, --version, and COMMAND --help for the settings of a command\n"
        "exit codes: 0 done, 1 failed, 2 wrong use\n",
        file);
}

static void print_command(FILE *file, const command *at) {
  fprintf(file, "usage: quenchd %s%s%s%s\n\n%s.\n", at->name, at->arguments[0] != '\0' ? " " : "", at->arguments,
          at->settings != 0 ? " [--FLAG VALUE ...]" : "", at->summary != NULL ? at->summary : "started by a worker for each job");
  if (at->settings == 0) return;
  fputs("\nsettings (a flag wins over its environment variable, a variable over the default):\n", file);
  qn_config_print(file, at->settings);
}

static const command *find(const char *name) {
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static bool asks_for_help(int count, char **arguments) {
  for (int i = 0; i < count && strcmp(arguments[i], "--") != 0; i++)
    if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) return true;
  return false;
}

/* Output that could not be written is a failure, also when only the last flush tells. */
static int finish(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  perror("quenchd: standard output");
  return QN_EXIT_FAILURE;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of that write, not the end of the process */
  if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
    printf("quenchd %s\n", qn_version());
    return finish(QN_EXIT_OK);
  }
  const command *chosen = argc >= 2 ? find(argv[1]) : NULL;
  if (chosen == NULL && argc >= 2 && asks_for_help(1, argv + 1)) {
    print_usage(stdout);
    return finish(QN_EXIT_OK);
  }
  if (chosen == NULL) {
    if (argc >= 2) fprintf(stderr, "quenchd: there is no command \"%s\"\n\n", argv[1]);
    print_usage(stderr);
    return QN_EXIT_USAGE;
  }
  if (asks_for_help(argc - 2, argv + 2)) {
    print_command(stdout, chosen);
    return finish(QN_EXIT_OK);
  }

  qn_config config;
  qn_error error;
  const char *arguments[MOST_ARGUMENTS];
  int count = 0;
  if (qn_config_read(&config, chosen->settings, argc - 2, argv + 2, chosen->least, chosen->most, arguments, &count, &error) != QN_OK) {
    fprintf(stderr, "quenchd %s: %s\nTry: quenchd %s --help\n", chosen->name, error.message, chosen->name);
    return QN_EXIT_USAGE;
  }
  return finish(chosen->run(&config, arguments, count));
}
