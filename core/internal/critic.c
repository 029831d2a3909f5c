#include "core/internal/critic.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/internal/adam.h"
#include "core/mem.h"
#include "core/network.h"
#include "core/settings.h"

enum { LAYERS = 2 };

/* One side: in -> hidden (leaky) -> embed. */
typedef struct side {
    ub_layer layer[LAYERS];
    double  *in;             /* rows x in: a batch */
    double  *hidden, *out;   /* rows x hidden, rows x embed */
    double  *dhidden, *dout; /* gradients of the same */
} side;

struct ub_critic {
    ub_critic_options o;
    side              side[2]; /* left, right */
    int64_t           weights, steps;
    double           *w, *grad, *m, *v;
    double            log_mean; /* moving average of exp F, as a logarithm (UB_CRITIC_MINE) */
    int64_t          *first;    /* rows + 1: the cells of a batch */
};

void ub_critic_destroy(ub_critic **critic)
{
    ub_critic *s = *critic;
    if (s == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        ub_free(s->side[i].in);
        ub_free(s->side[i].hidden);
        ub_free(s->side[i].out);
        ub_free(s->side[i].dhidden);
        ub_free(s->side[i].dout);
    }
    ub_free(s->w);
    ub_free(s->grad);
    ub_free(s->m);
    ub_free(s->v);
    ub_free(s->first);
    ub_free(s);
    *critic = NULL;
}

static ub_status init_side(const ub_critic_options *o, int32_t in, int64_t *at, side *s)
{
    s->layer[0] = (ub_layer){.at = *at, .in = in, .out = o->hidden};
    *at += (int64_t)(in + 1) * o->hidden;
    s->layer[1] = (ub_layer){.at = *at, .in = o->hidden, .out = o->embed};
    *at += (int64_t)(o->hidden + 1) * o->embed;
    UB_TRY(UB_ALLOC(s->in, o->rows * in));
    UB_TRY(UB_ALLOC(s->hidden, o->rows * o->hidden));
    UB_TRY(UB_ALLOC(s->dhidden, o->rows * o->hidden));
    UB_TRY(UB_ALLOC(s->out, o->rows * o->embed));
    UB_TRY(UB_ALLOC(s->dout, o->rows * o->embed));
    return UB_OK;
}

/* He et al. 2015 for the hidden layer; biases 0. */
static void init_weights(ub_critic *s, ub_rng *rng)
{
    for (int i = 0; i < 2; i++)
        for (int l = 0; l < LAYERS; l++) {
            const ub_layer *y = &s->side[i].layer[l];
            double          sd = sqrt((l == 0 ? 2.0 : 1.0) / y->in);
            for (int64_t j = 0; j < (int64_t)y->in * y->out; j++)
                s->w[y->at + j] = sd * ub_rng_normal(rng);
        }
}

ub_status ub_critic_create(const ub_critic_options *o, ub_rng *rng, ub_critic **out)
{
    ub_critic *s = NULL;
    ub_status  st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->o = *o;
    UB_TRY_OUT(init_side(o, o->left, &s->weights, &s->side[0]));
    UB_TRY_OUT(init_side(o, o->right, &s->weights, &s->side[1]));
    UB_TRY_OUT(UB_ALLOC(s->w, s->weights));
    UB_TRY_OUT(UB_ALLOC(s->grad, s->weights));
    UB_TRY_OUT(UB_ALLOC(s->m, s->weights));
    UB_TRY_OUT(UB_ALLOC(s->v, s->weights));
    UB_TRY_OUT(UB_ALLOC(s->first, o->rows + 1));
    init_weights(s, rng);
    *out = s;
    s = NULL;
out:
    ub_critic_destroy(&s);
    return st;
}

static void forward(const ub_critic *s, const side *d, int64_t n, const double *in)
{
    ub_dense_forward(&d->layer[0], UB_ACT_LEAKY, s->w, n, in, d->hidden);
    ub_dense_forward(&d->layer[1], UB_ACT_LINEAR, s->w, n, d->hidden, d->out);
}

static void backward(const ub_critic *s, const side *d, int64_t n)
{
    ub_dense_backward(&d->layer[1], s->w, n, d->hidden, d->dout, s->grad, d->dhidden, 0);
    ub_dense_unact(UB_ACT_LEAKY, n * d->layer[0].out, d->hidden, d->dhidden);
    ub_dense_backward(&d->layer[0], s->w, n, d->in, d->dhidden, s->grad, NULL, 0);
}

/* Add `part` of F of one cell of m rows from row `at` of the batch. */
static void score_cell(const ub_critic *s, int64_t at, int64_t m, double part, double *f)
{
    int32_t e = s->o.embed;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)m, e, part / sqrt((double)e),
                s->side[0].out + at * e, e, s->side[1].out + at * e, e, 1.0, f, (int)m);
}

/* log sum exp of `count` values `stride` apart. */
static double log_sum_exp(int64_t count, const double *v, int64_t stride)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++)
        most = v[i * stride] > most ? v[i * stride] : most;
    for (int64_t i = 0; i < count; i++)
        sum += exp(v[i * stride] - most);
    return sum > 0 ? most + log(sum) : most;
}

static double log_add(double a, double b)
{
    double most = a > b ? a : b, least = a > b ? b : a;
    return most == -INFINITY ? most : most + log1p(exp(least - most));
}

/* log sum of exp F(i, j), i != j, over cells whose matrices follow one another. */
static double log_others(const int64_t *first, int64_t cells, const double *f, int64_t *pairs)
{
    double sum = -INFINITY;
    *pairs = 0;
    for (int64_t c = 0; c < cells; c++) {
        int64_t m = first[c + 1] - first[c];
        for (int64_t i = 0; i + 1 < m; i++) /* between diagonal entries lie m others */
            sum = log_add(sum, log_sum_exp(m, f + i * (m + 1) + 1, 1));
        *pairs += m * (m - 1);
        f += m * m;
    }
    return sum;
}

/* Scores become d(-bound) / dF, in place. */
static void score_gradient(ub_critic *s, int64_t cells, int64_t rows, double *f)
{
    double  n = (double)rows;
    int64_t pairs = 0;
    if (s->o.kind == UB_CRITIC_MINE) {
        double now = log_others(s->first, cells, f, &pairs);
        now -= log((double)pairs);
        s->log_mean = s->steps == 0 ? now : log_add(s->log_mean + log(0.9), now + log(0.1));
    }
    for (int64_t c = 0; c < cells; c++) {
        int64_t m = s->first[c + 1] - s->first[c];
        for (int64_t j = 0; j < m; j++) {
            double log_total = s->o.kind == UB_CRITIC_INFONCE ? log_sum_exp(m, f + j, m) + log(n)
                                                              : s->log_mean + log((double)pairs);
            for (int64_t i = 0; i < m; i++) {
                double paired = i == j ? 1 / n : 0;
                double weight = exp(f[i * m + j] - log_total);
                if (s->o.kind == UB_CRITIC_MINE && i == j)
                    weight = 0;
                f[i * m + j] = weight - paired;
            }
        }
        f += m * m;
    }
}

/* From dF of a cell to that of both sides' rows. */
static void unscore_cell(const ub_critic *s, int64_t at, int64_t m, const double *df)
{
    int32_t e = s->o.embed;
    double  scale = 1 / sqrt((double)e);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, e, (int)m, scale, df, (int)m,
                s->side[1].out + at * e, e, 0.0, s->side[0].dout + at * e, e);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, e, (int)m, scale, df, (int)m,
                s->side[0].out + at * e, e, 0.0, s->side[1].dout + at * e, e);
}

static void copy_rows(int64_t n, int32_t columns, const double *from, int64_t row, double *to)
{
    memcpy(to, from + row * columns, (size_t)(n * columns) * sizeof *to);
}

static void step(ub_critic *s, int64_t cells, double shrink, double *f)
{
    int64_t n = s->first[cells], at = 0;
    forward(s, &s->side[0], n, s->side[0].in);
    forward(s, &s->side[1], n, s->side[1].in);
    for (int64_t c = 0, m; c < cells; c++, at += m * m) {
        m = s->first[c + 1] - s->first[c];
        memset(f + at, 0, (size_t)(m * m) * sizeof *f);
        score_cell(s, s->first[c], m, 1, f + at);
    }
    score_gradient(s, cells, n, f);
    at = 0;
    for (int64_t c = 0, m; c < cells; c++, at += m * m) {
        m = s->first[c + 1] - s->first[c];
        unscore_cell(s, s->first[c], m, f + at);
    }
    backward(s, &s->side[0], n);
    backward(s, &s->side[1], n);
    s->steps++;
    for (int64_t i = 0; i < s->weights; i++)
        s->w[i] -= shrink * s->w[i];
    ub_adam_update(&(ub_update){.number = s->steps, .rate = s->o.rate, .scale = 1.0}, 1.0,
                   s->weights, s->grad, s->w, s->m, s->v);
}

ub_status ub_critic_train(ub_critic *s, const ub_critic_rows *data, int64_t cells, int64_t batch,
                          int64_t epochs, ub_rng *rng)
{
    int64_t  *order = NULL, widest = 0, steps = (cells + batch - 1) / batch;
    double   *f = NULL;
    ub_status st = UB_OK;
    for (int64_t c = 0; c < cells; c++)
        widest = data->first[c + 1] - data->first[c] > widest ? data->first[c + 1] - data->first[c]
                                                              : widest;
    UB_TRY_OUT(UB_ALLOC(order, cells));
    UB_TRY_OUT(UB_ALLOC(f, batch * widest * widest));
    for (int64_t e = 0; e < epochs; e++) {
        ub_rng_permutation(rng, cells, order);
        for (int64_t from = 0; from < cells; from += batch) {
            int64_t count = cells - from < batch ? cells - from : batch;
            for (int64_t c = 0; c < count; c++) {
                int64_t row = data->first[order[from + c]];
                int64_t m = data->first[order[from + c] + 1] - row, at = s->first[c];
                copy_rows(m, s->o.left, data->left, row, s->side[0].in + at * s->o.left);
                copy_rows(m, s->o.right, data->right, row, s->side[1].in + at * s->o.right);
                s->first[c + 1] = at + m;
            }
            step(s, count, s->o.decay / (double)steps, f);
        }
    }
out:
    ub_free(order);
    ub_free(f);
    return st;
}

void ub_critic_score(ub_critic *s, const ub_critic_rows *data, int64_t from, int64_t to,
                     double part, double *score)
{
    int64_t row = data->first[from], n = data->first[to] - row;
    forward(s, &s->side[0], n, data->left + row * s->o.left);
    forward(s, &s->side[1], n, data->right + row * s->o.right);
    for (int64_t c = from, m; c < to; c++, score += m * m) {
        m = data->first[c + 1] - data->first[c];
        score_cell(s, data->first[c] - row, m, part, score);
    }
}

double ub_critic_bound(int kind, const ub_critic_rows *data, int64_t from, int64_t to,
                       const double *score)
{
    int64_t       n = data->first[to] - data->first[from], pairs;
    double        paired = 0, others = 0;
    const double *f = score;
    for (int64_t c = from, m; c < to; c++, f += m * m) {
        m = data->first[c + 1] - data->first[c];
        for (int64_t j = 0; j < m; j++) {
            paired += f[j * m + j];
            others += log_sum_exp(m, f + j, m) - log((double)m);
        }
    }
    if (kind == UB_CRITIC_INFONCE)
        return (paired - others) / (double)n;
    double log_sum = log_others(data->first + from, to - from, score, &pairs);
    return paired / (double)n - (log_sum - log((double)pairs));
}
