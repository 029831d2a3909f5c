#include "core/objective.h"

#include <math.h>
#include <string.h>

#include "core/internal/vector.h"
#include "core/mem.h"
#include "core/network.h"
#include "core/rng.h"
#include "core/shard.h"

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
    return l % stack == o->shape.layers ? UB_ACT_LINEAR : ub_hidden_activation(&o->shape);
}

/* A layer in ranges of at most this many numbers, its biases with the last of them. */
static int32_t cut_layer(const ub_objective *o, int32_t l, ub_objective_range *range, int64_t *at)
{
    enum { MOST = 32768 };
    const ub_layer *layer = &o->layer[l];
    int32_t         rows = MOST / layer->in > 0 ? MOST / layer->in : 1;
    int32_t         parts = (layer->out + rows - 1) / rows;
    for (int32_t k = 0; k < parts && range != NULL; k++) {
        ub_range own = ub_part(layer->out, parts, k);
        range[k] = (ub_objective_range){l, (int32_t)own.first, (int32_t)own.count};
        at[k] = layer->at + own.first * layer->in;
    }
    return parts;
}

static ub_status cut_gradient(ub_objective *o)
{
    int32_t stacks = head_layer(o, 0), count = 1;
    for (int32_t l = 0; l < stacks; l++)
        count += cut_layer(o, l, NULL, NULL);
    UB_TRY(UB_ALLOC(o->range, count));
    UB_TRY(UB_ALLOC(o->at, count + 1));
    for (int32_t l = 0; l < stacks; l++)
        o->ranges += cut_layer(o, l, o->range + o->ranges, o->at + o->ranges);
    o->range[o->ranges] = (ub_objective_range){.layer = -1};
    o->at[o->ranges++] = o->tail_at;
    o->at[o->ranges] = o->parameters;
    return UB_OK;
}

static ub_status alloc_heads(ub_objective *o)
{
    int64_t rows = o->rows, widest = 1;
    int32_t first = head_layer(o, 0);
    UB_TRY(UB_ALLOC(o->head, o->layers - first));
    UB_TRY(UB_ALLOC(o->active, o->shape.tasks));
    UB_TRY(UB_ALLOC(o->delta, o->shape.tasks));
    for (int32_t l = first; l < o->layers; l++) {
        o->head[l - first] = o->layer[l];
        o->head[l - first].at -= o->tail_at;
    }
    for (int32_t i = 0; i < o->shape.tasks; i++) {
        int64_t width = o->task_offset[i + 1] - o->task_offset[i];
        widest = width > widest ? width : widest;
        UB_TRY(UB_ALLOC(o->active[i], rows * o->shape.head_hidden));
        UB_TRY(UB_ALLOC(o->delta[i], rows * o->shape.head_hidden));
    }
    UB_TRY(UB_ALLOC(o->answer, rows * widest));
    UB_TRY(UB_ALLOC(o->slope, rows * widest));
    UB_TRY(UB_ALLOC(o->jacobian, rows * o->shape.targets * o->shape.latents));
    return UB_ALLOC(o->work, 2 * rows * widest * o->shape.head_hidden);
}

static ub_status alloc_slots(ub_objective *o)
{
    int64_t all = o->slots * o->rows;
    UB_TRY(UB_ALLOC(o->out, head_layer(o, 0)));
    UB_TRY(UB_ALLOC(o->back, head_layer(o, 0)));
    for (int32_t l = 0; l < head_layer(o, 0); l++) {
        UB_TRY(UB_ALLOC(o->out[l], all * o->layer[l].out));
        UB_TRY(UB_ALLOC(o->back[l], all * o->layer[l].out));
    }
    UB_TRY(UB_ALLOC(o->n, o->slots));
    UB_TRY(UB_ALLOC(o->in, all * o->shape.dim));
    UB_TRY(UB_ALLOC(o->z, all * o->shape.latents));
    UB_TRY(UB_ALLOC(o->tail, o->slots * (o->parameters - o->tail_at)));
    UB_TRY(UB_ALLOC(o->effective, o->parameters));
    UB_TRY(UB_ALLOC(o->dz, o->rows * o->shape.latents));
    return UB_ALLOC(o->sd, o->rows * o->shape.latents);
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
    o->tail_at = o->layer[head_layer(o, 0)].at;
    UB_TRY(cut_gradient(o));
    UB_TRY(alloc_slots(o));
    return alloc_heads(o);
}

ub_status ub_objective_init(const ub_model_shape *shape, const int32_t *task_offset,
                            const int32_t *classes, const ub_settings *settings, int64_t rows,
                            int64_t slots, ub_objective *out)
{
    ub_objective o = {
        .shape = *shape, .rows = rows, .slots = slots, .beta = settings->disentangle.beta};
    o.penalty = ub_penalty_at((size_t)settings->disentangle.penalty);
    if (o.penalty == NULL)
        return UB_FAIL(UB_EARG, "there is no penalty number %d", settings->disentangle.penalty);
    ub_status st = UB_ALLOC(o.classes, shape->tasks);
    for (int32_t i = 0; st == UB_OK && classes != NULL && i < shape->tasks; i++)
        o.classes[i] = classes[i];
    if (st == UB_OK)
        st = fill(&o, task_offset);
    if (st != UB_OK) {
        ub_objective_release(&o);
        return st;
    }
    o.heads = (ub_heads){.tasks = shape->tasks,
                         .latents = shape->latents,
                         .hidden = shape->head_hidden,
                         .offset = o.task_offset,
                         .layer = o.head,
                         .extra = o.weights - o.tail_at,
                         .group = settings->disentangle.group,
                         .active = o.active,
                         .delta = o.delta,
                         .jacobian = o.jacobian,
                         .work = o.work};
    *out = o;
    return UB_OK;
}

static void free_each(ub_real **block, int32_t count)
{
    for (int32_t i = 0; i < count && block != NULL; i++)
        ub_free(block[i]);
    ub_free(block);
}

void ub_objective_release(ub_objective *o)
{
    free_each(o->out, head_layer(o, 0));
    free_each(o->back, head_layer(o, 0));
    free_each(o->active, o->shape.tasks);
    free_each(o->delta, o->shape.tasks);
    void *blocks[] = {o->classes, o->effective, o->in,       o->z,     o->dz,         o->sd,
                      o->tail,    o->answer,    o->slope,    o->work,  o->n,          o->range,
                      o->at,      o->head,      o->jacobian, o->layer, o->task_offset};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        ub_free(blocks[i]);
    *o = (ub_objective){0};
}

void ub_objective_start(const ub_objective *o, uint64_t seed, int64_t restart, ub_real *w)
{
    for (int32_t l = 0; l < o->layers; l++) {
        const ub_layer *layer = &o->layer[l];
        int64_t         weights = (int64_t)layer->in * layer->out;
        uint64_t        item = (uint64_t)restart * (uint64_t)o->layers + (uint64_t)l;
        ub_rng          r = ub_rng_make(seed, UB_RNG_INIT, item);
        bool   rectifies = activation(o, l) == UB_ACT_LEAKY || activation(o, l) == UB_ACT_ELU;
        double sd = rectifies ? sqrt(2.0 / layer->in) : sqrt(2.0 / (layer->in + layer->out));
        for (int64_t k = 0; k < weights; k++)
            w[layer->at + k] = (ub_real)(sd * ub_rng_normal(&r));
        memset(w + layer->at + weights, 0, (size_t)layer->out * sizeof *w);
    }
    for (int64_t k = o->weights; k < o->parameters; k++)
        w[k] = 1;
}

/* Rows of a slot in what holds those of all, `width` columns a row. */
static ub_real *rows_of(const ub_objective *o, ub_real *all, int64_t slot, int64_t width)
{
    return all + slot * o->rows * width;
}

static ub_real *out_of(const ub_objective *o, int64_t slot, int32_t l)
{
    return rows_of(o, o->out[l], slot, o->layer[l].out);
}

static ub_real *back_of(const ub_objective *o, int64_t slot, int32_t l)
{
    return rows_of(o, o->back[l], slot, o->layer[l].out);
}

/* What layer l, of encoder or decoder, got. */
static ub_real *in_of(const ub_objective *o, int64_t slot, int32_t l)
{
    if (l == 0)
        return rows_of(o, o->in, slot, o->shape.dim);
    if (l == o->shape.layers + 1)
        return rows_of(o, o->z, slot, o->shape.latents);
    return out_of(o, slot, l - 1);
}

static void forward_stack(ub_objective *o, int64_t slot, const ub_real *w, int64_t n, int32_t first)
{
    for (int32_t l = first; l <= first + o->shape.layers; l++)
        ub_dense_forward(&o->layer[l], activation(o, l), w, n, in_of(o, slot, l),
                         out_of(o, slot, l));
}

/* Back through a stack from what stands at its output. */
static void backward_stack(ub_objective *o, int64_t slot, const ub_real *w, int64_t n,
                           int32_t first)
{
    for (int32_t l = first + o->shape.layers; l > first; l--) {
        ub_real *below = back_of(o, slot, l - 1);
        ub_dense_below(&o->layer[l], w, n, back_of(o, slot, l), below, false);
        ub_dense_unact(activation(o, l - 1), n * o->layer[l].in, out_of(o, slot, l - 1), below);
    }
}

/* z = mu + exp(v / 2) e; returns the sum of the KL terms. */
static double sample_latents(ub_objective *o, int64_t slot, const ub_batch *b)
{
    int32_t        latents = o->shape.latents;
    const ub_real *row = out_of(o, slot, o->shape.layers);
    ub_real       *z = rows_of(o, o->z, slot, latents);
    double         kl = 0.0;
    for (int64_t r = 0; r < b->n; r++)
        for (int32_t j = 0; j < latents; j++)
            o->sd[r * latents + j] = row[(2 * r + 1) * latents + j] / 2;
    ub_vector_exp(b->n * latents, o->sd);
    for (int64_t r = 0; r < b->n; r++, row += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            int64_t at = r * latents + j;
            ub_real mu = row[j], v = row[latents + j], sd = o->sd[at];
            z[at] = b->noise == NULL ? mu : mu + sd * b->noise[at];
            kl += (mu * mu + sd * sd - 1 - v) / 2;
        }
    return kl;
}

/* dL/d(mu, v) into delta from dL/dz and the KL term. */
static void latents_gradient(const ub_objective *o, int64_t slot, const ub_batch *b,
                             ub_real kl_weight)
{
    int32_t        latents = o->shape.latents;
    const ub_real *row = out_of(o, slot, o->shape.layers);
    ub_real       *delta = back_of(o, slot, o->shape.layers);
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

/* Cross-entropy of the softmax of rows of logits against one-hot targets, as squared_error;
 * delta = weight * use * (softmax - target).  The largest logit is taken off first. */
static double cross_entropy(int64_t n, int32_t width, ub_real *logit, const ub_real *x,
                            int32_t stride, const ub_real *use, int32_t use_stride, double weight,
                            ub_real *delta)
{
    double sum = 0.0;
    for (int64_t r = 0; r < n; r++, logit += width, x += stride, delta += width) {
        ub_real u = use[r * use_stride], most = logit[0], scale = (ub_real)weight * u;
        double  total = 0.0, wanted = 0.0;
        for (int32_t c = 1; c < width; c++)
            most = logit[c] > most ? logit[c] : most;
        for (int32_t c = 0; c < width; c++) {
            delta[c] = logit[c] - most;
            wanted += x[c] * delta[c];
        }
        ub_vector_exp(width, delta);
        for (int32_t c = 0; c < width; c++)
            total += delta[c];
        for (int32_t c = 0; c < width; c++)
            delta[c] = scale * (delta[c] / (ub_real)total - x[c]);
        sum += u * (log(total < 1.0 ? 1.0 : total) - wanted); /* the largest adds 1 */
    }
    return sum;
}

/* Forward and, down to the pre-activation of the first layer, backward; returns the task loss.
 * Of the heads, weights and gradient are those from tail_at on. */
static double run_head(ub_objective *o, const ub_real *w, const ub_real *z, const ub_batch *b,
                       int32_t i, double weight, ub_real *grad)
{
    const ub_layer *first = &o->head[2 * i], *second = first + 1;
    ub_dense_forward(first, UB_ACT_TANH, w, b->n, z, o->active[i]);
    ub_dense_forward(second, UB_ACT_LINEAR, w, b->n, o->active[i], o->answer);
    const ub_real *target = b->target + o->task_offset[i], *use = b->use + i;
    double         loss = o->classes[i] > 0
                              ? cross_entropy(b->n, second->out, o->answer, target, o->shape.targets, use,
                                              o->shape.tasks, weight, o->slope)
                              : squared_error(b->n, second->out, o->answer, target, o->shape.targets, use,
                                              o->shape.tasks, weight, o->slope);
    if (grad != NULL) {
        ub_dense_backward(second, w, b->n, o->active[i], o->slope, grad, o->delta[i], 0);
        ub_dense_unact(UB_ACT_TANH, b->n * first->out, o->active[i], o->delta[i]);
    }
    return loss;
}

/* All heads and the penalty; sets terms and adds to dz. */
static void run_heads(ub_objective *o, const ub_real *w, const ub_real *z, const ub_batch *b,
                      const ub_weighting *weighting, double *terms, ub_real *grad)
{
    double task = 0.0;
    if (grad != NULL) /* the penalty adds to all of it before the heads' own gradient does */
        memset(grad, 0, (size_t)(o->parameters - o->tail_at) * sizeof *grad);
    for (int32_t i = 0; i < o->shape.tasks; i++)
        task += run_head(o, w, z, b, i, weighting->row, grad);
    o->heads.n = b->jacobian;
    o->heads.use = b->use;
    terms[UB_TERM_TASK] = weighting->row * task;
    terms[UB_TERM_PENALTY] =
        weighting->penalty *
        o->penalty->value(&o->heads, w, weighting->lambda * weighting->penalty, grad);
    for (int32_t i = 0; i < o->shape.tasks && grad != NULL; i++)
        ub_dense_backward(&o->head[2 * i], w, b->n, z, o->delta[i], grad, o->dz,
                          UB_ADD_GRAD | UB_ADD_DX);
}

/* Terms of a batch; for the gradient, too: what stands before and behind every layer, and all of
 * the heads'. */
static void run(ub_objective *o, int64_t slot, const ub_real *w, const ub_batch *b,
                const ub_weighting *weighting, bool gradient, double *terms)
{
    const ub_real *e = w;
    ub_real       *tail = o->tail + slot * (o->parameters - o->tail_at);
    int32_t        decoder = o->shape.layers + 1, top = decoder + o->shape.layers;
    if (o->penalty->fold != NULL) {
        ub_objective_fold(o, w, o->effective);
        e = o->effective;
    }
    o->n[slot] = b->n;
    memcpy(in_of(o, slot, 0), b->obs, (size_t)(b->n * o->shape.dim) * sizeof *b->obs);
    forward_stack(o, slot, e, b->n, 0);
    terms[UB_TERM_KL] = weighting->row * sample_latents(o, slot, b);
    forward_stack(o, slot, e, b->n, decoder);
    double mean = weighting->row / o->shape.dim;
    terms[UB_TERM_RECONSTRUCTION] =
        mean * squared_error(b->n, o->shape.dim, out_of(o, slot, top), b->obs, o->shape.dim, NULL,
                             0, mean, back_of(o, slot, top));
    if (gradient) {
        backward_stack(o, slot, e, b->n, decoder);
        ub_dense_below(&o->layer[decoder], e, b->n, back_of(o, slot, decoder), o->dz, false);
    }
    run_heads(o, e + o->tail_at, in_of(o, slot, decoder), b, weighting, terms,
              gradient ? tail : NULL);
    if (!gradient)
        return;
    latents_gradient(o, slot, b, (ub_real)(o->beta * weighting->row));
    backward_stack(o, slot, e, b->n, 0);
    if (o->penalty->unfold != NULL)
        o->penalty->unfold(&o->heads, w + o->tail_at, tail);
}

void ub_objective_pass(ub_objective *o, int64_t slot, const ub_real *w, const ub_batch *b,
                       const ub_weighting *weighting, double terms[UB_TERMS])
{
    run(o, slot, w, b, weighting, true, terms);
}

void ub_objective_gradient(const ub_objective *o, int64_t slot, int32_t k, ub_real *out)
{
    const ub_objective_range *r = &o->range[k];
    int64_t                   tail = o->parameters - o->tail_at;
    if (r->layer < 0)
        memcpy(out, o->tail + slot * tail, (size_t)tail * sizeof *out);
    else
        ub_dense_gradient(&o->layer[r->layer], o->n[slot], in_of(o, slot, r->layer),
                          back_of(o, slot, r->layer), r->first, r->count, out, false);
}

void ub_objective_batch(ub_objective *o, const ub_real *w, const ub_batch *b,
                        const ub_weighting *weighting, double terms[UB_TERMS], ub_real *grad)
{
    run(o, 0, w, b, weighting, grad != NULL, terms);
    for (int32_t k = 0; k < o->ranges && grad != NULL; k++)
        ub_objective_gradient(o, 0, k, grad + o->at[k]);
}

const ub_real *ub_objective_mu(const ub_objective *o, int64_t slot)
{
    return out_of(o, slot, o->shape.layers);
}

void ub_objective_strength(const ub_objective *o, const ub_real *w, double *strength)
{
    const ub_real *e = o->penalty->fold == NULL ? w : o->effective;
    ub_heads_strength(&o->heads, e + o->tail_at, strength);
}

void ub_objective_fold(const ub_objective *o, const ub_real *w, ub_real *model_w)
{
    memcpy(model_w, w, (size_t)o->weights * sizeof *w);
    if (o->penalty->fold != NULL)
        o->penalty->fold(&o->heads, w + o->tail_at, model_w + o->tail_at);
}
