/* core/membership.h - from evidence to membership: the decision rules of stage 1.
 *
 * Layer: core.  Everything here is deterministic.
 */
#ifndef UB_CORE_MEMBERSHIP_H
#define UB_CORE_MEMBERSHIP_H

#include <stdint.h>

#include "core/status.h"

/* Log-likelihood ratio, dependent against independent, of a test with evidence z^2 on n
 * samples: z ~ N(0, 1) against z ~ N(0, t2), t2 = 1 + n rho^2 (a normal prior with standard
 * deviation rho on the partial correlation):
 *     l = min(z^2, cap)/2 (1 - 1/t2) - log(t2)/2 */
typedef struct ub_llr {
    double cap, slope, price; /* l = min(z^2, cap)/2 slope - price */
} ub_llr;
ub_llr ub_membership_llr(int64_t n, double rho, double cap);

static inline double ub_llr_of(const ub_llr *l, double evidence)
{
    return 0.5 * (evidence < l->cap ? evidence : l->cap) * l->slope - l->price;
}

typedef enum ub_adjustment {
    UB_ADJUST_NONE,
    UB_ADJUST_BH,
    UB_ADJUST_BY,
    UB_ADJUST_BONFERRONI
} ub_adjustment;

/* Adjust n p-values in place for being n of them: Benjamini and Hochberg 1995 (false discovery
 * rate), Benjamini and Yekutieli 2001 (the same under any dependence), Bonferroni.  A negative
 * entry is no test: it does not count and stays.  O(n log n).  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_membership_adjust(ub_adjustment how, int64_t n, double *p);

/* What a set of `members` among `segments` costs for having been searched for: log of the number
 * of sets of its size (of half the segments, if it is larger), so that the best of 2^K sets of
 * noise does not count as a finding.  A uniform prior over sizes, then over the sets of a size, as
 * in the extended BIC (Chen and Chen 2008), without its reward for sets of more than half. */
double ub_membership_price(int32_t segments, int32_t members);

/* The set of segments with the largest sum of pair llr inside it plus direct llr of its members,
 * less ub_membership_price; the empty set counts 0.
 *   segments  K
 *   pair      K (K - 1) / 2, by ub_pair_index; or NULL
 *   direct    K; or NULL: then a set has no member or at least two
 *   member    out, K: 0 or 1
 *   gain      out, K: what the objective has from (member) or would have from (other) the
 *             segment, given the other members; without any member and without direct
 *             evidence, what the best pair of the segment would bring
 * Exact up to UB_MEMBERSHIP_EXACT segments (all subsets in Gray code order), beyond it a tabu
 * search from 66 starts of some K + 500 moves.  Cost: 2^K K, or 66 (K + 500) K additions. */
enum { UB_MEMBERSHIP_EXACT = 16 };
UB_NODISCARD ub_status ub_membership_clique(int32_t segments, const double *pair,
                                            const double *direct, uint8_t *member, double *gain);

/* The search alone, whatever the size; returns the value of the set found. */
UB_NODISCARD ub_status ub_membership_search(int32_t segments, const double *pair,
                                            const double *direct, uint8_t *member, double *value);

#endif /* UB_CORE_MEMBERSHIP_H */
