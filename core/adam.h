/* core/adam.h - the Adam update (Kingma and Ba, "Adam: a method for stochastic
 * optimization", ICLR 2015, algorithm 1; beta1 .9, beta2 .999, epsilon 1e-8).
 *
 * Layer: core.  Compiled for double and for float (core/real.h).
 */
#ifndef UB_CORE_ADAM_H
#define UB_CORE_ADAM_H

#include <stdint.h>

#include "core/real.h"

/* One update of n weights w with gradient g.
 *   t     number of this update, 1 for the first
 *   rate  step size
 *   m, v  running moments (n each), zero before the first update */
void ub_adam_update(int64_t n, int64_t t, double rate, const ub_real *g, ub_real *w, ub_real *m,
                    ub_real *v);

#endif /* UB_CORE_ADAM_H */
