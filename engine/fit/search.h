/* The lowest place of a function of one variable: a scan, then golden sections about its lowest point. */
#ifndef QN_FIT_SEARCH_H
#define QN_FIT_SEARCH_H

/* The function may return INFINITY where it has no value. The result is a place between low and high, to 1e-10 of their distance. */
double qn_fit_search(double (*function)(void *context, double x), void *context, double low, double high, int scan);

#endif
