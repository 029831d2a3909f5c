#include "core/synth.h"

#include <math.h>

#include "core/mem.h"
#include "core/rng.h"
#include "core/sprites.h"

/* Independent draws that define a corpus; each has streams of its own (part, index), so that one
 * setting does not move the draws of another. */
enum {
    DRAW_EDGE,
    DRAW_ACTION,
    DRAW_MEMBER,
    DRAW_WEIGHT,
    DRAW_HIDDEN,
    DRAW_OUT,
    DRAW_MIX,
    DRAW_SCALE
};

static const double noise_action = 0.5, noise_task = 0.5;          /* chain */
static const double noise_vector = 0.05, noise_observation = 0.01; /* latent; sprites: the first */
static const double noise_pixel = 0.01;                            /* sprites */

static ub_rng graph_stream(const ub_settings *s, int part, int64_t index)
{
    return ub_rng_make((uint64_t)s->run.seed, UB_RNG_SYNTH_GRAPH,
                       (uint64_t)part << 48 | (uint64_t)index);
}

/* +-U(low, high), either sign alike. */
static double signed_uniform(ub_rng *r, double low, double high)
{
    double sign = ub_rng_uniform(r) < 0.5 ? -1 : 1;
    return sign * (low + (high - low) * ub_rng_uniform(r));
}

/* ---- chain ---- */

typedef struct chain {
    int32_t  steps, tasks;
    int      link, transition;
    double  *alpha, *beta;  /* T; no edge: alpha = 0 */
    double  *action_square; /* T: E a_t^2 */
    double  *weight;        /* T x M */
    uint8_t *truth;         /* T x M; borrowed from the corpus */
} chain;

static void chain_release(chain *c)
{
    ub_free(c->alpha);
    ub_free(c->beta);
    ub_free(c->action_square);
    ub_free(c->weight);
}

/* Members of one task: Bernoulli a segment, then random segments until there are two (a task of
 * one segment has no pair, and no pair test can find it). */
static void draw_members(const ub_settings *s, int32_t task, int32_t segments, uint8_t *truth)
{
    ub_rng  r = graph_stream(s, DRAW_MEMBER, task);
    int32_t length = (int32_t)s->synth.segment_length, tasks = (int32_t)s->synth.tasks;
    int32_t members = 0;
    for (int32_t k = 0; k < segments; k++) {
        uint8_t in = ub_rng_uniform(&r) < s->synth.membership;
        truth[(int64_t)k * length * tasks + task] = in;
        members += in;
    }
    while (members < 2) {
        int64_t  k = (int64_t)ub_rng_below(&r, (uint64_t)segments);
        uint8_t *first = &truth[k * length * tasks + task];
        members += *first == 0;
        *first = 1;
    }
    for (int64_t t = 0; t < (int64_t)segments * length; t++)
        truth[t * tasks + task] = truth[t / length * length * tasks + task];
}

/* Where an edge takes the step before. */
static double chain_edge(const chain *c, int32_t t, double before)
{
    if (c->alpha[t] == 0)
        return 0;
    switch (c->transition) {
    case UB_TRANSITION_TANH:
        return tanh(1.5 * before);
    case UB_TRANSITION_SINE:
        return before + sin(2 * before);
    case UB_TRANSITION_FOLD:
        return 0.5 * before * before / (1 + fabs(before));
    default:
        return c->alpha[t] * before;
    }
}

/* E a_t^2: in closed form for linear edges, else the mean over 4,096 chains of a stream of their
 * own (one in a hundred; it only sets the scale of a task's terms). */
static void chain_scale(const ub_settings *s, chain *c)
{
    enum { CHAINS = 4096 };
    ub_rng r = graph_stream(s, DRAW_SCALE, 0);
    double at = 0, var = 0;
    for (int64_t n = 0; n < CHAINS && c->transition != UB_TRANSITION_LINEAR; n++)
        for (int32_t t = 0; t < c->steps; t++) {
            at = chain_edge(c, t, t > 0 ? at : 0) + ub_rng_normal(&r);
            c->action_square[t] += at * at / CHAINS;
        }
    for (int32_t t = 0; t < c->steps; t++) {
        if (c->transition == UB_TRANSITION_LINEAR)
            c->action_square[t] = var = c->alpha[t] * c->alpha[t] * var + 1;
        c->action_square[t] =
            c->beta[t] * c->beta[t] * c->action_square[t] + noise_action * noise_action;
    }
}

static ub_status chain_draw(const ub_settings *s, const ub_corpus *corpus, chain *c)
{
    c->steps = corpus->steps;
    c->tasks = corpus->tasks;
    c->link = s->synth.link;
    c->transition = s->synth.transition;
    c->truth = corpus->truth;
    UB_TRY(UB_ALLOC(c->alpha, c->steps));
    UB_TRY(UB_ALLOC(c->beta, c->steps));
    UB_TRY(UB_ALLOC(c->action_square, c->steps));
    UB_TRY(UB_ALLOC(c->weight, (int64_t)c->steps * c->tasks));
    ub_rng edge = graph_stream(s, DRAW_EDGE, 0), action = graph_stream(s, DRAW_ACTION, 0);
    for (int32_t t = 0; t < c->steps; t++) {
        bool   there = ub_rng_uniform(&edge) < s->synth.edge;
        double alpha = signed_uniform(&edge, 0.3, 0.9);
        c->alpha[t] = there && t > 0 ? alpha : 0;
        c->beta[t] = signed_uniform(&action, 0.5, 1.5);
    }
    chain_scale(s, c);
    for (int32_t i = 0; i < c->tasks; i++) {
        draw_members(s, i, ub_corpus_segments(corpus), c->truth);
        ub_rng r = graph_stream(s, DRAW_WEIGHT, i);
        for (int64_t t = 0; t < c->steps; t++)
            c->weight[t * c->tasks + i] = signed_uniform(&r, 0.5, 1.5);
    }
    return UB_OK;
}

/* What a task sees of an action.  Quadratic: a^2 / E a^2 - 1 has variance 2 for a normal a, so
 * the root of 2 gives every step unit variance and no step drowns the others.  Squared sum: the
 * action itself; the sum is squared at the end. */
static double chain_link(const chain *c, int32_t t, double a)
{
    switch (c->link) {
    case UB_LINK_QUADRATIC:
        return (a * a / c->action_square[t] - 1) / M_SQRT2;
    case UB_LINK_TANH:
        return tanh(a);
    default:
        return a;
    }
}

static void chain_episode(const chain *c, ub_rng r, double *states, double *targets)
{
    double state = 0;
    for (int32_t t = 0; t < c->steps; t++) {
        state = chain_edge(c, t, state) + ub_rng_normal(&r);
        states[t] = state;
        double seen = chain_link(c, t, c->beta[t] * state + noise_action * ub_rng_normal(&r));
        for (int32_t i = 0; i < c->tasks; i++)
            if (c->truth[(int64_t)t * c->tasks + i])
                targets[i] += c->weight[(int64_t)t * c->tasks + i] * seen;
    }
    for (int32_t i = 0; i < c->tasks; i++) {
        if (c->link == UB_LINK_SQUARED_SUM)
            targets[i] *= targets[i];
        targets[i] += noise_task * ub_rng_normal(&r);
    }
}

static ub_status chain_fill(const ub_settings *s, ub_corpus *out)
{
    ub_status st;
    chain     c = {0};
    UB_TRY_OUT(chain_draw(s, out, &c));
    for (int64_t n = 0; n < out->count; n++)
        chain_episode(
            &c,
            ub_rng_make((uint64_t)s->run.seed, UB_RNG_SYNTH_EPISODE, (uint64_t)(out->first + n)),
            out->states + n * c.steps, out->targets + n * c.tasks);
out:
    chain_release(&c);
    return st;
}

/* ---- latent ---- */

/* A linear map, rows x cols, row-major. */
typedef struct map {
    int32_t rows, cols;
    double *a;
} map;

typedef struct vector_task {
    int32_t count;  /* latents it needs ... */
    int32_t first;  /* ... from this one on, cyclically among the relevant */
    map     hidden; /* H x count */
    double *bias;   /* H */
    map     out;    /* task_dim x H */
} vector_task;

typedef struct mixer {
    int32_t      relevant, latents, tasks;
    vector_task *task;  /* M */
    map          in;    /* H x n */
    map          out;   /* obs_dim x H */
    double      *layer; /* room for the widest hidden layer */
} mixer;

static void mixer_release(mixer *m)
{
    for (int32_t i = 0; m->task != NULL && i < m->tasks; i++) {
        ub_free(m->task[i].hidden.a);
        ub_free(m->task[i].bias);
        ub_free(m->task[i].out.a);
    }
    ub_free(m->task);
    ub_free(m->in.a);
    ub_free(m->out.a);
    ub_free(m->layer);
}

/* Make the vectors a[i * step + j * stride], i = 0 .. count - 1, of length len orthogonal with
 * norm `norm`: modified Gram-Schmidt, twice (Giraud, Langou, Rozloznik 2005). */
static void orthogonalise(double *a, int64_t count, int64_t step, int64_t len, int64_t stride,
                          double norm)
{
    for (int64_t i = 0; i < count; i++) {
        double *x = a + i * step;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t h = 0; h < i; h++) {
                const double *e = a + h * step;
                double        dot = 0;
                for (int64_t j = 0; j < len; j++)
                    dot += x[j * stride] * e[j * stride];
                dot /= norm * norm;
                for (int64_t j = 0; j < len; j++)
                    x[j * stride] -= dot * e[j * stride];
            }
        }
        double square = 0;
        for (int64_t j = 0; j < len; j++)
            square += x[j * stride] * x[j * stride];
        for (int64_t j = 0; j < len; j++)
            x[j * stride] *= norm / sqrt(square);
    }
}

/* A random map of condition 1: orthogonal columns (rows, if it is wide), scaled so that standard
 * normals in give unit variance out on average. */
static ub_status map_draw(map *m, ub_rng r, int32_t rows, int32_t cols)
{
    *m = (map){.rows = rows, .cols = cols};
    UB_TRY(UB_ALLOC(m->a, (int64_t)rows * cols));
    for (int64_t i = 0; i < (int64_t)rows * cols; i++)
        m->a[i] = ub_rng_normal(&r);
    if (rows >= cols)
        orthogonalise(m->a, cols, 1, rows, cols, sqrt((double)rows / cols));
    else
        orthogonalise(m->a, rows, cols, cols, 1, 1);
    return UB_OK;
}

static double map_row(const map *m, int32_t row, const double *x)
{
    double sum = 0;
    for (int32_t j = 0; j < m->cols; j++)
        sum += m->a[(int64_t)row * m->cols + j] * x[j];
    return sum;
}

/* Task i needs the w relevant latents from i (w - 1) on, cyclically, with w = 1 + (R - 1) / M
 * rounded up: together they need every one, neighbours share one.  R = 3, M = 2: {0,1}, {1,2}. */
static ub_status task_draw(const ub_settings *s, int32_t i, vector_task *t)
{
    int64_t relevant = s->synth.relevant, tasks = s->synth.tasks;
    int32_t width = (int32_t)s->synth.task_dim;
    int64_t apart = (relevant - 1 + tasks - 1) / tasks;
    t->count = (int32_t)(apart + 1 < relevant ? apart + 1 : relevant);
    t->first = (int32_t)(i * apart % relevant);
    /* A square or wide orthogonal output layer behind a hidden layer with orthogonal columns:
     * J = V diag(D) W has full rank, and the columns of J are about equally long. */
    int32_t hidden = width > t->count ? width : t->count;
    ub_rng  r = graph_stream(s, DRAW_HIDDEN, 2 * (int64_t)i);
    UB_TRY(map_draw(&t->hidden, r, hidden, t->count));
    UB_TRY(map_draw(&t->out, graph_stream(s, DRAW_OUT, i), width, hidden));
    UB_TRY(UB_ALLOC(t->bias, hidden));
    r = graph_stream(s, DRAW_HIDDEN, 2 * (int64_t)i + 1);
    for (int32_t h = 0; h < hidden; h++)
        t->bias[h] = ub_rng_uniform(&r) - 0.5;
    return UB_OK;
}

/* Draw the tasks of a mixer, and room for a hidden layer of them or of `widest` units. */
static ub_status tasks_draw(const ub_settings *s, int32_t widest, mixer *m)
{
    int32_t tasks = (int32_t)s->synth.tasks;
    m->relevant = (int32_t)s->synth.relevant;
    m->latents = (int32_t)(s->synth.relevant + s->synth.irrelevant);
    UB_TRY(UB_ALLOC(m->task, tasks));
    m->tasks = tasks;
    for (int32_t i = 0; i < tasks; i++) {
        UB_TRY(task_draw(s, i, &m->task[i]));
        widest = m->task[i].hidden.rows > widest ? m->task[i].hidden.rows : widest;
    }
    return UB_ALLOC(m->layer, widest);
}

static ub_status mixer_draw(const ub_settings *s, mixer *m)
{
    int32_t latents = (int32_t)(s->synth.relevant + s->synth.irrelevant);
    int32_t seen = (int32_t)s->synth.obs_dim, hidden = 2 * latents < seen ? 2 * latents : seen;
    UB_TRY(tasks_draw(s, hidden, m));
    UB_TRY(map_draw(&m->in, graph_stream(s, DRAW_MIX, 0), hidden, latents));
    return map_draw(&m->out, graph_stream(s, DRAW_MIX, 1), seen, hidden);
}

/* Smooth leaky rectifier, increasing: slope .2 far left, 1 far right. */
static double bend(double x)
{
    return 0.6 * x + 0.4 * sqrt(x * x + 0.01);
}

static void mixer_task(const mixer *m, const vector_task *t, const double *z, double *needed,
                       ub_rng *r, double *out)
{
    for (int32_t j = 0; j < t->count; j++)
        needed[j] = z[(t->first + j) % m->relevant];
    for (int32_t h = 0; h < t->hidden.rows; h++)
        m->layer[h] = tanh(map_row(&t->hidden, h, needed) + t->bias[h]);
    for (int32_t j = 0; j < t->out.rows; j++)
        out[j] = map_row(&t->out, j, m->layer) + noise_vector * ub_rng_normal(r);
}

static void mixer_episode(const mixer *m, ub_rng r, double *needed, double *z, double *o,
                          double *targets)
{
    for (int32_t j = 0; j < m->latents; j++)
        z[j] = ub_rng_normal(&r);
    for (int32_t h = 0; h < m->in.rows; h++)
        m->layer[h] = bend(map_row(&m->in, h, z));
    for (int32_t j = 0; j < m->out.rows; j++)
        o[j] = map_row(&m->out, j, m->layer) + noise_observation * ub_rng_normal(&r);
    for (int32_t i = 0; i < m->tasks; i++)
        mixer_task(m, &m->task[i], z, needed, &r, targets + (int64_t)i * m->task[i].out.rows);
}

/* ---- sprites ---- */

/* Factors, then pixel noise, then the tasks: from u sqrt(3), which has variance 1. */
static void sprite_episode(const mixer *m, const ub_corpus *c, ub_rng r, double *needed, double *u,
                           double *o, double *targets)
{
    double factor[UB_SPRITE_FACTORS] = {0};
    for (int32_t j = 0; j < m->latents; j++)
        factor[j] = u[j] = 2 * ub_rng_uniform(&r) - 1;
    ub_sprite_draw(factor, c->image[0], c->image[2], o);
    for (int32_t j = 0; j < c->dim; j++)
        o[j] += noise_pixel * ub_rng_normal(&r);
    for (int32_t j = 0; j < m->latents; j++)
        factor[j] *= sqrt(3);
    for (int32_t i = 0; i < m->tasks; i++)
        mixer_task(m, &m->task[i], factor, needed, &r, targets + (int64_t)i * m->task[i].out.rows);
}

/* ---- both with latents ---- */

static ub_status latent_fill(const ub_settings *s, ub_corpus *out)
{
    ub_status st;
    mixer     m = {0};
    double   *needed = NULL;
    bool      sprites = s->synth.kind == UB_SYNTH_SPRITES;
    UB_TRY_OUT(sprites ? tasks_draw(s, 1, &m) : mixer_draw(s, &m));
    UB_TRY_OUT(UB_ALLOC(needed, m.relevant));
    out->latent_dim = m.latents;
    UB_TRY_OUT(UB_ALLOC(out->latents, out->count * m.latents));
    UB_TRY_OUT(UB_ALLOC(out->latent_relevant, (int64_t)m.latents * m.tasks));
    for (int32_t i = 0; i < m.tasks; i++) {
        out->truth[i] = 1;
        for (int32_t j = 0; j < m.task[i].count; j++) {
            int64_t latent = (m.task[i].first + j) % m.relevant;
            out->latent_relevant[latent * m.tasks + i] = 1;
        }
    }
    for (int64_t n = 0; n < out->count; n++) {
        ub_rng r =
            ub_rng_make((uint64_t)s->run.seed, UB_RNG_SYNTH_EPISODE, (uint64_t)(out->first + n));
        double *z = out->latents + n * m.latents, *o = out->states + n * out->dim;
        double *targets = out->targets + n * out->task_offset[out->tasks];
        if (sprites)
            sprite_episode(&m, out, r, needed, z, o, targets);
        else
            mixer_episode(&m, r, needed, z, o, targets);
    }
out:
    ub_free(needed);
    mixer_release(&m);
    return st;
}

/* ---- all ---- */

static ub_status check(const ub_settings *s, int64_t first, int64_t count)
{
    int64_t steps = s->synth.steps, length = s->synth.segment_length;
    int64_t latents = s->synth.relevant + s->synth.irrelevant;
    if (first < 0 || count < 0 || first > s->synth.samples - count)
        return UB_FAIL(UB_EARG, "episodes %lld .. %lld are not all among the %lld of synth.samples",
                       (long long)first, (long long)(first + count - 1),
                       (long long)s->synth.samples);
    if (s->synth.kind == UB_SYNTH_LATENT && s->synth.obs_dim < latents)
        return UB_FAIL(UB_ERANGE,
                       "synth.obs_dim = %lld is less than the %lld latents (synth.relevant + "
                       "synth.irrelevant): the mixture could not be undone",
                       (long long)s->synth.obs_dim, (long long)latents);
    if (s->synth.kind == UB_SYNTH_SPRITES && latents > UB_SPRITE_FACTORS)
        return UB_FAIL(UB_ERANGE,
                       "sprites have %d factors, fewer than the %lld of synth.relevant + "
                       "synth.irrelevant",
                       UB_SPRITE_FACTORS, (long long)latents);
    if (s->synth.kind == UB_SYNTH_SPRITES && s->synth.image_channels == 2)
        return UB_FAIL(UB_ERANGE, "synth.image_channels = 2: 1 (grey) or 3 (red, green, blue)");
    if (s->synth.kind == UB_SYNTH_CHAIN && steps % length != 0)
        return UB_FAIL(UB_ERANGE,
                       "synth.steps = %lld is not a multiple of synth.segment_length = %lld",
                       (long long)steps, (long long)length);
    if (s->synth.kind == UB_SYNTH_CHAIN && steps / length < 2)
        return UB_FAIL(
            UB_ERANGE,
            "synth.steps = %lld gives one segment of synth.segment_length = %lld; a task "
            "needs at least two",
            (long long)steps, (long long)length);
    return UB_OK;
}

/* What the corpus looks like; its episodes are to be made. */
static ub_corpus shape_of(const ub_settings *s, int64_t first, int64_t count)
{
    ub_corpus c = {.episodes = s->synth.samples,
                   .first = first,
                   .count = count,
                   .steps = 1,
                   .dim = 1,
                   .tasks = (int32_t)s->synth.tasks,
                   .segment = 1};
    int32_t   side = (int32_t)s->synth.image_side, channels = (int32_t)s->synth.image_channels;
    if (s->synth.kind == UB_SYNTH_CHAIN) {
        c.steps = (int32_t)s->synth.steps;
        c.segment = (int32_t)s->synth.segment_length;
    } else if (s->synth.kind == UB_SYNTH_LATENT) {
        c.dim = (int32_t)s->synth.obs_dim;
    } else {
        c.image[0] = c.image[1] = side;
        c.image[2] = channels;
        c.dim = side * side * channels;
    }
    return c;
}

ub_status ub_synth(const ub_settings *settings, int64_t first, int64_t count, ub_corpus *out)
{
    UB_TRY(check(settings, first, count));
    bool      steps = settings->synth.kind == UB_SYNTH_CHAIN;
    ub_status st;
    ub_corpus c = shape_of(settings, first, count);
    UB_TRY_OUT(UB_ALLOC(c.task_offset, c.tasks + 1));
    for (int32_t i = 0; i <= c.tasks; i++)
        c.task_offset[i] = i * (steps ? 1 : (int32_t)settings->synth.task_dim);
    UB_TRY_OUT(ub_corpus_alloc(&c));
    UB_TRY_OUT(UB_ALLOC(c.truth, (int64_t)c.steps * c.tasks));
    UB_TRY_OUT(steps ? chain_fill(settings, &c) : latent_fill(settings, &c));
    *out = c;
    return UB_OK;
out:
    ub_corpus_release(&c);
    return st;
}
