/* Momentum: m = mu m + g, w -= rate m; Nesterov's form: w -= rate (g + mu m). */
#include "core/internal/simd.h"
#include "core/optimizer.h"

UB_SIMD static void descend(const ub_update *step, int64_t n, const ub_real *restrict g,
                            ub_real *restrict w, ub_real *restrict m)
{
    const ub_real rate = (ub_real)step->rate, scale = (ub_real)step->scale;
    const ub_real mu = (ub_real)step->momentum;
    /* In one form: w -= rate (own g + of_m m) */
    const ub_real own = step->nesterov ? 1 : 0, of_m = step->nesterov ? mu : 1;
    for (int64_t i = 0; i < n; i++) {
        ub_real d = scale * g[i];
        m[i] = mu * m[i] + d;
        w[i] -= rate * (own * d + of_m * m[i]);
    }
}

static void update(const ub_update *step, int64_t n, const ub_real *g, ub_real *w, ub_real *m,
                   ub_real *v)
{
    (void)v;
    descend(step, n, g, w, m);
}

const ub_optimizer UB_REAL_NAME(ub_optimizer_sgd) = {
    .name = "sgd",
    .summary = "stochastic gradient descent with momentum (disentangle.momentum, .nesterov)",
    .reference = "Polyak 1964; Nesterov's form after Sutskever et al., ICML 2013",
    .update = update,
};
