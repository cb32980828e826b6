/* Numbers as people read them: their shortest spelling, and decimal values without the noise of binary products. */
#ifndef QN_BASE_NUMBER_H
#define QN_BASE_NUMBER_H

/* A finite number with the fewest digits, of 15 to 17, that read back as the same double; a whole one below 2^53 without point or exponent. */
enum { QN_NUMBER_SIZE = 40 };
void qn_number_spell(double value, char text[QN_NUMBER_SIZE]);

/* To 14 significant decimal digits: 300 steps of 0.001 ps are 0.3 ps, not 0.30000000000000004. For values made of a few products of short
 * decimals, such as times; what is not finite stays as it is. */
double qn_number_round(double value);

#endif
