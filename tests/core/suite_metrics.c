/* Scores against scikit-learn 1.x, and the judge against what it must find. */
#include <math.h>
#include <string.h>

#include "core/metrics.h"
#include "core/rng.h"
#include "tests/support/suite.h"

/* accuracy_score, matthews_corrcoef */
static void decisions(void)
{
    static const struct {
        uint8_t truth[12], decision[12];
        double  accuracy, mcc;
    } table[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0},
         {0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0},
         0.5833333333333334,
         -0.21320071635561041},
        {{1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1},
         {1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1},
         0.8333333333333334,
         -0.09090909090909091},
        {{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1}, {0}, 0.5, 0},
        {{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}, {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, 0, -1},
        {{1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0}, {1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0}, 1, 1},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1, 0},
        {{0}, {1, 1, 1}, 0.75, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        UB_CHECK_CLOSE(ub_accuracy(12, table[i].truth, table[i].decision), table[i].accuracy,
                       1e-14);
        UB_CHECK_CLOSE(ub_mcc(12, table[i].truth, table[i].decision), table[i].mcc, 1e-14);
    }
    CU_ASSERT_EQUAL(ub_accuracy(0, NULL, NULL), 0);
    CU_ASSERT_EQUAL(ub_mcc(0, NULL, NULL), 0);
}

/* average_precision_score */
static void average_precision(void)
{
    static const struct {
        uint8_t truth[10];
        double  score[10], want;
    } table[] = {
        {{1, 0, 1, 1, 0, 0, 1, 0, 0, 0},
         {.9, .8, .7, .6, .55, .5, .3, .2, .1, 0},
         0.7470238095238095},
        {{1, 0, 1, 1, 0, 0, 1, 0, 0, 0},
         {1e300, .7, .7, .7, .5, .5, .5, .1, .1, 0},
         0.7678571428571428},
        {{0, 1, 1, 0, 1, 0, 0, 1, 0, 0}, {0, 1.5, 1.5, 0, 1.5, 0, 0, 0, 0, 1}, 0.85},
        {{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0.5},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 1},
        {{0}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0},
        {{1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {-5, 1, 1, 1, -1, -2, -2, -2, -3, -5}, 0.2},
    };
    double got;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        UB_CHECK(ub_average_precision(10, table[i].truth, table[i].score, &got));
        UB_CHECK_CLOSE(got, table[i].want, 1e-14);
    }
    UB_CHECK(ub_average_precision(0, NULL, NULL, &got));
    CU_ASSERT_EQUAL(got, 0);
    UB_CHECK(ub_average_precision(2, (uint8_t[]){1, 0}, (double[]){INFINITY, -INFINITY}, &got));
    CU_ASSERT_EQUAL(got, 1);
    UB_CHECK_FAILS(ub_average_precision(2, (uint8_t[]){1, 0}, (double[]){1, NAN}, &got),
                   UB_ENUMERIC, "score 1");
}

/* adjusted_rand_score */
static void adjusted_rand(void)
{
    static const struct {
        int64_t a[12], b[12];
        double  want;
    } table[] = {
        {{2, 1, 2, 2, 2, 2, 2, 0, 1, 2, 2, 1},
         {2, 1, 0, 2, 2, 0, 2, 0, 0, 2, 0, 2},
         0.07735321528424977},
        {{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2},
         {5, 5, 5, 7, 7, 7, 7, 7, -9, -9, -9, 5},
         0.5119453924914675},
        {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {0}, 0},
        {{0}, {0}, 1},
        {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 1},
        {{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}, -0.1},
        {{0}, {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}, 0},
        {{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4},
         {40, 40, 40, -2, -2, -2, 7, 7, 7, INT64_MIN, INT64_MIN, INT64_MIN},
         1},
    };
    double got;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        UB_CHECK(ub_ari(12, table[i].a, table[i].b, &got));
        UB_CHECK_CLOSE(got, table[i].want, 1e-14);
        UB_CHECK(ub_ari(12, table[i].b, table[i].a, &got));
        UB_CHECK_CLOSE(got, table[i].want, 1e-14);
    }
    for (int64_t n = 0; n < 2; n++) {
        UB_CHECK(ub_ari(n, table[0].a, table[0].b, &got));
        CU_ASSERT_EQUAL(got, 1);
    }
}

/* Rows of the judge's table: x ~ N(0, I_3) on wild scales and one constant column, four targets. */
enum { N = 800, M = 600, P = 4, Q = 4 };

typedef struct sample {
    double x[N + M][P], y[N + M][Q];
} sample;

static void draw(sample *s, uint64_t item)
{
    ub_rng r = ub_rng_make(5, UB_RNG_TEST, item);
    for (int i = 0; i < N + M; i++) {
        double a = ub_rng_normal(&r), b = ub_rng_normal(&r), c = ub_rng_normal(&r);
        double x[P] = {a, 1e6 + 1e3 * b, 1e-6 * c, 7};
        double y[Q] = {sin(1.5 * a) + tanh(b + c), a + 0.5 * ub_rng_normal(&r), ub_rng_normal(&r),
                       3};
        memcpy(s->x[i], x, sizeof x);
        memcpy(s->y[i], y, sizeof y);
    }
}

static ub_status judge(const sample *s, double *r2)
{
    return ub_judge_r2(N, M, P, Q, s->x[0], s->y[0], s->x[N], s->y[N], 1e-3, r2);
}

static void judge_finds_what_is_there(void)
{
    sample *s = NULL;
    double  r2[Q], again[Q], mean = 0;
    UB_CHECK(UB_ALLOC(s, 1));
    for (uint64_t item = 0; item < 4; item++) {
        draw(s, item);
        UB_CHECK(judge(s, r2));
        CU_ASSERT(r2[0] > 0.98);
        CU_ASSERT_DOUBLE_EQUAL(r2[1], 0.8, 0.05); /* 1 / (1 + .25) is there to be found */
        CU_ASSERT(r2[2] < 0.01 && r2[2] > -0.1);
        CU_ASSERT_EQUAL(r2[3], 0);
        mean += r2[2] / 4;
    }
    CU_ASSERT(mean < 0.003);
    UB_CHECK(judge(s, again));
    CU_ASSERT_EQUAL(memcmp(r2, again, sizeof r2), 0);
    /* A column's score does not depend on the columns beside it. */
    for (int i = 0; i < N + M; i++)
        s->y[i][1] = s->y[i][2] = s->y[i][3] = 0;
    UB_CHECK(judge(s, again));
    CU_ASSERT_EQUAL(again[0], r2[0]);
    ub_free(s);
}

/* What it predicts is what its R^2 is of. */
static void judge_predicts(void)
{
    enum { ROWS = 60 };
    double x[ROWS], y[ROWS], guess[20], r2, centre = 0, residual = 0, total = 0;
    ub_rng r = ub_rng_make(2, UB_RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        x[i] = ub_rng_normal(&r);
        y[i] = sin(2 * x[i]) + 0.1 * ub_rng_normal(&r);
    }
    UB_CHECK(ub_judge_predict(40, 20, 1, 1, x, y, x + 40, 1e-3, guess));
    UB_CHECK(ub_judge_r2(40, 20, 1, 1, x, y, x + 40, y + 40, 1e-3, &r2));
    for (int i = 0; i < 20; i++)
        centre += y[40 + i] / 20;
    for (int i = 0; i < 20; i++) {
        residual += (y[40 + i] - guess[i]) * (y[40 + i] - guess[i]);
        total += (y[40 + i] - centre) * (y[40 + i] - centre);
    }
    UB_CHECK_CLOSE(r2, 1 - residual / total, 1e-12);
    CU_ASSERT(r2 > 0.8);
    UB_CHECK_FAILS(ub_judge_predict(9, 20, 1, 1, x, y, x, 1e-3, guess), UB_EARG, "not 9");
}

static void judge_edges(void)
{
    double x[40], r2 = 9;
    ub_rng r = ub_rng_make(1, UB_RNG_TEST, 0);
    for (int i = 0; i < 40; i++)
        x[i] = ub_rng_normal(&r);
    UB_CHECK_FAILS(ub_judge_r2(9, 10, 1, 1, x, x, x, x, 1e-3, &r2), UB_EARG, "not 9 and 10");
    UB_CHECK_FAILS(ub_judge_r2(20, 1, 1, 1, x, x, x, x, 1e-3, &r2), UB_EARG, "not 20 and 1");
    UB_CHECK(ub_judge_r2(20, 20, 0, 1, x, x, x, x, 1e-3, &r2));
    CU_ASSERT_EQUAL(r2, 0);
    UB_CHECK(ub_judge_r2(20, 20, 1, 1, x, x, x + 20, x + 20, 1e-3, &r2));
    CU_ASSERT(r2 > 0.9);
    x[3] = NAN;
    r2 = 9;
    UB_CHECK_FAILS(ub_judge_r2(20, 20, 1, 1, x, x, x, x, 1e-3, &r2), UB_ENUMERIC,
                   "training input row 3, column 0");
    CU_ASSERT_EQUAL(r2, 9);
}

UB_SUITE("metrics", {"accuracy and MCC are those of scikit-learn", decisions},
         {"average precision takes ties as one cut-off", average_precision},
         {"adjusted Rand index is that of scikit-learn", adjusted_rand},
         {"the judge finds what is there and nothing else", judge_finds_what_is_there},
         {"the judge's R^2 is that of its predictions", judge_predicts},
         {"the judge refuses what it cannot judge", judge_edges})
