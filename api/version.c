#include "api/version.h"

const char *qn_api_version(void) { return QN_VERSION; }
