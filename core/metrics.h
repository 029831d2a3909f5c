/* core/metrics.h - scores: accuracy, MCC, average precision, ARI, R^2, and the judge.
 *
 * Layer: core.
 */
#ifndef UB_CORE_METRICS_H
#define UB_CORE_METRICS_H

#include <stdint.h>

#include "core/status.h"

/* Fraction of n cells where decision (0/1) equals truth (0/1). */
double ub_accuracy(int64_t n, const uint8_t *truth, const uint8_t *decision);
/* Matthews correlation coefficient; 0 when a margin is empty. */
double ub_mcc(int64_t n, const uint8_t *truth, const uint8_t *decision);
/* Average precision: sum over cut-offs of (recall gain) * precision, tied scores taken as one
 * cut-off (the definition of scikit-learn's average_precision_score); 0 without positives.
 * Errors: UB_ENUMERIC (a score is NaN), UB_ENOMEM. */
UB_NODISCARD ub_status ub_average_precision(int64_t n, const uint8_t *truth, const double *score,
                                            double *out);
/* Adjusted Rand index of two labelings (Hubert and Arabie 1985); any int64 labels.  1 for equal
 * partitions, trivial ones too. */
UB_NODISCARD ub_status ub_ari(int64_t n, const int64_t *a, const int64_t *b, double *out);

/* 1 - SS_res / SS_tot of each of the q columns of y, m x q, against guess; 0 for a constant one. */
void ub_r2(int64_t m, int32_t q, const double *y, const double *guess, double *r2);

/* The judge: y from x by kernel ridge regression with a Gaussian kernel.
 *   x_train n x p, y_train n x q, x_test m x p, row-major; inputs are standardised with the
 *   training rows.  Solves (K + n lambda I) c = y; for each column of y, bandwidth ({.5, 1, 2, 4}
 *   median distances) and lambda (`ridge` times 10^-2 .. 10^3) are those that do best on the last
 *   fifth of the training rows, then refitted on all of them.
 *   y_hat   m x q: what it says of the test rows
 * Cost: O(n^3) a grid point by Cholesky; n^2 doubles.
 * Errors: UB_EARG (n < 10), UB_ENUMERIC (a value that is not finite), UB_ENOMEM. */
UB_NODISCARD ub_status ub_judge_predict(int64_t n, int64_t m, int32_t p, int32_t q,
                                        const double *x_train, const double *y_train,
                                        const double *x_test, double ridge, double *y_hat);

/* Its held-out R^2.
 *   y_test  m x q
 *   r2      q values: 1 - SS_res / SS_tot of each column on the test rows
 * p = 0 (an empty group) gives r2 = 0.
 * Errors: UB_EARG (n < 10 or m < 2), UB_ENUMERIC (a value that is not finite), UB_ENOMEM. */
UB_NODISCARD ub_status ub_judge_r2(int64_t n, int64_t m, int32_t p, int32_t q,
                                   const double *x_train, const double *y_train,
                                   const double *x_test, const double *y_test, double ridge,
                                   double *r2);

#endif /* UB_CORE_METRICS_H */
