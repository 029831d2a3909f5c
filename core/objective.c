#include "core/objective.h"

#include <math.h>
#include <string.h>

#include "core/internal/vector.h"
#include "core/mem.h"
#include "core/network.h"
#include "core/rng.h"

/* Layers are stored as encoder 0..n, decoder n+1..2n+1, then two a head (n hidden layers). */
static int32_t head_layer(const ub_objective *o, int32_t i)
{
    return 2 * (o->shape.layers + 1) + 2 * i;
}

static ub_activation activation(const ub_objective *o, int32_t l)
{
    int32_t stack = o->shape.layers + 1;
    if (l >= 2 * stack)
        return (l - 2 * stack) % 2 == 0 ? UB_ACT_TANH : UB_ACT_LINEAR;
    return l % stack == o->shape.layers ? UB_ACT_LINEAR : UB_ACT_LEAKY;
}

static ub_status alloc_work(ub_objective *o)
{
    int64_t rows = o->rows, widest_task = 1, widest = o->shape.hidden;
    for (int32_t i = 0; i < o->shape.tasks; i++) {
        int64_t width = o->task_offset[i + 1] - o->task_offset[i];
        widest_task = width > widest_task ? width : widest_task;
        UB_TRY(UB_ALLOC(o->delta[i], rows * o->shape.head_hidden));
    }
    for (int32_t l = 0; l < o->layers; l++) {
        UB_TRY(UB_ALLOC(o->out[l], rows * o->layer[l].out));
        widest = o->layer[l].out > widest ? o->layer[l].out : widest;
        widest = o->layer[l].in > widest ? o->layer[l].in : widest;
    }
    for (int32_t i = 0; i < o->shape.tasks; i++)
        o->active[i] = o->out[head_layer(o, i)];
    UB_TRY(UB_ALLOC(o->effective, o->parameters));
    UB_TRY(UB_ALLOC(o->z, rows * o->shape.latents));
    UB_TRY(UB_ALLOC(o->dz, rows * o->shape.latents));
    UB_TRY(UB_ALLOC(o->sd, rows * o->shape.latents));
    UB_TRY(UB_ALLOC(o->front, rows * widest));
    UB_TRY(UB_ALLOC(o->back, rows * widest));
    UB_TRY(UB_ALLOC(o->jacobian, rows * o->shape.targets * o->shape.latents));
    UB_TRY(UB_ALLOC(o->work, 2 * rows * widest_task * o->shape.head_hidden));
    return UB_OK;
}

static ub_status fill(ub_objective *o, const int32_t *task_offset)
{
    o->layers = ub_model_layers(&o->shape, task_offset, NULL);
    UB_TRY(UB_ALLOC(o->task_offset, o->shape.tasks + 1));
    memcpy(o->task_offset, task_offset, (size_t)(o->shape.tasks + 1) * sizeof *task_offset);
    UB_TRY(UB_ALLOC(o->layer, o->layers));
    (void)ub_model_layers(&o->shape, task_offset, o->layer);
    const ub_layer *last = &o->layer[o->layers - 1];
    o->weights = last->at + ((int64_t)last->in + 1) * last->out;
    o->parameters = o->weights;
    if (o->penalty->parameters != NULL)
        o->parameters += o->penalty->parameters(&o->shape);
    UB_TRY(UB_ALLOC(o->out, o->layers));
    UB_TRY(UB_ALLOC(o->active, o->shape.tasks));
    UB_TRY(UB_ALLOC(o->delta, o->shape.tasks));
    return alloc_work(o);
}

ub_status ub_objective_init(const ub_model_shape *shape, const int32_t *task_offset,
                            const ub_settings *settings, int64_t rows, ub_objective *out)
{
    ub_objective o = {.shape = *shape, .rows = rows, .beta = settings->disentangle.beta};
    o.penalty = ub_penalty_at((size_t)settings->disentangle.penalty);
    if (o.penalty == NULL)
        return UB_FAIL(UB_EARG, "there is no penalty number %d", settings->disentangle.penalty);
    ub_status st = fill(&o, task_offset);
    if (st != UB_OK) {
        ub_objective_release(&o);
        return st;
    }
    o.heads = (ub_heads){.tasks = shape->tasks,
                         .latents = shape->latents,
                         .hidden = shape->head_hidden,
                         .offset = o.task_offset,
                         .layer = o.layer + head_layer(&o, 0),
                         .extra = o.weights,
                         .group = settings->disentangle.group,
                         .active = o.active,
                         .delta = o.delta,
                         .jacobian = o.jacobian,
                         .work = o.work};
    *out = o;
    return UB_OK;
}

void ub_objective_release(ub_objective *o)
{
    for (int32_t l = 0; l < o->layers && o->out != NULL; l++)
        ub_free(o->out[l]);
    for (int32_t i = 0; i < o->shape.tasks && o->delta != NULL; i++)
        ub_free(o->delta[i]);
    ub_real *blocks[] = {o->effective, o->z, o->dz, o->sd, o->front, o->back, o->jacobian, o->work};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        ub_free(blocks[i]);
    ub_free(o->out);
    ub_free(o->active);
    ub_free(o->delta);
    ub_free(o->layer);
    ub_free(o->task_offset);
    *o = (ub_objective){0};
}

void ub_objective_start(const ub_objective *o, uint64_t seed, int64_t restart, ub_real *w)
{
    for (int32_t l = 0; l < o->layers; l++) {
        const ub_layer *layer = &o->layer[l];
        int64_t         weights = (int64_t)layer->in * layer->out;
        uint64_t        item = (uint64_t)restart * (uint64_t)o->layers + (uint64_t)l;
        ub_rng          r = ub_rng_make(seed, UB_RNG_INIT, item);
        double          sd = activation(o, l) == UB_ACT_LEAKY ? sqrt(2.0 / layer->in)
                                                              : sqrt(2.0 / (layer->in + layer->out));
        for (int64_t k = 0; k < weights; k++)
            w[layer->at + k] = (ub_real)(sd * ub_rng_normal(&r));
        memset(w + layer->at + weights, 0, (size_t)layer->out * sizeof *w);
    }
    for (int64_t k = o->weights; k < o->parameters; k++)
        w[k] = 1;
}

static void forward_stack(ub_objective *o, const ub_real *w, int64_t n, int32_t first,
                          const ub_real *x)
{
    for (int32_t l = first; l <= first + o->shape.layers; l++) {
        ub_dense_forward(&o->layer[l], activation(o, l), w, n, x, o->out[l]);
        x = o->out[l];
    }
}

/* Back through a stack; `delta` is at its output and is overwritten.  Sets dx unless NULL. */
static void backward_stack(ub_objective *o, const ub_real *w, int64_t n, int32_t first,
                           const ub_real *x, ub_real *delta, ub_real *grad, ub_real *dx)
{
    for (int32_t l = first + o->shape.layers; l > first; l--) {
        ub_real *below = delta == o->front ? o->back : o->front;
        ub_dense_backward(&o->layer[l], w, n, o->out[l - 1], delta, grad, below, 0);
        ub_dense_unact(activation(o, l - 1), n * o->layer[l].in, o->out[l - 1], below);
        delta = below;
    }
    ub_dense_backward(&o->layer[first], w, n, x, delta, grad, dx, 0);
}

/* z = mu + exp(v / 2) e; returns the sum of the KL terms. */
static double sample_latents(ub_objective *o, const ub_batch *b)
{
    int32_t        latents = o->shape.latents;
    const ub_real *row = o->out[o->shape.layers];
    double         kl = 0.0;
    for (int64_t r = 0; r < b->n; r++)
        for (int32_t j = 0; j < latents; j++)
            o->sd[r * latents + j] = row[(2 * r + 1) * latents + j] / 2;
    ub_vector_exp(b->n * latents, o->sd);
    for (int64_t r = 0; r < b->n; r++, row += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            int64_t at = r * latents + j;
            ub_real mu = row[j], v = row[latents + j], sd = o->sd[at];
            o->z[at] = b->noise == NULL ? mu : mu + sd * b->noise[at];
            kl += (mu * mu + sd * sd - 1 - v) / 2;
        }
    return kl;
}

/* dL/d(mu, v) into delta from dL/dz and the KL term. */
static void latents_gradient(const ub_objective *o, const ub_batch *b, ub_real kl_weight,
                             ub_real *delta)
{
    int32_t        latents = o->shape.latents;
    const ub_real *row = o->out[o->shape.layers];
    for (int64_t r = 0; r < b->n; r++, row += 2 * latents, delta += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            int64_t at = r * latents + j;
            ub_real sd = o->sd[at];
            delta[j] = o->dz[at] + kl_weight * row[j];
            delta[latents + j] = kl_weight * (sd * sd - 1) / 2;
            if (b->noise != NULL)
                delta[latents + j] += o->dz[at] * sd * b->noise[at] / 2;
        }
}

/* Squared error of rows of `out` (width columns) against columns of x (given stride), of the
 * rows whose use is not 0; delta = 2 * weight * use * difference. */
static double squared_error(int64_t n, int32_t width, const ub_real *out, const ub_real *x,
                            int32_t stride, const ub_real *use, int32_t use_stride, double weight,
                            ub_real *delta)
{
    double sum = 0.0;
    for (int64_t r = 0; r < n; r++) {
        ub_real u = use == NULL ? 1 : use[r * use_stride], scale = 2 * (ub_real)weight * u;
        for (int32_t c = 0; c < width; c++) {
            ub_real d = out[r * width + c] - x[r * stride + c];
            sum += u * d * d;
            delta[r * width + c] = scale * d;
        }
    }
    return sum;
}

/* Forward and, down to the pre-activation of the first layer, backward; returns the task loss. */
static double run_head(ub_objective *o, const ub_real *w, const ub_batch *b, int32_t i,
                       double weight, ub_real *grad)
{
    int32_t   first = head_layer(o, i), hidden = o->shape.head_hidden, at = o->task_offset[i];
    ub_layer *second = &o->layer[first + 1];
    ub_dense_forward(&o->layer[first], UB_ACT_TANH, w, b->n, o->z, o->out[first]);
    ub_dense_forward(second, UB_ACT_LINEAR, w, b->n, o->out[first], o->out[first + 1]);
    double loss = squared_error(b->n, second->out, o->out[first + 1], b->target + at,
                                o->shape.targets, b->use + i, o->shape.tasks, weight, o->front);
    if (grad != NULL) {
        ub_dense_backward(second, w, b->n, o->out[first], o->front, grad, o->delta[i], 0);
        ub_dense_unact(UB_ACT_TANH, b->n * hidden, o->out[first], o->delta[i]);
    }
    return loss;
}

/* All heads and the penalty; sets terms and dz. */
static void run_heads(ub_objective *o, const ub_real *w, const ub_batch *b,
                      const ub_weighting *weighting, double *terms, ub_real *grad)
{
    double  task = 0.0;
    int64_t heads = o->layer[head_layer(o, 0)].at;
    if (grad != NULL) /* the penalty adds to all of it before the heads' own gradient does */
        memset(grad + heads, 0, (size_t)(o->parameters - heads) * sizeof *grad);
    for (int32_t i = 0; i < o->shape.tasks; i++)
        task += run_head(o, w, b, i, weighting->row, grad);
    o->heads.n = b->jacobian;
    o->heads.use = b->use;
    terms[UB_TERM_TASK] = weighting->row * task;
    terms[UB_TERM_PENALTY] =
        weighting->penalty *
        o->penalty->value(&o->heads, w, weighting->lambda * weighting->penalty, grad);
    for (int32_t i = 0; i < o->shape.tasks && grad != NULL; i++)
        ub_dense_backward(&o->layer[head_layer(o, i)], w, b->n, o->z, o->delta[i], grad, o->dz,
                          UB_ADD_GRAD | UB_ADD_DX);
}

void ub_objective_batch(ub_objective *o, const ub_real *w, const ub_batch *b,
                        const ub_weighting *weighting, double terms[UB_TERMS], ub_real *grad)
{
    const ub_real *e = w;
    int32_t        decoder = o->shape.layers + 1, top = decoder + o->shape.layers;
    if (o->penalty->fold != NULL) {
        ub_objective_fold(o, w, o->effective);
        e = o->effective;
    }
    forward_stack(o, e, b->n, 0, b->obs);
    terms[UB_TERM_KL] = weighting->row * sample_latents(o, b);
    forward_stack(o, e, b->n, decoder, o->z);
    double mean = weighting->row / o->shape.dim;
    terms[UB_TERM_RECONSTRUCTION] = mean * squared_error(b->n, o->shape.dim, o->out[top], b->obs,
                                                         o->shape.dim, NULL, 0, mean, o->front);
    if (grad != NULL)
        backward_stack(o, e, b->n, decoder, o->z, o->front, grad, o->dz);
    run_heads(o, e, b, weighting, terms, grad);
    if (grad == NULL)
        return;
    latents_gradient(o, b, (ub_real)(o->beta * weighting->row), o->front);
    backward_stack(o, e, b->n, 0, b->obs, o->front, grad, NULL);
    if (o->penalty->unfold != NULL)
        o->penalty->unfold(&o->heads, w, grad);
}

const ub_real *ub_objective_mu(const ub_objective *o)
{
    return o->out[o->shape.layers];
}

void ub_objective_strength(const ub_objective *o, const ub_real *w, double *strength)
{
    ub_heads_strength(&o->heads, o->penalty->fold == NULL ? w : o->effective, strength);
}

void ub_objective_fold(const ub_objective *o, const ub_real *w, ub_real *model_w)
{
    memcpy(model_w, w, (size_t)o->weights * sizeof *w);
    if (o->penalty->fold != NULL)
        o->penalty->fold(&o->heads, w, model_w);
}
