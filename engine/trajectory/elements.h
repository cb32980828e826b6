/* Standard atomic weights (IUPAC 2021, conventional or abridged values; mass number of the longest-lived isotope where there is none):
 * the masses for files that give chemical symbols alone. */
#ifndef QN_TRAJECTORY_ELEMENTS_H
#define QN_TRAJECTORY_ELEMENTS_H

/* amu, or 0 when `symbol` is no chemical element. */
double qn_element_mass(const char *symbol);

/* The symbol of the element whose weight is nearest, or NULL when none is within 0.05 amu. */
const char *qn_element_of_mass(double mass);

#endif
