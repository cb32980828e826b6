/* openapi.yaml, carried in the program: always the document of its build. */
#ifndef QN_API_DOCUMENT_H
#define QN_API_DOCUMENT_H

#include <stddef.h>

const char *qn_document(size_t *size);

#endif
