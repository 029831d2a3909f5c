/* core/internal/adam.h - the update that adam and adamw share (Kingma and Ba, "Adam: a method for
 * stochastic optimization", ICLR 2015, algorithm 1; beta1 .9, beta2 .999, epsilon 1e-8).
 *
 * Layer: core, private.  Compiled for double and for float (core/real.h).
 */
#ifndef UB_CORE_INTERNAL_ADAM_H
#define UB_CORE_INTERNAL_ADAM_H

#include "core/optimizer.h"

/* One update of n weights w with gradient step->scale * g, after they were multiplied by `shrink`.
 *   m, v  running moments (n each), zero before the first update */
void ub_adam_update(const ub_update *step, double shrink, int64_t n, const ub_real *g, ub_real *w,
                    ub_real *m, ub_real *v);

#endif /* UB_CORE_INTERNAL_ADAM_H */
