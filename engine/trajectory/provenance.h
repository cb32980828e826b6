/* What made a file: kept in it, so that it can be told from the file alone. */
#ifndef QN_TRAJECTORY_PROVENANCE_H
#define QN_TRAJECTORY_PROVENANCE_H

enum { QN_PROVENANCE_TEXT = 128 };

/* Each "" where it is not known. */
typedef struct qn_provenance {
  char title[QN_PROVENANCE_TEXT];            /* the simulation's name */
  char spec_sha256[QN_PROVENANCE_TEXT];      /* of the canonical spec of the work */
  char potential[QN_PROVENANCE_TEXT];        /* its name */
  char potential_sha256[QN_PROVENANCE_TEXT]; /* of its text */
  char engine_version[QN_PROVENANCE_TEXT];   /* qn_version() of the program that ran it */
} qn_provenance;

#endif
