#include "core/network.h"

#include <cblas.h>

#include "core/internal/simd.h"
#include "core/internal/vector.h"
#include "core/settings.h"

static const ub_real leak = (ub_real)0.01, one = 1;

ub_activation ub_hidden_activation(const ub_model_shape *shape)
{
    static const ub_activation of[] = {[UB_HIDDEN_LEAKY] = UB_ACT_LEAKY,
                                       [UB_HIDDEN_TANH] = UB_ACT_TANH,
                                       [UB_HIDDEN_ELU] = UB_ACT_ELU};
    return of[shape->activation];
}

UB_SIMD void ub_standardise(int32_t n, const double *restrict x, const double *restrict mean,
                            const double *restrict sd, ub_real *restrict out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = sd[i] > 0 ? (ub_real)((x[i] - mean[i]) / sd[i]) : 0;
}

UB_SIMD static void add_bias(int64_t n, int32_t out, const ub_real *restrict bias,
                             ub_real *restrict y)
{
    for (int64_t r = 0; r < n; r++, y += out)
        for (int32_t o = 0; o < out; o++)
            y[o] += bias[o];
}

/* One pass for bias and activation: fmax without its NaN rules, leak < 1. */
UB_SIMD static void add_bias_leaky(int64_t n, int32_t out, const ub_real *restrict bias,
                                   ub_real *restrict y)
{
    for (int64_t r = 0; r < n; r++, y += out)
        for (int32_t o = 0; o < out; o++) {
            ub_real a = y[o] + bias[o], b = leak * a;
            y[o] = a > b ? a : b;
        }
}

void ub_dense_forward(const ub_layer *layer, ub_activation act, const ub_real *w, int64_t n,
                      const ub_real *x, ub_real *y)
{
    const ub_real *weight = w + layer->at, *bias = weight + (int64_t)layer->out * layer->in;
    ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, layer->out, layer->in, 1, x,
                 layer->in, weight, layer->in, 0, y, layer->out);
    if (act == UB_ACT_LEAKY)
        add_bias_leaky(n, layer->out, bias, y);
    else
        add_bias(n, layer->out, bias, y);
    if (act == UB_ACT_TANH)
        ub_vector_tanh(n * layer->out, y);
    if (act == UB_ACT_ELU)
        ub_vector_elu(n * layer->out, y);
}

UB_SIMD void ub_dense_unact(ub_activation act, int64_t count, const ub_real *restrict y,
                            ub_real *restrict dy)
{
    if (act == UB_ACT_LEAKY)
        for (int64_t i = 0; i < count; i++) {
            ub_real slope = y[i] > 0 ? one : leak;
            dy[i] *= slope;
        }
    else if (act == UB_ACT_TANH)
        for (int64_t i = 0; i < count; i++)
            dy[i] *= one - y[i] * y[i];
    else if (act == UB_ACT_ELU)
        for (int64_t i = 0; i < count; i++) {
            ub_real slope = y[i] > 0 ? one : y[i] + one;
            dy[i] *= slope;
        }
}

/* Columns of a block at a time: their sums stay in registers. */
UB_SIMD static void sum_rows(int64_t n, int32_t           out, const ub_real *restrict delta,
                             ub_real *restrict bias, bool add)
{
    enum { BLOCK = 64 };
    for (int32_t first = 0; first < out; first += BLOCK) {
        int32_t        count = out - first < BLOCK ? out - first : BLOCK;
        const ub_real *row = delta + first;
        ub_real        sum[BLOCK] = {0};
        for (int64_t r = 0; r < n; r++, row += out)
            if (count == BLOCK)
                for (int32_t o = 0; o < BLOCK; o++)
                    sum[o] += row[o];
            else
                for (int32_t o = 0; o < count; o++)
                    sum[o] += row[o];
        for (int32_t o = 0; o < count; o++)
            bias[first + o] = add ? bias[first + o] + sum[o] : sum[o];
    }
}

void ub_dense_below(const ub_layer *layer, const ub_real *w, int64_t n, const ub_real *delta,
                    ub_real *dx, bool add)
{
    ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, layer->in, layer->out, 1, delta,
                 layer->out, w + layer->at, layer->in, add ? 1 : 0, dx, layer->in);
}

void ub_dense_gradient(const ub_layer *layer, int64_t n, const ub_real *x, const ub_real *delta,
                       int32_t first, int32_t count, ub_real *out, bool add)
{
    ub_real_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, layer->in, (int)n, 1,
                 delta + first, layer->out, x, layer->in, add ? 1 : 0, out, layer->in);
    if (first + count < layer->out)
        return;
    sum_rows(n, layer->out, delta, out + (int64_t)count * layer->in, add);
}

void ub_dense_backward(const ub_layer *layer, const ub_real *w, int64_t n, const ub_real *x,
                       const ub_real *delta, ub_real *grad, ub_real *dx, int add)
{
    ub_dense_gradient(layer, n, x, delta, 0, layer->out, grad + layer->at, add & UB_ADD_GRAD);
    if (dx != NULL)
        ub_dense_below(layer, w, n, delta, dx, add & UB_ADD_DX);
}
