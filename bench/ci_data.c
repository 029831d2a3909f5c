/* ci_data N: the benchmarks' samples as a table, so that other programs can be timed on them. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/support.h"
#include "core/mem.h"

int main(int argc, char **argv)
{
    int64_t n = argc == 2 ? strtoll(argv[1], NULL, 10) : 0;
    if (n < 1) {
        (void)fprintf(stderr, "usage: bench_ci_data SAMPLES\n");
        return 2;
    }
    double *x = ub_bench_samples(n);
    printf("x,y,z1,z2,z3,z4,z5\n");
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < UB_BENCH_COLUMNS; c++)
            printf("%.17g%c", x[c * n + i], c < UB_BENCH_COLUMNS - 1 ? ',' : '\n');
    ub_free(x);
    return 0;
}
