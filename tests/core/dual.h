/* tests/core/dual.h - the objective of stage 2 a second time, slow and plain, to judge the first
 * by.
 *
 * A dual number is a value and its derivative in one direction: give one weight the derivative 1,
 * and what comes out of the formulas carries the exact partial derivative with respect to it
 * (forward mode; Wengert 1964).  The formulas are those of core/objective.h, core/network.h,
 * core/model.h, core/penalty.h and the heads of the files in core/penalty; one row at a time, one
 * loop after another, nothing derived by hand but J (which a case of suite_objective_dual looks
 * at).  With the code under test they share the shape, the weights and the batch.
 */
#ifndef UB_TESTS_CORE_DUAL_H
#define UB_TESTS_CORE_DUAL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/objective.h"
#include "tests/support/suite.h"

enum { DUAL_WIDTH = 256, DUAL_ROWS = 16, DUAL_TARGETS = 8, DUAL_LATENTS = 4, DUAL_TASKS = 4 };

typedef struct dual {
    double v, d;
} dual;

static inline dual dual_of(double v)
{
    return (dual){v, 0};
}

static inline dual dual_add(dual a, dual b)
{
    return (dual){a.v + b.v, a.d + b.d};
}

static inline dual dual_sub(dual a, dual b)
{
    return (dual){a.v - b.v, a.d - b.d};
}

static inline dual dual_mul(dual a, dual b)
{
    return (dual){a.v * b.v, a.d * b.v + a.v * b.d};
}

static inline dual dual_scale(double s, dual a)
{
    return (dual){s * a.v, s * a.d};
}

static inline dual dual_square(dual a)
{
    return dual_mul(a, a);
}

static inline dual dual_exp(dual a)
{
    return (dual){exp(a.v), exp(a.v) * a.d};
}

static inline dual dual_log(dual a)
{
    return (dual){log(a.v), a.d / a.v};
}

static inline dual dual_sqrt(dual a)
{
    return (dual){sqrt(a.v), a.d / (2 * sqrt(a.v))};
}

static inline dual dual_abs(dual a)
{
    return (dual){fabs(a.v), a.v > 0 ? a.d : a.v < 0 ? -a.d : 0};
}

static inline dual dual_tanh(dual a)
{
    return (dual){tanh(a.v), a.d / (cosh(a.v) * cosh(a.v))};
}

static inline dual dual_leaky(dual a)
{
    return a.v > 0 ? a : dual_scale(0.01, a);
}

static inline dual dual_elu(dual a)
{
    return a.v > 0 ? a : dual_sub(dual_exp(a), dual_of(1));
}

/* What a penalty looks at: J of the rows that enter, and the first layers of the heads. */
typedef struct dual_heads {
    const ub_model_shape *shape;
    const int32_t        *offset;
    double                group;
    int64_t               n;                 /* rows that enter */
    const dual           *mask;              /* tasks x latents, behind the weights */
    const dual           *first[DUAL_TASKS]; /* W1 of every head: head_hidden x latents */
    dual                  j[DUAL_ROWS][DUAL_TARGETS][DUAL_LATENTS]; /* 0 where not used */
} dual_heads;

static inline dual dual_none(const dual_heads *h)
{
    (void)h;
    return dual_of(0);
}

/* core/penalty/mask.c */
static inline dual dual_mask(const dual_heads *h)
{
    int32_t latents = h->shape->latents;
    dual    sum = dual_of(0);
    for (int32_t i = 0; i < h->shape->tasks; i++)
        for (int32_t j = 0; j < latents; j++) {
            dual square = dual_of(1e-12);
            for (int32_t k = 0; k < h->shape->head_hidden; k++)
                square = dual_add(square, dual_square(dual_mul(h->mask[i * latents + j],
                                                               h->first[i][k * latents + j])));
            sum = dual_add(sum, dual_sqrt(square));
        }
    return sum;
}

/* (1/n) sum over rows and columns first .. last - 1 of J^2 with respect to latent j. */
static inline dual dual_mean_square(const dual_heads *h, int32_t first, int32_t last, int32_t j)
{
    dual sum = dual_of(0);
    for (int64_t r = 0; r < h->n; r++)
        for (int32_t c = first; c < last; c++)
            sum = dual_add(sum, dual_square(h->j[r][c][j]));
    return dual_scale(1.0 / (double)h->n, sum);
}

static inline dual dual_group(const dual_heads *h, int32_t j)
{
    dual square = dual_mean_square(h, 0, h->shape->targets, j);
    return dual_scale(h->group, dual_sqrt(dual_add(square, dual_of(1e-6))));
}

/* core/penalty/jacobian.c */
static inline dual dual_jacobian(const dual_heads *h)
{
    dual sum = dual_of(0);
    for (int32_t j = 0; j < h->shape->latents && h->n > 0; j++) {
        for (int64_t r = 0; r < h->n; r++)
            for (int32_t c = 0; c < h->shape->targets; c++)
                sum = dual_add(sum, dual_scale(1.0 / (double)h->n, dual_abs(h->j[r][c][j])));
        sum = dual_add(sum, dual_group(h, j));
    }
    return sum;
}

/* core/penalty/jacobian_group.c */
static inline dual dual_jacobian_group(const dual_heads *h)
{
    dual sum = dual_of(0);
    for (int32_t j = 0; j < h->shape->latents && h->n > 0; j++) {
        for (int32_t i = 0; i < h->shape->tasks; i++) {
            int32_t first = h->offset[i], last = h->offset[i + 1];
            dual    square = dual_add(dual_mean_square(h, first, last, j), dual_of(1e-6));
            sum = dual_add(sum, dual_scale(sqrt(last - first), dual_sqrt(square)));
        }
        sum = dual_add(sum, dual_group(h, j));
    }
    return sum;
}

/* The model, by the names its parts have in configurations. */
typedef dual (*dual_activation)(dual);
typedef dual (*dual_penalty)(const dual_heads *);

/* NULL: this file does not know it, and has to learn it. */
static inline dual_activation dual_activation_find(const char *name)
{
    return strcmp(name, "leaky") == 0  ? dual_leaky
           : strcmp(name, "tanh") == 0 ? dual_tanh
           : strcmp(name, "elu") == 0  ? dual_elu
                                       : NULL;
}

static inline dual_penalty dual_penalty_find(const char *name)
{
    return strcmp(name, "none") == 0             ? dual_none
           : strcmp(name, "mask") == 0           ? dual_mask
           : strcmp(name, "jacobian") == 0       ? dual_jacobian
           : strcmp(name, "jacobian_group") == 0 ? dual_jacobian_group
                                                 : NULL;
}

typedef struct dual_model {
    ub_model_shape  shape;
    const int32_t  *offset;  /* tasks + 1 */
    const int32_t  *classes; /* tasks */
    dual_activation activation;
    dual_penalty    penalty;
    double          beta, group;
} dual_model;

/* One layer at w, out x in weights and then out biases; returns where the next begins. */
static inline const dual *dual_layer(const dual *w, int32_t in, int32_t out, dual_activation act,
                                     const dual *x, dual *y)
{
    for (int32_t o = 0; o < out; o++) {
        dual sum = w[in * out + o];
        for (int32_t k = 0; k < in; k++)
            sum = dual_add(sum, dual_mul(w[o * in + k], x[k]));
        y[o] = act != NULL ? act(sum) : sum;
    }
    return w + ((int64_t)in + 1) * out;
}

/* Encoder or decoder. */
static inline const dual *dual_stack(const dual_model *m, const dual *w, int32_t in, int32_t out,
                                     const dual *x, dual *y)
{
    dual a[DUAL_WIDTH], b[DUAL_WIDTH];
    memcpy(a, x, (size_t)in * sizeof *a);
    for (int32_t l = 0; l < m->shape.layers; l++, in = m->shape.hidden) {
        w = dual_layer(w, in, m->shape.hidden, m->activation, a, b);
        memcpy(a, b, (size_t)m->shape.hidden * sizeof *a);
    }
    return dual_layer(w, in, out, NULL, a, y);
}

static inline dual dual_squares(int32_t n, const dual *y, const double *x)
{
    dual sum = dual_of(0);
    for (int32_t c = 0; c < n; c++)
        sum = dual_add(sum, dual_square(dual_sub(y[c], dual_of(x[c]))));
    return sum;
}

/* -log softmax(y) of the class whose column of x is 1. */
static inline dual dual_surprise(int32_t n, const dual *y, const double *x)
{
    double most = y[0].v; /* exp of logits less a number: the same softmax, within range */
    dual   total = dual_of(0), chosen = dual_of(NAN);
    for (int32_t c = 1; c < n; c++)
        most = fmax(most, y[c].v);
    for (int32_t c = 0; c < n; c++) {
        dual logit = dual_sub(y[c], dual_of(most));
        total = dual_add(total, dual_exp(logit));
        if (x[c] == 1)
            chosen = logit;
    }
    return dual_sub(dual_log(total), chosen);
}

/* Head i at z: its outputs y, and their derivatives with respect to every latent, for which the
 * head is gone through once more with derivatives (of duals) beside the values. */
static inline const dual *dual_head(const dual_model *m, dual_heads *h, int32_t i, const dual *w,
                                    const dual *z, dual *y, dual j[][DUAL_LATENTS])
{
    int32_t latents = m->shape.latents, hidden = m->shape.head_hidden;
    int32_t width = m->offset[i + 1] - m->offset[i];
    dual    seen[DUAL_LATENTS], active[DUAL_WIDTH];
    for (int32_t l = 0; l < latents; l++)
        seen[l] = m->penalty == dual_mask ? dual_mul(h->mask[i * latents + l], z[l]) : z[l];
    h->first[i] = w;
    const dual *second = dual_layer(w, latents, hidden, dual_tanh, seen, active);
    for (int32_t o = 0; o < width; o++)
        for (int32_t l = 0; l < latents; l++) {
            j[o][l] = dual_of(0);
            for (int32_t k = 0; k < hidden; k++) {
                dual slope = dual_sub(dual_of(1), dual_square(active[k]));
                dual moved = dual_mul(slope, w[k * latents + l]);
                j[o][l] = dual_add(j[o][l], dual_mul(second[o * hidden + k], moved));
            }
        }
    return dual_layer(second, hidden, width, NULL, active, y);
}

/* Row r: adds to the sums over rows, and puts J where it enters the penalty. */
static inline void dual_row(const dual_model *m, const dual *w, const ub_batch *b, int64_t r,
                            dual sum[UB_TERMS], dual_heads *h)
{
    int32_t dim = m->shape.dim, latents = m->shape.latents, tasks = m->shape.tasks;
    dual    x[DUAL_WIDTH], code[2 * DUAL_LATENTS], z[DUAL_LATENTS], y[DUAL_WIDTH];
    for (int32_t c = 0; c < dim; c++)
        x[c] = dual_of(b->obs[r * dim + c]);
    w = dual_stack(m, w, dim, 2 * latents, x, code);
    for (int32_t j = 0; j < latents; j++) {
        dual   mu = code[j], v = code[latents + j];
        dual   kl = dual_sub(dual_add(dual_square(mu), dual_exp(v)), dual_add(dual_of(1), v));
        double e = b->noise != NULL ? b->noise[r * latents + j] : 0;
        z[j] = dual_add(mu, dual_scale(e, dual_exp(dual_scale(0.5, v))));
        sum[UB_TERM_KL] = dual_add(sum[UB_TERM_KL], dual_scale(0.5, kl));
    }
    w = dual_stack(m, w, latents, dim, z, y);
    dual error = dual_scale(1.0 / dim, dual_squares(dim, y, b->obs + r * dim));
    sum[UB_TERM_RECONSTRUCTION] = dual_add(sum[UB_TERM_RECONSTRUCTION], error);
    for (int32_t i = 0; i < tasks; i++) {
        int32_t       width = m->offset[i + 1] - m->offset[i];
        const double *target = b->target + r * m->shape.targets + m->offset[i];
        dual          j[DUAL_TARGETS][DUAL_LATENTS];
        w = dual_head(m, h, i, w, z, y, j);
        if (b->use[r * tasks + i] == 0)
            continue;
        dual loss =
            m->classes[i] > 0 ? dual_surprise(width, y, target) : dual_squares(width, y, target);
        sum[UB_TERM_TASK] = dual_add(sum[UB_TERM_TASK], loss);
        if (r < b->jacobian)
            memcpy(h->j[r][m->offset[i]], j, (size_t)width * sizeof *j);
    }
}

/* Numbers of encoder, decoder and heads: behind them come those of the penalty. */
static inline int64_t dual_weights(const dual_model *m)
{
    const ub_model_shape *s = &m->shape;
    int64_t hidden = s->hidden, deep = (s->layers - 1) * (hidden + 1) * hidden, n = 2 * deep;
    n += (s->dim + 1) * hidden + (hidden + 1) * 2 * s->latents;
    n += (s->latents + 1) * hidden + (hidden + 1) * s->dim;
    n += s->tasks * (s->latents + 1) * s->head_hidden;
    return n + (s->head_hidden + 1) * s->targets;
}

static inline int64_t dual_parameters(const dual_model *m)
{
    return dual_weights(m) + (m->penalty == dual_mask ? m->shape.tasks * m->shape.latents : 0);
}

/* The terms of a batch, weighted, into term; returns the objective. */
static inline dual dual_objective(const dual_model *m, const dual *w, const ub_batch *b,
                                  const ub_weighting *weighting, dual term[UB_TERMS])
{
    dual_heads h = {.shape = &m->shape,
                    .offset = m->offset,
                    .group = m->group,
                    .n = b->jacobian,
                    .mask = w + dual_weights(m)};
    for (int k = 0; k < UB_TERMS; k++)
        term[k] = dual_of(0);
    for (int64_t r = 0; r < b->n; r++)
        dual_row(m, w, b, r, term, &h);
    for (int k = 0; k < UB_TERM_PENALTY; k++)
        term[k] = dual_scale(weighting->row, term[k]);
    term[UB_TERM_PENALTY] = dual_scale(weighting->penalty, m->penalty(&h));
    dual loss = dual_add(term[UB_TERM_RECONSTRUCTION], term[UB_TERM_TASK]);
    loss = dual_add(loss, dual_scale(m->beta, term[UB_TERM_KL]));
    return dual_add(loss, dual_scale(weighting->lambda, term[UB_TERM_PENALTY]));
}

/* How near the code under test has to come, relatively, whatever the size. */
#define DUAL_VALUE 1e-12
#define DUAL_GRADIENT 1e-10

/* Relative, whatever the size; NaN is near to nothing. */
static inline bool dual_near(double got, double want, double tolerance)
{
    return fabs(got - want) <= tolerance * fabs(want);
}

static inline void dual_check(const char *name, const char *what, double got, double want)
{
    CU_ASSERT(dual_near(got, want, DUAL_VALUE));
    if (!dual_near(got, want, DUAL_VALUE))
        (void)printf("\n%s: %s is %.17g, should be %.17g\n", name, what, got, want);
}

/* Derivatives that were compared, and those that are wrong. */
typedef struct dual_tally {
    int64_t seen, wrong, at;
    double  got, want; /* the first that is wrong, at weight `at` */
} dual_tally;

static inline void dual_count(dual_tally *t, int64_t k, double got, double want)
{
    t->seen++;
    if (!dual_near(got, want, DUAL_GRADIENT) && t->wrong++ == 0)
        t->at = k, t->got = got, t->want = want;
}

static inline void dual_tally_check(const char *name, const dual_tally *t)
{
    CU_ASSERT(t->seen > 0 && t->wrong == 0);
    if (t->wrong > 0)
        (void)printf("\n%s: %lld of %lld derivatives are wrong; the first, of weight %lld, is "
                     "%.17g, should be %.17g\n",
                     name, (long long)t->wrong, (long long)t->seen, (long long)t->at, t->got,
                     t->want);
}

#endif /* UB_TESTS_CORE_DUAL_H */
