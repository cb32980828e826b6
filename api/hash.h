/* SHA-256, spelled in hex: the identity of specs, potentials and files. */
#ifndef QN_API_HASH_H
#define QN_API_HASH_H

#include <stddef.h>

#include "api/potential.h"

void qn_hash_hex(const void *data, size_t size, char hex[QN_HASH_SIZE]);
qn_status qn_hash_file(const char *path, char hex[QN_HASH_SIZE], qn_error *error);

#endif
