/* gcm_mlp - generalised covariance measure with a small network on top of polynomials.
 *
 * First gcm_poly's regression, with its leave-one-out residuals; then a network learns what that
 * leaves, w2 tanh(W1 (z, g) + b1) + b2, a network a target, cross-fitted: the samples of a fold
 * (ci.folds, drawn at random) are predicted by the network that was trained on the others.  w2
 * begins at zero, so that a short training ends near gcm_poly and not at noise.  Adam, the step
 * falling linearly to zero over ci.epochs.  A fold's prediction is used only as far as it explains
 * its own targets: it is multiplied by the least-squares factor, cut to [0, 1], of the other
 * folds. */
#include "core/ci_test.h"

#include <math.h>
#include <string.h>

#include "core/internal/adam.h"
#include "core/internal/poly.h"
#include "core/internal/scores.h"
#include "core/mem.h"
#include "core/network.h"
#include "core/rng.h"
#include "core/settings.h"

enum { BATCH = 64, ORDER = INT32_MAX - 1 }; /* item of the folds and of the order of samples */
static const double rate = 0.01;

typedef struct mlp {
    int64_t            n;
    const ub_settings *set;
    void              *poly;
    int64_t           *order; /* n: sample i of the shuffled order; fold = i % folds */
    double            *in, *out, *predicted; /* n x d, n, n; shuffled */
    double            *batch_in, *batch_out, *hidden, *delta_hidden, *made;
    double            *w, *grad, *m1, *m2;
    int64_t            room; /* inputs there is room for */
} mlp;

static void release_room(mlp *p)
{
    double **all[] = {&p->in,   &p->out, &p->predicted, &p->batch_in, &p->batch_out,    &p->hidden,
                      &p->made, &p->w,   &p->grad,      &p->m1,       &p->delta_hidden, &p->m2};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ub_free(*all[i]);
        *all[i] = NULL;
    }
    p->room = 0;
}

static void close_mlp(void *self)
{
    mlp *p = self;
    if (p == NULL)
        return;
    ub_gcm_polynomials.close(p->poly);
    release_room(p);
    ub_free(p->order);
    ub_free(p);
}

static ub_status open_mlp(int64_t n, const struct ub_settings *settings, void **self)
{
    mlp      *p = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(p, 1));
    p->n = n;
    p->set = settings;
    UB_TRY_OUT(ub_gcm_polynomials.open(n, settings, &p->poly));
    UB_TRY_OUT(UB_ALLOC(p->order, n));
    ub_rng r = ub_rng_make((uint64_t)settings->run.seed, UB_RNG_REGRESSION, ORDER);
    ub_rng_permutation(&r, n, p->order);
    *self = p;
    return UB_OK;
out:
    close_mlp(p);
    return st;
}

static int64_t weights(int64_t d, int64_t h)
{
    return (d + 2) * h + 1;
}

static ub_status reserve(mlp *p, int64_t d)
{
    int64_t h = p->set->ci.hidden, n = p->n;
    if (d <= p->room)
        return UB_OK;
    release_room(p);
    UB_TRY(UB_ALLOC(p->in, n * d));
    UB_TRY(UB_ALLOC(p->out, n));
    UB_TRY(UB_ALLOC(p->predicted, n));
    UB_TRY(UB_ALLOC(p->batch_in, BATCH * d));
    UB_TRY(UB_ALLOC(p->batch_out, BATCH));
    UB_TRY(UB_ALLOC(p->hidden, BATCH * h));
    UB_TRY(UB_ALLOC(p->delta_hidden, BATCH * h));
    UB_TRY(UB_ALLOC(p->made, BATCH));
    UB_TRY(UB_ALLOC(p->w, weights(d, h)));
    UB_TRY(UB_ALLOC(p->grad, weights(d, h)));
    UB_TRY(UB_ALLOC(p->m1, weights(d, h)));
    UB_TRY(UB_ALLOC(p->m2, weights(d, h)));
    p->room = d;
    return UB_OK;
}

/* Rows in shuffled order. */
static void put_inputs(mlp *p, const ub_gcm_job *job)
{
    int64_t n = p->n, d = job->nz + job->ng;
    for (int64_t j = 0; j < d; j++) {
        const double *x = j < job->nz ? job->z + j * n : job->g + (j - job->nz) * n;
        for (int64_t i = 0; i < n; i++)
            p->in[i * d + j] = x[p->order[i]];
    }
}

/* What is to be learned, scaled to mean square 1; returns the scale. */
static double put_target(mlp *p, const double *residual)
{
    double square = 0;
    for (int64_t i = 0; i < p->n; i++)
        square += residual[i] * residual[i];
    double scale = sqrt(square / (double)p->n);
    for (int64_t i = 0; i < p->n; i++)
        p->out[i] = scale > 0 ? residual[p->order[i]] / scale : 0;
    return scale;
}

/* Glorot's uniform weights into the hidden layer, zeros into the other. */
static void begin(mlp *p, const ub_layer *hidden, int64_t count, int64_t fold)
{
    ub_rng r = ub_rng_make((uint64_t)p->set->run.seed, UB_RNG_INIT, (uint64_t)fold);
    double bound = sqrt(6.0 / (hidden->in + hidden->out));
    memset(p->w, 0, (size_t)count * sizeof *p->w);
    memset(p->m1, 0, (size_t)count * sizeof *p->m1);
    memset(p->m2, 0, (size_t)count * sizeof *p->m2);
    for (int64_t i = 0; i < (int64_t)hidden->in * hidden->out; i++)
        p->w[hidden->at + i] = bound * (2 * ub_rng_uniform(&r) - 1);
}

/* One update on `count` rows in batch_in and batch_out. */
static void update(mlp *p, const ub_layer *layer, int64_t count, int64_t t, double step)
{
    int64_t all = weights(layer[0].in, layer[0].out);
    ub_dense_forward(&layer[0], UB_ACT_TANH, p->w, count, p->batch_in, p->hidden);
    ub_dense_forward(&layer[1], UB_ACT_LINEAR, p->w, count, p->hidden, p->made);
    for (int64_t i = 0; i < count; i++)
        p->made[i] = (p->made[i] - p->batch_out[i]) / (double)count;
    ub_dense_backward(&layer[1], p->w, count, p->hidden, p->made, p->grad, p->delta_hidden, 0);
    ub_dense_unact(UB_ACT_TANH, count * layer[0].out, p->hidden, p->delta_hidden);
    ub_dense_backward(&layer[0], p->w, count, p->batch_in, p->delta_hidden, p->grad, NULL, 0);
    ub_adam_update(&(ub_update){.number = t, .rate = step, .scale = 1.0}, 1.0, all, p->grad, p->w,
                   p->m1, p->m2);
}

/* Train on all folds but one. */
static void train(mlp *p, const ub_layer *layer, int64_t fold)
{
    int64_t d = layer[0].in, folds = p->set->ci.folds, epochs = p->set->ci.epochs, t = 0;
    int64_t used = p->n - (p->n - fold + folds - 1) / folds;
    int64_t steps = epochs * ((used + BATCH - 1) / BATCH);
    begin(p, &layer[0], weights(d, layer[0].out), fold);
    for (int64_t e = 0; e < epochs; e++) {
        int64_t filled = 0, seen = 0;
        for (int64_t i = 0; i < p->n; i++) {
            if (i % folds == fold)
                continue;
            memcpy(p->batch_in + filled * d, p->in + i * d, (size_t)d * sizeof(double));
            p->batch_out[filled++] = p->out[i];
            seen++;
            if (filled == BATCH || seen == used) {
                t++;
                update(p, layer, filled, t, rate * (1 - (double)t / (double)(steps + 1)));
                filled = 0;
            }
        }
    }
}

/* Predict the samples of a fold. */
static void predict(mlp *p, const ub_layer *layer, int64_t fold)
{
    int64_t folds = p->set->ci.folds, d = layer[0].in;
    for (int64_t i = fold; i < p->n; i += folds) {
        ub_dense_forward(&layer[0], UB_ACT_TANH, p->w, 1, p->in + i * d, p->hidden);
        ub_dense_forward(&layer[1], UB_ACT_LINEAR, p->w, 1, p->hidden, p->predicted + i);
    }
}

/* Subtract predictions, each fold's as far as the other folds' explain theirs. */
static void subtract(const mlp *p, double scale, double *residual)
{
    int64_t folds = p->set->ci.folds;
    for (int64_t fold = 0; fold < folds; fold++) {
        double together = 0, own = 0;
        for (int64_t i = 0; i < p->n; i++)
            if (i % folds != fold) {
                together += p->predicted[i] * p->out[i];
                own += p->predicted[i] * p->predicted[i];
            }
        double trust = own > 0 ? fmax(0, fmin(1, together / own)) : 0;
        for (int64_t i = fold; i < p->n; i += folds)
            residual[p->order[i]] -= scale * trust * p->predicted[i];
    }
}

static ub_status residuals(void *self, ub_gcm_job *job)
{
    mlp    *p = self;
    int32_t d = job->nz + job->ng, h = (int32_t)p->set->ci.hidden;
    UB_TRY(ub_gcm_polynomials.residuals(p->poly, job));
    if (d == 0 || 2 * job->dof >= (double)job->n || job->n < p->set->ci.folds)
        return UB_OK;
    UB_TRY(reserve(p, d));
    put_inputs(p, job);
    ub_layer layer[2] = {{.at = 0, .in = d, .out = h},
                         {.at = ((int64_t)d + 1) * h, .in = h, .out = 1}};
    for (int32_t j = 0; j < job->m; j++) {
        double *residual = job->residual + j * job->n, scale = put_target(p, residual);
        for (int64_t fold = 0; fold < p->set->ci.folds && scale > 0; fold++) {
            train(p, layer, fold);
            predict(p, layer, fold);
        }
        subtract(p, scale, residual);
    }
    return UB_OK;
}

static const ub_gcm_method method = {"gcm_mlp", open_mlp, residuals, close_mlp, false};

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings,
                            void **state)
{
    return ub_gcm_open(&method, data, settings, state);
}

const ub_ci_test ub_ci_gcm_mlp = {
    .name = "gcm_mlp",
    .summary = "generalised covariance measure, a small network on top of polynomials",
    .cost = "O(n |Z| m hidden epochs folds) a test, m functions of X and Y: a network each",
    .reference = "Shah and Peters 2020; Chernozhukov et al. 2018 for cross-fitting",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.form ci.degree ci.hidden ci.folds ci.epochs run.seed",
    .transform = ub_normal_scores,
    .open = open_state,
    .eval = ub_gcm_eval,
    .eval_each = ub_gcm_eval_each,
    .close = ub_gcm_close,
};
