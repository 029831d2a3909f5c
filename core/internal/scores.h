/* core/internal/scores.h - ranks and normal scores of a column.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SCORES_H
#define UB_CORE_INTERNAL_SCORES_H

#include <stdint.h>

#include "core/status.h"

/* Ranks 0 .. n-1 of n values, which are not NaN, ties sharing their mean rank; out may be v.
 * O(n log n).  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_ranks(int64_t n, const double *v, double *out);

/* Replace each of n values by phi^-1(rank / (n + 1)), ranks 1 .. n, ties sharing their mean rank
 * (van der Waerden 1952).  A value that is not finite makes the whole column NaN.  O(n log n).
 * Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_normal_scores(int64_t n, double *column);

#endif /* UB_CORE_INTERNAL_SCORES_H */
