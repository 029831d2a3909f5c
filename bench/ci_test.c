/* ci_test NAME N RUNS: CPU time of one question to a registered test with the settings it has by
 * default, on N of the benchmarks' samples: x against y given z1 .. z5, median of RUNS, and of the
 * multivariate one, (x, z1) against (y, z2) given z3 .. z5, where the test takes vectors; z5 is the
 * moderator of tests that want one.  What is
 * done once a study (transform, moments, open) is not in it.  The answer is printed too. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/support.h"
#include "core/ci_test.h"
#include "core/mem.h"
#include "core/settings.h"

static void time_query(const ub_ci_test *test, void *state, ub_ci_query q, int runs,
                       const char *what)
{
    double      *ms = NULL;
    ub_ci_result r;
    ub_bench_check(UB_ALLOC(ms, runs));
    for (int i = 0; i < runs; i++) {
        double start = ub_bench_cpu_ms();
        q.id = i;
        ub_bench_check(test->eval(state, &q, &r));
        ms[i] = ub_bench_cpu_ms() - start;
    }
    printf("%s%s_ms=%.5g\n", test->name, what, ub_bench_median(ms, runs));
    printf("%s%s_statistic=%.15g\n", test->name, what, r.statistic);
    printf("%s%s_p_value=%.6g\n", test->name, what, r.p_value);
    printf("%s%s_verdict=%s\n", test->name, what, ub_ci_verdict_name(r.verdict));
    ub_free(ms);
}

int main(int argc, char **argv)
{
    static const int32_t x[] = {0, 2}, y[] = {1, 3}, z[] = {2, 3, 4, 5, 6};
    static ub_settings   settings;
    const ub_ci_test    *test = argc == 4 ? ub_ci_find(argv[1]) : NULL;
    int64_t              n = argc == 4 ? strtoll(argv[2], NULL, 10) : 0;
    int                  runs = argc == 4 ? atoi(argv[3]) : 0;
    void                *state = NULL;
    ub_moments           m;
    if (test == NULL || n < 2 || runs < 1) {
        (void)fprintf(stderr, "usage: bench_ci_test NAME SAMPLES RUNS (unbraid list ci: names)\n");
        return 2;
    }
    double *columns = ub_bench_samples(n);
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), &settings));
    ub_bench_check(ub_ci_transform(test, n, UB_BENCH_COLUMNS, columns));
    ub_bench_check(ub_moments_of_columns(n, UB_BENCH_COLUMNS, columns, &m));
    ub_ci_data data = {&m, columns};
    ub_bench_check(test->open(&data, &settings, &state));
    time_query(test, state, (ub_ci_query){0, x, y, z, 1, 1, 5, 1}, runs, "");
    if (test->accepts & UB_CI_VECTOR)
        time_query(test, state, (ub_ci_query){0, x, y, z + 2, 2, 2, 3, 1}, runs, "_vector");
    test->close(state);
    ub_moments_release(&m);
    ub_free(columns);
    return 0;
}
