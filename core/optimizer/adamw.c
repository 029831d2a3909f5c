#include "core/internal/adam.h"

/* Algorithm 2 with its schedule multiplier in the rate; all weights decay, biases too. */
static void update(const ub_update *step, int64_t n, const ub_real *g, ub_real *w, ub_real *m,
                   ub_real *v)
{
    ub_adam_update(step, 1.0 - step->rate * step->decay, n, g, w, m, v);
}

const ub_optimizer UB_REAL_NAME(ub_optimizer_adamw) = {
    .name = "adamw",
    .summary = "adam, and weights that decay by themselves (disentangle.weight_decay)",
    .reference = "Loshchilov and Hutter, ICLR 2019",
    .update = update,
};
