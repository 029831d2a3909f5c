/* core/internal/objective.h - matrix products of an objective over the rows of all batches of a
 * pass: one product, or one a batch (ub_objective_join).
 *
 * Layer: core, private.  Compiled for double and for float (core/real.h).
 */
#ifndef UB_CORE_INTERNAL_OBJECTIVE_H
#define UB_CORE_INTERNAL_OBJECTIVE_H

#include <stdbool.h>

#include "core/network.h"
#include "core/objective.h"

/* From o->in[l] to o->out[l], with the weights w. */
void ub_objective_forward(const ub_objective *o, int32_t l, ub_activation act, const ub_real *w);

/* From o->back[l] to dL/d(o->in[l]), where it is kept (below layers that get z: o->dz), set or
 * added to what is there. */
void ub_objective_back(const ub_objective *o, int32_t l, const ub_real *w, bool add);

#endif /* UB_CORE_INTERNAL_OBJECTIVE_H */
