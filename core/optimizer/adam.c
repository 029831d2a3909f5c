#include "core/internal/adam.h"

static void update(const ub_update *step, int64_t n, const ub_real *g, ub_real *w, ub_real *m,
                   ub_real *v)
{
    ub_adam_update(step, 1.0, n, g, w, m, v);
}

const ub_optimizer UB_REAL_NAME(ub_optimizer_adam) = {
    .name = "adam",
    .summary = "steps scaled by running moments of the gradient",
    .reference = "Kingma and Ba, ICLR 2015",
    .update = update,
};
