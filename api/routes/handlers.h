/* Every handler, and the JSON of the rows that more than one of them shows; only the files of this folder include this. */
#ifndef QN_API_ROUTES_HANDLERS_H
#define QN_API_ROUTES_HANDLERS_H

#include <jansson.h>

#include "api/problem.h"
#include "api/route.h"
#include "api/spec.h"

qn_handler qn_get_index, qn_get_live, qn_get_ready, qn_get_metrics, qn_get_document;
qn_handler qn_list_potentials, qn_upload_potential, qn_get_potential, qn_get_potential_text, qn_get_potential_curves;
qn_handler qn_list_simulations, qn_submit_simulation, qn_get_simulation, qn_get_simulation_thermo;
qn_handler qn_list_analysis_types, qn_list_analyses, qn_submit_analysis, qn_get_analysis;
qn_handler qn_query_results;
qn_handler qn_list_fits, qn_submit_fit, qn_get_fit;
qn_handler qn_list_jobs, qn_get_job, qn_change_job, qn_cancel_job, qn_retry_job, qn_get_job_events, qn_list_attempts;
qn_handler qn_list_tokens, qn_create_token, qn_revoke_token, qn_list_audit, qn_list_workers, qn_apply_retention;
qn_handler qn_list_trajectories, qn_upload_trajectory, qn_get_trajectory, qn_get_trajectory_data;
qn_handler qn_list_structures, qn_upload_structure, qn_get_structure, qn_get_structure_data;

/* Checks of query parameters, for the route table. */
void qn_check_results(const qn_request *request, qn_faults *faults);
void qn_check_jobs(const qn_request *request, qn_faults *faults);
void qn_check_curves(const qn_request *request, qn_faults *faults);
void qn_check_upload(const qn_request *request, qn_faults *faults);
void qn_check_trajectory_data(const qn_request *request, qn_faults *faults);
void qn_check_upload_trajectory(const qn_request *request, qn_faults *faults);
void qn_check_upload_structure(const qn_request *request, qn_faults *faults);
void qn_check_analyses(const qn_request *request, qn_faults *faults);
void qn_check_fits(const qn_request *request, qn_faults *faults);
void qn_check_audit(const qn_request *request, qn_faults *faults);

/* New references; NULL without memory. */
json_t *qn_result_json(const qn_result_row *row);

/* A URL below /v1 as a JSON string. */
json_t *qn_link(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A text that is "" when there is none: null then. */
json_t *qn_text_or_null(const char *text);

/* JSON kept as text; null when it is damaged. */
json_t *qn_stored_json(const char *text);

/* The identifier in the path; 0 with a 404 when it cannot be one. */
int64_t qn_handler_id(const qn_request *request, qn_response *response);

/* The end of every list: a problem when storage failed, the page otherwise. Takes `items` over. */
void qn_handler_page(const qn_request *request, qn_response *response, qn_status status, const qn_error *error,
                     json_t *items, bool more, int64_t last);

/* The spec that a simulation was stored with (malloc'ed, the caller's). QN_NOT_FOUND without such a simulation. */
qn_status qn_handler_simulation_spec(qn_store *store, int64_t id, qn_simulation_spec **spec, qn_error *error);

/* May the caller ask for this priority? False with a 403. */
bool qn_handler_may_prioritise(const qn_request *request, int priority, qn_response *response);

/* Find the sources of an analysis's fed parameters among the analyses that its simulation or trajectory has: what is wrong becomes a fault; fails when
 * storage does. */
qn_status qn_handler_sources(qn_store *store, qn_analysis_request *wanted, qn_faults *faults, qn_error *error);
/* The analyses that one needs, once its sources are known. */
void qn_handler_needs(const qn_analysis_spec *analysis, qn_needs *needs);

/* Submit and answer: 202 for new work, 200 for work that was known, with Location. `collection` is "simulations" or "analyses". */
void qn_handler_submit(qn_store *store, const qn_request *request, const qn_submission *submission,
                       const char *collection, qn_response *response);

#endif
