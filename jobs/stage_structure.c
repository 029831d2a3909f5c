/* Stage 1: moments, inverse if needed, the farm of tests, decision, results. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/pace.h"
#include "core/structure.h"
#include "io/export.h"
#include "io/journal.h"
#include "jobs/failed.h"
#include "jobs/progress.h"
#include "jobs/study.h"
#include "mpi/dmatrix.h"
#include "mpi/farm.h"
#include "mpi/moments.h"
#include "mpi/samples.h"

enum { TEXT_ROWS = 500000 }; /* pairs beyond this are for programs, not for text files */

typedef struct stage {
    ub_structure      *plan;
    ub_solver         *solver;
    ub_journal        *journal; /* rank 0, as what follows */
    uint8_t           *only;    /* items that had failed: no others are done; NULL: all */
    ub_progress        progress;
    double             flushed; /* seconds of all flushes of the journal so far */
    int                ahead;   /* items between the wish to stop and the end of the last */
    const ub_settings *settings;
    ub_beacon         *beacon;
} stage;

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    stage *t = self;
    double ms = t->settings->farm.slow_ms;
    if (ms > 0) {
        struct timespec pause = {(time_t)(ms / 1000), (long)(ms * 1e6) % 1000000000L};
        (void)nanosleep(&pause, NULL);
    }
    int64_t every = t->settings->farm.fail_every;
    if (every > 0 && item % every == every - 1)
        return UB_FAIL(UB_ENUMERIC, "item %lld fails as farm.fail_every: %lld says",
                       (long long)item, (long long)every);
    return ub_structure_eval(t->plan, t->solver, item, answer);
}

/* After a call of the journal: what it flushed. */
static void note_flush(stage *t)
{
    double flushed = ub_journal_flushed(t->journal);
    if (flushed > t->flushed)
        ub_stop_saved(flushed - t->flushed);
    t->flushed = flushed;
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    stage    *t = self;
    ub_status st = ub_structure_absorb(t->plan, item, answer, len);
    if (st == UB_OK)
        st = ub_journal_put(t->journal, item, answer, len);
    if (st == UB_OK)
        ub_beacon_safe(t->progress.beacon);
    note_flush(t);
    return st;
}

static ub_status tick(void *self)
{
    stage    *t = self;
    ub_status st = ub_journal_tick(t->journal, ub_clock());
    note_flush(t);
    return st;
}

static ub_status replay(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    stage *t = self;
    return ub_structure_absorb(t->plan, item, answer, len);
}

static bool has(void *self, int64_t item)
{
    const stage *t = self;
    return ub_structure_has(t->plan, item) || (t->only != NULL && !t->only[item]);
}

/* Of time that runs out rank 0 knows for all. */
static bool stop(void *self)
{
    const stage *t = self;
    return t->journal != NULL ? ub_stop_asked() : ub_stop_signalled();
}

static void progress(void *self, int64_t done, int64_t items)
{
    stage *t = self;
    ub_progress_show(&t->progress, done, items);
}

static void rank_state(void *self, int rank, const ub_farm_rank *how)
{
    const stage   *t = self;
    ub_rank_report r = {.state = how->lost   ? UB_RANK_DEAD
                                 : how->slow ? UB_RANK_SLOW
                                             : UB_RANK_WELL,
                        .busy = how->busy,
                        .done = how->done,
                        .speed = how->speed};
    ub_beacon_rank(t->beacon, rank, &r);
    if (how->done > 0)
        ub_stop_worked(t->ahead * how->longest);
}

ub_status ub_stage_invert(const ub_comm *c, const ub_settings *settings, const ub_moments *m,
                          int32_t p, double **out)
{
    double   *a = NULL;
    ub_status st = UB_ALLOC_RAW(a, (size_t)p * (size_t)p);
    UB_TRY(ub_comm_agree(c, st));
    for (int32_t i = 0; i < p; i++)
        memcpy(a + (size_t)i * (size_t)p, m->cov + (size_t)i * (size_t)m->columns,
               (size_t)p * sizeof *a);
    ub_inverse_plan plan = {.serial_max = settings->structure.serial_max,
                            .grid_rows = (int32_t)settings->structure.grid_rows,
                            .grid_cols = (int32_t)settings->structure.grid_cols,
                            .block = (int32_t)settings->structure.block};
    double          start = ub_clock();
    UB_TRY_OUT(ub_spd_inverse(c, &plan, p, a, "the covariance of all steps (full conditioning)"));
    ub_log0_info("inverse", "columns=%d by=%s seconds=%.3f", p,
                 p <= plan.serial_max ? "lapack" : "scalapack", ub_clock() - start);
    *out = a;
    return UB_OK;
out:
    ub_free(a);
    return st;
}

/* Rank 0: the answers there are already.  Without a pause of the user's, flushes to disk keep to
 * the budget, at most every second. */
static ub_status open_journal(const ub_study *s, stage *t)
{
    char    path[UB_TEXT_MAX];
    int64_t known = 0;
    double  pause = t->settings->farm.journal_sync_s;
    UB_TRY(ub_journal_open(ub_rundir_file(&s->dir, "structure.journal", path, sizeof path),
                           s->dir.identity, pause > 0 ? pause : UB_PACE_LEAST_S, replay, t, &known,
                           &t->journal));
    if (pause <= 0)
        ub_journal_budget(t->journal, t->settings->run.save_budget);
    if (known > 0)
        ub_log0_info("journal-read", "answers=%lld of=%lld", (long long)known,
                     (long long)ub_structure_items(t->plan));
    return UB_OK;
}

/* Rank 0: what is to be done. */
static ub_status begin_farm(const ub_study *s, stage *t)
{
    int64_t failed = 0;
    UB_TRY(open_journal(s, t));
    if (ub_context_option(s->ctx, "failed-only") == NULL)
        return UB_OK;
    UB_TRY(ub_failed_read(s, ub_structure_items(t->plan), &t->only, &failed));
    ub_log0_info("failed-only", "items=%lld", (long long)failed);
    if (!s->ctx->json)
        (void)printf("%lld items of stage 1 had failed and are done again\n", (long long)failed);
    (void)fflush(stdout);
    return UB_OK;
}

/* Rank 0: every item is answered, or the run folder remembers what is not. */
static ub_status end_farm(const ub_study *s, stage *t, ub_status ran, bool cut)
{
    int64_t missing = ub_structure_items(t->plan) - ub_structure_answered(t->plan);
    bool    final = ran == UB_EINPUT || ran == UB_EARG || ran == UB_EBUG || ran == UB_EMPI;
    bool    aside = ran != UB_OK && !final && !cut && missing > 0; /* all others are done */
    char    why[UB_TEXT_MAX];
    (void)snprintf(why, sizeof why, "%s", ub_err_message());
    UB_TRY(ub_journal_close(&t->journal));
    if (ran == UB_OK)
        ub_failed_forget(s);
    if (aside)
        UB_TRY(ub_failed_write(s, t->plan, why));
    if (ran == UB_OK && missing > 0)
        return UB_FAIL(UB_ESTATE,
                       "the items that had failed are done, but %lld others have no answer: the "
                       "journal was damaged; the same command without --failed-only does them",
                       (long long)missing);
    if (ran == UB_OK)
        return UB_OK;
    return UB_FAIL(ran, "%s%s", why,
                   aside ? "; the same command redoes them, with --failed-only nothing else" : "");
}

/* Hand all items out; afterwards rank 0's plan holds every answer. */
static ub_status farm(ub_study *s, stage *t)
{
    static const ub_farm_ops ops = {work, absorb, has, stop, progress, rank_state, tick};
    ub_comm                 *c = &s->ctx->world;
    int64_t                  items = ub_structure_items(t->plan);
    double                   tests = (double)ub_structure_tests(t->plan);
    UB_TRY(ub_comm_agree(c, c->rank == 0 ? begin_farm(s, t) : UB_OK));
    /* Rank 0, at an item of its own, is an item late to tell the others, who have begun another. */
    t->ahead = c->size > 1 ? 2 : 1;
    ub_stop_renew();
    t->progress =
        ub_progress_begin(s->beacon, "structure", "tests", tests / (double)(items > 0 ? items : 1),
                          t->settings->run.progress_s);
    ub_farm_plan  plan = {.policy = t->settings->farm.policy,
                          .floor = t->settings->farm.floor,
                          .group = (int)t->settings->farm.group,
                          .simulate = t->settings->farm.simulate,
                          .retry = (int)t->settings->farm.retry,
                          .overdue = t->settings->farm.overdue,
                          .patience_s = t->settings->farm.patience_s,
                          .watch = s->ctx->watch};
    ub_farm_stats stats;
    ub_status     ran = ub_farm_run(c, items, &plan, &ops, t, &stats);
    if (c->rank == 0) {
        ub_progress_end(&t->progress, ub_structure_answered(t->plan), items);
        ub_log0_info("farm",
                     "items=%lld tests=%.0f ranks=%d lost=%d reissued=%lld seconds=%.3f busy=%.2f",
                     (long long)stats.items, tests, c->size, stats.lost, (long long)stats.reissued,
                     stats.seconds, stats.busy);
        ran = end_farm(s, t, ran, stats.cut);
    }
    if (ran == UB_ESTOP)
        ran = UB_FAIL(UB_ESTOP, "stopped on request in stage 1, answers are in the journal; the "
                                "same command goes on from there");
    return ub_comm_agree(c, ran);
}

/* Rank 0: from answers to files. */
static ub_status conclude(ub_study *s, const ub_structure *plan, const ub_corpus *corpus)
{
    char          path[UB_TEXT_MAX];
    ub_task_graph g = {0};
    ub_bytes      b = {0};
    ub_status     st = UB_OK;
    UB_TRY(ub_structure_decide(plan, &g));
    UB_TRY_OUT(ub_results_write_graph(ub_rundir_file(&s->dir, "structure.h5", path, sizeof path),
                                      &g, corpus->truth, &s->origin));
    UB_TRY_OUT(
        ub_study_write(s, "membership.csv", ub_export_membership_csv(&g, corpus->truth, &b), &b));
    UB_TRY_OUT(ub_study_write(s, "steps.csv", ub_export_steps_csv(&g, &b), &b));
    if (g.pair_stat != NULL)
        UB_TRY_OUT(ub_study_write(s, "pairs.svg", ub_draw_pairs(&g, &b), &b));
    if (g.pairs * g.tasks <= TEXT_ROWS) {
        if (g.pair_stat != NULL)
            UB_TRY_OUT(ub_study_write(s, "pairs.csv", ub_export_pairs_csv(&g, &b), &b));
        UB_TRY_OUT(ub_study_write(s, "graph.graphml", ub_export_graphml(&g, &b), &b));
    } else {
        ub_log0_info("text-skipped",
                     "files='pairs.csv graph.graphml' rows=%lld "
                     "why='too large for text; structure.h5 holds every pair'",
                     (long long)(g.pairs * g.tasks));
    }
    UB_TRY_OUT(ub_study_write(s, "timeline.svg", ub_draw_timeline(&g, corpus->truth, &b), &b));
    if (g.undecided > 0)
        ub_log0_warn("tests-undecided",
                     "count=%lld of=%lld why='see the verdict column of pairs.csv'",
                     (long long)g.undecided, (long long)g.tests);
out:
    ub_task_graph_release(&g);
    return st;
}

ub_status ub_stage_gather(const ub_comm *c, const ub_settings *settings, const ub_corpus *corpus,
                          ub_samples *samples, ub_moments *moments)
{
    const ub_ci_test *test = ub_ci_find(settings->structure.test);
    int64_t           shards = settings->run.shards;
    double            start = ub_clock();
    if (ub_ci_wants_samples(test)) {
        ub_samples_plan plan = {.test = test, .max_bytes = settings->ci.memory_mb << 20};
        UB_TRY(ub_samples_gather(c, corpus, shards, &plan, samples));
        ub_log0_info("samples", "columns=%d samples=%lld mb_a_node=%.0f seconds=%.3f",
                     samples->columns, (long long)samples->n,
                     (double)samples->n * samples->columns * sizeof(double) / 1048576,
                     ub_clock() - start);
        start = ub_clock();
    }
    if (test->transform != NULL)
        UB_TRY(ub_samples_moments(c, samples, corpus, shards, moments));
    else
        UB_TRY(ub_moments_gather(c, corpus, shards, moments));
    ub_log0_info("covariance", "columns=%d samples=%lld seconds=%.3f", moments->columns,
                 (long long)moments->n, ub_clock() - start);
    if ((test->accepts & UB_CI_SAMPLES) == 0)
        ub_samples_release(samples);
    return UB_OK;
}

static ub_status ask_and_decide(ub_study *s, const ub_corpus *corpus)
{
    const ub_comm *c = &s->ctx->world;
    stage          t = {.settings = &s->ctx->settings, .beacon = s->beacon};
    ub_moments     moments = {0};
    ub_samples     samples = {0};
    double        *precision = NULL;
    ub_status      st = UB_OK;
    ub_beacon_stage(s->beacon, "structure", "tests", 1);
    UB_TRY_OUT(ub_study_phase(s, "the covariance"));
    UB_TRY_OUT(ub_comm_agree(c, ub_structure_create(corpus, t.settings, c->rank == 0, &t.plan)));
    UB_TRY_OUT(ub_stage_gather(c, t.settings, corpus, &samples, &moments));
    if (ub_structure_needs_precision(t.plan)) {
        UB_TRY_OUT(ub_study_phase(s, "the inverse"));
        UB_TRY_OUT(
            ub_stage_invert(c, t.settings, &moments, corpus->steps * corpus->dim, &precision));
    }
    UB_TRY_OUT(ub_study_phase(s, "the tests"));
    ub_ci_data data = {.moments = &moments, .samples = samples.x};
    UB_TRY_OUT(ub_comm_agree(c, ub_solver_create(t.plan, &data, precision, &t.solver)));
    UB_TRY_OUT(farm(s, &t));
    UB_TRY_OUT(ub_study_phase(s, "the decision"));
    if (c->rank == 0)
        st = conclude(s, t.plan, corpus);
    UB_TRY_OUT(ub_comm_agree(c, st));
out:
    ub_free(t.only);
    ub_solver_destroy(&t.solver);
    ub_structure_destroy(&t.plan);
    if (st != UB_EMPI && !c->wounded) /* a window is freed by all who made it, or not at all */
        ub_samples_release(&samples);
    ub_moments_release(&moments);
    ub_free(precision);
    return st;
}

/* Membership of steps from the result file, on every rank. */
static ub_status share_membership(ub_study *s, const ub_corpus *corpus, uint8_t **use)
{
    const ub_comm *c = &s->ctx->world;
    char           path[UB_TEXT_MAX];
    ub_task_graph  g = {0};
    uint8_t       *table = NULL;
    size_t         cells = (size_t)corpus->steps * (size_t)corpus->tasks;
    ub_status      st = UB_ALLOC(table, cells);
    if (st == UB_OK && c->rank == 0)
        st = ub_results_read_graph(ub_rundir_file(&s->dir, "structure.h5", path, sizeof path), &g,
                                   NULL);
    UB_TRY_OUT(ub_comm_agree(c, st));
    if (c->rank == 0)
        for (size_t i = 0; i < cells; i++) {
            size_t step = i / (size_t)corpus->tasks, task = i % (size_t)corpus->tasks;
            table[i] = g.member[step / (size_t)g.length * (size_t)g.tasks + task];
        }
    UB_TRY_OUT(ub_comm_bcast(c, table, cells));
    *use = table;
    table = NULL;
out:
    ub_task_graph_release(&g);
    ub_free(table);
    return st;
}

ub_status ub_stage_structure(ub_study *s, const ub_corpus *corpus, uint8_t **use)
{
    bool done;
    UB_TRY(ub_study_has(s, "structure", "structure.h5", &done));
    if (!done) {
        UB_TRY(ask_and_decide(s, corpus));
        UB_TRY(ub_rundir_mark(&s->ctx->world, &s->dir, "structure"));
        ub_study_tell_done("structure");
        char journal[UB_TEXT_MAX]; /* of no more use: the result is marked */
        if (s->ctx->world.rank == 0)
            (void)unlink(ub_rundir_file(&s->dir, "structure.journal", journal, sizeof journal));
    } else {
        ub_log0_info("stage-skipped", "stage=structure why='finished before'");
    }
    return use == NULL ? UB_OK : share_membership(s, corpus, use);
}
