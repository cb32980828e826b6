#include "server/config/config.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { TEXT, CHOICE, WHOLE, SECONDS, NUMBER /* 0: not given */, SWITCH } kind;

typedef struct setting {
  unsigned commands;
  const char *flag, *variable, *value; /* `value`: its placeholder, or the choices "a|b" */
  kind kind;
  const char *fallback;
  double minimum, maximum;
  size_t offset;
  const char *meaning;
} setting;

#define AT(field) offsetof(qn_config, field)

static const setting settings[] = {
  {QN_FOR_DATABASE, "--database-url", "DATABASE_URL", "URL", TEXT, "", 0, 0, AT(database_url),
   "PostgreSQL, as a libpq URL or keyword string; the empty one follows libpq's own variables (PGHOST, ...)"},
  {QN_FOR_DATABASE, "--data-dir", "QUENCHD_DATA_DIR", "DIR", TEXT, ".quenchd/data", 0, 0, AT(data_directory),
   "where trajectories, thermo series and snapshots live; shared by the server and all its workers"},

  {QN_FOR_SERVE, "--listen", "QUENCHD_LISTEN", "ADDR:PORT", TEXT, "127.0.0.1:8080", 0, 0, AT(listen),
   "address to serve on; port 0 takes a free one and prints it. Without tokens only a loopback address is accepted"},
  {QN_FOR_SERVE, "--event-threads", "QUENCHD_EVENT_THREADS", "N", WHOLE, "2", 1, 64, AT(event_threads),
   "threads that move bytes; they never wait for a handler"},
  {QN_FOR_SERVE, "--handlers", "QUENCHD_HANDLERS", "N", WHOLE, "16", 1, 256, AT(handlers),
   "threads that run handlers, each with a database connection of its own"},
  {QN_FOR_SERVE, "--connections", "QUENCHD_CONNECTIONS", "N", WHOLE, "2048", 8, 100000, AT(connections),
   "connections open at once; more wait to be accepted"},
  {QN_FOR_SERVE, "--connections-per-address", "QUENCHD_CONNECTIONS_PER_ADDRESS", "N", WHOLE, "1536", 1, 100000,
   AT(connections_per_address), "connections open at once from one address"},
  {QN_FOR_SERVE, "--idle-timeout", "QUENCHD_IDLE_TIMEOUT_S", "S", SECONDS, "30", 1, 3600, AT(idle_timeout_s),
   "a connection that moves no byte for so long is closed, and so is one whose request head takes longer"},
  {QN_FOR_SERVE, "--request-timeout", "QUENCHD_REQUEST_TIMEOUT_S", "S", SECONDS, "120", 1, 86400, AT(request_timeout_s),
   "how long a client may take to send one request with its body"},
  {QN_FOR_SERVE, "--body-memory", "QUENCHD_BODY_MEMORY_MB", "MB", WHOLE, "256", 1, 65536, AT(body_memory_mb),
   "memory for request bodies, all together; more are told to come back later"},
  {QN_FOR_SERVE, "--event-heartbeat", "QUENCHD_EVENT_HEARTBEAT_S", "S", SECONDS, "15", 0.1, 3600, AT(event_heartbeat_s),
   "an event stream with nothing to say sends a comment so often"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--drain", "QUENCHD_DRAIN_S", "S", SECONDS, "20", 0.1, 3600, AT(drain_s),
   "after SIGTERM: how long requests and jobs have to come to an orderly stop before the process exits anyway"},
  {QN_FOR_SERVE, "--no-worker", "QUENCHD_NO_WORKER", NULL, SWITCH, "no", 0, 0, AT(no_worker),
   "serve only; workers are started elsewhere"},
  {QN_FOR_SERVE, "--no-access-log", "QUENCHD_NO_ACCESS_LOG", NULL, SWITCH, "no", 0, 0, AT(no_access_log),
   "no line in the log for each request"},

  {QN_FOR_WORK, "--name", "QUENCHD_WORKER_NAME", "NAME", TEXT, "", 0, 0, AT(worker_name),
   "name of the worker, unique among live ones; by default host and process"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--jobs", "QUENCHD_JOBS", "N", WHOLE, "0", 0, 1024, AT(jobs),
   "jobs at once; 0: as many as cores allow"},
  {QN_FOR_SERVE | QN_FOR_WORK | QN_FOR_SIMULATE | QN_FOR_EVALUATE | QN_FOR_ANALYSE, "--threads", "QUENCHD_THREADS", "N", WHOLE, "0", 0,
   1024, AT(threads), "OpenMP threads of each job; 0: one for a worker, every core for a command. Results do not depend on it"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--lease", "QUENCHD_LEASE_S", "S", SECONDS, "10", 0.5, 3600, AT(lease_s),
   "a job whose worker was silent for so long is given to another"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--heartbeat", "QUENCHD_HEARTBEAT_S", "S", SECONDS, "0", 0, 1800, AT(heartbeat_s),
   "how often a worker renews its leases; 0: five times within a lease"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--poll", "QUENCHD_POLL_S", "S", SECONDS, "2", 0.05, 3600, AT(poll_s),
   "how often a worker looks at the queue without being told to"},
  {QN_FOR_SERVE | QN_FOR_WORK, "--checkpoint", "QUENCHD_CHECKPOINT_S", "S", SECONDS, "30", 0.1, 86400, AT(checkpoint_s),
   "time between the checkpoints of a running simulation"},

  {QN_FOR_SIMULATE, "--out", NULL, "DIR", TEXT, "", 0, 0, AT(out), "folder for the files, made when absent"},
  {QN_FOR_SIMULATE | QN_FOR_EVALUATE | QN_FOR_ANALYSE, "--potential", NULL, "P", TEXT, "", 0, 0, AT(potential),
   "a setfl file, or the name of a potential that comes with quenchd"},
  {QN_FOR_EVALUATE, "--precision", NULL, "double|fast", CHOICE, "double", 0, 0, AT(precision), "the kernel"},
  {QN_FOR_ANALYSE, "--timestep-fs", NULL, "FS", NUMBER, "", 1e-6, 1e6, AT(timestep_fs),
   "time between the steps that a LAMMPS dump numbers, where it does not tell its times"},
  {QN_FOR_ANALYSE, "--interval-ps", NULL, "PS", NUMBER, "", 1e-9, 1e9, AT(interval_ps),
   "time between frames, in place of what the file says, if anything"},
  {QN_FOR_ANALYSE, "--species", NULL, "Cu,Zr", TEXT, "", 0, 0, AT(species),
   "what types 1, 2, ... of the file are; in a file without types Cu:1000,Zr:1000 are its first atoms and the next"},
  {QN_FOR_ANALYSE, "--temperature-k", NULL, "K", NUMBER, "", 1e-6, 20000, AT(temperature_k),
   "temperature of the frames, written beside the results"},
  {QN_FOR_ANALYSE, "--frames", NULL, "A:B:STEP", TEXT, "", 0, 0, AT(frames), "from frame A, below B, every STEP, as in Python; by default all"},
  {QN_FOR_ANALYSE | QN_FOR_FIT, "--csv", NULL, NULL, SWITCH, "no", 0, 0, AT(csv), "the numbers as CSV instead of JSON"},

  {QN_FOR_TOKEN, "--name", NULL, "NAME", TEXT, "", 0, 0, AT(token_name), "create: who or what holds the token"},
  {QN_FOR_TOKEN, "--scope", NULL, "read|submit|admin", CHOICE, "read", 0, 0, AT(token_scope),
   "create: what it allows; each includes the ones before it"},
  {QN_FOR_TOKEN, "--expires", NULL, "DAYS", SECONDS, "0", 0, 36500, AT(token_days), "create: days until it expires; 0: never"},

  {QN_FOR_RETAIN, "--kinds", NULL, "KIND,...", TEXT, "", 0, 0, AT(retain_kinds),
   "any of trajectory, thermo, snapshot, folder (of failed and cancelled simulations), history (events and attempts)"},
  {QN_FOR_RETAIN, "--states", NULL, "STATE,...", TEXT, "succeeded,failed,cancelled", 0, 0, AT(retain_states), "how those jobs ended"},
  {QN_FOR_RETAIN, "--remove", NULL, NULL, SWITCH, "no", 0, 0, AT(retain_remove), "remove it; otherwise it is only listed"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static bool is_choice(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (const char *at = choices; length > 0 && at != NULL; at = strchr(at, '|')) {
    if (*at == '|') at++;
    if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0')) return true;
  }
  return false;
}

static bool read_number(const char *text, double *number) {
  char *end;
  errno = 0;
  *number = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(*number) && text[0] != ' ';
}

/* Put `text` into the field of `config`; `source` is the flag or variable it came from. */
static qn_status assign(qn_config *config, const setting *set, const char *source, const char *text, qn_error *error) {
  char *field = (char *)config + set->offset;
  double number;
  switch (set->kind) {
    case TEXT:
      memcpy(field, &text, sizeof text);
      return QN_OK;
    case CHOICE:
      if (!is_choice(set->value, text))
        return qn_error_set(error, QN_INVALID, "%s is \"%.100s\"; accepted is one of %s", source, text, set->value);
      memcpy(field, &text, sizeof text);
      return QN_OK;
    case SWITCH: {
      bool on = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
      if (!on && strcmp(text, "no") != 0 && strcmp(text, "false") != 0 && strcmp(text, "0") != 0 && text[0] != '\0')
        return qn_error_set(error, QN_INVALID, "%s is \"%.100s\"; accepted is yes or no", source, text);
      memcpy(field, &on, sizeof on);
      return QN_OK;
    }
    case WHOLE: {
      if (!read_number(text, &number) || number != floor(number) || number < set->minimum || number > set->maximum)
        return qn_error_set(error, QN_INVALID, "%s is \"%.100s\"; accepted is a whole number from %g to %g", source, text,
                            set->minimum, set->maximum);
      int whole = (int)number;
      memcpy(field, &whole, sizeof whole);
      return QN_OK;
    }
    case SECONDS:
    case NUMBER:
      if (!read_number(text, &number) || number < set->minimum || number > set->maximum)
        return qn_error_set(error, QN_INVALID, "%s is \"%.100s\"; accepted is a number from %g to %g", source, text, set->minimum,
                            set->maximum);
      memcpy(field, &number, sizeof number);
      return QN_OK;
  }
  return qn_error_set(error, QN_INTERNAL, "setting %s has no kind", source);
}

static const setting *find(unsigned command, const char *flag, size_t length) {
  for (int i = 0; i < SETTINGS; i++)
    if ((settings[i].commands & command) != 0 && strlen(settings[i].flag) == length && strncmp(settings[i].flag, flag, length) == 0)
      return &settings[i];
  return NULL;
}

static qn_status read_flags(qn_config *config, unsigned command, int argc, char **argv, int most, const char **positional, int *count,
                            qn_error *error) {
  bool flags = true;
  for (int i = 0; i < argc; i++) {
    const char *argument = argv[i];
    if (flags && strcmp(argument, "--") == 0) {
      flags = false;
      continue;
    }
    if (!flags || argument[0] != '-' || argument[1] == '\0') {
      if (*count == most) return qn_error_set(error, QN_INVALID, "\"%.100s\" is one argument too many", argument);
      positional[(*count)++] = argument;
      continue;
    }
    size_t length = strcspn(argument, "=");
    const setting *set = find(command, argument, length);
    if (set == NULL) return qn_error_set(error, QN_INVALID, "there is no flag %.*s", (int)(length < 100 ? length : 100), argument);
    const char *text = "yes";
    if (argument[length] == '=') {
      text = argument + length + 1;
    } else if (set->kind != SWITCH) {
      if (i + 1 == argc) return qn_error_set(error, QN_INVALID, "%s needs a value: %s", set->flag, set->value);
      text = argv[++i];
    }
    qn_status status = assign(config, set, set->flag, text, error);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

qn_status qn_config_read(qn_config *config, unsigned command, int argc, char **argv, int least, int most, const char **positional,
                         int *count, qn_error *error) {
  memset(config, 0, sizeof *config);
  *count = 0;
  for (int i = 0; i < SETTINGS; i++) {
    const setting *set = &settings[i];
    qn_status status = set->kind == NUMBER && set->fallback[0] == '\0' ? QN_OK : assign(config, set, set->flag, set->fallback, error);
    if (status == QN_OK && set->variable != NULL && (set->commands & command) != 0) {
      const char *text = getenv(set->variable);
      if (text != NULL && text[0] != '\0') status = assign(config, set, set->variable, text, error);
    }
    if (status != QN_OK) return status;
  }
  qn_status status = read_flags(config, command, argc, argv, most, positional, count, error);
  if (status != QN_OK) return status;
  if (*count < least) return qn_error_set(error, QN_INVALID, "an argument is missing");
  if ((command & (QN_FOR_SERVE | QN_FOR_WORK)) != 0 && config->heartbeat_s > 0.5 * config->lease_s)
    return qn_error_set(error, QN_INVALID, "a heartbeat of %g s does not keep a lease of %g s; accepted is at most half of the lease",
                        config->heartbeat_s, config->lease_s);
  return QN_OK;
}

qn_status qn_config_export(const qn_config *config, unsigned command, qn_error *error) {
  for (int i = 0; i < SETTINGS; i++) {
    const setting *set = &settings[i];
    if ((set->commands & command) == 0 || set->variable == NULL) continue;
    const char *field = (const char *)config + set->offset, *text = NULL;
    char number[32];
    switch (set->kind) {
      case TEXT:
      case CHOICE: memcpy(&text, field, sizeof text); break;
      case SWITCH: text = *(const bool *)(const void *)field ? "yes" : "no"; break;
      case WHOLE: snprintf(number, sizeof number, "%d", *(const int *)(const void *)field); break;
      case SECONDS:
      case NUMBER: snprintf(number, sizeof number, "%.17g", *(const double *)(const void *)field); break;
    }
    if (setenv(set->variable, text != NULL ? text : number, 1) != 0)
      return qn_error_set(error, QN_NO_MEMORY, "out of memory for the environment of a child process");
  }
  return QN_OK;
}

void qn_config_print(FILE *file, unsigned command) {
  for (int i = 0; i < SETTINGS; i++) {
    const setting *set = &settings[i];
    if ((set->commands & command) == 0) continue;
    fprintf(file, "  %s%s%s\n      %s\n", set->flag, set->value != NULL ? " " : "", set->value != NULL ? set->value : "",
            set->meaning);
    const char *variable = set->variable != NULL ? set->variable : "", *fallback = set->fallback;
    if (variable[0] != '\0' || fallback[0] != '\0')
      fprintf(file, "      %s%s%s%s\n", variable, variable[0] != '\0' && fallback[0] != '\0' ? ", " : "",
              fallback[0] != '\0' ? "default " : "", fallback);
  }
}
