/* Scores: the task graph against the truth, and R^2 of the true latents from the estimated
 * task-relevant group, by an independent regressor on held-out episodes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/shard.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "jobs/study.h"

/* Samples for the judge: evenly spaced (episode, step) cells of the held-out or of the
 * other episodes.  Which ones depends on the settings only. */
typedef struct sample {
    const ub_corpus *corpus;
    int64_t         *episodes; /* candidates, ascending */
    int64_t          candidates, count;
} sample;

static ub_status choose(const ub_corpus *corpus, const ub_settings *run, bool held_out,
                        int64_t want, sample *out)
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
    return UB_OK;
}

/* Over ranks, in pieces that fit an int.  One rank has a value, the others zero: exact in any
 * order.
 */
static ub_status add_up(const ub_comm *c, int64_t n, double *x)
{
    for (int64_t at = 0; at < n; at += 1 << 24) {
        int piece = n - at < 1 << 24 ? (int)(n - at) : 1 << 24;
        UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, x + at, piece, MPI_DOUBLE, MPI_SUM, c->mpi));
    }
    return UB_OK;
}

/* Estimated latents (count x n) and true ones (count x q) of the chosen samples, on all ranks. */
static ub_status gather(const ub_comm *c, const sample *s, const ub_model *m, double *x, double *y)
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
            st = ub_model_encode(m, 1, corpus->states + at * corpus->dim, x + i * n);
        memcpy(y + i * q, corpus->latents + at * q, (size_t)q * sizeof *y);
    }
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(add_up(c, s->count * n, x));
    return add_up(c, s->count * q, y);
}

/* Latents that some task keeps, ascending, into which[n]; returns how many. */
static int32_t find_relevant(const ub_model *m, int32_t *which)
{
    int64_t n = m->shape.latents;
    int32_t kept = 0;
    for (int32_t j = 0; j < n; j++) {
        bool any = false;
        for (int32_t i = 0; i < m->shape.tasks; i++)
            any = any || m->relevant[i * n + j] != 0;
        if (any)
            which[kept++] = j;
    }
    return kept;
}

/* Those columns of x, rows x n, moved together: rows x kept. */
static void keep_columns(int64_t rows, int32_t n, int32_t kept, const int32_t *which, double *x)
{
    for (int64_t r = 0; r < rows; r++)
        for (int32_t k = 0; k < kept; k++) /* never overtakes the column it reads */
            x[r * kept + k] = x[r * n + which[k]];
}

static void average(const ub_corpus *corpus, const double *r2, ub_verdicts *v)
{
    double sum[2] = {0, 0};
    int    count[2] = {0, 0};
    for (int32_t j = 0; j < corpus->latent_dim; j++) {
        int relevant = 0;
        for (int32_t i = 0; i < corpus->tasks; i++)
            relevant |= corpus->latent_relevant[j * corpus->tasks + i];
        sum[relevant] += r2[j];
        count[relevant]++;
    }
    v->r2_relevant = count[1] > 0 ? sum[1] / count[1] : NAN;
    v->r2_irrelevant = count[0] > 0 ? sum[0] / count[0] : NAN;
}

static ub_status judge_latents(const ub_comm *c, const ub_corpus *corpus, const ub_model *m,
                               const ub_settings *run, const ub_settings *judge, ub_verdicts *v)
{
    sample    train = {0}, test = {0};
    double   *buffer[4] = {NULL, NULL, NULL, NULL}, *r2 = NULL;
    int32_t  *which = NULL;
    size_t    n = (size_t)m->shape.latents, q = (size_t)corpus->latent_dim;
    ub_status st = UB_OK;
    st = choose(corpus, run, false, judge->eval.train, &train);
    if (st == UB_OK)
        st = choose(corpus, run, true, judge->eval.test, &test);
    if (st == UB_OK)
        st = UB_ALLOC(buffer[0], (size_t)train.count * n);
    if (st == UB_OK)
        st = UB_ALLOC(buffer[1], (size_t)train.count * q);
    if (st == UB_OK)
        st = UB_ALLOC(buffer[2], (size_t)test.count * n);
    if (st == UB_OK)
        st = UB_ALLOC(buffer[3], (size_t)test.count * q);
    if (st == UB_OK)
        st = UB_ALLOC(r2, q);
    if (st == UB_OK)
        st = UB_ALLOC(which, n);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(gather(c, &train, m, buffer[0], buffer[1]));
    UB_TRY_OUT(gather(c, &test, m, buffer[2], buffer[3]));
    v->kept = find_relevant(m, which);
    keep_columns(train.count, m->shape.latents, v->kept, which, buffer[0]);
    keep_columns(test.count, m->shape.latents, v->kept, which, buffer[2]);
    if (c->rank == 0)
        st = ub_judge_r2(train.count, test.count, v->kept, corpus->latent_dim, buffer[0], buffer[1],
                         buffer[2], buffer[3], judge->eval.ridge, r2);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(ub_comm_bcast(c, r2, q * sizeof *r2));
    average(corpus, r2, v);
out:
    for (int i = 0; i < 4; i++)
        ub_free(buffer[i]);
    ub_free(which);
    ub_free(r2);
    ub_free(train.episodes);
    ub_free(test.episodes);
    return st;
}

/* The model must be judged on the corpus it was made from. */
static ub_status same_corpus(const char *path, const ub_settings *run, const ub_corpus *corpus)
{
    char      hex[UB_SHA256_HEX];
    ub_bytes  made = {0};
    ub_status st = ub_results_origin(path, "corpus", &made);
    ub_sha256_hex(corpus->digest, hex);
    if (st == UB_OK && strcmp((const char *)made.data, hex) != 0)
        st = UB_FAIL(UB_EINPUT,
                     "%s was made from another corpus (digest %.12s...) than %s (%.12s...)", path,
                     (const char *)made.data, run->corpus.path, hex);
    ub_bytes_release(&made);
    return st;
}

/* Every rank reads the model file: it is small, and only rank 0's verdict on it counts. */
static ub_status score_model(const ub_comm *c, const char *path, const ub_settings *run,
                             const ub_settings *judge, ub_verdicts *v)
{
    ub_model  m = {0};
    ub_corpus corpus = {0};
    ub_status st = UB_OK;
    UB_TRY_OUT(ub_comm_agree(c, ub_results_read_model(path, &m)));
    UB_TRY_OUT(ub_corpus_read(c, run, run->disentangle.shards, &corpus));
    UB_TRY_OUT(ub_comm_agree(c, same_corpus(path, run, &corpus)));
    if (corpus.latents != NULL && corpus.latent_relevant == NULL)
        ub_log0_warn("eval-latents",
                     "path=%s: true latents without truth/latent_relevant, not judged",
                     run->corpus.path);
    else if (corpus.latents != NULL)
        UB_TRY_OUT(judge_latents(c, &corpus, &m, run, judge, v));
out:
    ub_corpus_release(&corpus);
    ub_model_release(&m);
    return st;
}

static ub_status score_graph(const char *path, ub_verdicts *v)
{
    ub_task_graph g = {0};
    uint8_t      *truth = NULL;
    UB_TRY(ub_results_read_graph(path, &g, &truth));
    ub_status st = UB_OK;
    if (truth != NULL) {
        st = ub_task_graph_score(&g, truth, &v->scores);
        v->has_truth = st == UB_OK;
    }
    ub_task_graph_release(&g);
    ub_free(truth);
    return st;
}

ub_status ub_stage_eval(const ub_comm *c, const char *folder, const ub_settings *run,
                        const ub_settings *judge, ub_verdicts *out)
{
    char        graph[2 * UB_TEXT_MAX], model[2 * UB_TEXT_MAX];
    ub_verdicts v = {.r2_relevant = NAN, .r2_irrelevant = NAN, .scores = {NAN, NAN, NAN, NAN}};
    ub_status   st = UB_OK;
    (void)snprintf(graph, sizeof graph, "%s/structure.h5", folder);
    (void)snprintf(model, sizeof model, "%s/model.h5", folder);
    if (c->rank == 0) {
        v.has_graph = ub_file_exists(graph);
        v.has_model = ub_file_exists(model);
        if (!v.has_graph && !v.has_model)
            st = UB_FAIL(UB_EINPUT,
                         "%s holds neither structure.h5 nor model.h5: not a run folder, "
                         "or its first stage has not finished",
                         folder);
        else if (v.has_graph)
            st = score_graph(graph, &v);
    }
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(ub_comm_bcast(c, &v, sizeof v));
    if (v.has_model)
        UB_TRY(score_model(c, model, run, judge, &v));
    *out = v;
    return UB_OK;
}

static ub_status put_number(ub_bytes *out, const char *name, double x)
{
    if (isnan(x))
        return UB_OK;
    return ub_bytes_printf(out, ", \"%s\": %.6f", name, x);
}

ub_status ub_verdicts_json(const ub_verdicts *v, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{\"structure\": %s, \"truth\": %s, \"disentangle\": %s",
                           v->has_graph ? "true" : "false", v->has_truth ? "true" : "false",
                           v->has_model ? "true" : "false"));
    UB_TRY(put_number(out, "accuracy", v->scores.accuracy));
    UB_TRY(put_number(out, "mcc", v->scores.mcc));
    UB_TRY(put_number(out, "average_precision", v->scores.average_precision));
    UB_TRY(put_number(out, "ari", v->scores.ari));
    UB_TRY(put_number(out, "r2_relevant", v->r2_relevant));
    UB_TRY(put_number(out, "r2_irrelevant", v->r2_irrelevant));
    if (!isnan(v->r2_relevant))
        UB_TRY(ub_bytes_printf(out, ", \"latents_kept\": %d", v->kept));
    return ub_bytes_printf(out, "}\n");
}
