#include "engine/potential/ranges.h"

#include <math.h>

/* Five-point slopes carry a value two knots away, so the spline is flat zero from the third knot after the last non-zero one. */
enum { SLOPE_REACH = 3 };

static double range_of(const qn_eam *eam, const double *table) {
  int last = eam->r_points - 1;
  while (last >= 0 && table[last] == 0.0) last--;
  if (last < 0) return 0.0;
  if (last + SLOPE_REACH >= eam->r_points - 1) return eam->cutoff;
  return fmin(eam->cutoff, (last + SLOPE_REACH) * eam->r_step);
}

/* Tables often begin with a constant where nobody computed anything (1e12 in Mendelev's); slopes near its end are meaningless too. */
static double core_of(const qn_eam *eam, const double *table) {
  int first = 1;
  while (first < eam->r_points && table[first] == table[first - 1]) first++;
  if (first == eam->r_points || first == 1) return eam->r_step; /* all of it constant (no pair term), or none */
  return (first + SLOPE_REACH) * eam->r_step;
}

double qn_ranges_longest(const qn_eam *eam) {
  double longest = eam->r_step; /* never 0, even when every table is */
  size_t tables = (size_t)eam->species_count * (size_t)eam->species_count;
  for (size_t t = 0; t < tables; t++) {
    longest = fmax(longest, range_of(eam, eam->pair + t * (size_t)eam->r_points));
    longest = fmax(longest, range_of(eam, eam->density + t * (size_t)eam->r_points));
  }
  return longest;
}

void qn_ranges_find(const qn_eam *eam, qn_ranges *ranges) {
  *ranges = (qn_ranges){.longest = qn_ranges_longest(eam)};
  int n = eam->species_count;
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      size_t table = (size_t)(a * n + b) * (size_t)eam->r_points;
      ranges->pair[a][b] = range_of(eam, eam->pair + table);
      ranges->core[a][b] = core_of(eam, eam->pair + table);
      ranges->density[a][b] = range_of(eam, eam->density + table);
    }
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) ranges->reach[a][b] = fmax(ranges->pair[a][b], fmax(ranges->density[a][b], ranges->density[b][a]));
}
