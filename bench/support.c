#include "bench/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/mem.h"
#include "core/rng.h"

void ub_bench_check(ub_status st)
{
    if (st == UB_OK)
        return;
    (void)fprintf(stderr, "%s\n", ub_err_report());
    exit(1);
}

double ub_bench_cpu_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ub_bench_median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

double *ub_bench_samples(int64_t n)
{
    double *x = NULL;
    ub_bench_check(UB_ALLOC(x, n * UB_BENCH_COLUMNS));
    for (int64_t i = 0; i < n; i++) {
        ub_rng r = ub_rng_make(1, UB_RNG_TEST, (uint64_t)i);
        double z = 0;
        for (int c = 2; c < UB_BENCH_COLUMNS; c++) {
            x[c * n + i] = ub_rng_normal(&r);
            z += x[c * n + i];
        }
        x[i] = 0.4 * z + ub_rng_normal(&r);
        x[n + i] = 0.3 * z + ub_rng_normal(&r);
    }
    return x;
}
