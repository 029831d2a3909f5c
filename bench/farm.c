/* The farm: speed-up of two ranks, requests a second against a bare ping-pong, what journal and
 * status file add to a run. Run by bench/run.sh on two ranks, once a transport.  Items spin for a
 * stated time, so a core that is shared shows: use an idle machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/support.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/pace.h"
#include "io/beacon.h"
#include "io/journal.h"
#include "mpi/farm.h"

typedef struct bench {
    double      item_s; /* an item spins so long, or */
    int64_t     rounds; /* computes so much */
    size_t      answer_bytes;
    ub_journal *journal; /* NULL: answers are dropped */
    ub_beacon  *beacon;
    double      saving_s; /* rank 0: in calls that save */
} bench;

static const char *const JOURNAL = "bench.journal", *const STATUS = "bench.status.json";

static double cpu_s(clockid_t of)
{
    struct timespec t;
    (void)clock_gettime(of, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void compute(int64_t rounds)
{
    static volatile double kept = 1;
    double                 x = kept;
    for (int64_t i = 0; i < rounds; i++)
        x = x * 0.999999 + 1e-6; /* each waits for the one before */
    kept = x;
}

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    static const unsigned char zeros[4096];
    const bench               *b = self;
    double                     end = ub_clock() + b->item_s;
    (void)item;
    compute(b->rounds);
    while (b->item_s > 0 && ub_clock() < end) {
    }
    return ub_bytes_put(answer, zeros, b->answer_bytes);
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    bench *b = self;
    if (b->journal == NULL)
        return UB_OK;
    double    start = ub_clock();
    ub_status st = ub_journal_put(b->journal, item, answer, len);
    ub_beacon_safe(b->beacon);
    b->saving_s += ub_clock() - start;
    return st;
}

static void progress(void *self, int64_t done, int64_t items)
{
    bench *b = self;
    ub_beacon_progress(b->beacon, done, items);
}

static const ub_farm_ops ops = {.work = work, .absorb = absorb, .progress = progress};

/* Seconds of a farm of `items`; with `messages`, rank 0 only hands out, and *messages came to it.
 */
static double farm_s(ub_comm *c, int64_t items, const char *policy, bench *b, int64_t *messages)
{
    ub_farm_plan  plan = {.policy = policy, .only_master = messages != NULL};
    ub_farm_stats stats;
    double        start;
    (void)MPI_Barrier(c->mpi);
    start = ub_clock();
    ub_bench_check(ub_farm_run(c, items, &plan, &ops, b, &stats));
    if (messages != NULL)
        *messages = stats.messages;
    return ub_clock() - start;
}

/* Median over pairs of runs: the time on this rank alone over that on all. */
static double speedup(ub_comm *all, double item_s, int64_t items)
{
    enum { RUNS = 5 };
    double  ratio[RUNS];
    ub_comm alone = {0};
    bench   b = {.item_s = item_s, .answer_bytes = 100};
    ub_bench_check(ub_comm_init(&alone, MPI_COMM_SELF));
    for (int i = 0; i < RUNS; i++) {
        double one = all->rank == 0 ? farm_s(&alone, items, NULL, &b, NULL) : 0;
        ratio[i] = one / farm_s(all, items, NULL, &b, NULL);
    }
    ub_comm_release(&alone);
    return ub_bench_median(ratio, RUNS);
}

/* Round trips a second of one small message. */
static double pingpong(const ub_comm *c)
{
    enum { TRIPS = 100000 };
    char   text[64] = "";
    double start;
    (void)MPI_Barrier(c->mpi);
    start = ub_clock();
    for (int i = 0; i < TRIPS; i++) {
        int to = 1 - c->rank;
        if (c->rank == 0)
            (void)MPI_Send(text, sizeof text, MPI_BYTE, to, 0, c->mpi);
        (void)MPI_Recv(text, sizeof text, MPI_BYTE, to, 0, c->mpi, MPI_STATUS_IGNORE);
        if (c->rank == 1)
            (void)MPI_Send(text, sizeof text, MPI_BYTE, to, 0, c->mpi);
    }
    return TRIPS / (ub_clock() - start);
}

/* Requests that rank 0 serves a second, one item each, items that take no time. */
static double dispatch(ub_comm *c)
{
    enum { ITEMS = 200000 };
    bench   b = {.answer_bytes = 16};
    int64_t messages = 0;
    double  s = farm_s(c, ITEMS, "self", &b, &messages);
    return (double)messages / s;
}

/* Medians over pairs of the two, in turns, as both change with where the machine puts the ranks. */
static void against_pingpong(ub_comm *c, const char *transport)
{
    enum { PAIRS = 5 };
    double trips[PAIRS], requests[PAIRS], ratio[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        trips[i] = pingpong(c);
        requests[i] = dispatch(c);
        ratio[i] = requests[i] / trips[i];
    }
    if (c->rank == 0)
        (void)printf("pingpong_per_s_%s=%.0f\ndispatch_per_s_%s=%.0f\n"
                     "dispatch_vs_pingpong_%s=%.3f\n",
                     transport, ub_bench_median(trips, PAIRS), transport,
                     ub_bench_median(requests, PAIRS), transport, ub_bench_median(ratio, PAIRS));
}

/* What saving adds ---------------------------------------------------------------------------- */

enum { QUADS = 24, BLOCK_ITEMS = 2000 };

static const double PATIENCE_S = 150; /* then there are fewer quads; the error tells */

/* What a block cost, on rank 0. */
typedef struct cost {
    double rank_s;   /* summed over the ranks: see spent_s */
    double wall_s;   /* of the farm */
    double saving_s; /* of it, rank 0 in calls that save */
} cost;

/* Seconds that the first thread was ready to run and other programs had the cores; 0 where the
 * kernel does not tell. */
static double kept_waiting_s(void)
{
    double run = 0, wait = 0;
    FILE  *f = fopen("/proc/thread-self/schedstat", "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lf %lf", &run, &wait) != 2)
        wait = 0;
    (void)fclose(f);
    return 1e-9 * wait;
}

/* A clock of what the run takes of this rank: wall time, but not while others have its core, and
 * the CPU time of its other threads. */
static double spent_s(void)
{
    double threads = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s(CLOCK_THREAD_CPUTIME_ID);
    return ub_clock() - kept_waiting_s() + threads;
}

/* Rounds of a millisecond, the same on all ranks. */
static int64_t rounds_of_ms(const ub_comm *c)
{
    enum { TRIES = 9, MANY = 1000000 };
    double best = INFINITY;
    for (int i = 0; i < TRIES; i++) {
        double start = cpu_s(CLOCK_THREAD_CPUTIME_ID);
        compute(MANY);
        best = fmin(best, cpu_s(CLOCK_THREAD_CPUTIME_ID) - start);
    }
    int64_t rounds = (int64_t)(1e-3 * MANY / best);
    ub_bench_check(ub_comm_bcast(c, &rounds, sizeof rounds));
    return rounds;
}

/* Rank 0: the journal, flushed as in a run by default: at half the rate, as it is in use for half
 * of the time. */
static ub_journal *open_journal(void)
{
    char        identity[65];
    ub_journal *j;
    memset(identity, '0', 64);
    identity[64] = '\0';
    (void)unlink(JOURNAL);
    ub_bench_check(ub_journal_open(JOURNAL, identity, 2 * UB_PACE_LEAST_S, NULL, NULL, NULL, &j));
    ub_journal_budget(j, 0.01 / 2);
    return j;
}

/* A farm of items of a millisecond and answers of a kilobyte; if `save`, with the journal and a
 * status file every half second. */
static cost block(ub_comm *c, int64_t rounds, ub_journal *journal, bool save)
{
    static ub_beacon_state first = {.command = "bench_farm", .ranks = 2, .pause_s = 0.5};
    bench                  b = {.rounds = rounds, .answer_bytes = 1000, .journal = journal};
    cost                   k = {0};
    if (save && c->rank == 0)
        ub_bench_check(ub_beacon_begin(STATUS, &first, NULL, &b.beacon));
    ub_beacon_stage(b.beacon, "farm", "items", 1);
    (void)MPI_Barrier(c->mpi);
    double start = ub_clock(), spent = spent_s();
    (void)farm_s(c, BLOCK_ITEMS, NULL, &b, NULL);
    k.wall_s = ub_clock() - start;
    spent = spent_s() - spent;
    ub_beacon_end(&b.beacon, UB_OK);
    (void)MPI_Reduce(&spent, &k.rank_s, 1, MPI_DOUBLE, MPI_SUM, 0, c->mpi);
    k.saving_s = b.saving_s;
    return k;
}

/* Mean of v[0 .. n) and its standard error. */
static double mean_of(const double *v, int n, double *error)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    for (int i = 0; i < n; i++)
        squares += (v[i] - sum / n) * (v[i] - sum / n);
    *error = sqrt(squares / (n - 1) / n);
    return sum / n;
}

/* What journal and status file add, in percent, and its standard error: the mean over quads of
 * blocks of a second, saved or not in the order yes no no yes, then no yes yes no, so that neither
 * a place nor a drift favours one of them.  An upper bound: status files are ten times as frequent
 * as in a run. */
static void overhead(ub_comm *c)
{
    static double added[QUADS], added_wall[QUADS];
    int64_t       rounds = rounds_of_ms(c);
    ub_journal   *journal = c->rank == 0 ? open_journal() : NULL;
    double        begin = ub_clock(), saving = 0, wall = 0, error, wall_error;
    int           n = 0, more = 1;
    for (; n < QUADS && more; n++) {
        cost sum[2] = {0}; /* of blocks without, with */
        for (int k = 0; k < 4; k++) {
            int  save = (k == 0 || k == 3) == (n % 2 == 0);
            cost x = block(c, rounds, save ? journal : NULL, save);
            sum[save].rank_s += x.rank_s;
            sum[save].wall_s += x.wall_s;
            sum[save].saving_s += x.saving_s;
        }
        added[n] = 100 * (sum[1].rank_s / sum[0].rank_s - 1);
        added_wall[n] = 100 * (sum[1].wall_s / sum[0].wall_s - 1);
        saving += sum[1].saving_s;
        wall += sum[1].wall_s;
        more = n < 3 || ub_clock() - begin < PATIENCE_S;
        ub_bench_check(ub_comm_bcast(c, &more, sizeof more));
    }
    if (c->rank != 0)
        return;
    ub_bench_check(ub_journal_close(&journal));
    (void)unlink(JOURNAL);
    (void)unlink(STATUS);
    double mean = mean_of(added, n, &error), mean_wall = mean_of(added_wall, n, &wall_error);
    (void)printf("overhead_percent=%.3f\noverhead_error=%.3f\noverhead_wall_percent=%.3f\n"
                 "overhead_wall_error=%.3f\noverhead_calls_percent=%.3f\noverhead_quads=%d\n",
                 mean, error, mean_wall, wall_error, 100 * saving / wall, n);
}

int main(int argc, char **argv)
{
    ub_comm world = {0};
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    ub_bench_check(ub_comm_init(&world, MPI_COMM_WORLD));
    if (argc != 2 || world.size != 2) {
        (void)fprintf(stderr, "usage: mpirun -n 2 bench_farm shm|tcp\n");
        (void)MPI_Abort(MPI_COMM_WORLD, 2);
    }
    bool shm = argc == 2 && strcmp(argv[1], "shm") == 0;
    if (shm) {
        double ms = speedup(&world, 1e-3, 2000), us = speedup(&world, 1e-4, 20000);
        if (world.rank == 0)
            (void)printf("speedup_2_1ms=%.3f\nspeedup_2_100us=%.3f\n", ms, us);
        overhead(&world);
    }
    against_pingpong(&world, argv[1]);
    ub_comm_release(&world);
    (void)MPI_Finalize();
    return 0;
}
