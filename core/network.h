/* core/network.h - fully connected layers over rows of samples.
 *
 * y = act(x W' + b); matrices are row-major, samples are rows.  A layer finds its
 * weights (out x in, then out biases) at w + layer->at, its gradient at the same
 * place of the gradient vector.  One dgemm a pass; no allocation.
 *
 * Layer: core.
 */
#ifndef UB_CORE_NETWORK_H
#define UB_CORE_NETWORK_H

#include <stdint.h>

#include "core/model.h"

typedef enum ub_activation {
    UB_ACT_LINEAR,
    UB_ACT_LEAKY, /* x > 0 ? x : .01 x */
    UB_ACT_TANH
} ub_activation;

/* out = (x - mean) / sd; a column without variance (sd <= 0) becomes 0. */
void ub_standardise(int32_t n, const double *x, const double *mean, const double *sd, double *out);

/* Rows of y (n x out) from rows of x (n x in). */
void ub_dense_forward(const ub_layer *layer, ub_activation act, const double *w, int64_t n,
                      const double *x, double *y);

/* Turn dL/dy of `count` values into dL/d(pre-activation), in place; y is what forward gave. */
void ub_dense_unact(ub_activation act, int64_t count, const double *y, double *dy);

/* From `delta` = dL/d(pre-activation) (n x out): add the gradient of weights and biases to grad,
 * and set (accumulate 0) or add (accumulate 1) dL/dx to dx (n x in; NULL: not wanted). */
void ub_dense_backward(const ub_layer *layer, const double *w, int64_t n, const double *x,
                       const double *delta, double *grad, double *dx, int accumulate);

#endif /* UB_CORE_NETWORK_H */
