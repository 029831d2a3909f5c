#include "core/adam.h"

#include <math.h>

void ub_adam_update(int64_t n, int64_t t, double rate, const double *restrict g, double *restrict w,
                    double *restrict m, double *restrict v)
{
    static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double              unbias1 = 1.0 / (1.0 - pow(beta1, (double)t));
    double              unbias2 = 1.0 / (1.0 - pow(beta2, (double)t));
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] * g[i];
        w[i] -= rate * (m[i] * unbias1) / (sqrt(v[i] * unbias2) + epsilon);
    }
}
