/* The route table. */
#include "api/query.h"
#include "api/routes/handlers.h"

#define NAMES(...)                                                                                                     \
  (const char *const[]) { __VA_ARGS__, NULL }
#define PAGE "limit", "cursor"

enum {
  JSON = QN_ROUTE_JSON,
  KEY = QN_ROUTE_KEY,
  EVENTS = QN_ROUTE_EVENTS,
  SPOOL = QN_ROUTE_SPOOL,
  PARAMETERS = QN_ROUTE_PARAMETERS
};

/* Largest bodies: a setfl file of several elements with fine tables has tens of MB; a spec has a few kB, a command a few words; two million atoms
 * take 400 MB of text, and 16384 atoms through 10,000 frames 16 GB. */
enum { MOST_SETFL = 64 << 20, MOST_SPEC = 1 << 20, MOST_COMMAND = 1 << 14, MOST_STRUCTURE = 1 << 30 };
#define MOST_TRAJECTORY ((size_t)32 << 30)

static const qn_route ROUTES[] = {
    {"GET", "/", "getIndex", QN_SCOPE_NONE, qn_get_index, NULL, 0, 0, NULL},
    {"GET", "/livez", "getLive", QN_SCOPE_NONE, qn_get_live, NULL, 0, 0, NULL},
    {"GET", "/readyz", "getReady", QN_SCOPE_NONE, qn_get_ready, NULL, 0, 0, NULL},
    {"GET", "/metrics", "getMetrics", QN_SCOPE_READ, qn_get_metrics, NULL, 0, 0, NULL},
    {"GET", "/openapi.yaml", "getDocument", QN_SCOPE_NONE, qn_get_document, NULL, 0, 0, NULL},

    {"GET", "/v1/potentials", "listPotentials", QN_SCOPE_READ, qn_list_potentials, NAMES(PAGE), 0, 0,
     qn_query_check_page},
    {"POST", "/v1/potentials", "uploadPotential", QN_SCOPE_SUBMIT, qn_upload_potential,
     NAMES("name", "citation", "licence"), MOST_SETFL, KEY, qn_check_upload},
    {"GET", "/v1/potentials/{name}", "getPotential", QN_SCOPE_READ, qn_get_potential, NULL, 0, 0, NULL},
    {"GET", "/v1/potentials/{name}/text", "getPotentialText", QN_SCOPE_READ, qn_get_potential_text, NULL, 0, 0, NULL},
    {"GET", "/v1/potentials/{name}/curves", "getPotentialCurves", QN_SCOPE_READ, qn_get_potential_curves,
     NAMES("points"), 0, 0, qn_check_curves},

    {"GET", "/v1/simulations", "listSimulations", QN_SCOPE_READ, qn_list_simulations, NAMES(PAGE), 0, 0,
     qn_query_check_page},
    {"POST", "/v1/simulations", "submitSimulation", QN_SCOPE_SUBMIT, qn_submit_simulation, NULL, MOST_SPEC,
     JSON | KEY, NULL},
    {"GET", "/v1/simulations/{id}", "getSimulation", QN_SCOPE_READ, qn_get_simulation, NULL, 0, 0, NULL},
    {"GET", "/v1/simulations/{id}/thermo", "getSimulationThermo", QN_SCOPE_READ, qn_get_simulation_thermo, NULL, 0,
     0, NULL},

    {"GET", "/v1/analysis-types", "listAnalysisTypes", QN_SCOPE_READ, qn_list_analysis_types, NULL, 0, 0, NULL},
    {"GET", "/v1/analyses", "listAnalyses", QN_SCOPE_READ, qn_list_analyses,
     NAMES("simulation", "trajectory", PAGE), 0, 0, qn_check_analyses},
    {"POST", "/v1/analyses", "submitAnalysis", QN_SCOPE_SUBMIT, qn_submit_analysis, NULL, MOST_SPEC, JSON | KEY, NULL},
    {"GET", "/v1/analyses/{id}", "getAnalysis", QN_SCOPE_READ, qn_get_analysis, NULL, 0, 0, NULL},

    {"GET", "/v1/results", "queryResults", QN_SCOPE_READ, qn_query_results,
     NAMES("quantity", "type", "of", "species", "region", "status", "potential", "composition", "temperature_min_k",
           "temperature_max_k", "simulation", "trajectory", "analysis", "fit", "stage", "sampling", "format", PAGE),
     0, PARAMETERS, qn_check_results},

    {"GET", "/v1/fits", "listFits", QN_SCOPE_READ, qn_list_fits,
     NAMES("law", "status", "quantity", "species", "region", "composition", PAGE), 0, 0, qn_check_fits},
    {"POST", "/v1/fits", "submitFit", QN_SCOPE_SUBMIT, qn_submit_fit, NULL, MOST_SPEC, JSON | KEY, NULL},
    {"GET", "/v1/fits/{id}", "getFit", QN_SCOPE_READ, qn_get_fit, NULL, 0, 0, NULL},

    {"GET", "/v1/jobs", "listJobs", QN_SCOPE_READ, qn_list_jobs, NAMES("state", PAGE), 0, 0, qn_check_jobs},
    {"GET", "/v1/jobs/{id}", "getJob", QN_SCOPE_READ, qn_get_job, NULL, 0, 0, NULL},
    {"PATCH", "/v1/jobs/{id}", "changeJob", QN_SCOPE_SUBMIT, qn_change_job, NULL, MOST_COMMAND, JSON | KEY, NULL},
    {"POST", "/v1/jobs/{id}/cancel", "cancelJob", QN_SCOPE_SUBMIT, qn_cancel_job, NULL, QN_EMPTY_BODY, KEY, NULL},
    {"POST", "/v1/jobs/{id}/retry", "retryJob", QN_SCOPE_SUBMIT, qn_retry_job, NULL, QN_EMPTY_BODY, KEY, NULL},
    {"GET", "/v1/jobs/{id}/attempts", "listAttempts", QN_SCOPE_READ, qn_list_attempts, NAMES(PAGE), 0, 0,
     qn_query_check_page},
    {"GET", "/v1/jobs/{id}/events", "getJobEvents", QN_SCOPE_READ, qn_get_job_events, NULL, 0, EVENTS, NULL},

    {"GET", "/v1/trajectories", "listTrajectories", QN_SCOPE_READ, qn_list_trajectories, NAMES("simulation", PAGE), 0,
     0, qn_query_check_page_of},
    {"POST", "/v1/trajectories", "uploadTrajectory", QN_SCOPE_SUBMIT, qn_upload_trajectory,
     NAMES("name", "temperature_k", "timestep_fs", "interval_ps", "species"), MOST_TRAJECTORY, SPOOL | KEY,
     qn_check_upload_trajectory},
    {"GET", "/v1/trajectories/{id}", "getTrajectory", QN_SCOPE_READ, qn_get_trajectory, NULL, 0, 0, NULL},
    {"GET", "/v1/trajectories/{id}/data", "getTrajectoryData", QN_SCOPE_READ, qn_get_trajectory_data,
     NAMES("frames", "format"), 0, 0, qn_check_trajectory_data},

    {"GET", "/v1/structures", "listStructures", QN_SCOPE_READ, qn_list_structures, NAMES("simulation", PAGE), 0, 0,
     qn_query_check_page_of},
    {"POST", "/v1/structures", "uploadStructure", QN_SCOPE_SUBMIT, qn_upload_structure,
     NAMES("name", "temperature_k", "species"), MOST_STRUCTURE, SPOOL | KEY, qn_check_upload_structure},
    {"GET", "/v1/structures/{id}", "getStructure", QN_SCOPE_READ, qn_get_structure, NULL, 0, 0, NULL},
    {"GET", "/v1/structures/{id}/data", "getStructureData", QN_SCOPE_READ, qn_get_structure_data, NULL, 0, 0, NULL},

    {"GET", "/v1/workers", "listWorkers", QN_SCOPE_READ, qn_list_workers, NULL, 0, 0, NULL},
    {"GET", "/v1/tokens", "listTokens", QN_SCOPE_ADMIN, qn_list_tokens, NAMES(PAGE), 0, 0, qn_query_check_page},
    {"POST", "/v1/tokens", "createToken", QN_SCOPE_ADMIN, qn_create_token, NULL, MOST_COMMAND, JSON, NULL},
    {"DELETE", "/v1/tokens/{id}", "revokeToken", QN_SCOPE_ADMIN, qn_revoke_token, NULL, 0, 0, NULL},
    {"GET", "/v1/audit", "listAudit", QN_SCOPE_ADMIN, qn_list_audit,
     NAMES("principal", "action", "resource", "resource_id", "outcome", PAGE), 0, 0, qn_check_audit},
    {"POST", "/v1/retention", "applyRetention", QN_SCOPE_ADMIN, qn_apply_retention, NULL, MOST_COMMAND, JSON, NULL},
};

const qn_route *qn_routes(size_t *count) {
  *count = sizeof ROUTES / sizeof ROUTES[0];
  return ROUTES;
}
