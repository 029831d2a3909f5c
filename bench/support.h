/* bench/support.h - what the benchmarks share: a clock, medians, and their data. */
#ifndef UB_BENCH_SUPPORT_H
#define UB_BENCH_SUPPORT_H

#include <stdint.h>

#include "core/status.h"

/* Print the sentence of a failure and leave. */
void ub_bench_check(ub_status st);

/* CPU time of the process, in ms. */
double ub_bench_cpu_ms(void);

/* Median of v[0 .. n), which becomes sorted. */
double ub_bench_median(double *v, int n);

/* n samples of columns x, y, z1 .. z5, column c at c * n; release with ub_free.  z is normal, x =
 * .4 (z1 + ... + z5) and y = .3 (z1 + ... + z5) plus normal noise: independent given z, so that a
 * permutation test does not end early for certainty.  Always the same numbers. */
enum { UB_BENCH_COLUMNS = 7 };
double *ub_bench_samples(int64_t n);

#endif /* UB_BENCH_SUPPORT_H */
