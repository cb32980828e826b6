#include "api/document.h"

extern const char qn_embedded_document[], qn_embedded_document_end[];

const char *qn_document(size_t *size) {
  *size = (size_t)(qn_embedded_document_end - qn_embedded_document);
  return qn_embedded_document;
}
