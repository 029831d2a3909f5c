/* Time of cmi_knn: one estimate at n = 1,000 and 10,000, and a whole test with 200 local
 * permutations at n = 1,000; k = 5, x, y and five columns of z, one core, CPU time, median of
 * several runs.  Data: bench/support.h; no early stop. */
#include <math.h>
#include <stdio.h>

#include "bench/support.h"
#include "core/ci_test.h"
#include "core/internal/cmi.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/settings.h"
#include "core/special.h"

enum { COLUMNS = UB_BENCH_COLUMNS, MOST_RUNS = 101 };

/* The estimate alone, blocks and all. */
static double estimate_ms(int64_t n, int runs)
{
    double       *x = ub_bench_samples(n), ms[MOST_RUNS], value;
    const double *at[COLUMNS];
    for (int c = 0; c < COLUMNS; c++)
        at[c] = x + c * n;
    for (int i = 0; i < runs; i++) {
        ub_cmi *cmi = NULL;
        double  start = ub_bench_cpu_ms();
        ub_bench_check(
            ub_cmi_create(n, 1, 1, COLUMNS - 2, at, at + 1, at + 2, 5, UB_ESTIMATOR_KSG1, &cmi));
        (void)ub_cmi_estimate(cmi, &value);
        ub_cmi_destroy(&cmi);
        ms[i] = ub_bench_cpu_ms() - start;
    }
    ub_free(x);
    return ub_bench_median(ms, runs);
}

/* The yardstick: the same number by comparing every point with every other. */
static double naive_ms(int64_t n, int runs)
{
    enum { K = 5 };
    double *x = ub_bench_samples(n), *d[3] = {NULL, NULL, NULL}, ms[MOST_RUNS];
    for (int c = 0; c < 3; c++)
        ub_bench_check(UB_ALLOC(d[c], n));
    for (int run = 0; run < runs; run++) {
        double start = ub_bench_cpu_ms(), sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double  near[K] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
            int64_t n_z = 0, n_xz = 0, n_yz = 0;
            for (int c = COLUMNS - 1; c >= 0; c--) {
                double *out = d[c < 2 ? c : 2], v = x[c * n + i];
                for (int64_t j = 0; j < n; j++) {
                    double far = fabs(x[c * n + j] - v), held = c < COLUMNS - 1 ? d[2][j] : 0;
                    out[j] = far > held ? far : held;
                }
            }
            for (int64_t j = 0; j < n; j++) {
                double far = d[0][j] > d[1][j] ? d[0][j] : d[1][j];
                if (far >= near[K - 1] || j == i)
                    continue;
                int at = K - 1;
                for (; at > 0 && near[at - 1] > far; at--)
                    near[at] = near[at - 1];
                near[at] = far;
            }
            for (int64_t j = 0; j < n; j++) {
                n_z += d[2][j] < near[K - 1];
                n_xz += d[0][j] < near[K - 1];
                n_yz += d[1][j] < near[K - 1];
            }
            sum += ub_digamma((double)n_z) - ub_digamma((double)n_xz) - ub_digamma((double)n_yz);
        }
        ms[run] = sum < INFINITY ? ub_bench_cpu_ms() - start : 0;
    }
    for (int c = 0; c < 3; c++)
        ub_free(d[c]);
    ub_free(x);
    return ub_bench_median(ms, runs);
}

/* The whole test: scaling, statistic (into nats), permutations, p-value. */
static double test_s(int64_t n, int64_t permutations, int runs, double *nats)
{
    static const int32_t side_x[] = {0}, side_y[] = {1}, z[] = {2, 3, 4, 5, 6};
    const ub_ci_test    *test = ub_ci_find("cmi_knn");
    static ub_settings   settings;
    double              *x = ub_bench_samples(n), ms[MOST_RUNS];
    ub_moments           m;
    void                *state = NULL;
    ub_ci_result         r = {0};
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), &settings));
    settings.ci.permutations = permutations;
    settings.ci.stop_after = 0;
    ub_bench_check(ub_moments_of_columns(n, COLUMNS, x, &m));
    ub_ci_data data = {&m, x};
    ub_bench_check(test->open(&data, &settings, &state));
    for (int i = 0; i < runs; i++) {
        ub_ci_query q = {i, side_x, side_y, z, 1, 1, COLUMNS - 2, 0};
        double      start = ub_bench_cpu_ms();
        ub_bench_check(test->eval(state, &q, &r));
        ms[i] = ub_bench_cpu_ms() - start;
    }
    *nats = r.statistic;
    test->close(state);
    ub_moments_release(&m);
    ub_free(x);
    return ub_bench_median(ms, runs) / 1e3;
}

int main(void)
{
    double nats;
    printf("naive_ms_1k=%.3f\n", naive_ms(1000, 101));
    printf("naive_ms_10k=%.2f\n", naive_ms(10000, 3));
    printf("cmi_knn_ms_1k=%.3f\n", estimate_ms(1000, 101));
    printf("cmi_knn_ms_10k=%.2f\n", estimate_ms(10000, 11));
    printf("cmi_knn_p_s_1k=%.4f\n", test_s(1000, 200, 11, &nats));
    printf("cmi_knn_nats_1k=%.15f\n", nats);
    printf("cmi_knn_p_s_10k=%.3f\n", test_s(10000, 200, 1, &nats));
    printf("cmi_knn_nats_10k=%.15f\n", nats);
    return 0;
}
