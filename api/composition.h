/* The name of an alloy: "Cu50Zr50", symbols in alphabetical order with their atomic per cent, to a tenth where it is not whole. One alloy has
 * one name, whatever order its species came in. */
#ifndef QN_API_COMPOSITION_H
#define QN_API_COMPOSITION_H

#include <stdbool.h>

#include "engine/model/atoms.h"

/* Every species with seven letters and "99.9", and NUL. */
enum { QN_COMPOSITION_SIZE = QN_MAX_SPECIES * (QN_SYMBOL_SIZE + 4) + 1 };

/* From the number of atoms of each species, or from the atoms; species without an atom are left out. */
void qn_composition_name(int species_count, const qn_species *species, const int64_t *atoms, char name[QN_COMPOSITION_SIZE]);
void qn_composition_of_atoms(const qn_atoms *atoms, char name[QN_COMPOSITION_SIZE]);

/* From what a person writes, such as "Zr50Cu50" or "Cu50.0Zr50". False when it is no list of symbols and per cent that add up to 100. */
bool qn_composition_parse(const char *text, char name[QN_COMPOSITION_SIZE]);

#endif
