#include "core/lambda.h"

#include <math.h>

double ub_lambda_candidate(double lambda, int64_t k)
{
    return ldexp(lambda, -(int)k);
}

/* What the task that loses most has lost with candidate k against its best. */
static double loss(int64_t candidates, int32_t tasks, const double *r2, int64_t k)
{
    double worst = 0.0;
    for (int32_t i = 0; i < tasks; i++) {
        double best = r2[i];
        for (int64_t l = 1; l < candidates; l++)
            best = fmax(best, r2[l * tasks + i]);
        worst = fmax(worst, best - r2[k * tasks + i]); /* fmax passes over a NaN */
    }
    return worst;
}

int64_t ub_lambda_choose(int64_t candidates, int32_t tasks, const double *r2, double tolerance)
{
    int64_t chosen = 0;
    double  least = INFINITY;
    for (int64_t k = 0; k < candidates; k++) {
        double lost = loss(candidates, tasks, r2, k);
        if (lost <= tolerance)
            return k;
        if (lost < least) {
            least = lost;
            chosen = k;
        }
    }
    return chosen;
}
