#include "core/model.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/network.h"

/* Rows of a pass of the encoder: always this many (the last block is padded), so that
 * a row's bits do not depend on how many rows are encoded with it. */
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

/* Encode one padded block: a (BLOCK x dim, standardised) -> mu of its first rows. */
static void encode_block(const ub_model *m, const ub_layer *layer, int64_t rows, double *a,
                         double *b, double *mu)
{
    int32_t latents = m->shape.latents;
    for (int32_t l = 0; l <= m->shape.layers; l++) {
        ub_dense_forward(&layer[l], l < m->shape.layers ? UB_ACT_LEAKY : UB_ACT_LINEAR, m->w, BLOCK,
                         a, b);
        double *swap = a;
        a = b;
        b = swap;
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(mu + r * latents, a + r * 2 * latents, (size_t)latents * sizeof *mu);
}

ub_status ub_model_encode(const ub_model *m, int64_t n, const double *obs, double *mu)
{
    const ub_model_shape *s = &m->shape;
    const double         *mean = m->norm, *sd = m->norm + s->dim + s->targets;
    int32_t               widest = s->dim;
    ub_status             st = UB_OK;
    ub_layer             *layer = NULL;
    double               *a = NULL, *b = NULL;
    widest = s->hidden > widest ? s->hidden : widest;
    widest = 2 * s->latents > widest ? 2 * s->latents : widest;
    UB_TRY_OUT(UB_ALLOC(layer, ub_model_layers(s, m->task_offset, NULL)));
    (void)ub_model_layers(s, m->task_offset, layer);
    UB_TRY_OUT(UB_ALLOC(a, (int64_t)BLOCK * widest));
    UB_TRY_OUT(UB_ALLOC(b, (int64_t)BLOCK * widest));
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t rows = n - at < BLOCK ? n - at : BLOCK;
        memset(a, 0, (size_t)BLOCK * (size_t)widest * sizeof *a);
        for (int64_t r = 0; r < rows; r++)
            ub_standardise(s->dim, obs + (at + r) * s->dim, mean, sd, a + r * s->dim);
        encode_block(m, layer, rows, a, b, mu + at * s->latents);
    }
out:
    ub_free(layer);
    ub_free(a);
    ub_free(b);
    return st;
}
