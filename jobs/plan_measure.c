/* The calibration of 'unbraid plan': the corpus and stage 1. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/structure.h"
#include "core/trainer.h"
#include "io/corpus_h5.h"
#include "io/export.h"
#include "jobs/plan.h"
#include "jobs/study.h"

enum { MOST_SAMPLED = 100000 };

/* Where not every item was answered: seconds and bytes of a test in the decision and of a row of
 * text; bytes of a test in structure.h5. */
static const double  DECIDE_S = 2e-7, ROW_S = 3e-6, ROW_BYTES = 60, TEST_BYTES = 25;
static const int64_t TEXT_ROWS = 500000; /* as stage_structure.c */

ub_plan_clock ub_plan_begin(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (ub_plan_clock){ub_clock(), (double)t.tv_sec + 1e-9 * (double)t.tv_nsec};
}

double ub_plan_end(ub_plan_costs *m, ub_plan_clock from)
{
    ub_plan_clock now = ub_plan_begin();
    m->wall += now.wall - from.wall;
    m->busy += now.cpu - from.cpu;
    return now.cpu - from.cpu;
}

double ub_plan_resident(void)
{
    long  whole, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld %ld", &whole, &pages) != 2)
        pages = 0;
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* The first time a file may come from the disk; a run finds it in memory from its second time on,
 * and so do we. */
static ub_status read_corpus(const ub_comm *self, const ub_settings *settings, ub_plan_costs *m,
                             ub_corpus *out)
{
    static const double AGAIN_S = 2;
    int64_t             shards =
        m->stages & UB_STAGE_STRUCTURE ? settings->run.shards : settings->disentangle.shards;
    if (settings->corpus.path[0] == '\0')
        return UB_FAIL(UB_EINPUT, "corpus.path is empty; give --set corpus.path=FILE or a "
                                  "configuration with -c");
    for (int i = 0; i < 2 && (i == 0 || m->read_s < AGAIN_S); i++) {
        double start = ub_clock();
        ub_corpus_release(out);
        UB_TRY(ub_corpus_read(self, settings, shards, out));
        m->read_s = ub_clock() - start;
    }
    double numbers = (double)out->steps * (out->dim + (out->latents ? out->latent_dim : 0)) +
                     out->task_offset[out->tasks];
    m->corpus_mb = (double)out->episodes * numbers * sizeof(double) / 1048576;
    m->base_mb = fmax(m->base_mb, ub_plan_resident() - m->corpus_mb); /* with HDF5 at work */
    m->columns = out->steps * out->dim + out->task_offset[out->tasks];
    m->tasks = out->tasks;
    ub_sha256_hex(out->digest, m->corpus);
    return UB_OK;
}

static int64_t common(int64_t a, int64_t b)
{
    return b == 0 ? a : common(b, a % b);
}

/* From item to item: about the golden section of all, so that the first so many of them lie evenly;
 * without a common divisor, so that each has its turn. */
static int64_t stride(int64_t items)
{
    int64_t step = (int64_t)((double)items * 0.6180339887498949);
    for (step = step < 1 ? 1 : step; common(step, items) != 1; step++) {
    }
    return step;
}

/* The mean by the seconds of a test times the tests of all items (a ratio estimate: tiles on the
 * diagonal hold half as many), and its error from how far items are from that line.  The times are
 * brought to that mean. */
static void summarise(ub_plan_costs *m, const ub_structure *plan)
{
    double sum = 0, tests = 0, square = 0, off = 0, n = (double)m->sampled;
    for (int64_t i = 0, item = 0; i < m->sampled;
         i++, item = (item + stride(m->items)) % m->items) {
        sum += m->item_s[i];
        tests += (double)ub_structure_tests_in(plan, item);
    }
    double mean = sum / n, rate = tests > 0 ? sum / tests : 0;
    for (int64_t i = 0, item = 0; i < m->sampled;
         i++, item = (item + stride(m->items)) % m->items) {
        double apart = m->item_s[i] - rate * (double)ub_structure_tests_in(plan, item);
        off += apart * apart;
        square += (m->item_s[i] - mean) * (m->item_s[i] - mean);
    }
    double left = 1 - n / (double)m->items;
    m->item_mean = tests > 0 ? rate * (double)m->tests / (double)m->items : mean;
    m->item_cv = n > 1 && mean > 0 ? sqrt(square / (n - 1)) / mean : 0;
    m->item_error = n > 1 && mean > 0 ? sqrt(off / (n - 1) / n * left) / mean : 0.5 * left;
    for (int64_t i = 0; i < m->sampled && mean > 0; i++)
        m->item_s[i] *= m->item_mean / mean;
}

/* What every item takes: one that was tried, what it took; another, what its tests would have taken
 * in a tried one, each of those in its turn.  As much in all as the mean says. */
static ub_status guess_items(ub_structure *plan, ub_plan_costs *m)
{
    double *each, sum = 0;
    if (m->items > MOST_SAMPLED)
        return UB_OK;
    UB_TRY(UB_ALLOC(each, m->items));
    for (int64_t i = 0, item = 0; i < m->items; i++, item = (item + stride(m->items)) % m->items) {
        int64_t like = i % m->sampled, tried = like * stride(m->items) % m->items;
        each[item] = m->item_s[like];
        if (like != i)
            each[item] *= (double)ub_structure_tests_in(plan, item) /
                          fmax(1, (double)ub_structure_tests_in(plan, tried));
        sum += each[item];
    }
    for (int64_t i = 0; i < m->items && sum > 0; i++)
        each[i] *= m->item_mean * (double)m->items / sum;
    m->each = each;
    return UB_OK;
}

static ub_status one_item(ub_structure *plan, ub_solver *solver, int64_t item, ub_plan_costs *m,
                          double *seconds)
{
    ub_bytes      answer = {0};
    ub_plan_clock start = ub_plan_begin();
    ub_status     st = ub_structure_eval(plan, solver, item, &answer);
    *seconds = ub_plan_end(m, start);
    start = ub_plan_begin();
    if (st == UB_OK)
        st = ub_structure_absorb(plan, item, answer.data, answer.len);
    m->absorb_s += ub_plan_end(m, start);
    m->answer_bytes += (double)answer.len;
    ub_bytes_release(&answer);
    return st;
}

/* Items for about so many seconds of CPU; the first, which also touches memory for the first time,
 * is done twice if it is short. */
static ub_status try_items(ub_structure *plan, ub_solver *solver, double seconds, double pause_s,
                           ub_plan_costs *m)
{
    int64_t items = m->items, most = items < MOST_SAMPLED ? items : MOST_SAMPLED, item = 0, n = 0;
    double  spent = 0, first;
    UB_TRY(UB_ALLOC(m->item_s, most));
    if (items == 0)
        return UB_OK;
    UB_TRY(one_item(plan, solver, 0, m, &first));
    m->absorb_s = m->answer_bytes = 0;
    for (; n < most && spent < seconds; n++, item = (item + stride(items)) % items) {
        double took = first;
        if (n > 0 || first < 0.1 * seconds || n + 1 == most)
            UB_TRY(one_item(plan, solver, item, m, &took));
        m->item_s[n] = took;
        spent += took;
    }
    m->sampled = n;
    m->absorb_s /= (double)n;
    m->answer_bytes /= (double)n;
    summarise(m, plan);
    UB_TRY(guess_items(plan, m));
    m->item_mean += pause_s;
    for (int64_t i = 0; i < n; i++)
        m->item_s[i] += pause_s;
    for (int64_t i = 0; m->each != NULL && i < items; i++)
        m->each[i] += pause_s;
    return UB_OK;
}

/* All answers are there: decide, and write the texts of the stage to nowhere. */
static ub_status try_conclusion(const ub_structure *plan, const ub_corpus *corpus, ub_plan_costs *m)
{
    ub_task_graph g = {0};
    ub_bytes      b = {0};
    ub_plan_clock start = ub_plan_begin();
    UB_TRY(ub_structure_decide(plan, &g));
    ub_status st = ub_export_membership_csv(&g, corpus->truth, &b);
    if (st == UB_OK)
        st = ub_export_steps_csv(&g, &b);
    if (st == UB_OK && g.pair_stat != NULL)
        st = ub_draw_pairs(&g, &b);
    if (st == UB_OK && g.pair_stat != NULL && g.pairs * g.tasks <= TEXT_ROWS)
        st = ub_export_pairs_csv(&g, &b);
    if (st == UB_OK && g.pairs * g.tasks <= TEXT_ROWS)
        st = ub_export_graphml(&g, &b);
    m->text_bytes = (double)b.len;
    ub_bytes_release(&b);
    ub_task_graph_release(&g);
    m->conclude_s = ub_plan_end(m, start);
    return st;
}

/* What is known of the conclusion without the answers. */
static void guess_conclusion(ub_plan_costs *m)
{
    int64_t pairs = m->segments * (m->segments - 1) / 2 * m->tasks;
    int64_t rows = pairs <= TEXT_ROWS ? pairs : 0;
    m->conclude_s = (double)m->tests * DECIDE_S + (double)rows * ROW_S;
    m->text_bytes = (double)rows * ROW_BYTES;
    m->table_bytes = (double)pairs * TEST_BYTES;
}

static ub_status try_solver(const ub_comm *self, const ub_corpus *corpus,
                            const ub_settings *settings, double seconds, ub_structure *plan,
                            ub_plan_costs *m)
{
    ub_moments    moments = {0};
    ub_samples    samples = {0};
    ub_solver    *solver = NULL;
    double       *precision = NULL;
    ub_status     st = UB_OK;
    ub_plan_clock start = ub_plan_begin();
    UB_TRY_OUT(ub_stage_gather(self, settings, corpus, &samples, &moments));
    m->covariance_s = ub_plan_end(m, start);
    m->samples_mb = (double)samples.n * samples.columns * sizeof(double) / 1048576;
    start = ub_plan_begin();
    m->precision = ub_structure_needs_precision(plan);
    if (m->precision)
        UB_TRY_OUT(
            ub_stage_invert(self, settings, &moments, corpus->steps * corpus->dim, &precision));
    m->inverse_s = ub_plan_end(m, start);
    ub_ci_data data = {.moments = &moments, .samples = samples.x};
    double     before_mb = ub_plan_resident();
    start = ub_plan_begin();
    UB_TRY_OUT(ub_solver_create(plan, &data, precision, &solver));
    m->solver_s = ub_plan_end(m, start);
    UB_TRY_OUT(try_items(plan, solver, seconds, settings->farm.slow_ms * 1e-3, m));
    m->solver_mb = fmax(0, ub_plan_resident() - before_mb);
out:
    ub_solver_destroy(&solver);
    ub_samples_release(&samples);
    ub_moments_release(&moments);
    ub_free(precision);
    return st;
}

static ub_status measure_structure(const ub_comm *self, const ub_corpus *corpus,
                                   const ub_settings *settings, double seconds, ub_plan_costs *m)
{
    ub_structure *plan = NULL;
    ub_settings   alone = *settings; /* one rank has no grid for ScaLAPACK */
    alone.structure.serial_max = INT32_MAX;
    UB_TRY(ub_structure_create(corpus, &alone, true, &plan));
    m->items = ub_structure_items(plan);
    m->tests = ub_structure_tests(plan);
    m->segments = ub_corpus_segments(corpus);
    guess_conclusion(m);
    ub_status st = try_solver(self, corpus, &alone, seconds, plan, m);
    if (st == UB_OK && ub_structure_answered(plan) == m->items)
        st = try_conclusion(plan, corpus, m);
    ub_structure_destroy(&plan);
    return st;
}

static ub_status measure_all(const ub_comm *self, const ub_settings *settings, double seconds,
                             ub_plan_costs *m)
{
    ub_corpus corpus = {0};
    ub_status st = read_corpus(self, settings, m, &corpus);
    if (st == UB_OK && (m->stages & UB_STAGE_DISENTANGLE) != 0)
        st = ub_trainer_check(&corpus, settings);
    if (st == UB_OK && (m->stages & UB_STAGE_STRUCTURE) != 0)
        st = measure_structure(self, &corpus, settings, seconds, m);
    if (st == UB_OK && (m->stages & UB_STAGE_DISENTANGLE) != 0)
        st = ub_plan_measure_training(self, &corpus, settings, seconds, m);
    ub_corpus_release(&corpus);
    return st;
}

ub_status ub_plan_measure(const ub_settings *settings, int stages, double seconds,
                          ub_plan_costs *out)
{
    ub_comm       self;
    ub_plan_costs m = {.stages = stages, .base_mb = ub_plan_resident()};
    UB_TRY(ub_comm_init(&self, MPI_COMM_SELF));
    ub_status st = measure_all(&self, settings, seconds, &m);
    ub_comm_release(&self);
    if (st == UB_OK)
        *out = m;
    else
        ub_plan_costs_release(&m);
    return st;
}

void ub_plan_costs_release(ub_plan_costs *m)
{
    ub_free(m->item_s);
    ub_free(m->each);
    *m = (ub_plan_costs){0};
}
