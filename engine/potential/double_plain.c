/* The passes of the double kernel on any machine. */
#include "engine/potential/double_passes.h"

const qn_double_passes qn_double_plain = {first_pass, second_pass};
