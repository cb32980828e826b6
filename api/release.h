/* Releasing rows and pages of storage: what the _fini functions of api/store.c and api/operations.c share. */
#ifndef QN_API_RELEASE_H
#define QN_API_RELEASE_H

#include <stddef.h>
#include <stdlib.h>

static inline void qn_release(char **texts[], size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(*texts[i]);
    *texts[i] = NULL;
  }
}

/* Free these texts, given by their addresses, and leave NULL. */
#define QN_RELEASE(...) qn_release((char **[]){__VA_ARGS__}, sizeof((char **[]){__VA_ARGS__}) / sizeof(char **))

#define QN_PAGE_FINI(page, row_fini)                                                                                   \
  do {                                                                                                                 \
    for (int i = 0; i < (page)->count; i++) row_fini(&(page)->rows[i]);                                                \
    free((page)->rows);                                                                                                \
    (page)->rows = NULL;                                                                                               \
    (page)->count = 0;                                                                                                 \
  } while (0)

#endif
