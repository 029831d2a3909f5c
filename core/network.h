/* core/network.h - fully connected layers over rows of samples.
 *
 * y = act(x W' + b); matrices are row-major, samples are rows.  A layer finds its
 * weights (out x in, then out biases) at w + layer->at, its gradient at the same
 * place of the gradient vector.  One gemm a pass; no allocation.
 *
 * Layer: core.  Compiled for double and for float (core/real.h).
 */
#ifndef UB_CORE_NETWORK_H
#define UB_CORE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"
#include "core/real.h"

typedef enum ub_activation {
    UB_ACT_LINEAR,
    UB_ACT_LEAKY, /* x > 0 ? x : .01 x */
    UB_ACT_TANH,
    UB_ACT_ELU /* x > 0 ? x : exp(x) - 1 (Clevert et al., ICLR 2016) */
} ub_activation;

/* Of the hidden layers of encoder and decoder. */
ub_activation ub_hidden_activation(const ub_model_shape *shape);

/* out = (x - mean) / sd; a column without variance (sd <= 0) becomes 0. */
void ub_standardise(int32_t n, const double *x, const double *mean, const double *sd, ub_real *out);

/* Rows of y (n x out) from rows of x (n x in). */
void ub_dense_forward(const ub_layer *layer, ub_activation act, const ub_real *w, int64_t n,
                      const ub_real *x, ub_real *y);

/* Turn dL/dy of `count` values into dL/d(pre-activation), in place; y is what forward gave. */
void ub_dense_unact(ub_activation act, int64_t count, const ub_real *y, ub_real *dy);

/* From `delta` = dL/d(pre-activation) (n x out): dL/dx (n x in), set or added to dx. */
void ub_dense_below(const ub_layer *layer, const ub_real *w, int64_t n, const ub_real *delta,
                    ub_real *dx, bool add);

/* And the gradient of the weights of outputs first .. first + count - 1 (count x in), followed, if
 * these are the last, by that of all biases of the layer; set or added to out. */
void ub_dense_gradient(const ub_layer *layer, int64_t n, const ub_real *x, const ub_real *delta,
                       int32_t first, int32_t count, ub_real *out, bool add);

/* Both, of a whole layer, at its place of grad and into dx (NULL: not wanted).  What `add` names is
 * added to, the other is set. */
enum { UB_ADD_GRAD = 1, UB_ADD_DX = 2 };
void ub_dense_backward(const ub_layer *layer, const ub_real *w, int64_t n, const ub_real *x,
                       const ub_real *delta, ub_real *grad, ub_real *dx, int add);

#endif /* UB_CORE_NETWORK_H */
