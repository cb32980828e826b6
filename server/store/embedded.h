/* Files carried in the program, so that a binary alone is enough: the migrations, and the potential that comes with quenchd. The build makes
 * them (CMakeLists.txt). */
#ifndef QN_SERVER_STORE_EMBEDDED_H
#define QN_SERVER_STORE_EMBEDDED_H

#include <stddef.h>

typedef struct qn_embedded_file {
  const char *name;        /* "001_core" */
  const char *text, *end;  /* a NUL stands at `end` */
} qn_embedded_file;

/* In order; migration `i` brings the schema from version i to i + 1. */
extern const qn_embedded_file qn_embedded_migrations[];
extern const int qn_embedded_migration_count;

/* Mendelev et al. 2009, Cu-Zr, eam/fs; its name is the one in the registry. */
typedef struct qn_embedded {
  const char *name, *text;
  size_t size;
} qn_embedded;
qn_embedded qn_embedded_mendelev(void);

#endif
