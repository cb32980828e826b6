#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/artifacts.h"
#include "api/slice.h"
#include "api/upload.h"

/* A slice in NetCDF is made before it is sent; beyond this the whole file, or a stream of extended XYZ, is the better way. */
static const double MOST_SLICE_BYTES = 2e9, BYTES_PER_ATOM = 12.0;

void qn_list_trajectories(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifacts_list(store, request, "trajectory", "trajectories", response);
}

void qn_get_trajectory(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifacts_get(store, request, "trajectory", "trajectories", response);
}

static qn_status send_netcdf(qn_trajectory *trajectory, qn_slice slice, const char *name, qn_response *response,
                             qn_error *error) {
  int descriptor;
  int64_t size;
  double bytes = (double)slice.count * (double)qn_trajectory_describe(trajectory)->atoms * BYTES_PER_ATOM;
  qn_status status = bytes > MOST_SLICE_BYTES
                         ? qn_error_set(error, QN_UNSUPPORTED,
                                        "a slice of %.3g bytes is too large for NetCDF; at most %.3g are accepted: "
                                        "take fewer frames, format=xyz, or the whole file",
                                        bytes, MOST_SLICE_BYTES)
                         : qn_slice_write_netcdf(trajectory, slice, &descriptor, &size, error);
  qn_trajectory_close(trajectory);
  if (status == QN_OK) qn_reply_file(response, "application/x-netcdf", descriptor, (size_t)size, "%s.nc", name);
  return status;
}

static void send_slice(qn_store *store, const qn_request *request, const qn_artifact_row *row, bool xyz,
                       const char *name, qn_response *response) {
  const char *frames = qn_request_query(request, "frames");
  int descriptor;
  int64_t size;
  char path[4096], tag[160];
  qn_trajectory *trajectory;
  qn_slice slice;
  qn_error error;
  if (!qn_artifacts_open(store, request, row, &descriptor, &size, path, response)) return;
  close(descriptor); /* only its path was wanted */
  if (qn_trajectory_open(&trajectory, path, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  if (qn_slice_parse(frames != NULL ? frames : ":", qn_trajectory_describe(trajectory)->frames, &slice, &error) !=
      QN_OK) {
    qn_faults faults = {0};
    qn_faults_add(&faults, "?frames", "%s", error.message);
    qn_problem_from_faults(response, request, &faults);
    qn_faults_fini(&faults);
    qn_trajectory_close(trajectory);
    return;
  }
  snprintf(tag, sizeof tag, "%.64s-%lld-%lld-%lld-%s", row->sha256, (long long)slice.first, (long long)slice.count,
           (long long)slice.step, xyz ? "xyz" : "nc");
  if (row->sha256[0] != '\0' && qn_reply_not_modified(response, request, tag)) {
    qn_trajectory_close(trajectory);
    return;
  }
  if (xyz) qn_response_header(response, "Content-Disposition", "attachment; filename=\"%s.xyz\"", name);
  qn_status status = xyz ? qn_slice_stream_xyz(trajectory, slice, response, &error)
                         : send_netcdf(trajectory, slice, name, response, &error);
  if (status != QN_OK) qn_problem_from_error(response, request, &error);
}

static const char *const FORMATS[] = {"netcdf", "xyz", NULL};

void qn_check_trajectory_data(const qn_request *request, qn_faults *faults) {
  qn_query_word(request, "format", FORMATS, faults);
}

void qn_get_trajectory_data(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifact_row row = {0};
  char name[96], file[112];
  int format = qn_query_word(request, "format", FORMATS, NULL);
  if (!qn_artifacts_find(store, request, "trajectory", &row, response)) return;
  if (row.simulation == 0)
    snprintf(name, sizeof name, "trajectory-%lld", (long long)row.id);
  else
    snprintf(name, sizeof name, "simulation-%lld-stage-%d", (long long)row.simulation, row.stage);
  snprintf(file, sizeof file, "%s.nc", name);
  if (format != 1 && qn_request_query(request, "frames") == NULL)
    qn_artifacts_send(store, request, &row, "application/x-netcdf", file, response);
  else
    send_slice(store, request, &row, format == 1, name, response);
  qn_artifact_row_fini(&row);
}

/* ---- POST: the file is kept, and a job reads it ---- */

void qn_check_upload_trajectory(const qn_request *request, qn_faults *faults) {
  qn_upload_spec spec;
  qn_upload_of_request(&spec, request, true, faults);
}

void qn_upload_trajectory(qn_store *store, const qn_request *request, qn_response *response) {
  qn_upload_spec spec;
  char hash[QN_HASH_SIZE];
  if (!qn_artifacts_is_file(request, response)) return;
  qn_upload_of_request(&spec, request, true, NULL);
  char *canonical = qn_upload_render(&spec, "trajectory", hash);
  const qn_submission submission = {
      .kind = "import", .name = spec.name, .spec = canonical, .sha256 = hash, .upload = request->body_path};
  const qn_error error = {QN_NO_MEMORY, "no memory for the spec"};
  if (canonical != NULL)
    qn_handler_submit(store, request, &submission, "trajectories", response);
  else
    qn_problem_from_error(response, request, &error);
  free(canonical);
}
