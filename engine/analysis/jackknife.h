/* The standard error of a quantity from its values with one of K blocks left out:
 *
 *   se^2 = (K-1)/K sum_k (x_without_k - mean)^2,  times (t / 1.96)^2
 *
 * with t the 97.5 % point of Student's distribution of K - 1 degrees of freedom. An error estimated from few blocks is itself uncertain; with
 * this factor (1.21 for 8 blocks, 1.09 for 16, 1.04 for 32) the value +- 1.96 errors is the 95 % interval whatever K is, and errors of
 * different K can be used alike. */
#ifndef QN_ANALYSIS_JACKKNIFE_H
#define QN_ANALYSIS_JACKKNIFE_H

/* NAN when a value is not finite or count < 4. */
double qn_jackknife_error(const double *without, int count);

/* t / 1.96 for `blocks` >= 4 (Cornish-Fisher expansion; 1e-3 at 8, better above). */
double qn_jackknife_student(int blocks);

#endif
