#include "engine/base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void qn_number_spell(double value, char text[QN_NUMBER_SIZE]) {
  if (value == floor(value) && fabs(value) < 0x1p53) {
    snprintf(text, QN_NUMBER_SIZE, "%.0f", value == 0.0 ? 0.0 : value); /* no negative zero */
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, QN_NUMBER_SIZE, "%.*g", digits, value);
    if (strtod(text, NULL) == value) return;
  }
}

double qn_number_round(double value) {
  char text[QN_NUMBER_SIZE];
  if (!isfinite(value)) return value;
  snprintf(text, sizeof text, "%.14g", value);
  return strtod(text, NULL);
}
