#include "engine/fit/least_squares.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/memory.h"

enum { MOST = QN_FIT_PARAMETERS };

bool qn_least_squares(int count, int parameters, const double *design, const double *y, const double *weight, double *solution, double *chi_square,
                      double covariance[QN_FIT_PARAMETERS][QN_FIT_PARAMETERS]) {
  if (count < parameters) return false;
  int width = parameters + 1; /* the right-hand side is one column more */
  double *m = qn_memory_alloc((size_t)count * (size_t)width, sizeof *m), scale[MOST];
  if (m == NULL) return false;
  for (int i = 0; i < count; i++) {
    for (int p = 0; p < parameters; p++) m[i * width + p] = weight[i] * design[i * parameters + p];
    m[i * width + parameters] = weight[i] * y[i];
  }
  for (int p = 0; p < parameters; p++) {
    double square = 0;
    for (int i = 0; i < count; i++) square += m[i * width + p] * m[i * width + p];
    scale[p] = square > 0 ? sqrt(square) : 1;
    for (int i = 0; i < count; i++) m[i * width + p] /= scale[p];
  }
  bool full = true;
  for (int p = 0; p < parameters; p++) {
    double norm = 0;
    for (int i = p; i < count; i++) norm += m[i * width + p] * m[i * width + p];
    norm = sqrt(norm);
    full = full && norm > 1e-13;
    if (!full) break;
    double head = m[p * width + p], alpha = head > 0 ? -norm : norm, beta = norm * (norm + fabs(head));
    m[p * width + p] -= alpha;
    for (int c = p + 1; c < width; c++) {
      double dot = 0;
      for (int i = p; i < count; i++) dot += m[i * width + p] * m[i * width + c];
      dot /= beta;
      for (int i = p; i < count; i++) m[i * width + c] -= dot * m[i * width + p];
    }
    m[p * width + p] = alpha; /* the diagonal of R; what is below it is not needed again */
  }
  if (full) {
    double inverse[MOST][MOST] = {{0}}; /* of R */
    for (int p = parameters - 1; p >= 0; p--) {
      double sum = m[p * width + parameters];
      for (int c = p + 1; c < parameters; c++) sum -= m[p * width + c] * solution[c];
      solution[p] = sum / m[p * width + p];
      inverse[p][p] = 1 / m[p * width + p];
      for (int c = p + 1; c < parameters; c++) {
        double part = 0;
        for (int k = p + 1; k <= c; k++) part += m[p * width + k] * inverse[k][c];
        inverse[p][c] = -part / m[p * width + p];
      }
    }
    *chi_square = 0;
    for (int i = parameters; i < count; i++) *chi_square += m[i * width + parameters] * m[i * width + parameters];
    for (int a = 0; a < parameters; a++) solution[a] /= scale[a];
    for (int a = 0; covariance != NULL && a < parameters; a++)
      for (int b = 0; b < parameters; b++) {
        covariance[a][b] = 0;
        for (int k = 0; k < parameters; k++) covariance[a][b] += inverse[a][k] * inverse[b][k] / (scale[a] * scale[b]);
      }
  }
  free(m);
  return full;
}
