/* core/special.h - normal and chi-square tails and quantiles, digamma.
 *
 * Tails are computed as tails, never as 1 - cdf, and their logarithms without passing
 * through the tail, so that a p-value of 1e-300 keeps its digits and one that underflows
 * still has a finite logarithm.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_SPECIAL_H
#define UB_CORE_SPECIAL_H

#include <stdint.h>

/* P(Z > z) of the standard normal, and its logarithm (finite for every finite z). */
double ub_normal_tail(double z);
double ub_normal_log_tail(double z);
/* P(|Z| > |z|). */
double ub_normal_two_sided(double z);

/* The z with log P(Z > z) = log_p, log_p < 0; accurate far into both tails. */
double ub_normal_tail_quantile(double log_p);
/* The z with P(Z <= z) = p, 0 < p < 1; -+infinity at 0 and 1. */
double ub_normal_quantile(double p);

/* P(X > x) of the chi-square with dof > 0 (not necessarily integer) degrees of freedom, and
 * its logarithm; the regularised upper incomplete gamma function Q(dof/2, x/2) by its series
 * or continued fraction (DLMF 8.11.4, 8.9.2).  x <= 0 gives 1. */
double ub_chi2_tail(double x, double dof);
double ub_chi2_log_tail(double x, double dof);

/* log P(sum_k w_k X_k > x), X_k independent chi-square(1), count >= 1 weights w_k > 0, x >= 0, by
 * the saddlepoint approximation (Lugannani and Rice 1980; Kuonen, Biometrika 1999) in the form of
 * Barndorff-Nielsen, which stays in (0, 1).  Exact for one weight; else the
 * absolute error is below .015, the relative one below 3 % for p in [.01, .5] and, as p goes to 0,
 * below 17 % (Stirling's formula for gamma(1/2)). */
double ub_chi2_mixture_log_tail(double x, int32_t count, const double *weight);
/* log P(X > f) of the F distribution with d1, d2 > 0 degrees of freedom: the regularised incomplete
 * beta function I_x(d2/2, d1/2), x = d2 / (d2 + d1 f), by its continued fraction (DLMF 8.17.22).
 * f <= 0 gives 0. */
double ub_f_log_tail(double f, double d1, double d2);

/* Evidence: the chi-square(1) quantile whose upper tail is p, from log p or from p.  Finite
 * and >= 0 for every finite log p; p = 0 counts as the smallest positive double (about 1480). */
double ub_evidence_of_log_p(double log_p);
double ub_evidence_of_p(double p);

/* The digamma function for x > 0: recurrence to x >= 12, then its asymptotic series (DLMF 5.5.2,
 * 5.11.2).  Absolute error below 1e-14 for x >= 1. */
double ub_digamma(double x);

#endif /* UB_CORE_SPECIAL_H */
