#include "engine/trajectory/netcdf_scale.h"

#include <ctype.h>
#include <math.h>
#include <netcdf.h>
#include <stddef.h>
#include <string.h>

enum { UNIT_SIZE = 64 };

static const struct {
  qn_netcdf_kind kind;
  const char *name; /* lower case, singular */
  double factor;
} units[] = {
    {QN_NETCDF_TIME, "picosecond", 1},   {QN_NETCDF_TIME, "ps", 1},          {QN_NETCDF_TIME, "femtosecond", 1e-3},
    {QN_NETCDF_TIME, "fs", 1e-3},        {QN_NETCDF_TIME, "nanosecond", 1e3}, {QN_NETCDF_TIME, "ns", 1e3},
    {QN_NETCDF_TIME, "second", 1e12},    {QN_NETCDF_TIME, "s", 1e12},        {QN_NETCDF_LENGTH, "angstrom", 1},
    {QN_NETCDF_LENGTH, "a", 1},          {QN_NETCDF_LENGTH, "nanometer", 10}, {QN_NETCDF_LENGTH, "nm", 10},
    {QN_NETCDF_ANGLE, "degree", 1},      {QN_NETCDF_ANGLE, "radian", 57.29577951308232},
};

static const char *accepted(qn_netcdf_kind kind) {
  return kind == QN_NETCDF_TIME     ? "femtosecond, picosecond, nanosecond, second"
         : kind == QN_NETCDF_LENGTH ? "angstrom, nanometer"
                                    : "degree, radian";
}

static qn_status read_number(int file, int variable, const char *name, double *number) {
  size_t length = 0;
  if (nc_inq_attlen(file, variable, name, &length) != NC_NOERR) return QN_OK;
  return length == 1 && nc_get_att_double(file, variable, name, number) == NC_NOERR && isfinite(*number) ? QN_OK : QN_CORRUPT;
}

qn_status qn_netcdf_scale_read(qn_netcdf_scale *scale, int file, int variable, qn_netcdf_kind kind, const char *path, qn_error *error) {
  char variable_name[NC_MAX_NAME + 1] = "", text[UNIT_SIZE] = "";
  size_t length = 0;
  *scale = (qn_netcdf_scale){1, 0};
  nc_inq_varname(file, variable, variable_name);
  if (read_number(file, variable, "scale_factor", &scale->factor) != QN_OK || read_number(file, variable, "add_offset", &scale->offset) != QN_OK ||
      scale->factor == 0)
    return qn_error_set(error, QN_CORRUPT, "%s: scale_factor or add_offset of %s is no finite number", path, variable_name);
  if (nc_inq_attlen(file, variable, "units", &length) != NC_NOERR) return QN_OK;
  if (length < sizeof text && nc_get_att_text(file, variable, "units", text) != NC_NOERR) text[0] = '\0';
  /* "Picoseconds", "ps ": case, plural and blanks at the end mean nothing. */
  length = strnlen(text, sizeof text - 1);
  while (length > 0 && isspace((unsigned char)text[length - 1])) length--;
  text[length] = '\0';
  char unit[UNIT_SIZE];
  for (size_t i = 0; i <= length; i++) unit[i] = (char)tolower((unsigned char)text[i]);
  for (int plural = 0; plural < 2; plural++) {
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
      if (units[u].kind != kind || strcmp(units[u].name, unit) != 0) continue;
      /* The offset is stored in the variable's own units too. */
      scale->factor *= units[u].factor;
      scale->offset *= units[u].factor;
      return QN_OK;
    }
    if (length > 2 && unit[length - 1] == 's') unit[length - 1] = '\0';
  }
  return qn_error_set(error, QN_UNSUPPORTED, "%s: %s has the units \"%s\"; accepted are %s", path, variable_name, text, accepted(kind));
}
