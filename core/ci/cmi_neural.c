/* cmi_neural - a neural bound of conditional mutual information, calibrated by permutation.
 *
 * What is learned.  I(X; Y | Z) does not change when functions of Z are taken off X and Y, so both
 * become residuals of a regression on Z (core/internal/ridge.h; X fold by fold), in standard
 * deviations, cut at CUT of them (which can only lose information).  Samples are put into cells of
 * ci.critic_cell neighbours in Z (core/internal/cells.h).  Networks learn to tell the pairs (x_j,
 * y_j) of a cell from its other pairs (x_i, y_j), seeing the cell's mean of Z
 * (core/internal/critic.h). Statistic: their bound, InfoNCE or Donsker-Varadhan, in nats, on
 * samples they were not trained on; below the truth on average, and below 0 where they learned
 * noise.
 *
 * p-value.  Cells fall at random into folds 0 .. K-1; fold k is judged by networks trained on
 * folds 0 .. k-1 only.  With F(i, j) the score of a pair, a surrogate draws a permutation s of each
 * cell anew, networks as they are:
 *   T(s) = sum_k sqrt(k) (S_k(s) - mean_k) / sd_k,   S_k(s) = sum over the fold of F(s(j), j),
 * mean_k and sd_k those of S_k over all such permutations, in closed form (Hoeffding 1951).  Under
 * independence given Z, and given the folds before it, the standardised S_k of the data is one of
 * those of its permutations, drawn at random: its mean and variance do not depend on the past.
 * Training on all other folds, as cross-fitting does, would break this: S_1 and S_2 both hold the
 * products of folds 1 and 2, their sum varies by sqrt(2) more than surrogates with fixed networks
 * do, and 10 % of null tests fall below .05 (docs/ci-tests.md).  sqrt(k): sd of S_k, up to a
 * factor, when scores are a sum over what was trained on.  What F says about (x, z) or (y, z)
 * alone cancels in T: every permutation of a cell has the same of it (Kim et al. 2022 on
 * permutations within cells of Z).  p = (b + 1) / (B + 1), stopped early as in cmi_knn (Besag and
 * Clifford 1991).
 *
 * X is the side with fewer columns, with as many the one whose first column comes first, so that
 * exchanging the sides changes no bit. */
#include "core/ci_test.h"

#include <math.h>
#include <string.h>

#include "core/internal/cells.h"
#include "core/internal/critic.h"
#include "core/internal/gauss.h"
#include "core/internal/ridge.h"
#include "core/internal/sampled.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"

enum {
    BATCH = 64,     /* samples of a gradient step, about */
    FEATURES = 200, /* of the regression on Z; at most a quarter of the samples */
    CUT = 5         /* standard deviations */
};

/* What one question needs. */
typedef struct work {
    const ub_settings *set;
    int64_t            n, cells;
    int32_t            nx, ny, nz;
    double            *column;         /* columns of x, y, z, n each, standardised */
    const double     **z, **part;      /* nz each: columns of Z, and a part of them */
    int64_t           *order, *sample; /* n each: samples as they are cut, and of a row */
    int64_t           *shuffled;       /* cells */
    int64_t           *first;          /* cells + 1: rows of a cell */
    double            *left, *right;   /* n x (nx + nz), n x (ny + nz) */
    double            *score;          /* F of all cells, one after another */
    int32_t           *place;          /* the widest cell */
    ub_critic        **critic;         /* ci.critic_members */
    ub_rng             rng;
} work;

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings, void **out)
{
    return ub_sampled_create("cmi_neural", data, settings, out);
}

static void release_work(work *w)
{
    ub_free(w->column);
    ub_free(w->z);
    ub_free(w->part);
    ub_free(w->sample);
    ub_free(w->order);
    ub_free(w->shuffled);
    ub_free(w->first);
    ub_free(w->left);
    ub_free(w->right);
    ub_free(w->score);
    ub_free(w->place);
    for (int64_t i = 0; w->critic != NULL && i < w->set->ci.critic_members; i++)
        ub_critic_destroy(&w->critic[i]);
    ub_free(w->critic);
}

static ub_status init_work(work *w, const ub_sampled *s, const ub_ci_query *q)
{
    const ub_settings *set = s->set;
    int64_t            n = s->data->moments->n;
    *w = (work){.set = set, .n = n, .nx = q->nx, .ny = q->ny, .nz = q->nz};
    w->cells = n / set->ci.critic_cell;
    int64_t widest = (n + w->cells - 1) / w->cells;
    w->rng = ub_rng_make((uint64_t)set->run.seed, UB_RNG_CI_TEST, (uint64_t)q->id);
    UB_TRY(UB_ALLOC(w->column, n * (q->nx + q->ny + q->nz)));
    UB_TRY(UB_ALLOC(w->z, q->nz));
    UB_TRY(UB_ALLOC(w->part, q->nz));
    UB_TRY(UB_ALLOC(w->sample, n));
    UB_TRY(UB_ALLOC(w->order, n));
    UB_TRY(UB_ALLOC(w->shuffled, w->cells));
    UB_TRY(UB_ALLOC(w->first, w->cells + 1));
    UB_TRY(UB_ALLOC(w->left, n * (q->nx + q->nz)));
    UB_TRY(UB_ALLOC(w->right, n * (q->ny + q->nz)));
    UB_TRY(UB_ALLOC(w->score, n * widest));
    UB_TRY(UB_ALLOC(w->place, widest));
    UB_TRY(UB_ALLOC(w->critic, set->ci.critic_members)); /* NOLINT(bugprone-sizeof-expression) */
    return UB_OK;
}

/* To mean 0 and standard deviation 1, cut at CUT; false and zeroes if it varies by no more than
 * `least`. */
static int standardise(int64_t n, double least, double *v)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    double sd = sqrt(sum / (double)n);
    int    varies = sd > least;
    for (int64_t i = 0; i < n; i++)
        v[i] = varies ? fmin(fmax((v[i] - mean) / sd, -CUT), CUT) : 0;
    return varies;
}

/* The first cell of a fold, and its first row. */
static int64_t fold_from(const work *w, int64_t fold)
{
    return fold * w->cells / w->set->ci.critic_folds;
}

static int64_t fold_row(const work *w, int64_t fold)
{
    return w->first[fold_from(w, fold)];
}

/* Columns x, y, z in units of their standard deviations. */
static void take_columns(work *w, const ub_sampled *s, const ub_ci_query *q)
{
    int32_t sides = q->nx + q->ny;
    for (int32_t i = 0; i < sides + q->nz; i++) {
        int32_t c = i < q->nx ? q->x[i] : i < sides ? q->y[i - q->nx] : q->z[i - sides];
        double *v = w->column + i * w->n;
        memcpy(v, s->data->samples + c * w->n, (size_t)w->n * sizeof *v);
        (void)standardise(w->n, UB_GAUSS_CONSTANT * fabs(s->data->moments->mean[c]), v);
        if (i >= sides)
            w->z[i - sides] = v;
    }
}

/* Cells in random order; columns go over from samples to rows. */
static ub_status make_cells(work *w)
{
    int64_t row = 0;
    double *old = w->left; /* free until there are rows */
    ub_rng_permutation(&w->rng, w->n, w->order);
    UB_TRY(ub_cells_cut(w->n, w->nz, w->z, w->cells, w->order));
    ub_rng_permutation(&w->rng, w->cells, w->shuffled);
    for (int64_t c = 0; c < w->cells; c++) {
        int64_t at = w->shuffled[c];
        for (int64_t i = at * w->n / w->cells; i < (at + 1) * w->n / w->cells; i++)
            w->sample[row++] = w->order[i];
        w->first[c + 1] = row;
    }
    for (int32_t k = 0; k < w->nx + w->ny + w->nz; k++) {
        double *v = w->column + k * w->n;
        memcpy(old, v, (size_t)w->n * sizeof *v);
        for (int64_t i = 0; i < w->n; i++)
            v[i] = old[w->sample[i]];
    }
    return UB_OK;
}

/* What Z leaves of columns, in rows from .. to - 1, by themselves. */
static ub_status take_residuals(work *w, int64_t from, int64_t to, int32_t columns, double *column)
{
    int64_t n = to - from;
    int32_t features = n / 4 < FEATURES ? (int32_t)(n / 4) : FEATURES;
    for (int32_t k = 0; k < w->nz; k++)
        w->part[k] = w->z[k] + from;
    return ub_ridge_residuals(n, w->nz, w->part, features, &w->rng, columns, w->n, column + from);
}

/* x and y become residuals: y of a regression on all samples, x of one in each fold, so that
 * errors of the regressions do not tie the folds together on both sides.  false: nothing is left
 * of a side. */
static ub_status make_residuals(work *w, int *varies)
{
    double *x = w->column, *y = w->column + w->nx * w->n;
    int     some[2] = {0, 0};
    if (w->nz > 0) {
        UB_TRY(take_residuals(w, 0, w->n, w->ny, y));
        for (int64_t k = 0; k < w->set->ci.critic_folds; k++)
            UB_TRY(take_residuals(w, fold_row(w, k), fold_row(w, k + 1), w->nx, x));
    }
    for (int32_t i = 0; i < w->nx + w->ny; i++)
        some[i >= w->nx] |= standardise(w->n, sqrt(UB_GAUSS_DETERMINED), w->column + i * w->n);
    *varies = some[0] && some[1];
    return UB_OK;
}

/* One side as rows: its own columns, then the mean of Z over the cell. */
static void take_rows(const work *w, const double *column, int32_t columns, double *row)
{
    int32_t width = columns + w->nz;
    for (int64_t c = 0; c < w->cells; c++) {
        int64_t from = w->first[c], to = w->first[c + 1];
        for (int32_t k = 0; k < w->nz; k++) {
            double mean = 0;
            for (int64_t i = from; i < to; i++)
                mean += w->z[k][i] / (double)(to - from);
            for (int64_t i = from; i < to; i++)
                row[i * width + columns + k] = mean;
        }
        for (int32_t k = 0; k < columns; k++)
            for (int64_t i = from; i < to; i++)
                row[i * width + k] = column[k * w->n + i];
    }
}

/* Scores of the cells of one fold become their part of T: centred by rows and columns, so that a
 * random pairing has mean 0, in units of its standard deviation (Hoeffding 1951, Theorem 2), times
 * the weight of the fold. */
static void standardise_scores(const work *w, int64_t from, int64_t to, double weight, double *f)
{
    double variance = 0, *start = f;
    for (int64_t c = from, m; c < to; c++, f += m * m) {
        double sum = 0;
        m = w->first[c + 1] - w->first[c];
        for (int64_t i = 0; i < m; i++) {
            double mean = 0;
            for (int64_t j = 0; j < m; j++)
                mean += f[i * m + j] / (double)m;
            for (int64_t j = 0; j < m; j++)
                f[i * m + j] -= mean;
        }
        for (int64_t j = 0; j < m; j++) {
            double mean = 0;
            for (int64_t i = 0; i < m; i++)
                mean += f[i * m + j] / (double)m;
            for (int64_t i = 0; i < m; i++) {
                f[i * m + j] -= mean;
                sum += f[i * m + j] * f[i * m + j];
            }
        }
        variance += sum / (double)(m - 1);
    }
    double scale = variance > 0 ? weight / sqrt(variance) : 0;
    for (double *v = start; v < f; v++)
        *v *= scale;
}

/* T of a random permutation of each cell that is judged. */
static double surrogate(work *w)
{
    const double *f = w->score;
    double        sum = 0;
    for (int64_t c = fold_from(w, 1), m; c < w->cells; c++, f += m * m) {
        m = w->first[c + 1] - w->first[c];
        for (int32_t i = 0; i < m; i++)
            w->place[i] = i;
        for (int64_t j = m - 1; j >= 0; j--) { /* Fisher and Yates */
            int64_t at = (int64_t)ub_rng_below(&w->rng, (uint64_t)j + 1);
            sum += f[w->place[at] * m + j];
            w->place[at] = w->place[j];
        }
    }
    return sum;
}

/* T of the data; summed in the same order. */
static double observed(const work *w)
{
    const double *f = w->score;
    double        sum = 0;
    for (int64_t c = fold_from(w, 1), m; c < w->cells; c++, f += m * m) {
        m = w->first[c + 1] - w->first[c];
        for (int64_t j = m - 1; j >= 0; j--)
            sum += f[j * m + j];
    }
    return sum;
}

/* Sum of squares of the sizes of cells: how many scores they have. */
static int64_t scores_of(const work *w, int64_t from, int64_t to)
{
    int64_t sum = 0;
    for (int64_t c = from; c < to; c++)
        sum += (w->first[c + 1] - w->first[c]) * (w->first[c + 1] - w->first[c]);
    return sum;
}

static ub_status make_critics(work *w, int64_t batch)
{
    const ub_settings *set = w->set;
    int64_t            widest = (w->n + w->cells - 1) / w->cells;
    int64_t            fold = w->cells / set->ci.critic_folds + 1;
    ub_critic_options  o = {.kind = set->ci.critic,
                            .left = w->nx + w->nz,
                            .right = w->ny + w->nz,
                            .hidden = (int32_t)set->ci.critic_hidden,
                            .embed = (int32_t)(set->ci.critic_hidden + 1) / 2,
                            .rate = set->ci.critic_rate,
                            .decay = set->ci.critic_decay,
                            .rows = widest * (fold > batch ? fold : batch)};
    for (int64_t i = 0; i < set->ci.critic_members; i++)
        UB_TRY(ub_critic_create(&o, &w->rng, &w->critic[i]));
    return UB_OK;
}

/* Scores of folds 1, 2, ... into w->score, as parts of T; the bound, their mean over samples. */
static ub_status judge_folds(work *w, double *bound)
{
    const ub_settings *set = w->set;
    int64_t            members = set->ci.critic_members, cell = set->ci.critic_cell;
    int64_t            batch = BATCH > cell ? BATCH / cell : 1;
    ub_critic_rows     rows = {w->left, w->right, w->first};
    double            *f = w->score, sum = 0;
    UB_TRY(make_critics(w, batch));
    for (int64_t k = 1; k < set->ci.critic_folds; k++) {
        int64_t from = fold_from(w, k), to = fold_from(w, k + 1);
        for (int64_t i = 0; i < members; i++) {
            ub_critic *critic = w->critic[i];
            UB_TRY(ub_critic_train(critic, &rows, from, batch, set->ci.critic_epochs, &w->rng));
            ub_critic_score(critic, &rows, from, to, 1 / (double)members, f);
        }
        sum += ub_critic_bound(set->ci.critic, &rows, from, to, f) *
               (double)(w->first[to] - w->first[from]);
        standardise_scores(w, from, to, sqrt((double)k), f);
        f += scores_of(w, from, to);
    }
    *bound = sum / (double)(w->n - fold_row(w, 1));
    if (!isfinite(*bound))
        return UB_FAIL(UB_ENUMERIC,
                       "cmi_neural: training diverged at ci.critic_rate %g; set it lower",
                       set->ci.critic_rate);
    return UB_OK;
}

static double p_value(work *w)
{
    int64_t most = w->set->ci.permutations, enough = w->set->ci.stop_after, above = 0;
    double  statistic = observed(w);
    for (int64_t done = 1; done <= most; done++) {
        above += surrogate(w) >= statistic;
        if (enough > 0 && above == enough)
            return (double)above / (double)done;
    }
    return (double)(above + 1) / (double)(most + 1);
}

static ub_status eval(void *self, const ub_ci_query *query, ub_ci_result *out)
{
    const ub_sampled  *s = self;
    const ub_ci_query  q = ub_sampled_ordered(query);
    const ub_settings *set = s->set;
    int                varies = 1;
    double             bound, p;
    work               w = {0};
    ub_status          st = UB_OK;
    UB_TRY(ub_sampled_screen(s, &q, out));
    if (out->verdict == UB_CI_OK &&
        s->data->moments->n < set->ci.critic_folds * (set->ci.critic_cell + q.nz))
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
    if (out->verdict != UB_CI_OK)
        return UB_OK;
    UB_TRY_OUT(init_work(&w, s, &q));
    take_columns(&w, s, &q);
    UB_TRY_OUT(make_cells(&w));
    UB_TRY_OUT(make_residuals(&w, &varies));
    if (!varies) {
        ub_gauss_verdict(UB_CI_COLLINEAR, out);
        goto out;
    }
    take_rows(&w, w.column, w.nx, w.left);
    take_rows(&w, w.column + w.nx * w.n, w.ny, w.right);
    UB_TRY_OUT(judge_folds(&w, &bound));
    p = p_value(&w);
    *out = (ub_ci_result){bound, p, ub_evidence_of_p(p), 0, w.n, UB_CI_OK};
out:
    release_work(&w);
    return st;
}

const ub_ci_test ub_ci_cmi_neural = {
    .name = "cmi_neural",
    .summary = "neural bound of conditional mutual information, permutation p-value",
    .cost = "O(n hidden (|X| + |Y| + |Z| + hidden) members epochs folds) a test, and regressions",
    .reference = "Belghazi et al. 2018; van den Oord et al. 2018; Mukherjee et al. 2020; "
                 "Kim et al. 2022",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.critic ci.critic_cell ci.critic_folds ci.critic_members ci.critic_hidden "
                "ci.critic_epochs ci.critic_rate ci.critic_decay ci.permutations ci.stop_after "
                "run.seed",
    .open = open_state,
    .eval = eval,
    .close = ub_sampled_destroy,
};
