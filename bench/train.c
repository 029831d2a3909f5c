/* Stage 2 by the step: what bench/run.sh train and bench/peers_train.py run.
 *   bench_train data FILE           the corpus as doubles: observations (12), targets (8) a row
 *   bench_train steps WIDTH COUNT   CPU milliseconds a step and the objective after COUNT steps
 *   bench_train sum WIDTH COUNT     the tree over shards against one plain sum
 *   mpirun -n 2 bench_train speedup WIDTH COUNT   two ranks against one, and what the machine lets
 *                                   two do that share nothing; and `sum` on two ranks
 * Encoder 12-WIDTH-WIDTH-12, decoder 6-WIDTH-WIDTH-12, two heads 6-WIDTH/2-4, batch 256, Jacobian
 * penalty on 64 samples; settings as they are by default otherwise.  Another batch, as a last word:
 * the penalty on a fourth of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/synth.h"
#include "core/trainer.h"
#include "mpi/training.h"

enum { RUNS = 7, WINDOWS = 41, WARM = 20 };

typedef struct bench {
    ub_comm     comm;
    ub_corpus   corpus;
    ub_settings settings;
    double     *norm, *sum; /* sum: of the trainer's numbers */
    ub_trainer *trainer;
    ub_training training;
    bool        plain; /* one leaf a rank, MPI_Allreduce */
} bench;

static int64_t batch = 256;

static void settings_for(ub_settings *s, int64_t width)
{
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), s));
    s->synth.kind = 1; /* latent */
    s->synth.tasks = 2;
    s->run.seed = 11;
    s->disentangle.hidden = width;
    s->disentangle.head_hidden = width / 2;
    s->disentangle.batch = batch;
    s->disentangle.jacobian_samples = batch / 4;
    s->disentangle.restarts = 1;
    s->disentangle.epochs = 1000; /* more than are run: the rate stays constant */
}

/* The corpus is small: every rank has all of it. */
static void open_bench(bench *b, MPI_Comm comm, int64_t width, bool plain)
{
    *b = (bench){.plain = plain};
    ub_bench_check(ub_comm_init(&b->comm, comm));
    settings_for(&b->settings, width);
    if (plain)
        b->settings.disentangle.shards = b->comm.size;
    ub_bench_check(ub_synth(&b->settings, 0, b->settings.synth.samples, &b->corpus));
    int32_t columns = b->corpus.dim + b->corpus.task_offset[b->corpus.tasks];
    ub_bench_check(UB_ALLOC(b->norm, 2 * columns));
    for (int32_t k = 0; k < columns; k++)
        b->norm[columns + k] = 1; /* the columns have about that scale */
    ub_range own = ub_part(b->settings.disentangle.shards, b->comm.size, b->comm.rank);
    ub_bench_check(ub_trainer_create(&b->corpus, own, NULL, b->norm, &b->settings, &b->trainer));
    ub_bench_check(UB_ALLOC(b->sum, ub_trainer_width(b->trainer)));
    ub_bench_check(
        ub_training_init(&b->comm, b->trainer, b->settings.disentangle.shards, &b->training));
}

static void close_bench(bench *b)
{
    ub_training_release(&b->training);
    ub_trainer_destroy(&b->trainer);
    ub_corpus_release(&b->corpus);
    ub_free(b->norm);
    ub_free(b->sum);
    ub_comm_release(&b->comm);
}

/* Every rank's half of the batch at once, MPI_Allreduce, the whole update on every rank. */
static void plain_step(bench *b)
{
    MPI_Datatype type = ub_trainer_number(b->trainer) == sizeof(float) ? MPI_FLOAT : MPI_DOUBLE;
    ub_bench_check(ub_trainer_shard(b->trainer, b->comm.rank, b->sum));
    if (b->comm.size > 1)
        (void)MPI_Allreduce(MPI_IN_PLACE, b->sum, (int)ub_trainer_width(b->trainer), type, MPI_SUM,
                            b->comm.mpi);
    ub_bench_check(ub_trainer_apply(b->trainer, b->sum));
}

static void step(bench *b)
{
    bool stop = false;
    if (b->plain)
        plain_step(b);
    else
        ub_bench_check(ub_training_phase(&b->training, &stop));
}

typedef double (*clock_ms)(void);

static double wall_ms(void)
{
    return 1e3 * ub_clock();
}

/* Milliseconds a step. */
static double steps_ms(bench *b, int64_t count, clock_ms now)
{
    double start = now();
    for (int64_t k = 0; k < count; k++)
        step(b);
    return (now() - start) / (double)count;
}

/* Wait without using a core. */
static void rest(MPI_Comm comm)
{
    MPI_Request     all;
    int             over = 0;
    struct timespec nap = {.tv_nsec = 200000};
    (void)MPI_Ibarrier(comm, &all);
    for (;;) {
        (void)MPI_Test(&all, &over, MPI_STATUS_IGNORE);
        if (over)
            break;
        (void)nanosleep(&nap, NULL);
    }
}

static void data(const char *path)
{
    ub_settings s;
    ub_corpus   c = {0};
    FILE       *f = fopen(path, "wb");
    settings_for(&s, 64);
    ub_bench_check(ub_synth(&s, 0, s.synth.samples, &c));
    size_t dim = (size_t)c.dim, targets = (size_t)c.task_offset[c.tasks];
    for (int64_t i = 0; i < c.count && f != NULL; i++) {
        (void)fwrite(c.states + (size_t)i * dim, sizeof(double), dim, f);
        (void)fwrite(c.targets + (size_t)i * targets, sizeof(double), targets, f);
    }
    if (f == NULL || fclose(f) != 0)
        ub_bench_check(UB_FAIL(UB_EIO, "cannot write %s", path));
    ub_corpus_release(&c);
}

static void steps(int64_t width, int64_t count)
{
    bench   b;
    int64_t rows;
    open_bench(&b, MPI_COMM_SELF, width, false);
    (void)steps_ms(&b, WARM, ub_bench_cpu_ms);
    double                ms = steps_ms(&b, count, ub_bench_cpu_ms);
    const ub_trainer_row *log = ub_trainer_log(b.trainer, &rows);
    (void)printf("step_ms=%.4f\nobjective=%.5g\n", ms, rows > 0 ? log[rows - 1].objective : 0.0);
    close_bench(&b);
}

/* Alternating runs of two arrangements, ms a step; `alone`: the first on this rank only.  CPU time:
 * medians.  Wall clock, which other programs lengthen: the shortest of many short runs. */
static void compare(bench *a, bench *b, bool alone, int64_t count, clock_ms now, double found[2])
{
    double ms[2][WINDOWS];
    int    runs = now == wall_ms ? WINDOWS : RUNS;
    for (int run = -1; run < runs; run++) { /* run -1 warms up */
        double first = 0;
        rest(MPI_COMM_WORLD);
        if (a != NULL)
            first = steps_ms(a, count, now);
        if (alone)
            rest(MPI_COMM_WORLD);
        double second = steps_ms(b, count, now);
        if (run >= 0) {
            ms[0][run] = first;
            ms[1][run] = second;
        }
    }
    for (int k = 0; k < 2; k++) {
        found[k] = ub_bench_median(ms[k], runs); /* and sorts */
        if (now == wall_ms)
            found[k] = ms[k][0];
    }
}

static void sum(MPI_Comm comm, int64_t width, int64_t count, int ranks, clock_ms now)
{
    bench  plain, tree;
    double ms[2];
    open_bench(&plain, comm, width, true);
    open_bench(&tree, comm, width, false);
    compare(&plain, &tree, false, count, now, ms);
    if (tree.comm.rank == 0)
        (void)printf("plain_sum_ms_%d_%lld=%.4f\ntree_sum_ms_%d_%lld=%.4f\n"
                     "sum_overhead_%d_%lld=%.3f\n",
                     ranks, (long long)width, ms[0], ranks, (long long)width, ms[1], ranks,
                     (long long)width, ms[1] / ms[0] - 1);
    close_bench(&tree);
    close_bench(&plain);
}

/* Two ranks on one training; and two trainings at once that share nothing but the machine: more
 * than these two together make, two ranks cannot. */
static void speedup(int64_t width, int64_t count)
{
    bench  one, two;
    double ms[2], apart[2];
    open_bench(&two, MPI_COMM_WORLD, width, false);
    open_bench(&one, MPI_COMM_SELF, width, false);
    bench *alone = two.comm.rank == 0 ? &one : NULL;
    compare(alone, &two, true, count, wall_ms, ms);
    compare(alone, &one, true, count, wall_ms, apart);
    if (alone != NULL)
        (void)printf("ranks_1_ms_%lld=%.4f\nranks_2_ms_%lld=%.4f\nspeedup_2_%lld=%.3f\n"
                     "speedup_2_ceiling_%lld=%.3f\n",
                     (long long)width, ms[0], (long long)width, ms[1], (long long)width,
                     ms[0] / ms[1], (long long)width, 2 * apart[0] / apart[1]);
    close_bench(&one);
    close_bench(&two);
}

int main(int argc, char **argv)
{
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    int64_t width = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    int64_t count = argc > 3 ? strtoll(argv[3], NULL, 10) : 0;
    if (argc == 5) {
        batch = strtoll(argv[4], NULL, 10);
        argc--;
    }
    if (argc == 3 && strcmp(argv[1], "data") == 0)
        data(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "steps") == 0)
        steps(width, count);
    else if (argc == 4 && strcmp(argv[1], "sum") == 0)
        sum(MPI_COMM_WORLD, width, count, 1, ub_bench_cpu_ms);
    else if (argc == 4 && strcmp(argv[1], "speedup") == 0) {
        speedup(width, count);
        sum(MPI_COMM_WORLD, width, count, 2, wall_ms);
    } else {
        (void)fprintf(stderr, "usage: see bench/train.c\n");
        return 2;
    }
    (void)MPI_Finalize();
    return 0;
}
