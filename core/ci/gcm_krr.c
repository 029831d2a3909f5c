/* gcm_krr - generalised covariance measure with kernel ridge regression on pairs of columns.
 *
 * The regression assumes what graphs of time steps have: a step depends smoothly, in any form, on
 * few columns of the condition.  Each target gets the pair of columns that predicts it best, by GCV
 * on a subsample, in a Gaussian kernel whose scale is chosen there too, together with all columns
 * and their squares as plain features; what that leaves is regressed on another pair, while that
 * helps, and at last on the moderators with a partner among all columns.  All are linear smoothers,
 * residual (I - H) y, so errors enter the test only as the product of both sides' bias
 * (docs/nonlinear-chains.md): the penalty is made smaller than GCV's, which costs variance, not
 * size. */
#include "core/ci_test.h"

#include <math.h>
#include <string.h>

#include "core/internal/gcm.h"
#include "core/internal/krr.h"
#include "core/internal/scores.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"

/* Samples and landmarks of a choice; landmarks of fits with moderators.  Fits on Z have more the
 * more samples there are: scales shrink as n^(-1/6), so that the directions of two columns grow as
 * the cube root of n; ten times that covers a sine of six periods. */
enum { SUBSAMPLE = 1500, LANDMARKS_CHOICE = 64, LANDMARKS_G = 80, SAMPLES_A_LANDMARK = 16 };

/* Columns are normal scores: a pair is chosen at the middle scale, then its scale. */
static const double scales[] = {0.35, 0.7, 1.4};
enum { SCALES = 3, MIDDLE = 1 };

static const double undersmoothing = 0.3, most_leverage = 0.9;

typedef struct choice {
    int32_t a, b; /* columns; b < 0: a alone, a < 0: no kernel */
    int     scale;
    double  score;
} choice;

typedef struct krr {
    int64_t        n;
    int64_t        sub;             /* samples of the subsample: order[0 .. sub) */
    int32_t       *order, *counter; /* n: a random order of the samples; 0, 1, 2, ... */
    ub_krr         small, large;    /* fits to the subsample, to all */
    double        *feature;         /* n x room */
    double        *part;            /* columns and targets of the subsample */
    int64_t        room, room_part;
    const double **column; /* of the job, Z first; after `columns`: of the subsample */
    choice        *chosen;
    int32_t        columns, targets;         /* room */
    double        *first, *leverage, *trace; /* given Z: n x targets, n x targets, targets */
    double        *diagonal, *parameters;    /* of the job: n x targets, targets */
} krr;

static void close_krr(void *self)
{
    krr *k = self;
    if (k == NULL)
        return;
    ub_krr_release(&k->small);
    ub_krr_release(&k->large);
    ub_free(k->order);
    ub_free(k->counter);
    ub_free(k->feature);
    ub_free(k->part);
    ub_free(k->column);
    ub_free(k->chosen);
    ub_free(k->first);
    ub_free(k->leverage);
    ub_free(k->trace);
    ub_free(k->diagonal);
    ub_free(k->parameters);
    ub_free(k);
}

static ub_status open_krr(int64_t n, const struct ub_settings *settings, void **self)
{
    krr      *k = NULL;
    ub_status st = UB_OK;
    ub_rng    r = ub_rng_make((uint64_t)settings->run.seed, UB_RNG_REGRESSION, 0);
    UB_TRY_OUT(UB_ALLOC(k, 1));
    k->n = n;
    k->sub = n < SUBSAMPLE ? n : SUBSAMPLE;
    UB_TRY_OUT(UB_ALLOC(k->order, n));
    UB_TRY_OUT(UB_ALLOC(k->counter, n));
    for (int64_t i = 0; i < n; i++) { /* inside out (Fisher, Yates; Durstenfeld 1964) */
        int64_t j = (int64_t)ub_rng_below(&r, (uint64_t)i + 1);
        k->order[i] = k->order[j];
        k->order[j] = k->counter[i] = (int32_t)i;
    }
    *self = k;
    return UB_OK;
out:
    close_krr(k);
    return st;
}

static ub_status reserve(krr *k, const ub_gcm_job *job)
{
    int32_t columns = job->nz + job->ng;
    int64_t features = 1 + 2 * columns + job->ng * job->nz, part = k->sub * (columns + job->m);
    if (features > k->room) {
        ub_free(k->feature);
        k->room = 0;
        UB_TRY(UB_ALLOC(k->feature, k->n * features));
        k->room = features;
    }
    if (part > k->room_part) {
        ub_free(k->part);
        k->room_part = 0;
        UB_TRY(UB_ALLOC(k->part, part));
        k->room_part = part;
    }
    if (columns > k->columns) {
        ub_free(k->column);
        k->columns = 0;
        UB_TRY(UB_ALLOC(k->column, 2 * columns));
        k->columns = columns;
    }
    if (job->m > k->targets) {
        ub_free(k->chosen);
        ub_free(k->first);
        ub_free(k->leverage);
        ub_free(k->trace);
        ub_free(k->diagonal);
        ub_free(k->parameters);
        k->targets = 0;
        UB_TRY(UB_ALLOC(k->chosen, job->m));
        UB_TRY(UB_ALLOC(k->first, k->n * job->m));
        UB_TRY(UB_ALLOC(k->leverage, k->n * job->m));
        UB_TRY(UB_ALLOC(k->trace, job->m));
        UB_TRY(UB_ALLOC(k->diagonal, k->n * job->m));
        UB_TRY(UB_ALLOC(k->parameters, job->m));
        k->targets = job->m;
    }
    return UB_OK;
}

/* Plain features of n samples of p columns, the moderators from column `from` on: 1, columns,
 * squares, products of a moderator and a column before it.  Returns how many. */
static int32_t put_plain(int64_t n, int32_t p, int32_t from, const double *const *column,
                         double *to)
{
    int32_t count = 0;
    for (int64_t i = 0; i < n; i++)
        to[i] = 1;
    count++;
    for (int32_t j = 0; j < p; j++)
        for (int d = 0; d < 2; d++, count++)
            for (int64_t i = 0; i < n; i++)
                to[count * n + i] = d == 0 ? column[j][i] : column[j][i] * column[j][i];
    for (int32_t g = from; g < p; g++)
        for (int32_t j = 0; j < from; j++, count++)
            for (int64_t i = 0; i < n; i++)
                to[count * n + i] = column[g][i] * column[j][i];
    return count;
}

static int32_t landmarks(int64_t n, int32_t most)
{
    return n / SAMPLES_A_LANDMARK < most ? (int32_t)(n / SAMPLES_A_LANDMARK) : most;
}

/* One regression: m targets on the first p columns, of which those from `moderators` on are
 * moderators, by kernels on pairs with at least one column from `from` on. */
typedef struct stage {
    int32_t       p, from, moderators, most, m;
    const double *target;
} stage;

/* Fit the pair of `c` to the subsample, and give it to the targets it serves better than what they
 * have; if `same`, only to those that have this pair already. */
static ub_status offer(krr *k, const stage *s, choice c, bool same)
{
    const double *const *x = k->column + k->columns;
    UB_TRY(ub_krr_kernel(&k->small, x[c.a], c.b < 0 ? NULL : x[c.b], scales[c.scale], k->counter,
                         landmarks(k->sub, LANDMARKS_CHOICE)));
    for (int32_t t = 0; t < s->m; t++) {
        choice *has = &k->chosen[t];
        double  penalty;
        if (same && (has->a != c.a || has->b != c.b))
            continue;
        c.score = ub_krr_choose(&k->small, k->part + (s->p + t) * k->sub, &penalty);
        if (c.score < has->score)
            *has = c;
    }
    return UB_OK;
}

/* The subsample's columns and targets, and its plain features. */
static ub_status take_part(krr *k, const stage *s)
{
    for (int32_t c = 0; c < s->p + s->m; c++) {
        const double *whole = c < s->p ? k->column[c] : s->target + (c - s->p) * k->n;
        double       *part = k->part + c * k->sub;
        for (int64_t i = 0; i < k->sub; i++)
            part[i] = whole[k->order[i]];
        if (c < s->p)
            k->column[k->columns + c] = part;
    }
    int32_t plain = put_plain(k->sub, s->p, s->moderators, k->column + k->columns, k->feature);
    return ub_krr_plain(&k->small, k->sub, plain, k->feature);
}

/* For each target the pair, if any, with the best GCV score on the subsample, then its scale. */
static ub_status choose(krr *k, const stage *s)
{
    UB_TRY(take_part(k, s));
    for (int32_t t = 0; t < s->m; t++) {
        double none;
        k->chosen[t] = (choice){-1, -1, MIDDLE, 0};
        k->chosen[t].score = ub_krr_choose(&k->small, k->part + (s->p + t) * k->sub, &none);
    }
    if (s->p == 1)
        UB_TRY(offer(k, s, (choice){0, -1, MIDDLE, 0}, false));
    for (int32_t b = s->from; b < s->p; b++)
        for (int32_t a = 0; a < b; a++)
            UB_TRY(offer(k, s, (choice){a, b, MIDDLE, 0}, false));
    for (int32_t t = 0; t < s->m; t++) {
        choice pair = k->chosen[t];
        bool   done = pair.a < 0;
        for (int32_t i = 0; i < t; i++)
            done = done || (k->chosen[i].a == pair.a && k->chosen[i].b == pair.b);
        for (pair.scale = 0; pair.scale < SCALES && !done; pair.scale++)
            if (pair.scale != MIDDLE)
                UB_TRY(offer(k, s, pair, true));
    }
    return UB_OK;
}

/* Residuals of the stage; the diagonal of the smoother is added to leverage, its trace to trace.
 * further: targets without a kernel stay as they are.  *gain: there is one with a kernel. */
static ub_status smooth(krr *k, const stage *s, bool further, double *residual, double *leverage,
                        double *trace, bool *gain)
{
    int64_t n = k->n;
    double  shorter = pow((double)k->sub / (double)n, 1.0 / 6); /* scales as n^(-1/(4 + 2)) */
    UB_TRY(choose(k, s));
    *gain = false;
    for (int32_t t = 0; t < s->m; t++) {
        *gain = *gain || k->chosen[t].a >= 0;
        if (further && k->chosen[t].a < 0)
            k->chosen[t].scale = SCALES; /* done */
    }
    if (further && !*gain)
        return UB_OK;
    int32_t plain = put_plain(n, s->p, s->moderators, k->column, k->feature);
    UB_TRY(ub_krr_plain(&k->large, n, plain, k->feature));
    for (int32_t t = 0; t < s->m; t++) {
        choice c = k->chosen[t];
        if (c.scale == SCALES)
            continue; /* done, with an earlier target */
        UB_TRY(ub_krr_kernel(&k->large, c.a < 0 ? NULL : k->column[c.a],
                             c.b < 0 ? NULL : k->column[c.b], scales[c.scale] * shorter, k->order,
                             c.a < 0 ? 0 : landmarks(n, s->most)));
        for (int32_t i = t; i < s->m; i++) {
            choice *o = &k->chosen[i];
            double  penalty;
            if (o->a != c.a || o->b != c.b || o->scale != c.scale)
                continue;
            (void)ub_krr_choose(&k->large, s->target + i * n, &penalty);
            trace[i] += ub_krr_residual(&k->large, s->target + i * n, penalty * undersmoothing,
                                        residual + i * n, leverage + i * n);
            o->scale = SCALES;
        }
    }
    return UB_OK;
}

/* Residuals given Z, kept for the jobs to come with the same Z: a pass a pair, until no target
 * gains by a further one.  Plain features count in every pass, which errs on the safe side. */
static ub_status smooth_on_z(krr *k, const ub_gcm_job *job)
{
    stage s = {job->nz, 0, job->nz, (int32_t)(10 * cbrt((double)k->n)), job->m, job->target};
    memset(k->leverage, 0, (size_t)(k->n * job->m) * sizeof(double));
    memset(k->trace, 0, (size_t)job->m * sizeof(double));
    bool gain = true;
    for (int32_t pass = 0; gain && (pass == 0 || 2 * pass < job->nz); pass++) {
        UB_TRY(smooth(k, &s, pass > 0, k->first, k->leverage, k->trace, &gain));
        s.target = k->first;
    }
    return UB_OK;
}

static ub_status residuals(void *self, ub_gcm_job *job)
{
    krr    *k = self;
    int32_t p = job->nz + job->ng;
    int64_t n = k->n, m = job->m;
    job->dof = 1 + 2.0 * p + (double)job->ng * job->nz;
    if (2 * job->dof >= (double)k->sub)
        return UB_OK;
    UB_TRY(reserve(k, job));
    for (int32_t c = 0; c < p; c++)
        k->column[c] = c < job->nz ? job->z + c * n : job->g + (c - job->nz) * n;
    if (!job->again)
        UB_TRY(smooth_on_z(k, job));
    memcpy(job->residual, k->first, (size_t)(n * m) * sizeof(double));
    memcpy(k->diagonal, k->leverage, (size_t)(n * m) * sizeof(double));
    memcpy(k->parameters, k->trace, (size_t)m * sizeof(double));
    if (job->ng > 0) {
        stage s = {p, job->nz, job->nz, LANDMARKS_G, job->m, k->first};
        bool  gain;
        UB_TRY(smooth(k, &s, false, job->residual, k->diagonal, k->parameters, &gain));
    }
    job->dof = 0;
    for (int64_t t = 0; t < m; t++) {
        job->dof = fmax(job->dof, k->parameters[t]);
        for (int64_t i = 0; i < n; i++)
            job->residual[t * n + i] /= sqrt(1 - fmin(k->diagonal[t * n + i], most_leverage));
    }
    return UB_OK;
}

static const ub_gcm_method method = {.name = "gcm_krr",
                                     .together = true,
                                     .open = open_krr,
                                     .residuals = residuals,
                                     .close = close_krr};

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings,
                            void **state)
{
    return ub_gcm_open(&method, data, settings, state);
}

const ub_ci_test ub_ci_gcm_krr = {
    .name = "gcm_krr",
    .summary = "generalised covariance measure, kernel ridge regression on pairs of columns",
    .cost =
        "O(n m^2) a pair of steps and a task, m = 10 n^(1/3) landmarks, and O(|Z|^2) small fits",
    .reference = "Shah and Peters 2020; Wahba 1990; Bach and Jordan 2002",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.form run.seed",
    .transform = ub_normal_scores,
    .open = open_state,
    .eval = ub_gcm_eval,
    .eval_each = ub_gcm_eval_each,
    .close = ub_gcm_close,
};
