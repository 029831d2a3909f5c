/* l1 on the task Jacobian and a group term across tasks (design page, section 3):
 *
 *   P = (1/n) sum_{r,i,o,j} |J_roj| + group * sum_j sqrt(G_j + 1e-6),
 *   G_j = (1/n) sum_{r,i,o} J_roj^2,
 *
 * over the n rows r, where rows at which task i does not count have J_i = 0.
 */
#include <math.h>

#include "core/penalty.h"

static const double smooth = 1e-6;

/* Value; and, if `weight` is not 0, J replaced by U = weight * dP/dJ. */
static double column(const ub_heads *h, int32_t j, int64_t rows, double weight)
{
    double   l1 = 0.0, l2 = 0.0, n = (double)h->n;
    ub_real *jac = h->jacobian + j;
    for (int64_t r = 0; r < rows; r++) {
        double x = jac[r * h->latents];
        l1 += fabs(x);
        l2 += x * x;
    }
    double root = sqrt(l2 / n + smooth), pull = h->group / root;
    for (int64_t r = 0; r < rows && weight != 0.0; r++) {
        double x = jac[r * h->latents];
        jac[r * h->latents] =
            (ub_real)(weight / n * ((double)(x > 0) - (double)(x < 0) + pull * x));
    }
    return l1 / n + h->group * root;
}

static double value(const ub_heads *h, const ub_real *effective, double weight, ub_real *grad)
{
    if (h->n == 0)
        return 0.0;
    double sum = 0.0;
    ub_heads_jacobians(h, effective);
    for (int32_t j = 0; j < h->latents; j++)
        sum += column(h, j, h->n * h->offset[h->tasks], grad == NULL ? 0.0 : weight);
    if (grad != NULL && weight != 0.0)
        ub_heads_pull(h, effective, grad);
    return sum;
}

const ub_penalty UB_REAL_NAME(ub_penalty_jacobian) = {
    .name = "jacobian",
    .summary = "l1 on d(task)/d(latent) and a group term across tasks",
    .value = value,
};
