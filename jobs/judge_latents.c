/* The judge of stage 2: R^2 of the true latents by a regressor that the model has never seen.
 *
 * Every regression is a question (which columns predict); equal questions are asked once, and
 * the ranks share them.  An answer depends on its question only, so the scores are the same
 * numbers on any number of ranks. */
#include <math.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/shard.h"
#include "jobs/judge_latents.h"

/* Samples for the judge: evenly spaced (episode, step) cells of the held-out or of the
 * other episodes.  Which ones depends on the settings only. */
typedef struct sample {
    const ub_corpus *corpus;
    int64_t         *episodes; /* candidates, ascending */
    int64_t          candidates, count;
    double          *column[2]; /* count x latents estimated, count x latent_dim true */
} sample;

static void release(sample *s)
{
    ub_free(s->episodes);
    ub_free(s->column[0]);
    ub_free(s->column[1]);
}

static ub_status choose(const ub_corpus *corpus, const ub_settings *run, int32_t latents,
                        bool held_out, int64_t want, sample *out)
{
    *out = (sample){.corpus = corpus};
    UB_TRY(UB_ALLOC(out->episodes, corpus->episodes));
    int64_t shards = run->disentangle.shards;
    for (int64_t s = 0; s < shards; s++) {
        ub_range rows = ub_part(corpus->episodes, shards, s);
        int64_t  out_from =
            rows.first + rows.count - ub_held_out(rows.count, run->disentangle.holdout);
        for (int64_t e = rows.first; e < rows.first + rows.count; e++)
            if ((e >= out_from) == held_out)
                out->episodes[out->candidates++] = e;
    }
    int64_t cells = out->candidates * corpus->steps;
    out->count = cells < want ? cells : want;
    UB_TRY(UB_ALLOC(out->column[0], out->count * latents));
    return UB_ALLOC(out->column[1], out->count * corpus->latent_dim);
}

/* Over ranks, in pieces that fit an int.  One rank has a value, the others zero: exact in any
 * order. */
static ub_status add_up(const ub_comm *c, int64_t n, double *x)
{
    for (int64_t at = 0; at < n; at += 1 << 24) {
        int piece = n - at < 1 << 24 ? (int)(n - at) : 1 << 24;
        UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, x + at, piece, MPI_DOUBLE, MPI_SUM, c->mpi));
    }
    return UB_OK;
}

/* Estimated and true latents of the chosen samples, on all ranks. */
static ub_status gather(const ub_comm *c, const sample *s, const ub_model *m)
{
    const ub_corpus *corpus = s->corpus;
    int32_t          n = m->shape.latents, q = corpus->latent_dim;
    ub_status        st = UB_OK;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t cell =
            (int64_t)((double)i * (double)s->candidates * corpus->steps / (double)s->count);
        int64_t local = s->episodes[cell / corpus->steps] - corpus->first;
        if (local < 0 || local >= corpus->count)
            continue;
        int64_t at = local * corpus->steps + cell % corpus->steps;
        if (st == UB_OK)
            st = ub_model_encode(m, 1, corpus->states + at * corpus->dim, s->column[0] + i * n);
        memcpy(s->column[1] + i * q, corpus->latents + at * q, (size_t)q * sizeof(double));
    }
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(add_up(c, s->count * n, s->column[0]));
    return add_up(c, s->count * q, s->column[1]);
}

/* ---- questions ---- */

/* One latent alone is asked about with every fourth sample: a match needs no more. */
enum { ESTIMATED, TRUE, THINNED = 4, ENOUGH = 400 };

typedef struct question {
    int      table;  /* ESTIMATED or TRUE columns ... */
    uint8_t *from;   /* ... with flag 1 predict all true latents */
    int64_t  stride; /* of samples */
    bool     idle;   /* nobody needs the answer */
    int64_t  same;   /* an earlier question with the same answer, or its own number */
} question;

/* The questions about M tasks and n latents, in this order:
 *   0            the latents some task keeps;      1 + i           those task i keeps
 *   1 + M        the truths some task needs;       2 + M + i       those task i needs
 *   2 + 2 M + j  latent j alone */
typedef struct exam {
    const ub_model  *model;
    const ub_corpus *corpus;
    double           ridge;
    sample           train, test;
    int64_t          count;
    question        *ask;
    uint8_t         *flags;  /* count x widest */
    double          *answer; /* count x latent_dim */
    int32_t          tasks, latents, truths, widest;
} exam;

static int same_question(const exam *e, int64_t a, int64_t b)
{
    const question *x = &e->ask[a], *y = &e->ask[b];
    return x->table == y->table && x->stride == y->stride && !y->idle &&
           memcmp(x->from, y->from, (size_t)e->widest) == 0;
}

static void set_flags(exam *e, int64_t group, int32_t task)
{
    uint8_t *est = e->ask[group].from, *truth = e->ask[1 + e->tasks + group].from;
    for (int32_t j = 0; j < e->latents; j++)
        est[j] |= e->model->relevant[(int64_t)task * e->latents + j] != 0;
    for (int32_t q = 0; q < e->truths; q++)
        truth[q] |= e->corpus->latent_relevant[(int64_t)q * e->tasks + task] != 0;
}

static ub_status make_questions(exam *e)
{
    int64_t groups = 1 + (int64_t)e->tasks;
    bool    many = e->train.count >= ENOUGH && e->test.count >= ENOUGH;
    e->count = 2 * groups + e->latents;
    e->widest = e->latents > e->truths ? e->latents : e->truths;
    UB_TRY(UB_ALLOC(e->ask, e->count));
    UB_TRY(UB_ALLOC(e->flags, e->count * e->widest));
    UB_TRY(UB_ALLOC(e->answer, e->count * e->truths));
    for (int64_t k = 0; k < e->count; k++)
        e->ask[k] = (question){.table = k < groups || k >= 2 * groups ? ESTIMATED : TRUE,
                               .from = e->flags + k * e->widest,
                               .stride = k >= 2 * groups && many ? THINNED : 1};
    for (int32_t i = 0; i < e->tasks; i++) {
        set_flags(e, 0, i);
        set_flags(e, 1 + i, i);
    }
    for (int32_t j = 0; j < e->latents; j++)
        e->ask[2 * groups + j].from[j] = 1;
    for (int64_t k = groups; k < 2 * groups; k++) /* no truth is irrelevant: there is no floor */
        e->ask[k].idle = memchr(e->ask[k].from, 0, (size_t)e->truths) == NULL;
    for (int64_t k = 0; k < e->count; k++) {
        e->ask[k].same = k;
        for (int64_t b = 0; b < k && e->ask[k].same == k && k < 2 * groups; b++)
            if (same_question(e, k, b))
                e->ask[k].same = b;
    }
    return UB_OK;
}

/* The flagged columns of every stride-th row; returns the rows. */
static int64_t pick(const sample *s, int table, int32_t width, const uint8_t *flag, int64_t stride,
                    double *out)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < s->count; i += stride, rows++)
        for (int32_t j = 0; j < width; j++)
            if (flag == NULL || flag[j] != 0)
                *out++ = s->column[table][i * width + j];
    return rows;
}

static ub_status answer(exam *e, const question *ask, double *r2)
{
    int32_t   width = ask->table == ESTIMATED ? e->latents : e->truths, p = 0;
    double   *x[2] = {NULL, NULL}, *y[2] = {NULL, NULL};
    sample   *s[2] = {&e->train, &e->test};
    int64_t   rows[2];
    ub_status st = UB_OK;
    for (int32_t j = 0; j < width; j++)
        p += ask->from[j] != 0;
    for (int k = 0; k < 2; k++) {
        UB_TRY_OUT(UB_ALLOC(x[k], s[k]->count * p));
        UB_TRY_OUT(UB_ALLOC(y[k], s[k]->count * e->truths));
        rows[k] = pick(s[k], ask->table, width, ask->from, ask->stride, x[k]);
        (void)pick(s[k], TRUE, e->truths, NULL, ask->stride, y[k]);
    }
    st = ub_judge_r2(rows[0], rows[1], p, e->truths, x[0], y[0], x[1], y[1], e->ridge, r2);
out:
    for (int k = 0; k < 2; k++) {
        ub_free(x[k]);
        ub_free(y[k]);
    }
    return st;
}

static ub_status answer_all(const ub_comm *c, exam *e)
{
    ub_status st = UB_OK;
    int64_t   turn = 0, sets = 0;
    for (int64_t k = 0; k < e->count; k++) {
        const question *ask = &e->ask[k];
        if (ask->idle || ask->same != k)
            continue;
        sets += k < 2 * (1 + (int64_t)e->tasks) && memchr(ask->from, 1, (size_t)e->widest) != NULL;
        if (turn++ % c->size == c->rank && st == UB_OK)
            st = answer(e, ask, e->answer + k * e->truths);
    }
    UB_TRY(ub_comm_agree(c, st));
    ub_log0_debug("judge", "sets=%lld singles=%d", (long long)sets, (int)e->latents);
    UB_TRY(add_up(c, e->count * e->truths, e->answer));
    for (int64_t k = 0; k < e->count; k++)
        if (e->ask[k].same != k)
            memcpy(e->answer + k * e->truths, e->answer + e->ask[k].same * e->truths,
                   (size_t)e->truths * sizeof(double));
    return UB_OK;
}

/* ---- marks ---- */

/* The three means of group 0 (all tasks) or 1 + i (task i). */
static void mark_means(const exam *e, int64_t group, ub_latent_score *out)
{
    int64_t        floor = 1 + (int64_t)e->tasks + group;
    const uint8_t *needs = e->ask[floor].from;
    const double  *r2 = e->answer + group * e->truths;
    out->r2_relevant = ub_latent_mean(e->truths, r2, needs, 1, 1);
    out->r2_irrelevant = ub_latent_mean(e->truths, r2, needs, 1, 0);
    out->r2_floor = ub_latent_mean(e->truths, e->answer + floor * e->truths, needs, 1, 0);
}

static ub_status mark(const exam *e, ub_latent_score *all, ub_latent_score *task)
{
    int64_t  singles = 2 * (1 + (int64_t)e->tasks);
    int32_t *match;
    UB_TRY(UB_ALLOC(match, e->latents));
    ub_status st = ub_latent_match(e->latents, e->truths, e->answer + singles * e->truths, match);
    for (int32_t g = 0; g <= e->tasks && st == UB_OK; g++) {
        ub_latent_score *out = g == 0 ? all : &task[g - 1];
        mark_means(e, g, out);
        ub_latent_compare(e->latents, e->ask[g].from, e->truths, e->ask[1 + e->tasks + g].from, 1,
                          match, out);
    }
    ub_free(match);
    return st;
}

ub_status ub_judge_latents(const ub_comm *c, const ub_corpus *corpus, const ub_model *m,
                           const ub_settings *run, const ub_settings *judge, ub_latent_score *all,
                           ub_latent_score *task)
{
    exam      e = {.model = m,
                   .corpus = corpus,
                   .ridge = judge->eval.ridge,
                   .tasks = m->shape.tasks,
                   .latents = m->shape.latents,
                   .truths = corpus->latent_dim};
    ub_status st = choose(corpus, run, e.latents, false, judge->eval.train, &e.train);
    if (st == UB_OK)
        st = choose(corpus, run, e.latents, true, judge->eval.test, &e.test);
    if (st == UB_OK)
        st = make_questions(&e);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(gather(c, &e.train, m));
    UB_TRY_OUT(gather(c, &e.test, m));
    UB_TRY_OUT(answer_all(c, &e));
    UB_TRY_OUT(ub_comm_agree(c, mark(&e, all, task)));
out:
    release(&e.train);
    release(&e.test);
    ub_free(e.ask);
    ub_free(e.flags);
    ub_free(e.answer);
    return st;
}
