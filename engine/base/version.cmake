# Writes OUTPUT, the source of qn_version(), anew when it says something else than before. Run at every build:
#   cmake -DSOURCE=DIR -DOUTPUT=FILE -DRELEASE=0.1.0 [-DREVISION=TEXT] -P version.cmake
# The revision is REVISION when that is given (an image is built without the repository), otherwise git's description of SOURCE, otherwise what
# `git archive` has put into SOURCE/.revision.
if(NOT REVISION)
  find_program(GIT git)
  if(GIT AND EXISTS ${SOURCE}/.git)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12
                    OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT REVISION AND EXISTS ${SOURCE}/.revision)
  file(STRINGS ${SOURCE}/.revision REVISION LIMIT_COUNT 1)
  if(REVISION MATCHES "^[0-9a-f]+$")
    string(SUBSTRING ${REVISION} 0 12 REVISION)
  else()
    set(REVISION "")
  endif()
endif()
string(REGEX REPLACE "[^0-9A-Za-z.-]" "-" REVISION "${REVISION}")
set(version ${RELEASE})
if(REVISION)
  string(APPEND version "+${REVISION}")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "engine/base/version.h"

const char *qn_version(void) { return "@version@"; }
]])
