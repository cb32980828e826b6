#include "api/slice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/netcdf.h"

/* One part of a slice; `given` false when it is empty. */
static bool read_part(const char **text, int64_t *value, bool *given) {
  const char *start = *text;
  size_t sign = *start == '-', digits = strspn(start + sign, "0123456789");
  *given = digits > 0;
  if (digits > 15 || (sign > 0 && digits == 0)) return false;
  if (digits > 0) *value = strtoll(start, NULL, 10);
  *text = start + sign + digits;
  return true;
}

static int64_t clamp(int64_t index, int64_t frames) {
  if (index < 0) index += frames;
  return index < 0 ? 0 : index > frames ? frames : index;
}

qn_status qn_slice_parse(const char *text, int64_t frames, qn_slice *slice, qn_error *error) {
  int64_t part[3] = {0, frames, 1};
  bool given = false, good;
  const char *at = text;
  int count = 0;
  do good = read_part(&at, &part[count], &given);
  while (good && ++count < 3 && *at == ':' && (at++, true));
  if (good && count == 1 && given && *at == '\0') { /* one frame */
    int64_t index = part[0] < 0 ? part[0] + frames : part[0];
    if (index < 0 || index >= frames)
      return qn_error_set(error, QN_INVALID, "there is no frame %lld; there are %lld", (long long)part[0],
                          (long long)frames);
    *slice = (qn_slice){index, 1, 1};
    return QN_OK;
  }
  if (!good || count == 1 || *at != '\0' || part[2] < 1)
    return qn_error_set(error, QN_INVALID,
                        "must be a:b:step with a step of 1 or more, such as 0:100:10, -50: or ::5, or one index");
  int64_t first = clamp(part[0], frames), end = clamp(part[1], frames);
  if (first >= end)
    return qn_error_set(error, QN_INVALID, "holds no frame: the trajectory has %lld frames", (long long)frames);
  *slice = (qn_slice){first, part[2], (end - first + part[2] - 1) / part[2]};
  return QN_OK;
}

typedef struct stream {
  qn_trajectory *trajectory;
  qn_slice slice;
  int64_t next; /* frames rendered */
  char *text;   /* the frame being sent */
  size_t size, sent;
} stream;

static bool render_next(stream *source) {
  qn_frame frame;
  qn_error error;
  free(source->text);
  source->text = NULL;
  source->size = source->sent = 0;
  if (qn_trajectory_read(source->trajectory, source->slice.first + source->next * source->slice.step, &frame, &error) !=
      QN_OK)
    return false;
  FILE *file = open_memstream(&source->text, &source->size);
  if (file == NULL) return false;
  qn_status status = qn_extxyz_write_frame(file, &frame, &qn_trajectory_describe(source->trajectory)->provenance, &error);
  source->next++;
  return fclose(file) == 0 && status == QN_OK;
}

static ssize_t read_stream(void *context, char *buffer, size_t size) {
  stream *source = context;
  if (source->sent == source->size) {
    if (source->next == source->slice.count) return 0;
    if (!render_next(source)) return -1;
  }
  size_t part = source->size - source->sent < size ? source->size - source->sent : size;
  memcpy(buffer, source->text + source->sent, part);
  source->sent += part;
  return (ssize_t)part;
}

static void close_stream(void *context) {
  stream *source = context;
  qn_trajectory_close(source->trajectory);
  free(source->text);
  free(source);
}

qn_status qn_slice_stream_xyz(qn_trajectory *trajectory, qn_slice slice, qn_response *response, qn_error *error) {
  stream *source = calloc(1, sizeof *source);
  if (source == NULL) {
    qn_trajectory_close(trajectory);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for a stream");
  }
  source->trajectory = trajectory;
  source->slice = slice;
  response->status = 200;
  response->content_type = "chemical/x-xyz";
  response->kind = QN_BODY_STREAM;
  response->read = read_stream;
  response->close = close_stream;
  response->context = source;
  return QN_OK;
}

static qn_status copy_frames(qn_trajectory *trajectory, qn_slice slice, const char *path, qn_error *error) {
  qn_netcdf_writer *writer = NULL;
  qn_frame frame;
  qn_status status = QN_OK;
  for (int64_t i = 0; status == QN_OK && i < slice.count; i++) {
    status = qn_trajectory_read(trajectory, slice.first + i * slice.step, &frame, error);
    if (status == QN_OK && writer == NULL)
      status = qn_netcdf_create(&writer, path, &qn_trajectory_describe(trajectory)->provenance, &frame, error);
    if (status == QN_OK) status = qn_netcdf_write(writer, &frame, error);
  }
  qn_error ignored;
  qn_status closed = qn_netcdf_close(writer, status == QN_OK ? error : &ignored);
  return status != QN_OK ? status : closed;
}

qn_status qn_slice_write_netcdf(qn_trajectory *trajectory, qn_slice slice, int *descriptor, int64_t *size,
                                qn_error *error) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  struct stat info;
  snprintf(path, sizeof path, "%s/quenchd-slice-XXXXXX", folder != NULL && folder[0] != '\0' ? folder : "/tmp");
  int made = mkstemp(path);
  if (made < 0) return qn_error_set(error, QN_IO, "no temporary file %s: %s", path, strerror(errno));
  close(made);
  qn_status status = copy_frames(trajectory, slice, path, error);
  *descriptor = status == QN_OK ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (status == QN_OK && (*descriptor < 0 || fstat(*descriptor, &info) != 0)) {
    status = qn_error_set(error, QN_IO, "temporary file %s: %s", path, strerror(errno));
    if (*descriptor >= 0) close(*descriptor);
  }
  unlink(path);
  if (status == QN_OK) *size = info.st_size;
  return status;
}
