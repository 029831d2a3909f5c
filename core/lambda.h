/* core/lambda.h - the weight of the sparsity penalty, chosen without knowing the truth.
 *
 * Candidates are lambda, lambda / 2, lambda / 4, ...: a stronger penalty leaves fewer latents to a
 * task until it takes away what the task is made of, and that is seen in the held-out R^2 of its
 * head.  So: the strongest at which no task has lost more than a tolerance of its best R^2 (as the
 * one-standard-error rule of Breiman et al. 1984, section 3.4.3, with a stated tolerance).
 *
 * Layer: core.
 */
#ifndef UB_CORE_LAMBDA_H
#define UB_CORE_LAMBDA_H

#include <stdint.h>

/* Candidate k (0 is the strongest) of those that begin with `lambda`. */
double ub_lambda_candidate(double lambda, int64_t k);
/* The smallest k such that r2[k][i] >= max over l of r2[l][i] - tolerance for every task i, else
 * the candidate that misses it by least.
 *   r2  candidates x tasks; NaN = the task counts nowhere (in all candidates alike) */
int64_t ub_lambda_choose(int64_t candidates, int32_t tasks, const double *r2, double tolerance);

#endif /* UB_CORE_LAMBDA_H */
