/* Nearest neighbours against plain loops, and cmi_knn against published tools, plain loops, and
 * what a test has to do. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/internal/cmi.h"
#include "core/knn.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"
#include "tests/support/suite.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* n x p normal numbers by columns; a grid rounds them, so that distances are tied. */
static double *samples(int64_t n, int p, uint64_t item, double grid)
{
    ub_rng  r = ub_rng_make(7, UB_RNG_TEST, item);
    double *x;
    UB_CHECK(UB_ALLOC(x, n * p));
    for (int64_t i = 0; i < n * p; i++) {
        double v = ub_rng_normal(&r);
        x[i] = grid > 0 ? grid * rint(v / grid) : v;
    }
    return x;
}

/* Maximum norm over columns [from, to). */
static double distance(const double *x, int64_t n, int from, int to, int64_t i, int64_t j)
{
    double d = 0;
    for (int c = from; c < to; c++)
        d = fmax(d, fabs(x[c * n + i] - x[c * n + j]));
    return d;
}

/* ---- neighbours ---- */

static void compare_neighbours(int64_t n, int p, double grid)
{
    enum { MOST_P = 20, MOST_K = 12 };
    double       *x = samples(n, p, (uint64_t)(n * 100 + p), grid), *all, *found, work[MOST_K];
    const double *column[MOST_P];
    int32_t      *place, near[MOST_K];
    ub_knn       *knn = NULL;
    UB_CHECK(UB_ALLOC(all, n));
    UB_CHECK(UB_ALLOC(found, n + UB_KNN_ROOM));
    UB_CHECK(UB_ALLOC(place, n + UB_KNN_ROOM));
    for (int c = 0; c < p; c++)
        column[c] = x + c * n;
    UB_CHECK(ub_knn_create(n, p, column, &knn));
    const int32_t *order = ub_knn_order(knn);
    int            wrong = 0;
    for (int64_t at = 0; at < n; at += 1 + n / 90) {
        double point[MOST_P];
        ub_knn_point(knn, at, point);
        for (int64_t j = 0; j < n; j++)
            all[j] = distance(x, n, 0, p, order[at], j);
        qsort(all, (size_t)n, sizeof *all, by_value);
        for (int32_t k = 1; k <= MOST_K && k < n; k += 4) {
            wrong += ub_knn_kth(knn, at, k, work, near) != all[k];
            for (int32_t j = 0; j < k; j++)
                wrong +=
                    near[j] == at || distance(x, n, 0, p, order[at], order[near[j]]) != all[j + 1];
        }
        for (int64_t k = 0; k < n; k += 1 + n / 7) {
            int64_t below = 0, m = ub_knn_within(knn, at, all[k], place, found);
            while (below < n && all[below] < all[k])
                below++;
            wrong += m != below || ub_knn_count(knn, point, all[k]) != below;
            for (int64_t j = 0; j < m; j++)
                wrong += found[j] != distance(x, n, 0, p, order[at], order[place[j]]) ||
                         (j > 0 && place[j] <= place[j - 1]);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    ub_knn_destroy(&knn);
    ub_free(place);
    ub_free(found);
    ub_free(all);
    ub_free(x);
}

static void neighbours_are_exact(void)
{
    static const int64_t n[] = {2, 5, 64, 65, 129, 700, 1500};
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        for (int p = 1; p <= 20; p += p < 2 ? 1 : 6) {
            compare_neighbours(n[i], p, 0);
            compare_neighbours(n[i], p, 0.5);
        }
}

static void refuses_nothing(void)
{
    ub_knn *knn = NULL;
    UB_CHECK_FAILS(ub_knn_create(0, 1, NULL, &knn), UB_EARG, "0 points in 1");
    UB_CHECK_FAILS(ub_knn_create(3, 0, NULL, &knn), UB_EARG, "3 points in 0");
    ub_knn_destroy(&knn);
}

/* psi(1), psi(1/2) and psi(10) are known; psi(x + 1) = psi(x) + 1/x; psi(1e5) from mpmath. */
static void digamma(void)
{
    UB_CHECK_CLOSE(ub_digamma(1), -0.57721566490153286061, 3e-15);
    UB_CHECK_CLOSE(ub_digamma(0.5), -1.96351002602142347944, 3e-15);
    UB_CHECK_CLOSE(ub_digamma(10), 2.25175258906672110765, 1e-15);
    UB_CHECK_CLOSE(ub_digamma(1e5), 11.51292046496189508676, 1e-15);
    for (double x = 0.7; x < 1e4; x *= 1.3)
        UB_CHECK_CLOSE(ub_digamma(x + 1), ub_digamma(x) + 1 / x, 2e-15);
}

/* ---- the estimate ---- */

/* By definition, over all pairs; columns x, y, z in this order.  Ties with the k-th neighbour are
 * neighbours. */
static double by_definition(const double *x, int64_t n, int nx, int ny, int nz, int k,
                            int estimator)
{
    int     a = nx, b = nx + ny, p = nx + ny + nz;
    double  sum = 0, *d;
    int64_t second = estimator == UB_ESTIMATOR_KSG2;
    UB_CHECK(UB_ALLOC(d, n));
    for (int64_t i = 0; i < n; i++) {
        double  ex, ey, ez;
        int64_t n_z = 0, n_xz = 0, n_yz = 0;
        for (int64_t j = 0; j < n; j++)
            d[j] = distance(x, n, 0, p, i, j);
        qsort(d, (size_t)n, sizeof *d, by_value);
        ex = ey = ez = d[k];
        if (second) {
            ex = ey = ez = 0;
            for (int64_t j = 0; j < n; j++)
                if (distance(x, n, 0, p, i, j) <= d[k]) {
                    ex = fmax(ex, distance(x, n, 0, a, i, j));
                    ey = fmax(ey, distance(x, n, a, b, i, j));
                    ez = fmax(ez, distance(x, n, b, p, i, j));
                }
        }
        for (int64_t j = 0; j < n; j++) {
            double dx = distance(x, n, 0, a, i, j), dy = distance(x, n, a, b, i, j);
            double dz = distance(x, n, b, p, i, j);
            int    in_z = second ? dz <= ez : dz < ez || nz == 0;
            n_z += in_z;
            n_xz += in_z && (second ? dx <= ex : dx < ex);
            n_yz += in_z && (second ? dy <= ey : dy < ey);
        }
        if (nz > 0)
            n_z -= second;
        sum += ub_digamma((double)n_z) - ub_digamma((double)(n_xz - second)) -
               ub_digamma((double)(n_yz - second));
        if (second && nz > 0)
            sum += 1.0 / (double)(n_xz - 1) + 1.0 / (double)(n_yz - 1);
    }
    ub_free(d);
    double shift = second ? (nz > 0 ? 2.0 : 1.0) / k : 0;
    return ub_digamma(k) - shift + sum / (double)n;
}

static ub_cmi *make(const double *x, int64_t n, int nx, int ny, int nz, int k, int estimator)
{
    const double *at[40];
    ub_cmi       *cmi = NULL;
    for (int c = 0; c < nx + ny + nz; c++)
        at[c] = x + c * n;
    UB_CHECK(ub_cmi_create(n, nx, ny, nz, at, at + nx, at + nx + ny, k, estimator, &cmi));
    return cmi;
}

static const struct {
    int64_t n;
    int     nx, ny, nz, k;
    double  grid;
} shapes[] = {{300, 1, 1, 5, 5, 0},   {300, 2, 3, 4, 3, 0},  {200, 1, 1, 0, 4, 0},
              {200, 2, 3, 0, 5, 0},   {300, 1, 1, 1, 7, 0},  {150, 1, 2, 30, 5, 0},
              {300, 1, 2, 4, 20, 0},  {64, 1, 1, 2, 63, 0},  {6, 1, 1, 1, 5, 0},
              {300, 1, 1, 4, 5, 0.2}, {300, 2, 1, 0, 9, 0.2}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void estimates_match_their_definition(void)
{
    for (int s = 0; s < SHAPES; s++) {
        int     nx = shapes[s].nx, ny = shapes[s].ny, nz = shapes[s].nz, k = shapes[s].k;
        int64_t n = shapes[s].n;
        double *x = samples(n, nx + ny + nz, (uint64_t)(900 + s), shapes[s].grid), value = NAN;
        for (int64_t i = 0; i < n; i++)
            x[nx * n + i] += x[i]; /* some information */
        for (int e = UB_ESTIMATOR_KSG1; e <= UB_ESTIMATOR_KSG2; e++) {
            ub_cmi *cmi = make(x, n, nx, ny, nz, k, e);
            CU_ASSERT(ub_cmi_estimate(cmi, &value));
            UB_CHECK_CLOSE(value, by_definition(x, n, nx, ny, nz, k, e), 1e-13);
            ub_cmi_destroy(&cmi);
        }
        ub_free(x);
    }
}

/* Coarse distances decide most of an estimate: data on which they are at their worst. */
static void estimates_match_whatever_the_columns_are_like(void)
{
    enum { N = 400, P = 5, CASES = 20 };
    for (int s = 0; s < CASES; s++) {
        double *x = samples(N, P, (uint64_t)(1500 + s), 0), value = NAN;
        ub_rng  r = ub_rng_make(7, UB_RNG_TEST, (uint64_t)(1600 + s));
        for (int64_t i = 0; i < N * P; i++)
            switch (s % 5) {
            case 0: /* many at the upper end, which a rounded product may pass */
                x[i] = pow(1.1, s) * fmin(x[i], 0.7);
                break;
            case 1: /* whole steps */
                x[i] = i % N == 0 ? (double)(i == 0) * 16380 : (double)ub_rng_below(&r, 2000);
                break;
            case 2: /* a column of its own scale and place */
                x[i] = i < N ? 1e6 + 1e-3 * x[i] : x[i];
                break;
            case 3: /* heavy tails */
                x[i] = x[i] / ub_rng_normal(&r);
                break;
            default: /* far outliers */
                x[i] = i % N == 7 ? (s > 10 ? 1e307 : 1e9) * x[i] : x[i];
            }
        for (int k = 3; k < 24; k += 10) {
            ub_cmi *cmi = make(x, N, 1, 1, P - 2, k, UB_ESTIMATOR_KSG1);
            CU_ASSERT(ub_cmi_estimate(cmi, &value));
            UB_CHECK_CLOSE(value, by_definition(x, N, 1, 1, P - 2, k, UB_ESTIMATOR_KSG1), 1e-13);
            ub_cmi_destroy(&cmi);
        }
        ub_free(x);
    }
}

/* A surrogate is the estimate of the permuted data; one that moves nothing is the estimate itself,
 * bit for bit.  Radii: far too small in the second call, since the first moved little. */
static void surrogates_match_estimates(void)
{
    enum { GROUPS = 2, L = UB_CMI_LANES };
    for (int s = 0; s < SHAPES; s++) {
        int      nx = shapes[s].nx, ny = shapes[s].ny, nz = shapes[s].nz, k = shapes[s].k;
        int64_t  n = shapes[s].n, *permuted;
        double  *x = samples(n, nx + ny + nz, (uint64_t)(900 + s), shapes[s].grid), *y, *scratch;
        double   value[GROUPS * L], want = NAN;
        int32_t *source;
        UB_CHECK(UB_ALLOC(y, n * (nx + ny + nz)));
        UB_CHECK(UB_ALLOC(scratch, GROUPS * n * nx * L));
        UB_CHECK(UB_ALLOC(source, GROUPS * n * L));
        UB_CHECK(UB_ALLOC(permuted, n));
        for (int e = UB_ESTIMATOR_KSG1; e <= UB_ESTIMATOR_KSG2; e++) {
            ub_cmi *cmi = make(x, n, nx, ny, nz, k, e);
            ub_rng  r = ub_rng_make(7, UB_RNG_TEST, (uint64_t)(1000 + s));
            CU_ASSERT(ub_cmi_estimate(cmi, &want));
            for (int64_t i = 0; i < GROUPS * n * L; i++)
                source[i] = (int32_t)(i / L % n);
            ub_cmi_surrogates(cmi, 1, source, scratch, value);
            for (int v = 0; v < L; v++)
                CU_ASSERT_EQUAL(value[v], want);
            ub_rng_permutation(&r, n, permuted);
            for (int64_t i = 0; i < n; i++)
                source[(n + i) * L + 3] = (int32_t)permuted[i];
            ub_cmi_surrogates(cmi, GROUPS, source, scratch, value);
            CU_ASSERT(value[0] == want && value[L + 2] == want && value[L + 4] == want);
            /* The same by hand: places are what ub_knn_create makes of the columns of Z or Y. */
            const double *base[40];
            ub_knn       *knn = NULL;
            for (int c = 0; c < (nz > 0 ? nz : ny); c++)
                base[c] = x + (nx + (nz > 0 ? ny : 0) + c) * n;
            UB_CHECK(ub_knn_create(n, nz > 0 ? nz : ny, base, &knn));
            const int32_t *order = ub_knn_order(knn);
            memcpy(y, x, (size_t)(n * (nx + ny + nz)) * sizeof *x);
            for (int c = 0; c < nx; c++)
                for (int64_t i = 0; i < n; i++)
                    y[c * n + order[i]] = x[c * n + order[permuted[i]]];
            UB_CHECK_CLOSE(value[L + 3], by_definition(y, n, nx, ny, nz, k, e), 1e-13);
            ub_knn_destroy(&knn);
            ub_cmi_destroy(&cmi);
        }
        ub_free(permuted);
        ub_free(source);
        ub_free(scratch);
        ub_free(y);
        ub_free(x);
    }
}

/* ---- the test ---- */

static ub_settings settings;

static void set(const char *path, const char *text)
{
    UB_CHECK(ub_schema_set(ub_settings_schema(), &settings, path, text, "test"));
}

static ub_ci_result ask(int64_t n, int32_t p, const double *x, ub_ci_query q)
{
    const ub_ci_test *test = ub_ci_find("cmi_knn");
    ub_ci_result      r = {.p_value = NAN};
    ub_moments        m;
    void             *state = NULL;
    UB_CHECK(ub_moments_of_columns(n, p, x, &m));
    ub_ci_data data = {&m, x};
    UB_CHECK(test->open(&data, &settings, &state));
    UB_CHECK(test->eval(state, &q, &r));
    test->close(state);
    ub_moments_release(&m);
    return r;
}

static const struct {
    const char *k, *scaling, *estimator;
} variants[] = {{"3", "standardise", "ksg1"},  {"5", "standardise", "ksg1"},
                {"10", "standardise", "ksg1"}, {"3", "raw", "ksg1"},
                {"5", "raw", "ksg1"},          {"5", "rank", "ksg1"},
                {"4", "standardise", "ksg2"},  {"5", "standardise", "ksg2"}};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static const struct {
    const char *file;
    int64_t     n;
    bool        null; /* x against y0, else against y */
    double      value[VARIANTS];
} expected[] = {
    {"golden/lin_n1000.csv",
     1000,
     false,
     {0.03604589964758553, 0.0462092839013446, 0.03792379084001318, 0.05330512019835498,
      0.05551066647558489, 0.04696640534665053, 0.07395147006852348, 0.0651174299603115}},
    {"golden/lin_n1000.csv",
     1000,
     true,
     {-0.012210389948010048, -0.006790495809520625, 0.004174958756532288, -0.024669440650089136,
      -0.012038413570196749, -0.00113068585603604, 0.01973586762773005, 0.005014822208882969}},
    {"golden/lin_n10000.csv",
     10000,
     false,
     {0.06477367362737885, 0.0657435825158994, 0.06241623354161119, 0.07131395155001874,
      0.06946132390259718, 0.062335827708204006, 0.09884501717592453, 0.08554715870479845}},
    {"golden/lin_n10000.csv",
     10000,
     true,
     {-0.00527393753404426, -0.004191278772809337, -0.002293423533187955, -0.009946699303482798,
      -0.009610345724257563, -0.003988472993699199, 0.01805436563093391, 0.01297540720689322}},
    {"golden/nonlin_n1000.csv",
     1000,
     false,
     {0.1672213483930779, 0.15099506499655901, 0.12071255293907113, 0.21784360440772477,
      0.18427982754064143, 0.09027500166520297, 0.230629634242636, 0.2101112350535585}},
    {"golden/nonlin_n1000.csv",
     1000,
     true,
     {0.0058407721410442814, 0.00400557892206832, 0.0031203294118848923, 0.0013666390830334718,
      0.0014228883470623899, 0.010695116980281139, 0.03853844579738808, 0.01904450371049266}},
    {"golden/nonlin_n10000.csv",
     10000,
     false,
     {0.22795744338738666, 0.2139332038293711, 0.19755677984513342, 0.2588204121344536,
      0.24957462313696266, 0.14910565052439306, 0.2745658128196953, 0.2620832920668613}},
    {"golden/nonlin_n10000.csv",
     10000,
     true,
     {-0.003792906786348027, -0.004380971897726127, -0.0023104325685499028, 0.00032260038576759076,
      -0.004848862592448988, -0.0012414642263929299, 0.02998471175362599, 0.01969943174803669}}};

static const int32_t col_x[] = {0}, col_y[] = {1}, col_z[] = {2, 3, 4, 5, 6}, col_y0[] = {7};

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
static const bool optimised = true;
#else
static const bool optimised = false;
#endif

/* ci_expected.json: an independent computation of the first estimator, with which JIDT (and
 * tigramite, NPEET up to the noise they add) agrees; JIDT for the second. */
static void golden_values(void)
{
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        double *x = ub_test_table(expected[i].file, expected[i].n, 8);
        if (x == NULL)
            return;
        bool few = expected[i].n > 1000 && !optimised; /* else minutes */
        for (int v = few ? 1 : 0; v < VARIANTS; v += few ? VARIANTS : 1) {
            UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
            set("ci.permutations", "1");
            set("ci.k_perm", "2");
            set("ci.k", variants[v].k);
            set("ci.scaling", variants[v].scaling);
            set("ci.estimator", variants[v].estimator);
            ub_ci_query  q = {0, col_x, expected[i].null ? col_y0 : col_y, col_z, 1, 1, 5, 0};
            ub_ci_result r = ask(expected[i].n, 8, x, q);
            CU_ASSERT(r.verdict == UB_CI_OK && r.n_used == expected[i].n);
            UB_CHECK_CLOSE(r.statistic, expected[i].value[v], 1e-12);
        }
        ub_free(x);
    }
}

/* z1 .. z3 pull at x, y0 and, with a cosine of what is new in x, y: columns x, y, z1 z2 z3, y0. */
static void chain(int64_t n, uint64_t item, double pull, double *x)
{
    ub_rng r = ub_rng_make(8, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++) {
        double *z = x + 2 * n + i, drive;
        for (int c = 0; c < 3; c++)
            z[c * n] = ub_rng_normal(&r);
        drive = pull * (0.6 * z[0] - 0.5 * z[n] + 0.4 * z[2 * n]);
        double own = ub_rng_normal(&r);
        x[i] = drive + own;
        x[n + i] = drive + cos(2 * own) + 0.3 * ub_rng_normal(&r);
        x[5 * n + i] = drive + ub_rng_normal(&r);
    }
}

static double farthest(double *p, int n)
{
    double far = 0;
    qsort(p, (size_t)n, sizeof *p, by_value);
    for (int i = 0; i < n; i++) /* discrete: at the values that occur */
        if (i == n - 1 || p[i + 1] > p[i])
            far = fmax(far, fabs((i + 1.0) / n - p[i]));
    return far;
}

/* Kolmogorov-Smirnov at the .001 level with fixed seeds, with and without the early stop; where it
 * does not stop early, the p-value is the same. */
static void uniform_on_a_chain(void)
{
    enum { N = 120, RUNS = 200 };
    double full[RUNS], early[RUNS], x[6 * N];
    int    same = 0;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    set("ci.permutations", "99");
    for (int i = 0; i < RUNS; i++) {
        ub_ci_query q = {i, col_x, (const int32_t[]){5}, col_z, 1, 1, 3, 0};
        chain(N, (uint64_t)i, 1, x);
        set("ci.stop_after", "0");
        full[i] = ask(N, 6, x, q).p_value;
        set("ci.stop_after", "20");
        early[i] = ask(N, 6, x, q).p_value;
        same += full[i] == early[i];
        CU_ASSERT(full[i] > 0.2 ? early[i] >= 20.0 / 99 : full[i] == early[i]);
        CU_ASSERT(fmod(full[i] * 100 + 1e-9, 1) < 1e-6);
    }
    CU_ASSERT(same > RUNS / 10 && same < RUNS / 2);
    CU_ASSERT(farthest(full, RUNS) < 1.95 / sqrt((double)RUNS));
    CU_ASSERT(farthest(early, RUNS) < 1.95 / sqrt((double)RUNS));
}

static void finds_what_is_not_linear(void)
{
    enum { N = 400 };
    double           *x = samples(N, 6, 0, 0);
    ub_ci_query       q = {0, col_x, col_y, col_z, 1, 1, 3, 0};
    const ub_ci_test *linear = ub_ci_find("fisher_z");
    ub_ci_result      r;
    ub_moments        m;
    void             *state = NULL;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    chain(N, 79, 1, x);
    UB_CHECK(ub_moments_of_columns(N, 6, x, &m));
    ub_ci_data data = {&m, NULL};
    UB_CHECK(linear->open(&data, &settings, &state));
    UB_CHECK(linear->eval(state, &q, &r));
    linear->close(state);
    ub_moments_release(&m);
    CU_ASSERT(r.p_value > 0.05);
    r = ask(N, 6, x, q);
    CU_ASSERT(r.p_value == 1.0 / 500 && r.statistic > 0.1);
    UB_CHECK_CLOSE(r.evidence, ub_evidence_of_p(0.002), 1e-15);
    ub_free(x);
}

/* Where Z explains most of X, a global permutation, which breaks that too, is far from uniform. */
static void local_keeps_what_z_explains(void)
{
    enum { N = 120, RUNS = 100 };
    double local[RUNS], global[RUNS], x[6 * N];
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    set("ci.permutations", "49");
    for (int i = 0; i < RUNS; i++) {
        ub_ci_query q = {i, col_x, (const int32_t[]){5}, col_z, 1, 1, 3, 0};
        chain(N, (uint64_t)(4000 + i), 2.5, x);
        set("ci.permutation", "local");
        local[i] = ask(N, 6, x, q).p_value;
        set("ci.permutation", "global");
        global[i] = ask(N, 6, x, q).p_value;
    }
    CU_ASSERT(farthest(local, RUNS) < 1.95 / sqrt((double)RUNS));
    CU_ASSERT(farthest(global, RUNS) > 1.95 / sqrt((double)RUNS));
}

/* The stream is that of (seed, question): another of either gives other surrogates. */
static void keyed_by_seed_and_question(void)
{
    enum { N = 150 };
    double x[6 * N];
    int    differ[2] = {0, 0};
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    set("ci.stop_after", "0");
    for (int i = 0; i < 4; i++) {
        ub_ci_query q = {i, col_x, (const int32_t[]){5}, col_z, 1, 1, 3, 0};
        chain(N, (uint64_t)i, 1, x);
        set("run.seed", "1");
        double p = ask(N, 6, x, q).p_value;
        q.id += 1000;
        differ[0] += ask(N, 6, x, q).p_value != p;
        q.id -= 1000;
        set("run.seed", "2");
        differ[1] += ask(N, 6, x, q).p_value != p;
    }
    CU_ASSERT(differ[0] > 1 && differ[1] > 1);
}

static void verdicts(void)
{
    enum { N = 120 };
    double     *x = samples(N, 6, 6, 0);
    ub_ci_query q = {0, col_x, col_y, col_z, 1, 1, 3, 0};
    ub_moments  m;
    void       *state = NULL;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_OK);
    for (int i = 10; i < 16; i++) /* six samples coincide: the fifth neighbour of each is at 0 */
        for (int c = 0; c < 6; c++)
            x[c * N + i] = x[c * N + 9];
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_TIES);
    set("ci.scaling", "rank");
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_TIES);
    set("ci.k", "7");
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_OK);
    set("ci.k", "120");
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_TOO_FEW);
    set("ci.k", "5");
    set("ci.k_perm", "200");
    CU_ASSERT_EQUAL(ask(N, 6, x, q).verdict, UB_CI_TOO_FEW);
    CU_ASSERT_STRING_EQUAL(ub_ci_verdict_name(UB_CI_TIES), "ties");
    UB_CHECK(ub_moments_of_columns(N, 6, x, &m));
    ub_ci_data data = {&m, NULL};
    UB_CHECK_FAILS(ub_ci_find("cmi_knn")->open(&data, &settings, &state), UB_EINPUT,
                   "cmi_knn needs the samples");
    ub_moments_release(&m);
    ub_free(x);
}

UB_SUITE("knn", {"neighbours and counts are those of a plain loop", neighbours_are_exact},
         {"no points is an error", refuses_nothing}, {"digamma matches known values", digamma},
         {"both estimators match their definition", estimates_match_their_definition},
         {"an estimate is exact whatever the columns are like",
          estimates_match_whatever_the_columns_are_like},
         {"a surrogate is the estimate of permuted data", surrogates_match_estimates},
         {"estimates are those of published tools", golden_values},
         {"p-values are uniform on a chain, stopped early or not", uniform_on_a_chain},
         {"a dependence that is not linear is found", finds_what_is_not_linear},
         {"local permutation keeps what Z explains", local_keeps_what_z_explains},
         {"random numbers belong to the seed and the question", keyed_by_seed_and_question},
         {"data it cannot judge has a verdict", verdicts})
