/* The simulation box: orthorhombic, periodic along every axis (a free surface is a periodic box with
 * vacuum in it, as in the paper's section II). */
#ifndef QN_MODEL_BOX_H
#define QN_MODEL_BOX_H

typedef struct qn_box {
  double origin[3]; /* A, the lower corner */
  double length[3]; /* A, > 0 */
} qn_box;

/* A^3. */
static inline double qn_box_volume(const qn_box *box) {
  return box->length[0] * box->length[1] * box->length[2];
}

#endif
