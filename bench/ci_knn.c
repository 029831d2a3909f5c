/* Time of cmi_knn: one estimate at n = 1,000 and 10,000, and a whole test with 200 local
 * permutations at n = 1,000; k = 5, x, y and five columns of z, one core, CPU time, median of
 * several runs.  Data: z normal, x and y linear in z with noise, independent given z; the early
 * stop is off.  Also the same test with the early stop as set by default. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/ci_test.h"
#include "core/internal/cmi.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"

enum { COLUMNS = 7, MOST_RUNS = 101 };

static void check(ub_status st)
{
    if (st == UB_OK)
        return;
    (void)fprintf(stderr, "%s\n", ub_err_report());
    exit(1);
}

static double cpu_ms(void)
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

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* Columns x, y, z1 .. z5. */
static double *samples(int64_t n)
{
    double *x = NULL;
    check(UB_ALLOC(x, n * COLUMNS));
    for (int64_t i = 0; i < n; i++) {
        ub_rng r = ub_rng_make(1, UB_RNG_TEST, (uint64_t)i);
        double z = 0;
        for (int c = 2; c < COLUMNS; c++) {
            x[c * n + i] = ub_rng_normal(&r);
            z += x[c * n + i];
        }
        x[i] = 0.4 * z + ub_rng_normal(&r);
        x[n + i] = 0.3 * z + ub_rng_normal(&r);
    }
    return x;
}

/* The estimate alone, blocks and all. */
static double estimate_ms(int64_t n, int runs)
{
    double       *x = samples(n), ms[MOST_RUNS], value;
    const double *at[COLUMNS];
    for (int c = 0; c < COLUMNS; c++)
        at[c] = x + c * n;
    for (int i = 0; i < runs; i++) {
        ub_cmi *cmi = NULL;
        double  start = cpu_ms();
        check(ub_cmi_create(n, 1, 1, COLUMNS - 2, at, at + 1, at + 2, 5, UB_ESTIMATOR_KSG1, &cmi));
        (void)ub_cmi_estimate(cmi, &value);
        ub_cmi_destroy(&cmi);
        ms[i] = cpu_ms() - start;
    }
    ub_free(x);
    return median(ms, runs);
}

/* The yardstick: the same number by comparing every point with every other. */
static double naive_ms(int64_t n, int runs)
{
    enum { K = 5 };
    double *x = samples(n), *d[3] = {NULL, NULL, NULL}, ms[MOST_RUNS];
    for (int c = 0; c < 3; c++)
        check(UB_ALLOC(d[c], n));
    for (int run = 0; run < runs; run++) {
        double start = cpu_ms(), sum = 0;
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
        ms[run] = sum < INFINITY ? cpu_ms() - start : 0;
    }
    for (int c = 0; c < 3; c++)
        ub_free(d[c]);
    ub_free(x);
    return median(ms, runs);
}

/* The whole test: scaling, statistic, permutations, p-value. */
static double test_s(int64_t n, int64_t permutations, int runs)
{
    static const int32_t side_x[] = {0}, side_y[] = {1}, z[] = {2, 3, 4, 5, 6};
    const ub_ci_test    *test = ub_ci_find("cmi_knn");
    static ub_settings   settings;
    double              *x = samples(n), ms[MOST_RUNS];
    ub_moments           m;
    void                *state = NULL;
    check(ub_schema_defaults(ub_settings_schema(), &settings));
    settings.ci.permutations = permutations;
    settings.ci.stop_after = 0;
    check(ub_moments_of_columns(n, COLUMNS, x, &m));
    ub_ci_data data = {&m, x};
    check(test->open(&data, &settings, &state));
    for (int i = 0; i < runs; i++) {
        ub_ci_query  q = {i, side_x, side_y, z, 1, 1, COLUMNS - 2};
        ub_ci_result r;
        double       start = cpu_ms();
        check(test->eval(state, &q, &r));
        ms[i] = cpu_ms() - start;
    }
    test->close(state);
    ub_moments_release(&m);
    ub_free(x);
    return median(ms, runs) / 1e3;
}

int main(void)
{
    printf("naive_ms_1k=%.3f\n", naive_ms(1000, 101));
    printf("naive_ms_10k=%.2f\n", naive_ms(10000, 3));
    printf("cmi_knn_ms_1k=%.3f\n", estimate_ms(1000, 101));
    printf("cmi_knn_ms_10k=%.2f\n", estimate_ms(10000, 11));
    printf("cmi_knn_p_s_1k=%.4f\n", test_s(1000, 200, 11));
    printf("cmi_knn_p_s_10k=%.3f\n", test_s(10000, 200, 1));
    return 0;
}
