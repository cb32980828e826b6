#include "engine/trajectory/netcdf_order.h"

#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/netcdf_lock.h"

static qn_status fail(const qn_netcdf_order *order, int code, qn_error *error) {
  return qn_error_set(error, code > 0 ? QN_IO : QN_CORRUPT, "%s: %s", order->path, nc_strerror(code));
}

static int compare_ids(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

static int read_row(const qn_netcdf_order *order, int variable, int64_t index) {
  return nc_get_vara_longlong(order->file, variable, (size_t[]){(size_t)index, 0}, (size_t[]){1, (size_t)order->atoms}, order->row);
}

qn_status qn_netcdf_order_init(qn_netcdf_order *order, int file, int ids, int64_t atoms, const char *path, qn_error *error) {
  size_t count = (size_t)atoms;
  *order = (qn_netcdf_order){.file = file, .ids = ids, .types = -1, .atoms = atoms, .path = path};
  order->row = qn_memory_alloc(count, sizeof *order->row);
  if (order->row == NULL) return qn_error_set(error, QN_NO_MEMORY, "%s: out of memory for the ids of %zu atoms", path, count);
  if (ids < 0) return QN_OK;
  order->id = qn_memory_alloc(count, sizeof *order->id);
  order->place = qn_memory_alloc(count, sizeof *order->place);
  order->seen = qn_memory_alloc(count, sizeof *order->seen);
  if (order->id == NULL || order->place == NULL || order->seen == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "%s: out of memory for the ids of %zu atoms", path, count);
  int code = read_row(order, ids, 0);
  if (code != NC_NOERR) return fail(order, code, error);
  for (size_t i = 0; i < count; i++) order->id[i] = order->row[i];
  qsort(order->id, count, sizeof *order->id, compare_ids);
  for (size_t i = 1; i < count; i++)
    if (order->id[i] == order->id[i - 1])
      return qn_error_set(error, QN_CORRUPT, "%s: frame 0: atom %lld comes twice", path, (long long)order->id[i]);
  return QN_OK;
}

void qn_netcdf_order_fini(qn_netcdf_order *order) {
  free(order->id);
  free(order->place);
  free(order->seen);
  free(order->row);
  memset(order, 0, sizeof *order);
}

/* Place of an id among those of the first frame, or -1. */
static int64_t find_place(const qn_netcdf_order *order, int64_t id) {
  if (id >= 1 && id <= order->atoms && order->id[id - 1] == id) return id - 1;
  const int64_t *found = bsearch(&id, order->id, (size_t)order->atoms, sizeof id, compare_ids);
  return found != NULL ? found - order->id : -1;
}

static qn_status find_places(qn_netcdf_order *order, int64_t index, qn_error *error) {
  memset(order->seen, 0, (size_t)order->atoms * sizeof *order->seen);
  for (int64_t i = 0; i < order->atoms; i++) {
    int64_t at = find_place(order, order->row[i]);
    if (at < 0 || order->seen[at])
      return qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld: atom %lld %s; atoms must stay the same", order->path, (long long)index,
                          order->row[i], at < 0 ? "was not in the first frame" : "comes twice");
    order->seen[at] = true;
    order->place[i] = at;
  }
  return QN_OK;
}

static qn_status read_types(qn_netcdf_order *order, int64_t index, uint8_t *type, qn_error *error) {
  for (int64_t i = 0; i < order->atoms; i++) {
    if (order->row[i] < 1 || order->row[i] > order->species_count)
      return qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld: atom %lld has type %lld; the first frame has types 1 to %d", order->path,
                          (long long)index, (long long)i + 1, order->row[i], order->species_count);
    type[order->ids >= 0 ? order->place[i] : i] = (uint8_t)(order->row[i] - 1);
  }
  return QN_OK;
}

/* One variable's row, then what is made of it; -1: nothing. */
static qn_status read_locked(qn_netcdf_order *order, int variable, int64_t index, qn_error *error) {
  qn_netcdf_lock();
  int code = read_row(order, variable, index);
  qn_netcdf_unlock();
  return code == NC_NOERR ? QN_OK : fail(order, code, error);
}

qn_status qn_netcdf_order_read(qn_netcdf_order *order, int64_t index, uint8_t *type, qn_error *error) {
  qn_status status = order->ids >= 0 ? read_locked(order, order->ids, index, error) : QN_OK;
  if (status == QN_OK && order->ids >= 0) status = find_places(order, index, error);
  if (status == QN_OK && order->types >= 0) status = read_locked(order, order->types, index, error);
  return status == QN_OK && order->types >= 0 ? read_types(order, index, type, error) : status;
}

const int64_t *qn_netcdf_order_place(const qn_netcdf_order *order) { return order->ids >= 0 ? order->place : NULL; }
