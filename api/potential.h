/* What the API knows of a registered potential without reading its tables: made once at upload, kept as JSON in qn_potential_row.details. */
#ifndef QN_API_POTENTIAL_H
#define QN_API_POTENTIAL_H

#include "api/store.h"
#include "engine/potential/eam.h"

enum { QN_HASH_SIZE = 65 }; /* hex SHA-256 and NUL */

/* Longest name of a potential: for its registry, for specs and for queries alike. */
enum { QN_POTENTIAL_NAME_MOST = 100 };

typedef struct qn_potential_facts {
  char sha256[QN_HASH_SIZE]; /* of the setfl text */
  bool finnis_sinclair;
  double cutoff_a;          /* as the header says */
  double smallest_length_a; /* smallest box length that the kernels take */
  int species_count;
  qn_species species[QN_MAX_ELEMENTS];
  char lattice[QN_MAX_ELEMENTS][8]; /* "fcc", "bcc", ... as the header says */
  double lattice_constant_a[QN_MAX_ELEMENTS];
} qn_potential_facts;

/* Is it written like a chemical symbol: a capital, then up to six letters or digits? */
bool qn_potential_is_symbol(const char *text);

/* A name that the registry takes: 1 to QN_POTENTIAL_NAME_MOST letters, digits, dots, dashes or underscores, beginning with a letter or
 * digit. */
bool qn_potential_is_name(const char *name);

/* Read setfl text. QN_PARSE with line and reason when it is malformed; QN_UNSUPPORTED when a species is not written like a chemical symbol. */
qn_status qn_potential_describe(const char *text, size_t size, qn_potential_facts *facts, qn_error *error);

/* The row to hand to qn_store_add_potential (caller: qn_potential_row_fini). `citation` and `licence` may be "". QN_INVALID for what is no name. */
qn_status qn_potential_row_make(const char *name, const char *citation, const char *licence,
                                const qn_potential_facts *facts, size_t size, qn_potential_row *row, qn_error *error);

/* Back from a row; QN_CORRUPT when its details are not what was stored. */
qn_status qn_potential_facts_of_row(const qn_potential_row *row, qn_potential_facts *facts, qn_error *error);

#endif
