#include "core/internal/adam.h"

#include <math.h>

#include "core/internal/simd.h"

UB_SIMD void ub_adam_update(const ub_update *step, double shrink, int64_t n,
                            const ub_real *restrict g, ub_real *restrict w, ub_real *restrict m,
                            ub_real *restrict v)
{
    static const double  beta1 = 0.9, beta2 = 0.999;
    static const ub_real epsilon = (ub_real)1e-8;
    const ub_real        keep1 = (ub_real)beta1, new1 = (ub_real)(1.0 - beta1);
    const ub_real        keep2 = (ub_real)beta2, new2 = (ub_real)(1.0 - beta2);
    const ub_real        rate = (ub_real)(step->rate / (1.0 - pow(beta1, (double)step->number)));
    const ub_real        unbias = (ub_real)(1.0 / sqrt(1.0 - pow(beta2, (double)step->number)));
    const ub_real        scale = (ub_real)step->scale, rest = (ub_real)shrink;
    for (int64_t i = 0; i < n; i++) {
        ub_real d = scale * g[i];
        m[i] = keep1 * m[i] + new1 * d;
        v[i] = keep2 * v[i] + new2 * d * d;
        w[i] = rest * w[i] - rate * m[i] / (ub_real_sqrt(v[i]) * unbias + epsilon);
    }
}
