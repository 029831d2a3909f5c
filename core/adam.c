#include "core/adam.h"

#include <math.h>

#include "core/internal/simd.h"

UB_SIMD void ub_adam_update(int64_t n, int64_t t, double rate, const ub_real *restrict g,
                            ub_real *restrict w, ub_real *restrict m, ub_real *restrict v)
{
    static const double  beta1 = 0.9, beta2 = 0.999;
    static const ub_real epsilon = (ub_real)1e-8;
    const ub_real        keep1 = (ub_real)beta1, new1 = (ub_real)(1.0 - beta1);
    const ub_real        keep2 = (ub_real)beta2, new2 = (ub_real)(1.0 - beta2);
    const ub_real        step = (ub_real)(rate / (1.0 - pow(beta1, (double)t)));
    const ub_real        unbias = (ub_real)(1.0 / sqrt(1.0 - pow(beta2, (double)t)));
    for (int64_t i = 0; i < n; i++) {
        m[i] = keep1 * m[i] + new1 * g[i];
        v[i] = keep2 * v[i] + new2 * g[i] * g[i];
        w[i] -= step * m[i] / (ub_real_sqrt(v[i]) * unbias + epsilon);
    }
}
