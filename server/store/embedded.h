/* Files carried in the program, so that a binary alone is enough: the migrations, and the potential that comes with quenchd. */
#ifndef QN_SERVER_STORE_EMBEDDED_H
#define QN_SERVER_STORE_EMBEDDED_H

#include <stddef.h>

typedef struct qn_embedded {
  const char *name;   /* "001_core" */
  const char *text;   /* `size` bytes, without a final NUL */
  size_t size;
} qn_embedded;

/* The migrations in order; migration `index` brings the schema from version index to index + 1. */
int qn_embedded_migration_count(void);
qn_embedded qn_embedded_migration(int index);

/* Mendelev et al. 2009, Cu-Zr, eam/fs; its name is the one in the registry. */
qn_embedded qn_embedded_mendelev(void);

#endif
