/* rcot - randomised conditional correlation test: are random features of X and Y correlated
 * once features of Z are taken out?
 *
 * Features (Rahimi and Recht 2007): cos(w'v + b), v columns in units of their median difference, w
 * normal over a bandwidth, b uniform.  X and Y: ci.features_xy each, of all columns of the side.
 * Z: every column as it is, and ci.features_z cosines, a third of one column each, a third of two,
 * a third of all; at most n / 4 in all.  Bandwidth, by the median heuristic: the median distance of
 * PAIRS pairs of samples; 1 for one column, that of independent normal columns for two.  Cosines of
 * one column are stratified: see draw_cosine().
 *
 * Residuals: least squares on Z's features, r = (I - H) d, with a ridge that only keeps the
 * factorisation alive.  Under the null, and given Z, the same linear H on both sides makes the mean
 * of S = sum_i rx_i (x) ry_i exactly the product of what H misses of the two regressions: noise
 * that H fits costs degrees of freedom, no bias.  Hence no penalty is chosen by prediction error
 * (it would leave biases that the sides share) and nothing is left out or cross-fitted.
 *
 * Statistic T = |S|^2 / n of residuals of unit variance.  Null: sum_k w_k chi-square(1), w the
 * eigenvalues of C = sum_i p_i p_i' / (n - tr(H)), p_i = rx_i (x) ry_i: rx'ry has variance
 * tr((I - H)^2) = n - tr(H), sum_i rx_i^2 ry_i^2 only about (n - tr(H))^2 / n.  Eigenvalues of a
 * sample spread too far; they are drawn to their mean until sum w_k^2 is what sum_{i != j}
 * (p_i'p_j)^2, which has no such bias, says.  p by the saddlepoint approximation.
 * (Strobl, Zhang and Visweswaran 2019 have joint cosines only, a larger ridge and C as it is.)
 *
 * Samples go through in blocks; if there is more than one, features are made twice and never kept.
 * Random numbers belong to (run.seed, question); X is the side with the smaller first column, so
 * that exchanging the sides changes no bit. */
#include "core/ci_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "core/internal/cosine.h"
#include "core/internal/gauss.h"
#include "core/internal/simd.h"
#include "core/lapack.h"
#include "core/internal/sampled.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"

/* Columns of a block lie STRIDE apart: a power of two would crowd one set of the cache. */
enum { BLOCK = 1024, STRIDE = BLOCK + 8, PAIRS = 256, FEWEST = 20 };

/* Ridge over n, in units of a feature's mean square. */
static const double ridge = 1e-8;
/* A feature of which Z leaves no more of the variance is determined: the ridge shows. */
static const double determined = 1e-8;
/* A median distance below this part of the root mean square distance is one of ties. */
static const double tied = 1e-3;
/* Median distance of two independent normal columns of median difference 1: the root of
 * 2 log(2) over the median of chi-square(1). */
static const double pair_bandwidth = 1.7456559776;
/* A weight of the null below this part of the largest is none. */
static const double negligible = 1e-6;

typedef struct state {
    ub_sampled base;
    double    *unit;   /* by column: its median difference; 0: not known yet */
    double    *memory; /* scratch of a question */
    int32_t   *list;
    int64_t    memory_size, list_size;
} state;

/* A question with everything it is computed in.  Columns: X, Y, Z; features: the constant, the
 * columns of Z, the cosines of Z, those of X, those of Y. */
typedef struct work {
    ub_ci_query q;
    int64_t     n;
    int32_t     columns, known; /* known: features that depend on Z only */
    int32_t     cosines, side, features;
    double     *column;             /* STRIDE x columns, standardised */
    double     *feature;            /* STRIDE x features */
    double     *gram;               /* features x features, lower triangle, column-major */
    double     *factor;             /* known x known */
    double     *beta;               /* known x (2 side) */
    double     *residual, *product; /* STRIDE x (2 side), STRIDE x side^2 */
    double     *sum, *cov;          /* side^2, side^4 */
    double     *eigen, *work;       /* side^2, 4 side^2 */
    double     *weight, *phase;     /* of the cosines */
    double     *scale;              /* columns + 2 side */
    int32_t    *at, *start; /* cosine f reads columns at[start[f]] .. at[start[f + 1] - 1] */
} work;

static void close_state(void *self)
{
    state *s = self;
    if (s == NULL)
        return;
    ub_sampled_close(&s->base);
    ub_free(s->unit);
    ub_free(s->memory);
    ub_free(s->list);
    ub_free(s);
}

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings, void **out)
{
    state    *s = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    UB_TRY_OUT(ub_sampled_open("rcot", data, settings, &s->base));
    UB_TRY_OUT(UB_ALLOC(s->unit, data->moments->columns));
    *out = s;
    return UB_OK;
out:
    close_state(s);
    return st;
}

static int32_t column_of(const ub_ci_query *q, int32_t i)
{
    return i < q->nx ? q->x[i] : i < q->nx + q->ny ? q->y[i - q->nx] : q->z[i - q->nx - q->ny];
}

static double deviation(const state *s, int32_t c)
{
    const ub_moments *m = s->base.data->moments;
    double            sd = sqrt(m->cov[(int64_t)c * m->columns + c]);
    return sd > UB_GAUSS_CONSTANT * fabs(m->mean[c]) ? sd : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median distance between PAIRS pairs of samples, half the table apart, of columns divided by
 * unit; if ties make it (almost) nothing, the root mean square distance of the population. */
static double median_distance(const state *s, int32_t count, const int32_t *c, const double *unit)
{
    const ub_moments *m = s->base.data->moments;
    int64_t           half = m->n / 2, pairs = half < PAIRS ? half : PAIRS;
    double            d[PAIRS] = {0}, mean = 0;
    for (int32_t k = 0; k < count; k++) {
        const double *v = s->base.data->samples + c[k] * m->n;
        double        sd = deviation(s, c[k]) / unit[k];
        mean += 2 * sd * sd;
        for (int64_t p = 0; p < pairs; p++) {
            int64_t i = p * half / pairs;
            double  far = (v[i + half] - v[i]) / unit[k];
            d[p] += far * far;
        }
    }
    qsort(d, (size_t)pairs, sizeof *d, by_value);
    return sqrt(d[pairs / 2] > tied * tied * mean ? d[pairs / 2] : mean);
}

/* The median difference of column c; 1 if it is constant. */
static double unit_of(state *s, int32_t c)
{
    const double one = 1;
    if (s->unit[c] == 0)
        s->unit[c] = deviation(s, c) > 0 ? median_distance(s, 1, &c, &one) : 1;
    return s->unit[c];
}

/* What a cosine is of: columns base + (first + i gap) % size of the question, i < count. */
typedef struct pick {
    int32_t base, size, first, gap, count;
    double  bandwidth;
    int32_t stratum, strata; /* if count is 1 */
} pick;

/* Frequencies, in turns per standard deviation, and phase of cosine f.  Those of one column are
 * drawn from equally likely parts of the half normal, in turn odd and even about the mean: five
 * alike by chance would see little. */
static void draw_cosine(state *s, work *w, ub_rng *r, int32_t f, const pick *of)
{
    int32_t end = w->start[f];
    for (int32_t i = 0; i < of->count; i++, end++) {
        w->at[end] = of->base + (of->first + i * of->gap) % of->size;
        int32_t c = column_of(&w->q, w->at[end]);
        double  v = of->count > 1
                        ? ub_rng_normal(r)
                        : -ub_normal_quantile(0.5 * (of->stratum + ub_rng_uniform(r)) / of->strata);
        w->weight[end] = v / (2 * M_PI * of->bandwidth) * deviation(s, c) / unit_of(s, c);
    }
    w->start[f + 1] = end;
    w->phase[f] = of->count > 1 ? ub_rng_uniform(r) : of->stratum % 2 == 0 ? 0.25 : 0;
}

/* The bandwidth of columns [from, from + count) of the question together. */
static double bandwidth_of(state *s, work *w, int32_t from, int32_t count)
{
    if (count == 1)
        return 1;
    for (int32_t i = 0; i < count; i++) {
        w->at[i] = column_of(&w->q, from + i);
        w->scale[i] = unit_of(s, w->at[i]);
    }
    return median_distance(s, count, w->at, w->scale);
}

/* All cosines: of Z, X, Y. */
static void draw_cosines(state *s, work *w)
{
    const ub_ci_query *q = &w->q;
    ub_rng  r = ub_rng_make((uint64_t)s->base.set->run.seed, UB_RNG_CI_TEST, (uint64_t)q->id);
    int32_t nz = q->nz, z = q->nx + q->ny, third = w->cosines / 3;
    double  bandwidth = nz > 0 ? bandwidth_of(s, w, z, nz) : 1;
    pick    side[2] = {{0, q->nx, 0, 1, q->nx, bandwidth_of(s, w, 0, q->nx), 0, w->side},
                       {q->nx, q->ny, 0, 1, q->ny, bandwidth_of(s, w, q->nx, q->ny), 0, w->side}};
    for (int32_t f = 0; f < w->cosines; f++) {
        pick of = {z, nz, 0, 1, nz, bandwidth, f, w->cosines};
        if (nz > 1 && f < third)
            of = (pick){z, nz, f % nz, 0, 1, 1, f / nz, (third - 1 - f % nz) / nz + 1};
        else if (nz > 2 && f < 2 * third) /* every pair, in turn */
            of = (pick){z, nz, f % nz, 1 + f / nz % (nz - 1), 2, pair_bandwidth, 0, 0};
        draw_cosine(s, w, &r, f, &of);
    }
    for (int32_t f = 0; f < 2 * w->side; f++) {
        pick *of = &side[f / w->side];
        of->stratum = f % w->side;
        draw_cosine(s, w, &r, w->cosines + f, of);
    }
}

/* out = phase + sum_k weight_k column_k over rows. */
UB_SIMD static void project(int64_t rows, int32_t count, const int32_t *at, const double *weight,
                            double phase, const double *column, double *out)
{
    for (int64_t i = 0; i < rows; i++)
        out[i] = phase;
    for (int32_t k = 0; k < count; k++) {
        const double *v = column + (int64_t)at[k] * STRIDE, f = weight[k];
        for (int64_t i = 0; i < rows; i++)
            out[i] += f * v[i];
    }
}

/* Features of the block of samples from `first`; returns its rows. */
static int64_t fill_block(const state *s, work *w, int64_t first)
{
    const ub_moments *m = s->base.data->moments;
    int64_t           rows = w->n - first < BLOCK ? w->n - first : BLOCK;
    for (int32_t i = 0; i < w->columns; i++) {
        int32_t       c = column_of(&w->q, i);
        const double *v = s->base.data->samples + c * m->n + first;
        double        sd = deviation(s, c), inv = sd > 0 ? 1 / sd : 0;
        for (int64_t k = 0; k < rows; k++)
            w->column[(int64_t)i * STRIDE + k] = (v[k] - m->mean[c]) * inv;
    }
    for (int64_t k = 0; k < rows; k++)
        w->feature[k] = 1;
    int32_t linear = w->q.nz;
    memcpy(w->feature + STRIDE, w->column + (int64_t)(w->columns - linear) * STRIDE,
           (size_t)linear * STRIDE * sizeof *w->feature);
    for (int32_t f = 0; f < w->cosines + 2 * w->side; f++) {
        double *out = w->feature + (int64_t)(1 + linear + f) * STRIDE;
        project(rows, w->start[f + 1] - w->start[f], w->at + w->start[f], w->weight + w->start[f],
                w->phase[f], w->column, out);
        ub_cosine_turns(rows, out);
    }
    return rows;
}

/* Regress the features of X and Y on those of Z.  Returns n - tr(H), or 0 if that failed. */
static double regress(work *w)
{
    int    known = w->known, sides = 2 * w->side, info = 0;
    double inverse = 0, penalty = ridge * (double)w->n;
    for (int32_t j = 0; j < known; j++) {
        memcpy(w->factor + (int64_t)j * known, w->gram + (int64_t)j * w->features,
               (size_t)known * sizeof *w->factor);
        w->factor[(int64_t)j * known + j] += j > 0 ? penalty : 0;
        for (int32_t f = 0; f < sides; f++) /* the rows of X and Y lie below those of Z */
            w->beta[(int64_t)f * known + j] = w->gram[(int64_t)j * w->features + known + f];
    }
    dpotrf_("L", &known, w->factor, &known, &info);
    if (info != 0)
        return 0;
    dpotrs_("L", &known, &sides, w->factor, &known, w->beta, &known, &info);
    dtrtri_("L", "N", &known, w->factor, &known, &info);
    for (int32_t j = 1; j < known; j++)
        for (int32_t i = j; i < known; i++)
            inverse += w->factor[(int64_t)j * known + i] * w->factor[(int64_t)j * known + i];
    return (double)(w->n - known) + penalty * inverse;
}

/* scale = 1 / residual standard deviation of each feature of X and Y, 0 if Z determines it. */
static bool scale_residuals(work *w)
{
    bool some[2] = {false, false};
    for (int32_t f = 0; f < 2 * w->side; f++) {
        int64_t       j = w->known + f;
        const double *b = w->beta + (int64_t)f * w->known;
        double        total = w->gram[j * w->features + j], left = total, size = 0;
        for (int32_t i = 0; i < w->known; i++) {
            left -= b[i] * w->gram[i * w->features + j];
            size += i > 0 ? b[i] * b[i] : 0;
        }
        left -= ridge * (double)w->n * size;
        w->scale[f] = left > determined * total ? sqrt((double)w->n / left) : 0;
        some[f / w->side] |= w->scale[f] > 0;
    }
    return some[0] && some[1];
}

/* Residuals of a block, their products, and the sums over them.  Returns sum |p_i|^4. */
static double add_block(work *w, int64_t rows, bool begin)
{
    int    side = w->side, sides = 2 * side, pairs = side * side;
    double fourth = 0;
    for (int32_t f = 0; f < sides; f++)
        memcpy(w->residual + (int64_t)f * STRIDE, w->feature + (int64_t)(w->known + f) * STRIDE,
               (size_t)rows * sizeof *w->residual);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)rows, sides, w->known, -1,
                w->feature, STRIDE, w->beta, w->known, 1, w->residual, STRIDE);
    for (int32_t f = 0; f < sides; f++)
        for (int64_t i = 0; i < rows; i++)
            w->residual[(int64_t)f * STRIDE + i] *= w->scale[f];
    for (int32_t a = 0; a < side; a++)
        for (int32_t b = 0; b < side; b++) {
            const double *x = w->residual + (int64_t)a * STRIDE;
            const double *y = w->residual + (int64_t)(side + b) * STRIDE;
            double       *p = w->product + (int64_t)(a * side + b) * STRIDE;
            for (int64_t i = 0; i < rows; i++) {
                p[i] = x[i] * y[i];
                w->sum[a * side + b] += p[i];
            }
        }
    for (int64_t i = 0; i < rows; i++) {
        double x = 0, y = 0;
        for (int32_t f = 0; f < side; f++) {
            double u = w->residual[(int64_t)f * STRIDE + i];
            double v = w->residual[(int64_t)(side + f) * STRIDE + i];
            x += u * u;
            y += v * v;
        }
        fourth += x * x * y * y;
    }
    cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, pairs, (int)rows, 1, w->product, STRIDE,
                begin ? 0 : 1, w->cov, pairs);
    return fourth;
}

/* The weights of the null into w->eigen, ascending: *weight points at the first that counts.
 * *count is 0 if residuals of both sides never differ from 0 at the same sample. */
static ub_status null_weights(work *w, double left, double fourth, double **weight, int *count)
{
    int    pairs = w->side * w->side, room = 4 * pairs, info = 0, k = 0;
    double s1 = 0, s2 = 0;
    dsyev_("N", "L", &pairs, w->cov, &pairs, w->eigen, w->work, &room, &info);
    if (info != 0)
        return UB_FAIL(UB_EBUG, "rcot: no eigenvalues of a matrix of order %d (dsyev: %d)", pairs,
                       info);
    while (k < pairs && !(w->eigen[k] > negligible * w->eigen[pairs - 1] &&
                          w->eigen[k] > determined * (double)w->n))
        k++;
    for (int j = k; j < pairs; j++) {
        s1 += w->eigen[j];
        s2 += w->eigen[j] * w->eigen[j];
    }
    *weight = w->eigen + k;
    *count = pairs - k;
    double mean = s1 / fmax(*count, 1), spread = s2 - s1 * mean;
    double part = spread > fourth ? sqrt((spread - fourth) / spread) : 0;
    for (int j = k; j < pairs; j++)
        w->eigen[j] = (mean + part * (w->eigen[j] - mean)) / left;
    return UB_OK;
}

/* The answer from sums over the products; left = n - tr(H). */
static ub_status answer(work *w, double left, double fourth, ub_ci_result *out)
{
    double *weight, t = 0, s1 = 0, s2 = 0;
    int     count;
    UB_TRY(null_weights(w, left, fourth, &weight, &count));
    if (count == 0) {
        ub_gauss_verdict(UB_CI_COLLINEAR, out);
        return UB_OK;
    }
    for (int32_t j = 0; j < w->side * w->side; j++)
        t += w->sum[j] * w->sum[j] / (double)w->n;
    for (int j = 0; j < count; j++) {
        s1 += weight[j];
        s2 += weight[j] * weight[j];
    }
    double log_p = ub_chi2_mixture_log_tail(t, count, weight);
    *out = (ub_ci_result){
        t, fmin(exp(log_p), 1), ub_evidence_of_log_p(log_p), s1 * s1 / s2, w->n, UB_CI_OK};
    return UB_OK;
}

/* Scratch of at least these sizes; grows only. */
static ub_status reserve(state *s, int64_t doubles, int64_t integers)
{
    if (doubles > s->memory_size) {
        s->memory_size = 0;
        ub_free(s->memory);
        UB_TRY(UB_ALLOC(s->memory, doubles));
        s->memory_size = doubles;
    }
    if (integers > s->list_size) {
        s->list_size = 0;
        ub_free(s->list);
        UB_TRY(UB_ALLOC(s->list, integers));
        s->list_size = integers;
    }
    return UB_OK;
}

static ub_status init_work(state *s, const ub_ci_query *q, work *w)
{
    int64_t n = s->base.data->moments->n, most = n / 4 - q->nz, wanted = s->base.set->ci.features_z;
    *w = (work){.q = *q, .n = n, .columns = q->nx + q->ny + q->nz};
    if (q->y[0] < q->x[0]) {
        w->q.x = q->y;
        w->q.nx = q->ny;
        w->q.y = q->x;
        w->q.ny = q->nx;
    }
    w->side = (int32_t)s->base.set->ci.features_xy;
    if (q->nz > 0 && most > 0)
        w->cosines = (int32_t)(wanted < most ? wanted : most);
    w->known = 1 + q->nz + w->cosines;
    w->features = w->known + 2 * w->side;
    int64_t cosines = w->cosines + 2 * w->side, pairs = (int64_t)w->side * w->side;
    int64_t reads = w->columns + (int64_t)w->cosines * q->nz + (int64_t)w->side * (q->nx + q->ny);
    struct {
        double **at;
        int64_t  size;
    } part[] = {{&w->column, (int64_t)STRIDE * w->columns},
                {&w->feature, (int64_t)STRIDE * w->features},
                {&w->gram, (int64_t)w->features * w->features},
                {&w->factor, (int64_t)w->known * w->known},
                {&w->beta, (int64_t)w->known * 2 * w->side},
                {&w->residual, (int64_t)STRIDE * 2 * w->side},
                {&w->product, STRIDE * pairs},
                {&w->sum, pairs},
                {&w->cov, pairs * pairs},
                {&w->eigen, pairs},
                {&w->work, 4 * pairs},
                {&w->weight, reads},
                {&w->phase, cosines},
                {&w->scale, w->columns + 2 * w->side}};
    const size_t parts = sizeof part / sizeof part[0];
    int64_t      size = 0;
    for (size_t i = 0; i < parts; i++)
        size += part[i].size;
    UB_TRY(reserve(s, size, reads + cosines + 1));
    for (size_t i = 0, at = 0; i < parts; at += (size_t)part[i].size, i++)
        *part[i].at = s->memory + at;
    w->at = s->list;
    w->start = s->list + reads;
    w->start[0] = 0;
    return UB_OK;
}

static ub_status eval(void *self, const ub_ci_query *q, ub_ci_result *out)
{
    state *s = self;
    work   w;
    UB_TRY(ub_sampled_screen(&s->base, q, out));
    if (out->verdict != UB_CI_OK)
        return UB_OK;
    UB_TRY(init_work(s, q, &w));
    draw_cosines(s, &w);
    bool whole = w.n <= BLOCK; /* then the features are still there the second time */
    for (int64_t first = 0; first < w.n; first += BLOCK) {
        int64_t rows = fill_block(s, &w, first);
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, w.features, (int)rows, 1, w.feature,
                    STRIDE, first > 0, w.gram, w.features);
    }
    double left = regress(&w), fourth = 0;
    if (left < FEWEST) {
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
        return UB_OK;
    }
    if (!scale_residuals(&w)) {
        ub_gauss_verdict(UB_CI_COLLINEAR, out);
        return UB_OK;
    }
    memset(w.sum, 0, (size_t)w.side * (size_t)w.side * sizeof *w.sum);
    for (int64_t first = 0; first < w.n; first += BLOCK) {
        int64_t rows = whole ? w.n : fill_block(s, &w, first);
        fourth += add_block(&w, rows, first == 0);
    }
    return answer(&w, left, fourth, out);
}

const ub_ci_test ub_ci_rcot = {
    .name = "rcot",
    .summary = "correlation of random features given random features of Z",
    .cost = "O(n f^2) a test, f random features: about a millisecond for n = 1,000, f = 100",
    .reference = "Strobl, Zhang and Visweswaran 2019; Rahimi and Recht 2007; Kuonen 1999",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.features_xy ci.features_z run.seed",
    .open = open_state,
    .eval = eval,
    .close = close_state,
};
