/* The soft spheres of soft_system.h as a setfl text, for runs through the engine's own kernels: short in range, so that 108 atoms are
 * enough. The embedding energy is nought and the density is not, as real files have it. */
#ifndef QN_TESTS_DYNAMICS_SOFT_POTENTIAL_H
#define QN_TESTS_DYNAMICS_SOFT_POTENTIAL_H

#include <stdio.h>
#include <stdlib.h>

#include "engine/dynamics/soft_system.h"
#include "engine/potential/eam.h"

enum { SOFT_POINTS = 500 };

static inline void soft_potential(qn_eam *eam) {
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&text, &size);
  double step = SOFT_RANGE / (SOFT_POINTS - 1);
  fprintf(file, "soft spheres of two masses\nfor tests\n\n2 Cu Zr\n%d 0.2 %d %.17g %.17g\n", SOFT_POINTS, SOFT_POINTS, step, SOFT_RANGE);
  for (int s = 0; s < 2; s++) {
    fprintf(file, "%d %g 4.0 fcc\n", s == 0 ? 29 : 40, s == 0 ? 63.546 : 91.224);
    for (int k = 0; k < SOFT_POINTS; k++) fprintf(file, "0.0\n");
    for (int k = 0; k < SOFT_POINTS; k++) fprintf(file, "%.17g\n", pow(1.0 - pow((double)k / (SOFT_POINTS - 1), 2), 4));
  }
  for (int pair = 0; pair < 3; pair++)
    for (int k = 0; k < SOFT_POINTS; k++)
      fprintf(file, "%.17g\n", k * step * SOFT_HEIGHT * pow(1.0 - pow((double)k / (SOFT_POINTS - 1), 2), 4));
  fclose(file);
  qn_error error = {0};
  qn_status status = qn_eam_parse(eam, text, size, &error);
  free(text);
  if (status != QN_OK) fail_msg("%s", error.message);
}

#endif
