#include "core/objective.h"

#include <math.h>
#include <string.h>

#include "core/internal/objective.h"
#include "core/internal/vector.h"
#include "core/mem.h"
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
    return l % stack == o->shape.layers ? UB_ACT_LINEAR : ub_hidden_activation(&o->shape);
}

/* A layer in ranges of at most this many numbers, its biases with the last of them.  With the 32
 * rows that a shard has by default, their products are just below the million of multiplications up
 * to which OpenBLAS packs nothing. */
static int32_t cut_layer(const ub_objective *o, int32_t l, ub_objective_range *range, int64_t *at)
{
    enum { MOST = 30720, GRAIN = UB_OBJECTIVE_GRAIN };
    const ub_layer *layer = &o->layer[l];
    int32_t         rows = MOST / layer->in > 0 ? MOST / layer->in : 1;
    rows = rows > GRAIN ? rows / GRAIN * GRAIN : rows;
    int32_t parts = (layer->out + rows - 1) / rows;
    for (int32_t k = 0; k < parts && range != NULL; k++) {
        int32_t left = layer->out - k * rows;
        range[k] = (ub_objective_range){l, k * rows, left < rows ? left : rows};
        at[k] = layer->at + (int64_t)k * rows * layer->in;
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
    }
    UB_TRY(UB_ALLOC(o->answer, o->slots * rows * widest));
    UB_TRY(UB_ALLOC(o->slope, o->slots * rows * widest));
    UB_TRY(UB_ALLOC(o->jacobian, rows * o->shape.targets * o->shape.latents));
    return UB_ALLOC(o->work, 2 * rows * widest * o->shape.head_hidden);
}

/* What heads give is wanted at once: one place for all. */
static ub_status alloc_layers(ub_objective *o)
{
    int64_t all = o->slots * o->rows;
    int32_t heads = head_layer(o, 0);
    UB_TRY(UB_ALLOC(o->in, o->layers));
    UB_TRY(UB_ALLOC(o->out, o->layers));
    UB_TRY(UB_ALLOC(o->back, o->layers));
    UB_TRY(UB_ALLOC(o->joins, o->layers));
    for (int32_t l = 0; l < o->layers; l++) {
        bool answers = l > heads && (l - heads) % 2 == 1;
        bool codes = l == o->shape.layers + 1 || (l >= heads && !answers);
        if (answers) {
            o->out[l] = o->answer;
            o->back[l] = o->slope;
        } else {
            UB_TRY(UB_ALLOC(o->out[l], all * o->layer[l].out));
            UB_TRY(UB_ALLOC(o->back[l], all * o->layer[l].out));
        }
        o->in[l] = l == 0 ? o->obs : codes ? o->z : o->out[l - 1];
    }
    return UB_OK;
}

static ub_status alloc_slots(ub_objective *o)
{
    int64_t all = o->slots * o->rows;
    for (int32_t k = 0; k + 1 < o->ranges; k++)
        if (o->at[k + 1] - o->at[k] > o->longest)
            o->longest = o->at[k + 1] - o->at[k];
    UB_TRY(UB_ALLOC(o->batch, o->slots));
    UB_TRY(UB_ALLOC(o->first, o->slots + 1));
    UB_TRY(UB_ALLOC(o->joined, o->slots));
    UB_TRY(UB_ALLOC(o->adds, o->ranges));
    UB_TRY(UB_ALLOC(o->obs, all * o->shape.dim));
    UB_TRY(UB_ALLOC(o->z, all * o->shape.latents));
    UB_TRY(UB_ALLOC(o->tail, o->slots * (o->parameters - o->tail_at)));
    UB_TRY(UB_ALLOC(o->spare, 2 * o->longest));
    UB_TRY(UB_ALLOC(o->effective, o->parameters));
    UB_TRY(UB_ALLOC(o->dz, all * o->shape.latents));
    return UB_ALLOC(o->sd, all * o->shape.latents);
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
    UB_TRY(alloc_heads(o));
    return alloc_layers(o);
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

/* Of every layer but the heads' second ones, which share one. */
static void free_layers(const ub_objective *o, ub_real **block)
{
    int32_t heads = head_layer(o, 0);
    for (int32_t l = 0; l < o->layers && block != NULL; l++)
        if (l < heads || (l - heads) % 2 == 0)
            ub_free(block[l]);
    ub_free(block);
}

void ub_objective_release(ub_objective *o)
{
    free_layers(o, o->out);
    free_layers(o, o->back);
    void *blocks[] = {o->classes, o->effective,   o->obs,    o->z,     o->dz,
                      o->sd,      o->tail,        o->answer, o->slope, o->work,
                      o->first,   o->range,       o->at,     o->head,  o->jacobian,
                      o->layer,   o->joined,      o->batch,  o->in,    o->joins,
                      o->adds,    o->task_offset, o->active, o->delta, o->spare};
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

/* Rows of batch number `slot` in what holds those of all, `width` columns a row. */
static ub_real *rows_of(const ub_objective *o, ub_real *all, int64_t slot, int64_t width)
{
    return all + o->first[slot] * width;
}

static ub_real *out_of(const ub_objective *o, int64_t slot, int32_t l)
{
    return rows_of(o, o->out[l], slot, o->layer[l].out);
}

static ub_real *back_of(const ub_objective *o, int64_t slot, int32_t l)
{
    return rows_of(o, o->back[l], slot, o->layer[l].out);
}

static void forward_stack(const ub_objective *o, const ub_real *w, int32_t first)
{
    for (int32_t l = first; l <= first + o->shape.layers; l++)
        ub_objective_forward(o, l, activation(o, l), w);
}

/* To the pre-activation of the layer below l. */
static void back_through(const ub_objective *o, const ub_real *w, int32_t l)
{
    ub_objective_back(o, l, w, false);
    ub_dense_unact(activation(o, l - 1), o->first[o->count] * o->layer[l].in, o->out[l - 1],
                   o->back[l - 1]);
}

/* Back through a stack from what stands at its output. */
static void backward_stack(const ub_objective *o, const ub_real *w, int32_t first)
{
    for (int32_t l = first + o->shape.layers; l > first; l--)
        back_through(o, w, l);
}

/* z = mu + exp(v / 2) e; returns the sum of the KL terms. */
static double sample_latents(ub_objective *o, int64_t slot)
{
    int32_t         latents = o->shape.latents;
    const ub_batch *b = &o->batch[slot];
    const ub_real  *row = out_of(o, slot, o->shape.layers);
    ub_real        *z = rows_of(o, o->z, slot, latents), *spread = rows_of(o, o->sd, slot, latents);
    double          kl = 0.0;
    for (int64_t r = 0; r < b->n; r++)
        for (int32_t j = 0; j < latents; j++)
            spread[r * latents + j] = row[(2 * r + 1) * latents + j] / 2;
    ub_vector_exp(b->n * latents, spread);
    for (int64_t r = 0; r < b->n; r++, row += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            int64_t at = r * latents + j;
            ub_real mu = row[j], v = row[latents + j], sd = spread[at];
            z[at] = b->noise == NULL ? mu : mu + sd * b->noise[at];
            kl += (mu * mu + sd * sd - 1 - v) / 2;
        }
    return kl;
}

/* dL/d(mu, v) into delta from dL/dz and the KL term. */
static void latents_gradient(const ub_objective *o, int64_t slot, ub_real kl_weight)
{
    int32_t         latents = o->shape.latents;
    const ub_batch *b = &o->batch[slot];
    const ub_real  *row = out_of(o, slot, o->shape.layers), *dz = rows_of(o, o->dz, slot, latents),
                  *spread = rows_of(o, o->sd, slot, latents);
    ub_real *delta = back_of(o, slot, o->shape.layers);
    for (int64_t r = 0; r < b->n; r++, row += 2 * latents, delta += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            int64_t at = r * latents + j;
            ub_real sd = spread[at];
            delta[j] = dz[at] + kl_weight * row[j];
            delta[latents + j] = kl_weight * (sd * sd - 1) / 2;
            if (b->noise != NULL)
                delta[latents + j] += dz[at] * sd * b->noise[at] / 2;
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

static double head_loss(const ub_objective *o, int64_t slot, int32_t i, double weight)
{
    const ub_batch *b = &o->batch[slot];
    int32_t         l = head_layer(o, i) + 1, width = o->layer[l].out;
    ub_real        *answer = out_of(o, slot, l), *slope = back_of(o, slot, l);
    const ub_real  *target = b->target + o->task_offset[i], *use = b->use + i;
    return o->classes[i] > 0 ? cross_entropy(b->n, width, answer, target, o->shape.targets, use,
                                             o->shape.tasks, weight, slope)
                             : squared_error(b->n, width, answer, target, o->shape.targets, use,
                                             o->shape.tasks, weight, slope);
}

/* The gradient of a head's layer l on one batch, set or added. */
static void head_gradient(const ub_objective *o, int64_t slot, int32_t l, bool add)
{
    const ub_layer *layer = &o->head[l - head_layer(o, 0)];
    ub_real        *grad = o->tail + slot * (o->parameters - o->tail_at);
    ub_dense_gradient(layer, o->batch[slot].n, rows_of(o, o->in[l], slot, layer->in),
                      back_of(o, slot, l), 0, layer->out, grad + layer->at, add);
}

/* Forward and, down to the pre-activation of the first layer, backward. */
static void run_head(ub_objective *o, const ub_real *w, int32_t i, const ub_weighting *weighting,
                     bool gradient, double *terms)
{
    int32_t l = head_layer(o, i);
    ub_objective_forward(o, l, UB_ACT_TANH, w);
    ub_objective_forward(o, l + 1, UB_ACT_LINEAR, w);
    for (int64_t s = 0; s < o->count; s++) {
        terms[s * UB_TERMS + UB_TERM_TASK] += head_loss(o, s, i, weighting[s].row);
        if (gradient)
            head_gradient(o, s, l + 1, false);
    }
    if (gradient)
        back_through(o, w, l + 1);
}

/* The heads as the penalty sees them on one batch. */
static const ub_heads *heads_on(ub_objective *o, int64_t slot)
{
    o->heads.n = o->batch[slot].jacobian;
    o->heads.use = o->batch[slot].use;
    for (int32_t i = 0; i < o->shape.tasks; i++) {
        o->active[i] = out_of(o, slot, head_layer(o, i));
        o->delta[i] = back_of(o, slot, head_layer(o, i));
    }
    return &o->heads;
}

/* All heads and the penalty; sets terms and adds to dz. */
static void run_heads(ub_objective *o, const ub_real *w, const ub_weighting *weighting,
                      bool gradient, double *terms)
{
    int64_t tail = o->parameters - o->tail_at;
    if (gradient) /* the penalty adds to all of it before the heads' own gradient does */
        memset(o->tail, 0, (size_t)(o->count * tail) * sizeof *o->tail);
    for (int32_t i = 0; i < o->shape.tasks; i++)
        run_head(o, w, i, weighting, gradient, terms);
    for (int64_t s = 0; s < o->count; s++) {
        double *term = terms + s * UB_TERMS, weight = weighting[s].penalty;
        term[UB_TERM_TASK] *= weighting[s].row;
        term[UB_TERM_PENALTY] =
            weight * o->penalty->value(heads_on(o, s), w + o->tail_at, weighting[s].lambda * weight,
                                       gradient ? o->tail + s * tail : NULL);
    }
    for (int32_t i = 0; i < o->shape.tasks && gradient; i++) {
        for (int64_t s = 0; s < o->count; s++)
            head_gradient(o, s, head_layer(o, i), true);
        ub_objective_back(o, head_layer(o, i), w, true);
    }
}

static void place(ub_objective *o, int64_t count, const ub_batch *b)
{
    o->count = count;
    for (int64_t s = 0; s < count; s++) {
        o->batch[s] = b[s];
        o->first[s + 1] = o->first[s] + b[s].n;
        memcpy(rows_of(o, o->obs, s, o->shape.dim), b[s].obs,
               (size_t)(b[s].n * o->shape.dim) * sizeof *b[s].obs);
    }
}

/* Terms of batches; for the gradient, too: what stands before and behind every layer, and all of
 * the heads'. */
static void run(ub_objective *o, const ub_real *w, const ub_weighting *weighting, bool gradient,
                double *terms)
{
    const ub_real *e = w;
    int32_t        decoder = o->shape.layers + 1, top = decoder + o->shape.layers;
    int64_t        tail = o->parameters - o->tail_at;
    memset(terms, 0, (size_t)(o->count * UB_TERMS) * sizeof *terms);
    if (o->penalty->fold != NULL) {
        ub_objective_fold(o, w, o->effective);
        e = o->effective;
    }
    forward_stack(o, e, 0);
    for (int64_t s = 0; s < o->count; s++)
        terms[s * UB_TERMS + UB_TERM_KL] = weighting[s].row * sample_latents(o, s);
    forward_stack(o, e, decoder);
    for (int64_t s = 0; s < o->count; s++) {
        double mean = weighting[s].row / o->shape.dim;
        terms[s * UB_TERMS + UB_TERM_RECONSTRUCTION] =
            mean * squared_error(o->batch[s].n, o->shape.dim, out_of(o, s, top), o->batch[s].obs,
                                 o->shape.dim, NULL, 0, mean, back_of(o, s, top));
    }
    if (gradient) {
        backward_stack(o, e, decoder);
        ub_objective_back(o, decoder, e, false);
    }
    run_heads(o, e, weighting, gradient, terms);
    if (!gradient)
        return;
    for (int64_t s = 0; s < o->count; s++)
        latents_gradient(o, s, (ub_real)(o->beta * weighting[s].row));
    backward_stack(o, e, 0);
    for (int64_t s = 0; s < o->count && o->penalty->unfold != NULL; s++)
        o->penalty->unfold(&o->heads, w + o->tail_at, o->tail + s * tail);
}

void ub_objective_pass(ub_objective *o, const ub_real *w, int64_t count, const ub_batch *b,
                       const ub_weighting *weighting, double *terms)
{
    place(o, count, b);
    run(o, w, weighting, true, terms);
}

void ub_objective_batch(ub_objective *o, const ub_real *w, const ub_batch *b,
                        const ub_weighting *weighting, double terms[UB_TERMS], ub_real *grad)
{
    place(o, 1, b);
    run(o, w, weighting, grad != NULL, terms);
    for (int32_t k = 0; k < o->ranges && grad != NULL; k++)
        ub_objective_gradient(o, 0, k, grad + o->at[k], false);
}

const ub_real *ub_objective_mu(const ub_objective *o, int64_t slot)
{
    return out_of(o, slot, o->shape.layers);
}

void ub_objective_strength(ub_objective *o, int64_t slot, const ub_real *w, double *strength)
{
    const ub_real *e = o->penalty->fold == NULL ? w : o->effective;
    ub_heads_strength(heads_on(o, slot), e + o->tail_at, strength);
}

void ub_objective_fold(const ub_objective *o, const ub_real *w, ub_real *model_w)
{
    memcpy(model_w, w, (size_t)o->weights * sizeof *w);
    if (o->penalty->fold != NULL)
        o->penalty->fold(&o->heads, w + o->tail_at, model_w + o->tail_at);
}
