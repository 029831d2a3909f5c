#include "core/network.h"

#include <cblas.h>
#include <math.h>

static const double leak = 0.01;

void ub_standardise(int32_t n, const double *x, const double *mean, const double *sd, double *out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = sd[i] > 0 ? (x[i] - mean[i]) / sd[i] : 0.0;
}

/* One pass over y for bias and activation. */
static void finish(ub_activation act, int64_t n, int32_t out, const double *restrict bias,
                   double *restrict y)
{
    for (int64_t r = 0; r < n; r++, y += out)
        switch (act) {
        case UB_ACT_LINEAR:
            for (int32_t o = 0; o < out; o++)
                y[o] += bias[o];
            break;
        case UB_ACT_LEAKY: /* fmax without its NaN rules: leak < 1 */
            for (int32_t o = 0; o < out; o++) {
                double a = y[o] + bias[o], b = leak * a;
                y[o] = a > b ? a : b;
            }
            break;
        case UB_ACT_TANH:
            for (int32_t o = 0; o < out; o++)
                y[o] = tanh(y[o] + bias[o]);
            break;
        }
}

void ub_dense_forward(const ub_layer *layer, ub_activation act, const double *w, int64_t n,
                      const double *x, double *y)
{
    const double *weight = w + layer->at, *bias = weight + (int64_t)layer->out * layer->in;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, layer->out, layer->in, 1.0, x,
                layer->in, weight, layer->in, 0.0, y, layer->out);
    finish(act, n, layer->out, bias, y);
}

void ub_dense_unact(ub_activation act, int64_t count, const double *restrict y, double *restrict dy)
{
    if (act == UB_ACT_LEAKY)
        for (int64_t i = 0; i < count; i++) {
            double slope = y[i] > 0 ? 1.0 : 0.0; /* arithmetic, not a branch: it vectorises */
            dy[i] *= leak + (1.0 - leak) * slope;
        }
    else if (act == UB_ACT_TANH)
        for (int64_t i = 0; i < count; i++)
            dy[i] *= 1.0 - y[i] * y[i];
}

void ub_dense_backward(const ub_layer *layer, const double *w, int64_t n, const double *x,
                       const double *delta, double *grad, double *dx, int accumulate)
{
    double *weight = grad + layer->at, *restrict bias = weight + (int64_t)layer->out * layer->in;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, layer->out, layer->in, (int)n, 1.0, delta,
                layer->out, x, layer->in, 1.0, weight, layer->in);
    for (int64_t r = 0; r < n; r++)
        for (int32_t o = 0; o < layer->out; o++)
            bias[o] += delta[r * layer->out + o];
    if (dx != NULL)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, layer->in, layer->out, 1.0,
                    delta, layer->out, w + layer->at, layer->in, accumulate ? 1.0 : 0.0, dx,
                    layer->in);
}
