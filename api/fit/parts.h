/* What the files of this folder share; only they include this. */
#ifndef QN_API_FIT_PARTS_H
#define QN_API_FIT_PARTS_H

#include "api/fit.h"

/* A new entry at the end, all zero; NULL without memory. */
qn_fit_entry *qn_fit_spec_add(qn_fit_spec *spec);

/* Drop an entry that lies outside the range that was asked for. */
void qn_fit_drop_outside(const qn_fit_spec *spec, qn_fit_entry *entry);

static inline bool qn_fit_is_used(const qn_fit_entry *entry) { return entry->reason[0] == '\0'; }

#endif
