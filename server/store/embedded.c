#include "server/store/embedded.h"

extern const char qn_embedded_potential[], qn_embedded_potential_end[];

qn_embedded qn_embedded_mendelev(void) {
  return (qn_embedded){"mendelev-2009-cuzr", qn_embedded_potential, (size_t)(qn_embedded_potential_end - qn_embedded_potential)};
}
