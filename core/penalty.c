#include "core/penalty.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define UB_PENALTY(name) extern const ub_penalty ub_penalty_##name;
#include "core/penalty/registry.def"
#undef UB_PENALTY

static const ub_penalty *const registry[] = {
#define UB_PENALTY(name) &ub_penalty_##name,
#include "core/penalty/registry.def"
#undef UB_PENALTY
};

const ub_penalty *ub_penalty_at(size_t i)
{
    return i < sizeof registry / sizeof registry[0] ? registry[i] : NULL;
}

/* W2 diag(1 - A^2), width x hidden a row, into h->work. */
static void scale_outputs(const ub_heads *h, const double *w, int32_t i)
{
    const double *w2 = w + h->layer[2 * i + 1].at;
    int32_t       width = h->offset[i + 1] - h->offset[i], hidden = h->hidden;
    double       *scaled = h->work;
    for (int64_t r = 0; r < h->n; r++) {
        const double *a = h->active[i] + r * hidden;
        for (int32_t o = 0; o < width; o++, scaled += hidden)
            for (int32_t k = 0; k < hidden; k++)
                scaled[k] = w2[o * hidden + k] * (1.0 - a[k] * a[k]);
    }
}

/* J = W2 diag(1 - A^2) W1 of head i, rows one after another. */
static void jacobian_of(const ub_heads *h, const double *w, int32_t i, double *jacobian)
{
    int32_t width = h->offset[i + 1] - h->offset[i];
    scale_outputs(h, w, i);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(h->n * width), h->latents,
                h->hidden, 1.0, h->work, h->hidden, w + h->layer[2 * i].at, h->latents, 0.0,
                jacobian, h->latents);
}

void ub_heads_jacobians(const ub_heads *h, const double *effective)
{
    for (int32_t i = 0; i < h->tasks; i++) {
        int64_t block = (int64_t)(h->offset[i + 1] - h->offset[i]) * h->latents;
        double *jac = h->jacobian + h->n * h->offset[i] * h->latents;
        jacobian_of(h, effective, i, jac);
        for (int64_t r = 0; r < h->n; r++)
            if (h->use[r * h->tasks + i] == 0.0)
                memset(jac + r * block, 0, (size_t)block * sizeof *jac);
    }
}

static void pull_head(const ub_heads *h, int32_t i, const double *effective, double *grad)
{
    int32_t         width = h->offset[i + 1] - h->offset[i], hidden = h->hidden;
    const ub_layer *first = &h->layer[2 * i], *second = &h->layer[2 * i + 1];
    const double   *w1 = effective + first->at, *w2 = effective + second->at;
    const double   *u = h->jacobian + h->n * h->offset[i] * h->latents;
    double         *dw2 = grad + second->at;
    int             rows = (int)(h->n * width);
    double         *scaled = h->work, *v = h->work + (int64_t)rows * hidden;
    scale_outputs(h, effective, i);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, hidden, h->latents, rows, 1.0, scaled,
                hidden, u, h->latents, 1.0, grad + first->at, h->latents);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, hidden, h->latents, 1.0, u,
                h->latents, w1, h->latents, 0.0, v, hidden);
    for (int64_t r = 0; r < h->n; r++)
        for (int32_t o = 0; o < width; o++)
            for (int32_t k = 0; k < hidden; k++) {
                double a = h->active[i][r * hidden + k], d = 1.0 - a * a;
                double vd = v[(r * width + o) * hidden + k] * d;
                dw2[o * hidden + k] += vd;
                h->delta[i][r * hidden + k] -= 2.0 * a * w2[o * hidden + k] * vd;
            }
}

void ub_heads_pull(const ub_heads *h, const double *effective, double *grad)
{
    for (int32_t i = 0; i < h->tasks; i++)
        pull_head(h, i, effective, grad);
}

void ub_heads_strength(const ub_heads *h, const double *w, double *strength)
{
    ub_heads_jacobians(h, w);
    const double *jac = h->jacobian;
    for (int32_t i = 0; i < h->tasks; i++) {
        int32_t width = h->offset[i + 1] - h->offset[i];
        for (int64_t k = 0; k < h->n * width; k++, jac += h->latents)
            for (int32_t j = 0; j < h->latents; j++)
                strength[i * h->latents + j] += fabs(jac[j]) / width;
    }
}
