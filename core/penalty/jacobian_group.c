/* Group lasso on the task Jacobian, a group for every task and latent, and the term across tasks:
 *
 *   P = sum_ij sqrt(width_i) sqrt(G_ij + 1e-6) + group * sum_j sqrt(sum_i G_ij + 1e-6),
 *   G_ij = (1/n) sum_{r,o} J_roj^2   (outputs o of task i; sqrt(width): Yuan and Lin 2006)
 *
 * over the n rows r, where rows at which task i does not count have J_i = 0.
 *
 * Why not |J| entry by entry: inside the latents that a task needs, that sum is smallest in the
 * basis in which the task's own Jacobian has many small entries, and so it turns a shared latent
 * into a private one.  A group has no preferred outputs; it only counts latents.
 */
#include <math.h>

#include "core/penalty.h"

static const double smooth = 1e-6;

/* n G_ij. */
static double square(const ub_heads *h, int32_t i, int32_t j)
{
    const ub_real *jac = h->jacobian + h->n * h->offset[i] * h->latents + j;
    int64_t        rows = h->n * (h->offset[i + 1] - h->offset[i]);
    double         sum = 0.0;
    for (int64_t r = 0; r < rows; r++) {
        double x = jac[r * h->latents];
        sum += x * x;
    }
    return sum;
}

/* Value of latent j; and, if `weight` is not 0, J replaced by U = weight * dP/dJ. */
static double latent(const ub_heads *h, int32_t j, double weight)
{
    double n = (double)h->n, all = 0.0, value = 0.0;
    for (int32_t i = 0; i < h->tasks; i++)
        all += square(h, i, j);
    all = sqrt(all / n + smooth);
    for (int32_t i = 0; i < h->tasks; i++) {
        int32_t  width = h->offset[i + 1] - h->offset[i];
        ub_real *jac = h->jacobian + h->n * h->offset[i] * h->latents + j;
        double   root = sqrt(square(h, i, j) / n + smooth), scale = sqrt((double)width);
        value += scale * root;
        for (int64_t r = 0; r < h->n * width && weight != 0.0; r++)
            jac[r * h->latents] *= (ub_real)(weight / n * (scale / root + h->group / all));
    }
    return value + h->group * all;
}

static double value(const ub_heads *h, const ub_real *effective, double weight, ub_real *grad)
{
    double sum = 0.0;
    if (h->n == 0)
        return 0.0;
    ub_heads_jacobians(h, effective);
    for (int32_t j = 0; j < h->latents; j++)
        sum += latent(h, j, grad == NULL ? 0.0 : weight);
    if (grad != NULL && weight != 0.0)
        ub_heads_pull(h, effective, grad);
    return sum;
}

const ub_penalty UB_REAL_NAME(ub_penalty_jacobian_group) = {
    .name = "jacobian_group",
    .summary = "group lasso on d(task)/d(latent): a group for every task and latent",
    .value = value,
};
