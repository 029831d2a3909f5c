#include "core/model.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/network.h"
#include "core/settings.h"

/* Rows of a pass of a network: always this many (the last block is padded), so that
 * a row's bits do not depend on how many rows go with it. */
enum { BLOCK = 64 };

static void put(ub_layer *out, int32_t *count, int64_t *at, int32_t in, int32_t outputs,
                const char *net, int32_t index)
{
    if (out != NULL) {
        ub_layer *l = &out[*count];
        *l = (ub_layer){.at = *at, .in = in, .out = outputs};
        (void)snprintf(l->name, sizeof l->name, "%s.%d", net, (int)index);
    }
    ++*count;
    *at += ((int64_t)in + 1) * outputs;
}

/* in -> hidden^layers -> outputs */
static void put_stack(const ub_model_shape *s, ub_layer *out, int32_t *count, int64_t *at,
                      int32_t in, int32_t outputs, const char *net)
{
    for (int32_t l = 0; l <= s->layers; l++)
        put(out, count, at, l == 0 ? in : s->hidden, l == s->layers ? outputs : s->hidden, net, l);
}

static int32_t list_layers(const ub_model_shape *s, const int32_t *task_offset, ub_layer *out,
                           int64_t *weights)
{
    int32_t count = 0;
    *weights = 0;
    put_stack(s, out, &count, weights, s->dim, 2 * s->latents, "encoder");
    put_stack(s, out, &count, weights, s->latents, s->dim, "decoder");
    for (int32_t i = 0; i < s->tasks; i++) {
        char    net[24];
        int32_t width = task_offset[i + 1] - task_offset[i];
        (void)snprintf(net, sizeof net, "head.%d", (int)i);
        put(out, &count, weights, s->latents, s->head_hidden, net, 0);
        put(out, &count, weights, s->head_hidden, width, net, 1);
    }
    return count;
}

int32_t ub_model_layers(const ub_model_shape *shape, const int32_t *task_offset, ub_layer *out)
{
    int64_t weights;
    return list_layers(shape, task_offset, out, &weights);
}

static ub_status check_shape(const ub_model_shape *s, const int32_t *task_offset)
{
    if (s->dim < 1 || s->latents < 1 || s->hidden < 1 || s->layers < 1 || s->head_hidden < 1 ||
        s->tasks < 1)
        return UB_FAIL(UB_ESHAPE,
                       "a model needs sizes >= 1: dim %d, latents %d, hidden %d, layers %d, "
                       "head_hidden %d, tasks %d",
                       (int)s->dim, (int)s->latents, (int)s->hidden, (int)s->layers,
                       (int)s->head_hidden, (int)s->tasks);
    if (s->activation < UB_HIDDEN_LEAKY || s->activation > UB_HIDDEN_ELU)
        return UB_FAIL(UB_ESHAPE, "a model of activation number %d, which is none of 0 .. %d",
                       (int)s->activation, (int)UB_HIDDEN_ELU);
    for (int32_t i = 0; i < s->tasks; i++)
        if (task_offset[i + 1] <= task_offset[i])
            return UB_FAIL(UB_ESHAPE, "task %d of the model has no columns", (int)i);
    if (task_offset[0] != 0 || task_offset[s->tasks] != s->targets)
        return UB_FAIL(UB_ESHAPE, "columns of the tasks run from %d to %d, the model has %d",
                       (int)task_offset[0], (int)task_offset[s->tasks], (int)s->targets);
    return UB_OK;
}

ub_status ub_model_alloc(const ub_model_shape *shape, const int32_t *task_offset, ub_model *out)
{
    UB_TRY(check_shape(shape, task_offset));
    ub_status st = UB_OK;
    ub_model  m = {.shape = *shape};
    int64_t   cells = (int64_t)shape->tasks * shape->latents;
    (void)list_layers(shape, task_offset, NULL, &m.weights);
    UB_TRY_OUT(UB_ALLOC(m.task_offset, shape->tasks + 1));
    UB_TRY_OUT(UB_ALLOC(m.w, m.weights));
    UB_TRY_OUT(UB_ALLOC(m.norm, 2 * ((int64_t)shape->dim + shape->targets)));
    UB_TRY_OUT(UB_ALLOC(m.strength, cells));
    UB_TRY_OUT(UB_ALLOC(m.relevant, cells));
    memcpy(m.task_offset, task_offset, (size_t)(shape->tasks + 1) * sizeof *task_offset);
    *out = m;
    return UB_OK;
out:
    ub_model_release(&m);
    return st;
}

ub_status ub_restarts_alloc(const ub_model *like, int64_t count, ub_restarts *out)
{
    int64_t     cells = count * like->shape.tasks * like->shape.latents;
    ub_status   st = UB_OK;
    ub_restarts r = {.count = count, .kept = -1};
    UB_TRY_OUT(UB_ALLOC(r.objective, count));
    UB_TRY_OUT(UB_ALLOC(r.strength, cells));
    UB_TRY_OUT(UB_ALLOC(r.relevant, cells));
    UB_TRY_OUT(UB_ALLOC(r.w, count * like->weights));
    *out = r;
    return UB_OK;
out:
    ub_restarts_release(&r);
    return st;
}

void ub_restarts_release(ub_restarts *r)
{
    ub_free(r->objective);
    ub_free(r->strength);
    ub_free(r->relevant);
    ub_free(r->w);
    *r = (ub_restarts){0};
}

void ub_model_release(ub_model *m)
{
    ub_restarts_release(&m->restarts);
    ub_free(m->task_offset);
    ub_free(m->w);
    ub_free(m->norm);
    ub_free(m->strength);
    ub_free(m->relevant);
    *m = (ub_model){0};
}

/* One network of the model: rows in, rows out. */
typedef struct net {
    int32_t       first, count; /* its layers */
    ub_activation act;          /* behind every layer but the last */
    const double *mean, *sd;    /* inputs are standardised with these; NULL: as they are */
    const double *shift, *size; /* outputs are brought to these units; NULL: as they are */
    int32_t       keep, stride; /* first outputs that are wanted; doubles between rows of them */
} net;

/* A padded block through the layers; a and b are room for the widest. Returns which holds the
 * outputs. */
static const double *net_block(const ub_model *m, const net *t, const ub_layer *layer, double *a,
                               double *b)
{
    for (int32_t l = 0; l < t->count; l++) {
        ub_dense_forward(&layer[l], l + 1 < t->count ? t->act : UB_ACT_LINEAR, m->w, BLOCK, a, b);
        double *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

static void net_read(const net *t, int64_t rows, int32_t in, const double *x, double *a)
{
    for (int64_t r = 0; r < rows; r++, x += in, a += in)
        if (t->mean != NULL)
            ub_standardise(in, x, t->mean, t->sd, a);
        else
            memcpy(a, x, (size_t)in * sizeof *a);
}

static void net_write(const net *t, int64_t rows, int32_t outputs, const double *y, double *out)
{
    for (int64_t r = 0; r < rows; r++, y += outputs, out += t->stride)
        for (int32_t j = 0; j < t->keep; j++)
            out[j] = t->shift != NULL ? t->shift[j] + t->size[j] * y[j] : y[j];
}

static ub_status net_run(const ub_model *m, const net *t, int64_t n, const double *x, double *out)
{
    const ub_model_shape *s = &m->shape;
    ub_status             st = UB_OK;
    ub_layer             *all = NULL;
    double               *a = NULL, *b = NULL;
    int32_t               widest = 1;
    UB_TRY_OUT(UB_ALLOC(all, ub_model_layers(s, m->task_offset, NULL)));
    (void)ub_model_layers(s, m->task_offset, all);
    const ub_layer *layer = all + t->first, *last = layer + t->count - 1;
    for (const ub_layer *l = layer; l <= last; l++) {
        widest = l->in > widest ? l->in : widest;
        widest = l->out > widest ? l->out : widest;
    }
    UB_TRY_OUT(UB_ALLOC(a, (int64_t)BLOCK * widest));
    UB_TRY_OUT(UB_ALLOC(b, (int64_t)BLOCK * widest));
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t rows = n - at < BLOCK ? n - at : BLOCK;
        memset(a, 0, (size_t)BLOCK * (size_t)widest * sizeof *a);
        net_read(t, rows, layer->in, x + at * layer->in, a);
        net_write(t, rows, last->out, net_block(m, t, layer, a, b), out + at * t->stride);
    }
out:
    ub_free(all);
    ub_free(a);
    ub_free(b);
    return st;
}

ub_status ub_model_encode(const ub_model *m, int64_t n, const double *obs, double *mu)
{
    const ub_model_shape *s = &m->shape;
    net encoder = {.count = s->layers + 1, .act = ub_hidden_activation(s), .mean = m->norm};
    encoder.sd = m->norm + s->dim + s->targets;
    encoder.keep = encoder.stride = s->latents; /* the means come first */
    return net_run(m, &encoder, n, obs, mu);
}

ub_status ub_model_posterior(const ub_model *m, int64_t n, const double *obs, double *both)
{
    const ub_model_shape *s = &m->shape;
    net encoder = {.count = s->layers + 1, .act = ub_hidden_activation(s), .mean = m->norm};
    encoder.sd = m->norm + s->dim + s->targets;
    encoder.keep = encoder.stride = 2 * s->latents;
    return net_run(m, &encoder, n, obs, both);
}

ub_status ub_model_decode(const ub_model *m, int64_t n, const double *z, double *obs)
{
    const ub_model_shape *s = &m->shape;
    net decoder = {.first = s->layers + 1, .count = s->layers + 1, .act = ub_hidden_activation(s)};
    decoder.shift = m->norm;
    decoder.size = m->norm + s->dim + s->targets;
    decoder.keep = decoder.stride = s->dim;
    return net_run(m, &decoder, n, z, obs);
}

ub_status ub_model_predict(const ub_model *m, int32_t task, int64_t n, const double *z, double *out)
{
    const ub_model_shape *s = &m->shape;
    int32_t               at = m->task_offset[task];
    net head = {.first = 2 * (s->layers + 1) + 2 * task, .count = 2, .act = UB_ACT_TANH};
    head.shift = m->norm + s->dim + at;
    head.size = head.shift + s->dim + s->targets;
    head.keep = head.stride = m->task_offset[task + 1] - at;
    return net_run(m, &head, n, z, out);
}

void ub_model_jacobian(const ub_model *m, const ub_layer *layer, int32_t task, const double *z,
                       double *active, double *jacobian)
{
    const ub_layer *first = &layer[2 * (m->shape.layers + 1) + 2 * task], *second = first + 1;
    const double   *w1 = m->w + first->at, *w2 = m->w + second->at;
    ub_dense_forward(first, UB_ACT_TANH, m->w, 1, z, active);
    memset(jacobian, 0, (size_t)second->out * (size_t)first->in * sizeof *jacobian);
    for (int32_t o = 0; o < second->out; o++, jacobian += first->in)
        for (int32_t k = 0; k < second->in; k++) {
            double slope = w2[o * second->in + k] * (1.0 - active[k] * active[k]);
            for (int32_t j = 0; j < first->in; j++)
                jacobian[j] += slope * w1[k * first->in + j];
        }
}
