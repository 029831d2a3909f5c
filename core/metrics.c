#include "core/metrics.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/lapack.h"
#include "core/mem.h"
#include "core/moments.h"

double ub_accuracy(int64_t n, const uint8_t *truth, const uint8_t *decision)
{
    int64_t same = 0;
    for (int64_t i = 0; i < n; i++)
        same += (truth[i] != 0) == (decision[i] != 0);
    return n > 0 ? (double)same / (double)n : 0;
}

double ub_mcc(int64_t n, const uint8_t *truth, const uint8_t *decision)
{
    int64_t count[2][2] = {{0}};
    for (int64_t i = 0; i < n; i++)
        count[truth[i] != 0][decision[i] != 0]++;
    double tn = (double)count[0][0], fp = (double)count[0][1];
    double fn = (double)count[1][0], tp = (double)count[1][1];
    double margins = sqrt(tp + fp) * sqrt(tp + fn) * sqrt(tn + fp) * sqrt(tn + fn);
    return margins > 0 ? (tp * tn - fp * fn) / margins : 0;
}

/* ---- average precision ---- */

typedef struct scored {
    double  score;
    uint8_t positive;
} scored;

static int by_score_falling(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

ub_status ub_average_precision(int64_t n, const uint8_t *truth, const double *score, double *out)
{
    scored *s;
    for (int64_t i = 0; i < n; i++)
        if (isnan(score[i]))
            return UB_FAIL(UB_ENUMERIC, "score %lld is not a number", (long long)i);
    UB_TRY(UB_ALLOC(s, n));
    int64_t positives = 0, found = 0;
    for (int64_t i = 0; i < n; i++) {
        s[i] = (scored){score[i], truth[i] != 0};
        positives += s[i].positive;
    }
    qsort(s, (size_t)n, sizeof *s, by_score_falling);
    double sum = 0;
    for (int64_t i = 0; i < n;) {
        int64_t before = found, end = i;
        for (; end < n && s[end].score == s[i].score; end++)
            found += s[end].positive;
        sum += (double)(found - before) * ((double)found / (double)end);
        i = end;
    }
    ub_free(s);
    *out = positives > 0 ? sum / (double)positives : 0;
    return UB_OK;
}

/* ---- adjusted Rand index ---- */

typedef struct label_pair {
    int64_t a, b;
} label_pair;

static int by_labels(const void *p, const void *q)
{
    const label_pair *x = p, *y = q;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

/* Unordered pairs of items inside runs of equal a (and equal b, if `both`). */
static double pairs_together(int64_t n, const label_pair *p, bool both)
{
    double pairs = 0;
    for (int64_t i = 0; i < n;) {
        int64_t end = i;
        while (end < n && p[end].a == p[i].a && (!both || p[end].b == p[i].b))
            end++;
        pairs += 0.5 * (double)(end - i) * (double)(end - i - 1);
        i = end;
    }
    return pairs;
}

ub_status ub_ari(int64_t n, const int64_t *a, const int64_t *b, double *out)
{
    label_pair *p;
    UB_TRY(UB_ALLOC(p, n));
    for (int64_t i = 0; i < n; i++)
        p[i] = (label_pair){b[i], a[i]};
    qsort(p, (size_t)n, sizeof *p, by_labels);
    double in_b = pairs_together(n, p, false);
    for (int64_t i = 0; i < n; i++)
        p[i] = (label_pair){a[i], b[i]};
    qsort(p, (size_t)n, sizeof *p, by_labels);
    double in_a = pairs_together(n, p, false), in_both = pairs_together(n, p, true);
    ub_free(p);
    double all = 0.5 * (double)n * (double)(n - 1);
    if (in_both == in_a && in_both == in_b) { /* the same partition */
        *out = 1;
        return UB_OK;
    }
    double expected = in_a * in_b / all;
    *out = (in_both - expected) / (0.5 * (in_a + in_b) - expected);
    return UB_OK;
}

/* ---- the judge ---- */

enum { WIDTHS = 4, RIDGES = 6, MEDIAN_ROWS = 500 };

/* Grid: widths in medians of the distance, ridges in powers of ten times the caller's.  The
 * strongest ridge leaves little but the mean, so that targets without any relation to x score
 * about 0 and not far below it. */
static const double width_of[WIDTHS] = {0.5, 1, 2, 4};
static const double ridge_of[RIDGES] = {1e-2, 1e-1, 1, 1e1, 1e2, 1e3};

typedef struct judge {
    int64_t n; /* training rows */
    int32_t p, q;
    double *x;        /* n x p, standardised; then `test` of m x p */
    double *test;     /* m x p, standardised alike */
    double *kernel;   /* n x n; below the diagonal the kernel, then its factor; above, squared
                         distances */
    double *coef;     /* n x q by columns: right-hand sides, then solutions */
    double *kept;     /* n x q by columns: the solutions that guess the test rows */
    double *row;      /* n: kernel of one row ... */
    double *distance; /* n: ... and its squared distances, of test rows */
    double *mean;     /* q: of y over the rows fitted */
    double *guess;    /* rows judged x q */
    double *r2;       /* q: of the grid point at hand */
    double *best;     /* q: highest r2 so far ... */
    int    *choice;   /* q: ... and its grid point; -1 if none could be fitted */
    double  median;   /* of the distance */
} judge;

static void judge_release(judge *j)
{
    ub_free(j->x);
    ub_free(j->test);
    ub_free(j->kernel);
    ub_free(j->coef);
    ub_free(j->row);
    ub_free(j->distance);
    ub_free(j->kept);
    ub_free(j->mean);
    ub_free(j->guess);
    ub_free(j->r2);
    ub_free(j->best);
    ub_free(j->choice);
}

static double square_distance(const double *a, const double *b, int32_t p)
{
    double sum = 0;
    for (int32_t i = 0; i < p; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median distance between the first rows; 1 if half of them coincide. */
static ub_status median_distance(judge *j)
{
    int64_t rows = j->n < MEDIAN_ROWS ? j->n : MEDIAN_ROWS, pairs = 0;
    double *d;
    UB_TRY(UB_ALLOC(d, rows * (rows - 1) / 2));
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < a; b++)
            d[pairs++] = square_distance(j->x + a * j->p, j->x + b * j->p, j->p);
    qsort(d, (size_t)pairs, sizeof *d, by_value);
    j->median = d[pairs / 2] > 0 ? sqrt(d[pairs / 2]) : 1;
    ub_free(d);
    return UB_OK;
}

/* Both tables by mean and deviation of the training rows; a constant column becomes 0 in
 * training, and is left out of the test rows too. */
static void standardise(judge *j, int64_t m, const double *train, const double *test)
{
    for (int32_t c = 0; c < j->p; c++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < j->n; i++)
            mean += train[i * j->p + c] / (double)j->n;
        for (int64_t i = 0; i < j->n; i++)
            square += (train[i * j->p + c] - mean) * (train[i * j->p + c] - mean);
        double sd = sqrt(square / (double)j->n);
        double scale = ub_column_is_constant(mean, sd, j->n) ? 0 : 1 / sd;
        for (int64_t i = 0; i < j->n; i++)
            j->x[i * j->p + c] = (train[i * j->p + c] - mean) * scale;
        for (int64_t i = 0; i < m; i++)
            j->test[i * j->p + c] = (test[i * j->p + c] - mean) * scale;
    }
}

/* Squared distances between training rows, above the diagonal: (a, b < a) at a n + b. */
static void fill_distances(judge *j)
{
    for (int64_t a = 0; a < j->n; a++)
        for (int64_t b = 0; b < a; b++)
            j->kernel[a * j->n + b] = square_distance(j->x + a * j->p, j->x + b * j->p, j->p);
}

/* Solve (K + n ridge I) coef = y - mean on the first n training rows.  False if K is singular to
 * working precision at this ridge. */
static bool judge_fit(judge *j, int64_t n, const double *y, double width, double ridge)
{
    double gamma = 0.5 / (width * width * j->median * j->median);
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < a; b++)
            j->kernel[b * j->n + a] = exp(-gamma * j->kernel[a * j->n + b]);
        j->kernel[a * j->n + a] = 1 + (double)n * ridge;
    }
    for (int32_t c = 0; c < j->q; c++) {
        j->mean[c] = 0;
        for (int64_t i = 0; i < n; i++)
            j->mean[c] += y[i * j->q + c] / (double)n;
        for (int64_t i = 0; i < n; i++)
            j->coef[c * n + i] = y[i * j->q + c] - j->mean[c];
    }
    int order = (int)n, leading = (int)j->n, info;
    dpotrf_("L", &order, j->kernel, &leading, &info);
    if (info != 0)
        return false;
    dpotrs_("L", &order, &j->q, j->kernel, &leading, j->coef, &order, &info);
    return info == 0;
}

/* Kernel of a row whose squared distances to the first n training rows are given. */
static void fill_row(judge *j, int64_t n, const double *distance, double width)
{
    double gamma = 0.5 / (width * width * j->median * j->median);
    for (int64_t t = 0; t < n; t++)
        j->row[t] = exp(-gamma * distance[t]);
}

static double guess_of(int64_t n, const double *row, const double *coef, double mean)
{
    for (int64_t t = 0; t < n; t++)
        mean += row[t] * coef[t];
    return mean;
}

void ub_r2(int64_t m, int32_t q, const double *y, const double *guess, double *r2)
{
    for (int32_t c = 0; c < q; c++) {
        double centre = 0, residual = 0, total = 0;
        for (int64_t i = 0; i < m; i++)
            centre += y[i * q + c] / (double)m;
        for (int64_t i = 0; i < m; i++) {
            double from_centre = y[i * q + c] - centre, off = y[i * q + c] - guess[i * q + c];
            residual += off * off;
            total += from_centre * from_centre;
        }
        r2[c] = total > 1e-24 * (double)m * centre * centre ? 1 - residual / total : 0;
    }
}

static ub_status judge_init(judge *j, int64_t m)
{
    UB_TRY(UB_ALLOC(j->x, j->n * j->p));
    UB_TRY(UB_ALLOC(j->test, m * j->p));
    UB_TRY(UB_ALLOC(j->kernel, j->n * j->n));
    UB_TRY(UB_ALLOC(j->coef, j->n * j->q));
    UB_TRY(UB_ALLOC(j->row, j->n));
    UB_TRY(UB_ALLOC(j->mean, j->q));
    UB_TRY(UB_ALLOC(j->kept, j->n * j->q));
    UB_TRY(UB_ALLOC(j->distance, j->n));
    UB_TRY(UB_ALLOC(j->guess, (j->n / 5) * j->q));
    UB_TRY(UB_ALLOC(j->r2, j->q));
    UB_TRY(UB_ALLOC(j->best, j->q));
    return UB_ALLOC(j->choice, j->q);
}

/* For each column of y the grid point that does best on the last fifth of the training rows. */
static void judge_choose(judge *j, const double *y, double ridge)
{
    int64_t fitted = j->n - j->n / 5;
    for (int32_t c = 0; c < j->q; c++)
        j->choice[c] = -1;
    for (int g = 0; g < WIDTHS * RIDGES; g++) {
        double width = width_of[g / RIDGES];
        if (!judge_fit(j, fitted, y, width, ridge * ridge_of[g % RIDGES]))
            continue;
        for (int64_t i = fitted; i < j->n; i++) {
            fill_row(j, fitted, j->kernel + i * j->n, width);
            for (int32_t c = 0; c < j->q; c++)
                j->guess[(i - fitted) * j->q + c] =
                    guess_of(fitted, j->row, j->coef + c * fitted, j->mean[c]);
        }
        ub_r2(j->n - fitted, j->q, y + fitted * j->q, j->guess, j->r2);
        for (int32_t c = 0; c < j->q; c++)
            if (j->choice[c] < 0 || j->r2[c] > j->best[c]) {
                j->choice[c] = g;
                j->best[c] = j->r2[c];
            }
    }
}

/* Fit each chosen grid point on all training rows; what belongs to its columns is kept. */
static ub_status judge_refit(judge *j, const double *y, double ridge)
{
    for (int g = -1; g < WIDTHS * RIDGES; g++) {
        int32_t columns = 0;
        for (int32_t c = 0; c < j->q; c++)
            columns += j->choice[c] == g;
        if (columns == 0)
            continue;
        if (g < 0 || !judge_fit(j, j->n, y, width_of[g / RIDGES], ridge * ridge_of[g % RIDGES]))
            return UB_FAIL(UB_ENUMERIC,
                           "the judge's kernel matrix of %lld rows is singular; raise eval.ridge "
                           "(now %g)",
                           (long long)j->n, ridge);
        for (int32_t c = 0; c < j->q; c++)
            if (j->choice[c] == g)
                memcpy(j->kept + c * j->n, j->coef + c * j->n, (size_t)j->n * sizeof *j->kept);
    }
    return UB_OK;
}

/* Guess all columns of the test rows; distances are the dear part, and made once a row. */
static void judge_test(judge *j, int64_t m, double *guess)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t t = 0; t < j->n; t++)
            j->distance[t] = square_distance(j->test + i * j->p, j->x + t * j->p, j->p);
        for (int w = 0; w < WIDTHS; w++) {
            bool filled = false;
            for (int32_t c = 0; c < j->q; c++) {
                if (j->choice[c] / RIDGES != w)
                    continue;
                if (!filled)
                    fill_row(j, j->n, j->distance, width_of[w]);
                filled = true;
                guess[i * j->q + c] = guess_of(j->n, j->row, j->kept + c * j->n, j->mean[c]);
            }
        }
    }
}

static ub_status check_finite(int64_t rows, int32_t columns, const double *x, const char *what)
{
    for (int64_t i = 0; i < rows * columns; i++)
        if (!isfinite(x[i]))
            return UB_FAIL(UB_ENUMERIC, "the judge's %s row %lld, column %lld is not finite", what,
                           (long long)(i / columns), (long long)(i % columns));
    return UB_OK;
}

ub_status ub_judge_predict(int64_t n, int64_t m, int32_t p, int32_t q, const double *x_train,
                           const double *y_train, const double *x_test, double ridge, double *y_hat)
{
    if (n < 10 || n > INT_MAX)
        return UB_FAIL(UB_EARG, "the judge needs at least 10 training rows, not %lld",
                       (long long)n);
    UB_TRY(check_finite(n, p, x_train, "training input"));
    UB_TRY(check_finite(n, q, y_train, "training target"));
    UB_TRY(check_finite(m, p, x_test, "test input"));
    ub_status st;
    judge     j = {.n = n, .p = p, .q = q};
    UB_TRY_OUT(judge_init(&j, m));
    standardise(&j, m, x_train, x_test);
    UB_TRY_OUT(median_distance(&j));
    fill_distances(&j);
    judge_choose(&j, y_train, ridge);
    UB_TRY_OUT(judge_refit(&j, y_train, ridge));
    judge_test(&j, m, y_hat);
out:
    judge_release(&j);
    return st;
}

ub_status ub_judge_r2(int64_t n, int64_t m, int32_t p, int32_t q, const double *x_train,
                      const double *y_train, const double *x_test, const double *y_test,
                      double ridge, double *r2)
{
    if (n < 10 || m < 2 || n > INT_MAX)
        return UB_FAIL(UB_EARG,
                       "the judge needs at least 10 training and 2 test rows, not %lld "
                       "and %lld",
                       (long long)n, (long long)m);
    UB_TRY(check_finite(n, p, x_train, "training input"));
    UB_TRY(check_finite(n, q, y_train, "training target"));
    UB_TRY(check_finite(m, p, x_test, "test input"));
    UB_TRY(check_finite(m, q, y_test, "test target"));
    if (p == 0) {
        for (int32_t c = 0; c < q; c++)
            r2[c] = 0;
        return UB_OK;
    }
    double   *guess = NULL;
    ub_status st = UB_ALLOC(guess, m * q);
    if (st == UB_OK)
        st = ub_judge_predict(n, m, p, q, x_train, y_train, x_test, ridge, guess);
    if (st == UB_OK)
        ub_r2(m, q, y_test, guess, r2);
    ub_free(guess);
    return st;
}
