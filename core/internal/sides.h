/* core/internal/sides.h - pairs of scalar steps given their neighbours and a task, pairs in lanes.
 *
 * What depends on one step only is done once.  A step t with its neighbours c = t - 1, d = t + 1 is
 * a side: three combinations of them that are uncorrelated and of variance 1,
 *     C1 = w0 c,  C2 = w2 d - w1 C1,  Y = w5 t - (w3 C1 + w4 C2),
 * the last what the neighbours leave of t.  Of a pair (x, y), A1, A2, X on the other side, there
 * remain the 3 x 3 correlations between the sides, and the inverse of the 2 x 2
 * S = I - R'R, R = cor((A1, A2), (C1, C2)).  With D = det S and adj S in its place nothing is
 * divided before the end: residual covariances of X, Y and the task come times D, then times that
 * of the task, which cancels in r = (xy gg - xg yg) / sqrt((xx gg - xg^2) (yy gg - yg^2)): one root
 * and one division a test.  (Schur complements: Anderson, "An Introduction to Multivariate
 * Statistical Analysis", 2.5.)
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SIDES_H
#define UB_CORE_INTERNAL_SIDES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/moments.h"

typedef struct ub_sides ub_sides;

/* The sides of all steps.
 *   m         moments: column t of step t, then one column a task; borrowed
 *   stride    between the steps y of a row: they lie side by side
 *   contrast  one more test a pair, the last: without any task
 *   before    false: c is not there, as it is x + 1 and on the other side already
 * Memory: (7 + 3 (tasks + contrast)) doubles a step.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_sides_create(const ub_moments *m, int32_t steps, int32_t stride,
                                       bool contrast, bool before, ub_sides **out);
void                   ub_sides_destroy(ub_sides **s);

/* Whether pairs of x are worth asking for: else every r is NaN. */
bool ub_sides_usable(const ub_sides *s, int32_t x);

/* The n pairs (x, y), (x, y + stride) .., x looked up in `of_x` and y in `of_y`.
 *   root    roots of the degrees of freedom: [k * tests + j] of test j given k neighbours that vary
 *   r       out, n * tests
 *   dof     out, n * tests: the root that goes with r
 * r is NaN where a variance drops below 2^-7 of itself on the way (elsewhere it is within 1e-12 of
 * ci/fisher_z.c), or is not finite.  Returns whether none is. */
bool ub_sides_row(const ub_sides *of_x, const ub_sides *of_y, int32_t x, int32_t y, int32_t n,
                  const double *root, double *r, double *dof);

#endif /* UB_CORE_INTERNAL_SIDES_H */
