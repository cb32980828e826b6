#include <stddef.h>
#include <string.h>

#include "engine/fit/arrhenius.h"
#include "engine/fit/glass_transition.h"
#include "engine/fit/vft.h"

const qn_fit_type *const *qn_fit_types(void) {
  static const qn_fit_type *const types[] = {&qn_fit_arrhenius, &qn_fit_vft, &qn_fit_glass_transition, NULL};
  return types;
}

const qn_fit_type *qn_fit_find(const char *name) {
  for (const qn_fit_type *const *type = qn_fit_types(); *type != NULL; type++)
    if (strcmp((*type)->name, name) == 0) return *type;
  return NULL;
}
