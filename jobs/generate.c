#include "jobs/generate.h"

#include "jobs/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "core/shard.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "io/results.h"

/* Pairs a, b and the judge's samples, as (episode, step) cells. */
typedef struct cells {
    int64_t  pairs, train;
    int64_t *a, *b, *judge;
} cells;

void ub_generator_release(ub_generator *g)
{
    ub_model_release(&g->model);
    ub_corpus_release(&g->corpus);
    ub_free(g->use);
    ub_free(g->held_out);
    ub_leakage_release(&g->leakage);
    ub_free(g->low);
    ub_free(g->high);
    ub_free(g->mean);
    ub_free(g->sd);
    *g = (ub_generator){0};
}

static ub_status read_model(const char *folder, char path[UB_PATH_MAX], ub_model *m)
{
    (void)snprintf(path, UB_PATH_MAX, "%s/model.h5", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT,
                       "%s holds no model.h5: stage 2 has not finished there; 'unbraid "
                       "disentangle' or 'unbraid run' makes one",
                       folder);
    return ub_results_read_model(path, m);
}

/* Steps at which the heads were trained: those of stage 1, of the truth, or all. */
static ub_status find_use(const char *folder, const ub_settings *run, ub_generator *g)
{
    char           path[UB_PATH_MAX];
    ub_task_graph  graph = {0};
    int64_t        tasks = g->corpus.tasks, length = g->corpus.segment;
    int64_t        count = g->corpus.steps * tasks;
    const uint8_t *truth = run->disentangle.steps == UB_STEPS_TRUTH ? g->corpus.truth : NULL;
    (void)snprintf(path, sizeof path, "%s/structure.h5", folder);
    bool found = run->disentangle.steps == UB_STEPS_STRUCTURE && ub_file_exists(path);
    if (truth == NULL && !found)
        return UB_OK;
    if (found)
        UB_TRY(ub_results_read_graph(path, &graph, NULL));
    ub_status st = UB_ALLOC(g->use, count);
    for (int64_t i = 0; i < count && st == UB_OK; i++)
        g->use[i] = truth != NULL ? truth[i] : graph.member[i / tasks / length * tasks + i % tasks];
    ub_task_graph_release(&graph);
    return st;
}

/* The last episodes of every shard were never trained on. */
static ub_status find_held_out(const ub_settings *run, ub_generator *g)
{
    int64_t n = g->corpus.episodes, shards = run->disentangle.shards;
    UB_TRY(UB_ALLOC(g->held_out, n));
    for (int64_t s = 0; s < shards; s++) {
        ub_range rows = ub_part(n, shards, s);
        int64_t  last = ub_held_out(rows.count, run->disentangle.holdout);
        for (int64_t e = rows.first + rows.count - last; e < rows.first + rows.count; e++)
            g->held_out[g->held_outs++] = e;
    }
    if (g->held_outs < 2)
        return UB_FAIL(UB_EINPUT,
                       "%lld of the %lld episodes are held out (disentangle.holdout); leakage is "
                       "measured between at least two",
                       (long long)g->held_outs, (long long)n);
    return UB_OK;
}

ub_status ub_generator_open(const ub_comm *c, const char *folder, const ub_settings *run,
                            ub_generator *out)
{
    char path[UB_PATH_MAX];
    *out = (ub_generator){0};
    UB_TRY(ub_comm_agree(c, read_model(folder, path, &out->model)));
    UB_TRY(ub_corpus_read(c, run, run->disentangle.shards, &out->corpus));
    ub_status st = ub_study_made_from(path, run, &out->corpus);
    if (st == UB_OK)
        st = find_use(folder, run, out);
    if (st == UB_OK)
        st = find_held_out(run, out);
    return ub_comm_agree(c, st);
}

ub_status ub_generator_gather(const ub_comm *c, const ub_generator *g, int64_t count,
                              const int64_t *cell, double *obs, double *truth)
{
    const ub_corpus *x = &g->corpus;
    int64_t          d = x->dim, q = truth == NULL ? 0 : x->latent_dim;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = cell[i] - x->first * x->steps;
        bool    mine = at >= 0 && at < x->count * x->steps;
        for (int64_t j = 0; j < d; j++)
            obs[i * d + j] = mine ? x->states[at * d + j] : 0;
        for (int64_t j = 0; truth != NULL && j < q; j++)
            truth[i * q + j] = mine ? x->latents[at * q + j] : 0;
    }
    /* One rank has a value, the others zero: exact in any order.  In pieces that fit an int. */
    for (int table = 0; table < 2; table++) {
        double *all = table == 0 ? obs : truth;
        int64_t n = count * (table == 0 ? d : q);
        for (int64_t at = 0; at < n; at += 1 << 24) {
            int piece = n - at < 1 << 24 ? (int)(n - at) : 1 << 24;
            UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, all + at, piece, MPI_DOUBLE, MPI_SUM, c->mpi));
        }
    }
    return UB_OK;
}

/* ---- leakage ---- */

static void cells_release(cells *x)
{
    ub_free(x->a);
    ub_free(x->b);
    ub_free(x->judge);
}

/* Held-out cells evenly, each with its step of the next episode in one random cycle through all
 * of them; the judge's evenly among the others.  Depends on the settings only. */
static ub_status choose_cells(const ub_generator *g, const ub_settings *run,
                              const ub_settings *judge, cells *out)
{
    const ub_corpus *c = &g->corpus;
    int64_t          steps = c->steps, held = g->held_outs * steps, at = 0;
    int64_t         *order = NULL, *next = NULL, *other = NULL;
    ub_status        st = UB_OK;
    ub_rng           r = ub_rng_make((uint64_t)run->run.seed, UB_RNG_EVAL, 1);
    *out = (cells){.pairs = held < judge->eval.test ? held : judge->eval.test};
    int64_t rest = (c->episodes - g->held_outs) * steps;
    if (c->latents != NULL && c->latent_relevant != NULL)
        out->train = rest < judge->eval.train ? rest : judge->eval.train;
    UB_TRY_OUT(UB_ALLOC(order, g->held_outs));
    UB_TRY_OUT(UB_ALLOC(next, g->held_outs));
    UB_TRY_OUT(UB_ALLOC(other, c->episodes));
    UB_TRY_OUT(UB_ALLOC(out->a, out->pairs));
    UB_TRY_OUT(UB_ALLOC(out->b, out->pairs));
    UB_TRY_OUT(UB_ALLOC(out->judge, out->train));
    ub_rng_permutation(&r, g->held_outs, order);
    for (int64_t i = 0; i < g->held_outs; i++)
        next[order[i]] = order[(i + 1) % g->held_outs];
    for (int64_t i = 0; i < out->pairs; i++) {
        int64_t k = (int64_t)((double)i * (double)held / (double)out->pairs);
        out->a[i] = g->held_out[k / steps] * steps + k % steps;
        out->b[i] = g->held_out[next[k / steps]] * steps + k % steps;
    }
    for (int64_t e = 0, h = 0; e < c->episodes; e++)
        if (h < g->held_outs && g->held_out[h] == e)
            h++;
        else
            other[at++] = e;
    for (int64_t i = 0; i < out->train; i++) {
        int64_t k = (int64_t)((double)i * (double)rest / (double)out->train);
        out->judge[i] = other[k / steps] * steps + k % steps;
    }
out:
    ub_free(order);
    ub_free(next);
    ub_free(other);
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean, deviation and the middle 95 % of each latent over n samples. */
static ub_status find_ranges(ub_generator *g, int64_t n, const double *z)
{
    int32_t latents = g->model.shape.latents;
    double *sorted;
    UB_TRY(UB_ALLOC(sorted, n));
    for (int32_t j = 0; j < latents; j++) {
        for (int64_t i = 0; i < n; i++) {
            sorted[i] = z[i * latents + j];
            g->mean[j] += sorted[i] / (double)n;
        }
        for (int64_t i = 0; i < n; i++)
            g->sd[j] += (sorted[i] - g->mean[j]) * (sorted[i] - g->mean[j]) / (double)n;
        g->sd[j] = sqrt(g->sd[j]);
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
        int64_t tail = (int64_t)(0.025 * (double)n);
        g->low[j] = sorted[tail];
        g->high[j] = sorted[n - 1 - tail];
    }
    ub_free(sorted);
    return UB_OK;
}

/* What is gathered: observations of a, b and the judge's samples, factors of a and the judge's. */
typedef struct gathered {
    double  *a, *b, *judge, *known, *truth;
    double  *za, *zb;
    uint8_t *use;
} gathered;

static void gathered_release(gathered *x)
{
    ub_free(x->a);
    ub_free(x->b);
    ub_free(x->judge);
    ub_free(x->known);
    ub_free(x->truth);
    ub_free(x->za);
    ub_free(x->zb);
    ub_free(x->use);
}

static ub_status make_room(ub_generator *g, const cells *x, gathered *y)
{
    int64_t d = g->corpus.dim, q = x->train > 0 ? g->corpus.latent_dim : 0;
    int64_t latents = g->model.shape.latents, tasks = g->model.shape.tasks;
    UB_TRY(UB_ALLOC(y->a, x->pairs * d));
    UB_TRY(UB_ALLOC(y->b, x->pairs * d));
    UB_TRY(UB_ALLOC(y->judge, x->train * d));
    UB_TRY(UB_ALLOC(y->known, x->pairs * q));
    UB_TRY(UB_ALLOC(y->truth, x->train * q));
    UB_TRY(UB_ALLOC(y->za, x->pairs * latents));
    UB_TRY(UB_ALLOC(y->zb, x->pairs * latents));
    UB_TRY(UB_ALLOC(y->use, x->pairs * tasks));
    UB_TRY(UB_ALLOC(g->low, latents));
    UB_TRY(UB_ALLOC(g->mean, latents));
    UB_TRY(UB_ALLOC(g->sd, latents));
    return UB_ALLOC(g->high, latents);
}

/* Rank 0, after everything has been gathered. */
static ub_status measure(const ub_settings *judge, const cells *x, const gathered *y,
                         ub_generator *g)
{
    int32_t tasks = g->model.shape.tasks;
    UB_TRY(ub_model_encode(&g->model, x->pairs, y->a, y->za));
    UB_TRY(ub_model_encode(&g->model, x->pairs, y->b, y->zb));
    for (int64_t i = 0; i < x->pairs * tasks && g->use != NULL; i++)
        y->use[i] = g->use[x->a[i / tasks] % g->corpus.steps * tasks + i % tasks];
    ub_leak_data d = {.pairs = x->pairs,
                      .a = y->za,
                      .b = y->zb,
                      .use = g->use == NULL ? NULL : y->use,
                      .factors = x->train > 0 ? g->corpus.latent_dim : 0,
                      .needed = g->corpus.latent_relevant,
                      .train = x->train,
                      .obs = y->judge,
                      .truth = y->truth,
                      .known = y->known,
                      .ridge = judge->eval.ridge};
    g->pairs = x->pairs;
    UB_TRY(find_ranges(g, x->pairs, y->za));
    return ub_leakage_measure(&g->model, &d, &g->leakage);
}

ub_status ub_generator_measure(const ub_comm *c, const ub_settings *run, const ub_settings *judge,
                               ub_generator *g)
{
    cells     x = {0};
    gathered  y = {0};
    ub_status st = choose_cells(g, run, judge, &x);
    if (st == UB_OK)
        st = make_room(g, &x, &y);
    UB_TRY_OUT(ub_comm_agree(c, st));
    bool factors = x.train > 0;
    UB_TRY_OUT(ub_generator_gather(c, g, x.pairs, x.a, y.a, factors ? y.known : NULL));
    UB_TRY_OUT(ub_generator_gather(c, g, x.pairs, x.b, y.b, NULL));
    UB_TRY_OUT(ub_generator_gather(c, g, x.train, x.judge, y.judge, factors ? y.truth : NULL));
    UB_TRY_OUT(ub_comm_agree(c, c->rank == 0 ? measure(judge, &x, &y, g) : UB_OK));
out:
    cells_release(&x);
    gathered_release(&y);
    return st;
}
