#include "core/evidence.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/assign.h"
#include "core/lapack.h"
#include "core/mem.h"

void ub_strengths(const ub_model_shape *s, const double *sum, double n, const double *used,
                  double *strength)
{
    const double *square = sum + s->latents, *raw = square + s->latents;
    for (int32_t i = 0; i < s->tasks; i++)
        for (int32_t j = 0; j < s->latents; j++) {
            double m = sum[j] / n, variance = square[j] / n - m * m;
            double sd = variance > 0 ? sqrt(variance) : 0.0, rows = used == NULL ? 1.0 : used[i];
            strength[i * s->latents + j] = rows > 0 ? raw[i * s->latents + j] / rows * sd : 0.0;
        }
}

int32_t ub_strengths_keep(int32_t latents, double keep, const double *strength, uint8_t *relevant)
{
    double  largest = 0.0;
    int32_t kept = 0;
    for (int32_t j = 0; j < latents; j++)
        largest = fmax(largest, strength[j]);
    for (int32_t j = 0; j < latents; j++) {
        int above = strength[j] > keep * largest;
        if (relevant != NULL)
            relevant[j] = (uint8_t)above;
        kept += above;
    }
    return kept;
}

/* ---- sums over held-out samples ---- */

enum { MOST = 8192 };

/* Where things are in the vector of sums, with n latents and R initialisations. */
typedef struct layout {
    int64_t count;   /* samples */
    int64_t kl;      /* n */
    int64_t mean;    /* R x n: sum mu */
    int64_t own;     /* R x n x n: sum mu mu', of each */
    int64_t cross;   /* R x n x n: sum of mu of the kept one times mu' of each */
    int64_t used;    /* M: samples at which the task counts */
    int64_t columns; /* targets x 3: sum y, y^2, error^2 */
    int64_t gram;    /* M x n x n: sum J'J */
    int64_t width;
} layout;

static layout layout_of(const ub_model *m)
{
    const ub_model_shape *s = &m->shape;
    int64_t               n = s->latents, r = m->restarts.count;
    layout                at = {.count = 0, .kl = 1};
    at.mean = at.kl + n;
    at.own = at.mean + r * n;
    at.cross = at.own + r * n * n;
    at.used = at.cross + r * n * n;
    at.columns = at.used + s->tasks;
    at.gram = at.columns + 3 * (int64_t)s->targets;
    at.width = at.gram + (int64_t)s->tasks * n * n;
    return at;
}

int64_t ub_evidence_width(const ub_model *m)
{
    return layout_of(m).width;
}

/* Add x y' to sum, n x n. */
static void add_outer(int32_t n, const double *x, const double *y, double *sum)
{
    for (int32_t a = 0; a < n; a++)
        for (int32_t b = 0; b < n; b++)
            sum[a * n + b] += x[a] * y[b];
}

enum { BATCH = 64 }; /* samples that pass through the networks together */

/* One shard at work. */
typedef struct pass {
    const ub_model  *m;
    const ub_corpus *corpus;
    ub_layer        *layer;
    const double    *target[BATCH]; /* of every sample of the batch ... */
    int64_t          step[BATCH];   /* ... and when it is */
    double          *obs;           /* BATCH x dim */
    double          *both;          /* BATCH x 2 n: posterior of the model */
    double          *mu;            /* R x BATCH x n */
    double          *out;           /* BATCH x widest task: predictions */
    double          *active, *jac;  /* of one sample */
    layout           at;
} pass;

static void pass_release(pass *p)
{
    ub_free(p->layer);
    ub_free(p->obs);
    ub_free(p->both);
    ub_free(p->mu);
    ub_free(p->out);
    ub_free(p->active);
    ub_free(p->jac);
}

static ub_status pass_init(const ub_model *m, const ub_corpus *corpus, pass *p)
{
    const ub_model_shape *s = &m->shape;
    *p = (pass){.m = m, .corpus = corpus, .at = layout_of(m)};
    UB_TRY(UB_ALLOC(p->layer, ub_model_layers(s, m->task_offset, NULL)));
    (void)ub_model_layers(s, m->task_offset, p->layer);
    UB_TRY(UB_ALLOC(p->obs, (int64_t)BATCH * s->dim));
    UB_TRY(UB_ALLOC(p->both, (int64_t)BATCH * 2 * s->latents));
    UB_TRY(UB_ALLOC(p->mu, m->restarts.count * BATCH * s->latents));
    UB_TRY(UB_ALLOC(p->out, (int64_t)BATCH * s->targets));
    UB_TRY(UB_ALLOC(p->active, s->head_hidden));
    return UB_ALLOC(p->jac, (int64_t)s->targets * s->latents);
}

/* The latents of a batch: moments of every initialisation, KL of the model. */
static ub_status add_latents(const pass *p, int64_t count, double *sum)
{
    const ub_model *m = p->m;
    int32_t         n = m->shape.latents;
    int64_t         square = (int64_t)n * n;
    ub_model        other = *m;
    UB_TRY(ub_model_posterior(m, count, p->obs, p->both));
    for (int64_t k = 0; k < count; k++)
        for (int32_t j = 0; j < n; j++) {
            double mu = p->both[2 * k * n + j], v = p->both[(2 * k + 1) * n + j];
            sum[p->at.kl + j] += 0.5 * (mu * mu + exp(v) - 1.0 - v);
        }
    for (int64_t r = 0; r < m->restarts.count; r++) {
        double *mu = p->mu + r * BATCH * n;
        other.w = m->restarts.w + r * m->weights;
        UB_TRY(ub_model_encode(&other, count, p->obs, mu));
        for (int64_t k = 0; k < count; k++, mu += n) {
            for (int32_t j = 0; j < n; j++)
                sum[p->at.mean + r * n + j] += mu[j];
            add_outer(n, mu, mu, sum + p->at.own + r * square);
            add_outer(n, p->both + 2 * k * n, mu, sum + p->at.cross + r * square);
        }
    }
    return UB_OK;
}

/* A column of labels in the corpus, a column a class in the model (disentangle.classes). */
static bool is_categorical(const pass *p, int32_t i)
{
    return p->m->task_offset[i + 1] - p->m->task_offset[i] !=
           p->corpus->task_offset[i + 1] - p->corpus->task_offset[i];
}

/* What the task is at sample k of the batch, and what its head says of it, in column c of `width`:
 * standardised numbers, or whether it is class c and the probability that the head gives it. */
static void compare_column(const pass *p, int32_t i, int64_t k, int32_t c, int32_t width, double *y,
                           double *said)
{
    const ub_model *m = p->m;
    const double   *out = p->out + k * width;
    const double   *target = p->target[k] + p->corpus->task_offset[i];
    int32_t         at = m->shape.dim + m->task_offset[i] + c;
    double          mean = m->norm[at], sd = m->norm[at + m->shape.dim + m->shape.targets];
    if (!is_categorical(p, i)) {
        *y = (target[c] - mean) / sd;
        *said = (out[c] - mean) / sd;
        return;
    }
    double most = out[0], sum = 0;
    for (int32_t o = 1; o < width; o++)
        most = fmax(most, out[o]);
    for (int32_t o = 0; o < width; o++)
        sum += exp(out[o] - most);
    *y = target[0] == (double)c;
    *said = exp(out[c] - most) / sum;
}

/* Task i at sample k of the batch: how far the prediction is off, and its Jacobian. */
static void add_sample(const pass *p, int32_t i, int64_t k, double *sum)
{
    const ub_model *m = p->m;
    int32_t         n = m->shape.latents, from = m->task_offset[i];
    int32_t         width = m->task_offset[i + 1] - from;
    sum[p->at.used + i] += 1;
    for (int32_t c = 0; c < width; c++) {
        double *column = sum + p->at.columns + 3 * ((int64_t)from + c), y, said;
        compare_column(p, i, k, c, width, &y, &said);
        column[0] += y;
        column[1] += y * y;
        column[2] += (y - said) * (y - said);
    }
    ub_model_jacobian(m, p->layer, i, p->both + 2 * k * n, p->active, p->jac);
    for (int32_t c = 0; c < width; c++)
        add_outer(n, p->jac + (int64_t)c * n, p->jac + (int64_t)c * n,
                  sum + p->at.gram + (int64_t)i * n * n);
}

static ub_status add_batch(const pass *p, int64_t count, const uint8_t *use, double *sum)
{
    const ub_model *m = p->m;
    UB_TRY(add_latents(p, count, sum));
    const double *mu = p->mu + m->restarts.kept * BATCH * m->shape.latents;
    for (int32_t i = 0; i < m->shape.tasks; i++) {
        UB_TRY(ub_model_predict(m, i, count, mu, p->out));
        for (int64_t k = 0; k < count; k++)
            if (use == NULL || use[p->step[k] * m->shape.tasks + i] != 0)
                add_sample(p, i, k, sum);
    }
    sum[p->at.count] += (double)count;
    return UB_OK;
}

ub_status ub_evidence_shard(const ub_model *m, const ub_corpus *corpus, int64_t shards, int64_t s,
                            double holdout, const uint8_t *use, double *sum)
{
    ub_range  rows = ub_part(corpus->episodes, shards, s);
    int64_t   held = ub_held_out(rows.count, holdout), cells = held * corpus->steps;
    int64_t   first = rows.first + rows.count - held - corpus->first, in = 0;
    int32_t   columns = corpus->task_offset[corpus->tasks];
    int64_t   most = MOST / shards > 16 ? MOST / shards : 16, count = cells < most ? cells : most;
    pass      p;
    ub_status st = pass_init(m, corpus, &p);
    memset(sum, 0, (size_t)p.at.width * sizeof *sum);
    for (int64_t k = 0; k < count && st == UB_OK; k++) {
        int64_t cell = k * cells / count, at = first * corpus->steps + cell;
        p.step[in] = cell % corpus->steps;
        p.target[in] = corpus->targets + (first + cell / corpus->steps) * columns;
        memcpy(p.obs + in * corpus->dim, corpus->states + at * corpus->dim,
               (size_t)corpus->dim * sizeof *p.obs);
        if (++in < BATCH && k + 1 < count)
            continue;
        st = add_batch(&p, in, use, sum);
        in = 0;
    }
    pass_release(&p);
    return st;
}

/* ---- what the sums say ---- */

void ub_evidence_release(ub_evidence *e)
{
    ub_free(e->task_name);
    ub_free(e->objective);
    ub_free(e->match);
    ub_free(e->likeness);
    ub_free(e->confidence);
    ub_free(e->agreement);
    ub_free(e->task_r2);
    ub_free(e->singular);
    ub_free(e->correlation);
    ub_free(e->kl);
    ub_bytes_release(&e->warnings);
    *e = (ub_evidence){0};
}

ub_status ub_evidence_alloc(ub_evidence *e)
{
    int64_t n = e->latents, m = e->tasks, r = e->restarts;
    UB_TRY(UB_ALLOC(e->task_name, m));
    UB_TRY(UB_ALLOC(e->objective, r));
    UB_TRY(UB_ALLOC(e->match, r * n));
    UB_TRY(UB_ALLOC(e->likeness, r * n));
    UB_TRY(UB_ALLOC(e->confidence, m * n));
    UB_TRY(UB_ALLOC(e->agreement, m));
    UB_TRY(UB_ALLOC(e->task_r2, m));
    UB_TRY(UB_ALLOC(e->singular, m * n));
    UB_TRY(UB_ALLOC(e->correlation, n * n));
    return UB_ALLOC(e->kl, n);
}

/* Covariances from the sums: of the kept latents with those of initialisation r (cross) or of r
 * with itself. */
static void covariance(const ub_model *m, const double *sum, int64_t r, bool cross, double *out)
{
    layout        at = layout_of(m);
    int32_t       n = m->shape.latents;
    double        count = sum[at.count];
    const double *moment = sum + (cross ? at.cross : at.own) + r * n * n;
    const double *right = sum + at.mean + r * n;
    const double *left = cross ? sum + at.mean + m->restarts.kept * n : right;
    for (int32_t a = 0; a < n; a++)
        for (int32_t b = 0; b < n; b++)
            out[a * n + b] = moment[a * n + b] / count - left[a] / count * (right[b] / count);
}

/* Variance below which a latent counts as constant. */
static const double constant = 1e-12;

static void correlate(int32_t n, const double *cov, const double *left, const double *right,
                      double *out)
{
    for (int32_t a = 0; a < n; a++)
        for (int32_t b = 0; b < n; b++) {
            double va = left[a * n + a], vb = right[b * n + b];
            out[a * n + b] = va > constant && vb > constant ? cov[a * n + b] / sqrt(va * vb) : 0;
        }
}

/* Mean R^2 of the `wanted` latents of one side from the `given` ones of the other, linear.
 *   of, by    covariances of the two sides; cross: rows of `of`, columns of `by`, or transposed
 *   room      n x n + n x n */
static double group_r2(int32_t n, const double *of, const double *by, const double *cross,
                       bool turn, const uint8_t *wanted, const uint8_t *given, double *room)
{
    double *a = room, *b = room + (int64_t)n * n, sum = 0;
    int     k = 0, one = 1, info = 0, targets = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!given[i] || by[i * n + i] <= constant)
            continue;
        int32_t l = 0;
        for (int32_t j = 0; j <= i; j++)
            if (given[j] && by[j * n + j] > constant)
                a[(int64_t)n * l++ + k] = by[i * n + j];
        a[(int64_t)n * k + k] *= 1 + 1e-10; /* equal columns do not matter */
        k++;
    }
    if (k > 0)
        dpotrf_("L", &k, a, &n, &info);
    for (int32_t i = 0; i < n; i++) {
        if (!wanted[i] || of[i * n + i] <= constant)
            continue;
        int32_t l = 0;
        double  explained = 0;
        for (int32_t j = 0; j < n; j++)
            if (given[j] && by[j * n + j] > constant) {
                b[l] = b[n + l] = turn ? cross[j * n + i] : cross[i * n + j];
                l++;
            }
        if (k > 0 && info == 0)
            dpotrs_("L", &k, &one, a, &n, b, &n, &info);
        for (int32_t j = 0; j < l && info == 0; j++)
            explained += b[j] * b[n + j];
        sum += explained / of[i * n + i];
        targets++;
    }
    return targets > 0 ? sum / targets : 0;
}

/* One other initialisation: partners of the latents, and whether it keeps them too. */
static ub_status compare(const ub_model *m, const double *sum, int64_t r, double *room,
                         ub_evidence *e)
{
    int32_t  n = e->latents;
    int64_t  square = (int64_t)n * n;
    double  *cross = room, *own = room + square, *kept = own + square, *more = kept + square;
    int32_t *match = e->match + r * n;
    covariance(m, sum, r, true, cross);
    covariance(m, sum, r, false, own);
    covariance(m, sum, e->kept, false, kept);
    correlate(n, cross, kept, own, more);
    for (int64_t k = 0; k < square; k++)
        more[k] = fabs(more[k]);
    UB_TRY(ub_assign(n, n, more, match));
    for (int32_t j = 0; j < n; j++) {
        double likeness = more[j * n + match[j]];
        if (likeness < UB_EVIDENCE_MATCH)
            match[j] = -1;
        else
            e->likeness[r * n + j] = likeness;
    }
    if (r == e->kept)
        return UB_OK;
    double others = (double)(e->restarts - 1);
    for (int32_t i = 0; i < e->tasks; i++) {
        const uint8_t *mine = m->relevant + (int64_t)i * n;
        const uint8_t *theirs = m->restarts.relevant + (r * e->tasks + i) * n;
        for (int32_t j = 0; j < n; j++)
            if (match[j] >= 0 && theirs[match[j]] != 0)
                e->confidence[(int64_t)i * n + j] += 1 / others;
        double there = group_r2(n, kept, own, cross, false, mine, theirs, more);
        double back = group_r2(n, own, kept, cross, true, theirs, mine, more);
        e->agreement[i] += fmin(there, back) / others;
    }
    return UB_OK;
}

/* Singular values of a task's Jacobian in the latents it keeps, each scaled by its deviation. */
static ub_status task_singular(const ub_model *m, const double *sum, int32_t i, const double *var,
                               double *room, double *singular)
{
    layout         at = layout_of(m);
    int32_t        n = m->shape.latents;
    const double  *gram = sum + at.gram + (int64_t)i * n * n;
    const uint8_t *kept = m->relevant + (int64_t)i * n;
    int            k = 0, lwork = 3 * n, info = 0;
    double        *w = room + (int64_t)n * n, *work = w + n;
    for (int32_t a = 0; a < n; a++)
        k += kept[a] != 0;
    double *cell = room;
    for (int32_t a = 0; a < n; a++)
        for (int32_t b = 0; b < n && kept[a]; b++)
            if (kept[b])
                *cell++ =
                    gram[a * n + b] / sum[at.used + i] * sqrt(var[a * n + a] * var[b * n + b]);
    memset(singular, 0, (size_t)n * sizeof *singular);
    if (k == 0 || !(sum[at.used + i] > 0))
        return UB_OK;
    dsyev_("N", "L", &k, room, &k, w, work, &lwork, &info);
    if (info != 0)
        return UB_FAIL(UB_ENUMERIC, "the eigenvalues of the Jacobian of task %d do not converge",
                       (int)i);
    for (int32_t j = 0; j < k; j++)
        singular[j] = w[k - 1 - j] > 0 ? sqrt(w[k - 1 - j]) : 0;
    return UB_OK;
}

static double task_r2(const ub_model *m, const double *sum, int32_t i)
{
    layout at = layout_of(m);
    double used = sum[at.used + i], total = 0;
    int    columns = 0;
    for (int32_t c = m->task_offset[i]; c < m->task_offset[i + 1]; c++) {
        const double *x = sum + at.columns + 3 * (int64_t)c;
        double        spread = x[1] - x[0] * x[0] / fmax(used, 1);
        if (!(spread > constant * fmax(used, 1)))
            continue;
        total += 1 - x[2] / spread;
        columns++;
    }
    return columns > 0 ? total / columns : (double)NAN;
}

static ub_status fill(const ub_model *m, const double *sum, double *room, ub_evidence *e)
{
    layout  at = layout_of(m);
    int32_t n = e->latents;
    double *var = room + 3 * (int64_t)n * n + 4 * (int64_t)n;
    for (int64_t r = 0; r < e->restarts; r++)
        UB_TRY(compare(m, sum, r, room, e));
    covariance(m, sum, e->kept, false, var);
    correlate(n, var, var, var, e->correlation);
    for (int32_t j = 0; j < n; j++)
        e->kl[j] = sum[at.kl + j] / sum[at.count];
    for (int32_t i = 0; i < e->tasks; i++) {
        e->task_r2[i] = task_r2(m, sum, i);
        UB_TRY(task_singular(m, sum, i, var, room, e->singular + (int64_t)i * n));
    }
    for (int64_t k = 0; e->restarts < 2 && k < (int64_t)e->tasks * n; k++)
        e->confidence[k] = (double)NAN;
    for (int32_t i = 0; e->restarts < 2 && i < e->tasks; i++)
        e->agreement[i] = (double)NAN;
    return UB_OK;
}

ub_status ub_evidence_make(const ub_model *m, const ub_corpus *corpus, const double *sum,
                           ub_evidence *out)
{
    double     *room = NULL;
    int64_t     n = m->shape.latents;
    ub_status   st = UB_OK;
    ub_evidence e = {.tasks = m->shape.tasks,
                     .latents = m->shape.latents,
                     .restarts = m->restarts.count,
                     .kept = m->restarts.kept,
                     .samples = (int64_t)sum[0]};
    if (e.samples < 2)
        return UB_FAIL(UB_EINPUT, "%lld held-out samples are too few to look at a model",
                       (long long)e.samples);
    UB_TRY_OUT(ub_evidence_alloc(&e));
    UB_TRY_OUT(UB_ALLOC(room, 6 * n * n + 4 * n));
    memcpy(e.objective, m->restarts.objective, (size_t)e.restarts * sizeof *e.objective);
    memcpy(e.task_name, corpus->task_name, (size_t)e.tasks * sizeof *e.task_name);
    UB_TRY_OUT(fill(m, sum, room, &e));
    UB_TRY_OUT(ub_evidence_warn(m, &e, &e.warnings));
    *out = e;
    e = (ub_evidence){0};
out:
    ub_free(room);
    ub_evidence_release(&e);
    return st;
}
