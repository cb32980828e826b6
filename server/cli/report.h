/* What the analyses of a command found, collected, and written as JSON or CSV with the keys of the API's results. */
#ifndef QN_SERVER_CLI_REPORT_H
#define QN_SERVER_CLI_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "api/problem.h"
#include "server/job/job.h"

typedef struct qn_cli_report {
  json_t *provenance; /* object: what every value rests on, the same for all */
  json_t *results;    /* array: one object for each value */
  json_t *curves;     /* array: {name, species, region, analysis, columns, data} */
  json_t *failures;   /* array: {analysis, status, error, parameters}, one for each analysis that gave nothing */
} qn_cli_report;

qn_status qn_cli_report_init(qn_cli_report *collected, qn_error *error);
void qn_cli_report_fini(qn_cli_report *collected);

/* Of the trajectories analysed; "" where it is not known. engine_version is this program's, which analyses. */
void qn_cli_report_provenance(qn_cli_report *collected, const char *potential, const char *potential_sha256, const char *spec_sha256);

/* What became of an analysis, good or not; releases its report. `temperature_k`, for values without a temperature of their own; NAN: not known. */
void qn_cli_report_add(qn_cli_report *collected, qn_job_wanted *wanted, double temperature_k);

/* Print the failures, if any, on standard error: QN_EXIT_FAILURE then, else QN_EXIT_OK. */
int qn_cli_report_failures(const qn_cli_report *collected);

/* The values as CSV with a heading, then a row for each failure. */
qn_status qn_cli_report_write_csv(const qn_cli_report *collected, FILE *file, qn_error *error);

/* An object as JSON, a line for each of its members' members. */
qn_status qn_cli_write_json(const json_t *object, FILE *file, qn_error *error);

/* Print every fault on standard error, with `name` for where they are; true when there are any. */
bool qn_cli_print_faults(const char *name, const qn_faults *faults);

#endif
