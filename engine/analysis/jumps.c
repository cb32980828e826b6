#include "engine/analysis/jumps.h"

static const double BACKWARD = 1; /* A */

double qn_jump_square(const double vector[3], int axis) {
  double square = 0;
  for (int a = 0; a < 3; a++)
    if (a != axis) square += vector[a] * vector[a];
  return square;
}

int qn_jumps_find(int windows, const double (*mean)[3], const bool *flagged, int o, double debye_waller, int axis, qn_jump *jump) {
  int count = 0;
  for (int first = 0; first < windows; first++) {
    if (!flagged[first]) continue;
    int last = first;
    while (last + 1 < windows && flagged[last + 1]) last++;
    if (first - o >= 0 && last + o < windows) {
      qn_jump found = {.first = first, .last = last};
      double sum[3] = {0, 0, 0};
      for (int a = 0; a < 3; a++) found.vector[a] = mean[last + o][a] - mean[first - o][a];
      if (qn_jump_square(found.vector, axis) >= debye_waller) {
        for (int a = 0; a < 3 && count > 0; a++) sum[a] = jump[count - 1].vector[a] + found.vector[a];
        if (count > 0 && qn_jump_square(sum, axis) < BACKWARD * BACKWARD) count--;
        else jump[count++] = found;
      }
    }
    first = last;
  }
  return count;
}
