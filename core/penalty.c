#include "core/penalty.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/internal/simd.h"

#define UB_PENALTY(name) extern const ub_penalty UB_REAL_NAME(ub_penalty_##name);
#include "core/penalty/registry.def"
#undef UB_PENALTY

static const ub_penalty *const registry[] = {
#define UB_PENALTY(name) &UB_REAL_NAME(ub_penalty_##name),
#include "core/penalty/registry.def"
#undef UB_PENALTY
};

const ub_penalty *ub_penalty_at(size_t i)
{
    return i < sizeof registry / sizeof registry[0] ? registry[i] : NULL;
}

/* W2 diag(1 - A^2), width x hidden a row: `scaled`. */
UB_SIMD static void scale_outputs(int64_t n, int32_t width, int32_t hidden,
                                  const ub_real *restrict w2, const ub_real *restrict active,
                                  ub_real *restrict scaled)
{
    for (int64_t r = 0; r < n; r++, active += hidden)
        for (int32_t o = 0; o < width; o++, scaled += hidden)
            for (int32_t k = 0; k < hidden; k++)
                scaled[k] = w2[o * hidden + k] * (1 - active[k] * active[k]);
}

/* J = W2 diag(1 - A^2) W1 of head i, rows one after another. */
static void jacobian_of(const ub_heads *h, const ub_real *w, int32_t i, ub_real *jacobian)
{
    int32_t width = h->offset[i + 1] - h->offset[i];
    scale_outputs(h->n, width, h->hidden, w + h->layer[2 * i + 1].at, h->active[i], h->work);
    ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(h->n * width), h->latents,
                 h->hidden, 1, h->work, h->hidden, w + h->layer[2 * i].at, h->latents, 0, jacobian,
                 h->latents);
}

void ub_heads_jacobians(const ub_heads *h, const ub_real *effective)
{
    for (int32_t i = 0; i < h->tasks; i++) {
        int64_t  block = (int64_t)(h->offset[i + 1] - h->offset[i]) * h->latents;
        ub_real *jac = h->jacobian + h->n * h->offset[i] * h->latents;
        jacobian_of(h, effective, i, jac);
        for (int64_t r = 0; r < h->n; r++)
            if (!(h->use[r * h->tasks + i] > 0))
                memset(jac + r * block, 0, (size_t)block * sizeof *jac);
    }
}

/* With V = v: what S depends on, its W2 and its A. */
UB_SIMD static void pull_outputs(int64_t n, int32_t width, int32_t hidden,
                                 const ub_real *restrict w2, const ub_real *restrict active,
                                 const ub_real *restrict v, ub_real *restrict dw2,
                                 ub_real *restrict delta)
{
    for (int64_t r = 0; r < n; r++, active += hidden, delta += hidden)
        for (int32_t o = 0; o < width; o++, v += hidden)
            for (int32_t k = 0; k < hidden; k++) {
                ub_real a = active[k], vd = v[k] * (1 - a * a);
                dw2[o * hidden + k] += vd;
                delta[k] -= 2 * a * w2[o * hidden + k] * vd;
            }
}

static void pull_head(const ub_heads *h, int32_t i, const ub_real *effective, ub_real *grad)
{
    int32_t         width = h->offset[i + 1] - h->offset[i], hidden = h->hidden;
    const ub_layer *first = &h->layer[2 * i], *second = &h->layer[2 * i + 1];
    const ub_real  *u = h->jacobian + h->n * h->offset[i] * h->latents;
    int             rows = (int)(h->n * width);
    ub_real        *scaled = h->work, *v = h->work + (int64_t)rows * hidden;
    scale_outputs(h->n, width, hidden, effective + second->at, h->active[i], scaled);
    ub_real_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, hidden, h->latents, rows, 1, scaled,
                 hidden, u, h->latents, 1, grad + first->at, h->latents);
    ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, hidden, h->latents, 1, u,
                 h->latents, effective + first->at, h->latents, 0, v, hidden);
    pull_outputs(h->n, width, hidden, effective + second->at, h->active[i], v, grad + second->at,
                 h->delta[i]);
}

void ub_heads_pull(const ub_heads *h, const ub_real *effective, ub_real *grad)
{
    for (int32_t i = 0; i < h->tasks; i++)
        pull_head(h, i, effective, grad);
}

void ub_heads_strength(const ub_heads *h, const ub_real *w, double *strength)
{
    ub_heads_jacobians(h, w);
    const ub_real *jac = h->jacobian;
    for (int32_t i = 0; i < h->tasks; i++) {
        int32_t width = h->offset[i + 1] - h->offset[i];
        for (int64_t k = 0; k < h->n * width; k++, jac += h->latents)
            for (int32_t j = 0; j < h->latents; j++)
                strength[i * h->latents + j] += fabs((double)jac[j]) / width;
    }
}
