/* The route table. */
#include "api/query.h"
#include "api/routes/handlers.h"

#define NAMES(...)                                                                                                     \
  (const char *const[]) { __VA_ARGS__, NULL }
#define PAGE "limit", "cursor"

/* Largest bodies: a setfl file of several elements with fine tables has tens of MB; a spec has a few kB. */
enum { MOST_SETFL = 64 << 20, MOST_SPEC = 1 << 20 };

static const qn_route ROUTES[] = {
    {"GET", "/", "getIndex", QN_SCOPE_NONE, qn_get_index, NULL, 0, false, NULL},
    {"GET", "/livez", "getLive", QN_SCOPE_NONE, qn_get_live, NULL, 0, false, NULL},
    {"GET", "/readyz", "getReady", QN_SCOPE_NONE, qn_get_ready, NULL, 0, false, NULL},
    {"GET", "/metrics", "getMetrics", QN_SCOPE_READ, qn_get_metrics, NULL, 0, false, NULL},
    {"GET", "/openapi.yaml", "getDocument", QN_SCOPE_NONE, qn_get_document, NULL, 0, false, NULL},

    {"GET", "/v1/potentials", "listPotentials", QN_SCOPE_READ, qn_list_potentials, NAMES(PAGE), 0, false,
     qn_query_check_page},
    {"POST", "/v1/potentials", "uploadPotential", QN_SCOPE_SUBMIT, qn_upload_potential,
     NAMES("name", "citation", "licence"), MOST_SETFL, false, qn_check_upload},
    {"GET", "/v1/potentials/{name}", "getPotential", QN_SCOPE_READ, qn_get_potential, NULL, 0, false, NULL},
    {"GET", "/v1/potentials/{name}/text", "getPotentialText", QN_SCOPE_READ, qn_get_potential_text, NULL, 0, false,
     NULL},
    {"GET", "/v1/potentials/{name}/curves", "getPotentialCurves", QN_SCOPE_READ, qn_get_potential_curves,
     NAMES("points"), 0, false, qn_check_curves},

    {"GET", "/v1/simulations", "listSimulations", QN_SCOPE_READ, qn_list_simulations, NAMES(PAGE), 0, false,
     qn_query_check_page},
    {"POST", "/v1/simulations", "submitSimulation", QN_SCOPE_SUBMIT, qn_submit_simulation, NULL, MOST_SPEC, true, NULL},
    {"GET", "/v1/simulations/{id}", "getSimulation", QN_SCOPE_READ, qn_get_simulation, NULL, 0, false, NULL},
    {"GET", "/v1/simulations/{id}/thermo", "getSimulationThermo", QN_SCOPE_READ, qn_get_simulation_thermo, NULL, 0,
     false, NULL},

    {"GET", "/v1/analysis-types", "listAnalysisTypes", QN_SCOPE_READ, qn_list_analysis_types, NULL, 0, false, NULL},
    {"GET", "/v1/analyses", "listAnalyses", QN_SCOPE_READ, qn_list_analyses, NAMES("simulation", PAGE), 0, false,
     qn_query_check_page_of},
    {"POST", "/v1/analyses", "submitAnalysis", QN_SCOPE_SUBMIT, qn_submit_analysis, NULL, MOST_SPEC, true, NULL},
    {"GET", "/v1/analyses/{id}", "getAnalysis", QN_SCOPE_READ, qn_get_analysis, NULL, 0, false, NULL},

    {"GET", "/v1/results", "queryResults", QN_SCOPE_READ, qn_query_results,
     NAMES("quantity", "species", "region", "status", "potential", "composition", "temperature_min_k",
           "temperature_max_k", "simulation", "analysis", "format", PAGE),
     0, false, qn_check_results},

    {"GET", "/v1/jobs", "listJobs", QN_SCOPE_READ, qn_list_jobs, NAMES("state", PAGE), 0, false, qn_check_jobs},
    {"GET", "/v1/jobs/{id}", "getJob", QN_SCOPE_READ, qn_get_job, NULL, 0, false, NULL},
    {"POST", "/v1/jobs/{id}/cancel", "cancelJob", QN_SCOPE_SUBMIT, qn_cancel_job, NULL, QN_EMPTY_BODY, false, NULL},
    {"POST", "/v1/jobs/{id}/retry", "retryJob", QN_SCOPE_SUBMIT, qn_retry_job, NULL, QN_EMPTY_BODY, false, NULL},
    {"GET", "/v1/jobs/{id}/events", "getJobEvents", QN_SCOPE_READ, qn_get_job_events, NULL, 0, false, NULL},

    {"GET", "/v1/trajectories", "listTrajectories", QN_SCOPE_READ, qn_list_trajectories, NAMES("simulation", PAGE), 0,
     false, qn_query_check_page_of},
    {"GET", "/v1/trajectories/{id}", "getTrajectory", QN_SCOPE_READ, qn_get_trajectory, NULL, 0, false, NULL},
    {"GET", "/v1/trajectories/{id}/data", "getTrajectoryData", QN_SCOPE_READ, qn_get_trajectory_data,
     NAMES("frames", "format"), 0, false, qn_check_trajectory_data},

    {"GET", "/v1/structures", "listStructures", QN_SCOPE_READ, qn_list_structures, NAMES("simulation", PAGE), 0, false,
     qn_query_check_page_of},
    {"GET", "/v1/structures/{id}", "getStructure", QN_SCOPE_READ, qn_get_structure, NULL, 0, false, NULL},
    {"GET", "/v1/structures/{id}/data", "getStructureData", QN_SCOPE_READ, qn_get_structure_data, NULL, 0, false, NULL},
};

const qn_route *qn_routes(size_t *count) {
  *count = sizeof ROUTES / sizeof ROUTES[0];
  return ROUTES;
}
