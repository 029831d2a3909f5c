/* A learned mask M (tasks x latents): head i sees M_ij z_j, which is the head with the
 * columns of W1 multiplied by M_ij; the mask is folded into W1 and never seen elsewhere.
 *
 * Penalty: sum_ij |M_ij| |W1_i[:,j]|_2, the norm of the effective columns, each as
 * sqrt(sum_k (M_ij W1_i[k,j])^2 + 1e-12).  With plain |M|_1 the mask could shrink while W1 grows,
 * at no loss; the product does not change when scale moves between them.  What is left of that
 * loophole: scale may still move to W2, while tanh is in its linear part, and to z.
 */
#include <math.h>

#include "core/penalty.h"

static const double smooth = 1e-12; /* a column that vanishes has a gradient */

static int64_t parameters(const ub_model_shape *shape)
{
    return (int64_t)shape->tasks * shape->latents;
}

static void fold(const ub_heads *h, const ub_real *w, ub_real *effective)
{
    for (int32_t i = 0; i < h->tasks; i++) {
        const ub_real *mask = w + h->extra + (int64_t)i * h->latents;
        ub_real       *w1 = effective + h->layer[2 * i].at;
        for (int32_t k = 0; k < h->hidden; k++, w1 += h->latents)
            for (int32_t j = 0; j < h->latents; j++)
                w1[j] *= mask[j];
    }
}

static void unfold(const ub_heads *h, const ub_real *w, ub_real *grad)
{
    for (int32_t i = 0; i < h->tasks; i++) {
        const ub_real *mask = w + h->extra + (int64_t)i * h->latents, *w1 = w + h->layer[2 * i].at;
        ub_real       *dmask = grad + h->extra + (int64_t)i * h->latents,
                *dw1 = grad + h->layer[2 * i].at;
        for (int32_t k = 0; k < h->hidden; k++, w1 += h->latents, dw1 += h->latents)
            for (int32_t j = 0; j < h->latents; j++) {
                dmask[j] += dw1[j] * w1[j];
                dw1[j] *= mask[j];
            }
    }
}

static double value(const ub_heads *h, const ub_real *effective, double weight, ub_real *grad)
{
    double sum = 0.0;
    for (int32_t i = 0; i < h->tasks; i++)
        for (int32_t j = 0; j < h->latents; j++) {
            const ub_real *column = effective + h->layer[2 * i].at + j;
            double         norm = smooth;
            for (int32_t k = 0; k < h->hidden; k++) {
                double x = column[k * h->latents];
                norm += x * x;
            }
            norm = sqrt(norm);
            sum += norm;
            for (int32_t k = 0; k < h->hidden && grad != NULL; k++)
                grad[h->layer[2 * i].at + j + k * h->latents] +=
                    (ub_real)(weight * column[k * h->latents] / norm);
        }
    return sum;
}

const ub_penalty UB_REAL_NAME(ub_penalty_mask) = {
    .name = "mask",
    .summary = "l1 on a learned task-latent mask (group lasso on the first layer of the heads)",
    .parameters = parameters,
    .fold = fold,
    .unfold = unfold,
    .value = value,
};
