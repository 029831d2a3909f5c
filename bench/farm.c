/* The farm: speed-up of two ranks, requests a second against a bare ping-pong, cost of
 * journal and status file.
 * Run by bench/run.sh on two ranks, once a transport.  Items spin for a stated time, so a core that
 * is shared shows: use an idle machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/beacon.h"
#include "io/journal.h"
#include "mpi/farm.h"

typedef struct bench {
    double      item_s;
    size_t      answer_bytes;
    ub_journal *journal;
    ub_beacon  *beacon;
} bench;

static const char *const JOURNAL = "bench.journal", *const STATUS = "bench.status.json";

static void check(ub_status st)
{
    if (st == UB_OK)
        return;
    (void)fprintf(stderr, "%s\n", ub_err_report());
    (void)MPI_Abort(MPI_COMM_WORLD, 1);
}

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    static const unsigned char zeros[4096];
    const bench               *b = self;
    double                     end = ub_clock() + b->item_s;
    (void)item;
    while (b->item_s > 0 && ub_clock() < end) {
    }
    return ub_bytes_put(answer, zeros, b->answer_bytes);
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    bench *b = self;
    if (b->journal == NULL)
        return UB_OK;
    ub_beacon_safe(b->beacon);
    return ub_journal_put(b->journal, item, answer, len);
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
    check(ub_farm_run(c, items, &plan, &ops, b, &stats));
    if (messages != NULL)
        *messages = stats.messages;
    return ub_clock() - start;
}

static double median(double *x, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && x[j] < x[j - 1]; j--) {
            double t = x[j];
            x[j] = x[j - 1];
            x[j - 1] = t;
        }
    return x[n / 2];
}

/* Median over pairs of runs: the time on this rank alone over that on all. */
static double speedup(ub_comm *all, double item_s, int64_t items)
{
    enum { RUNS = 5 };
    double  ratio[RUNS];
    ub_comm alone = {0};
    bench   b = {.item_s = item_s, .answer_bytes = 100};
    check(ub_comm_init(&alone, MPI_COMM_SELF));
    for (int i = 0; i < RUNS; i++) {
        double one = all->rank == 0 ? farm_s(&alone, items, NULL, &b, NULL) : 0;
        ratio[i] = one / farm_s(all, items, NULL, &b, NULL);
    }
    ub_comm_release(&alone);
    return median(ratio, RUNS);
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

/* Rank 0: a journal and a status file in the working directory, or their end. */
static void begin_keeping(bench *b)
{
    static ub_beacon_state first = {.command = "bench_farm", .ranks = 2, .pause_s = 1};
    char                   identity[65];
    memset(identity, '0', 64);
    identity[64] = '\0';
    (void)unlink(JOURNAL);
    check(ub_journal_open(JOURNAL, identity, 1, NULL, NULL, NULL, &b->journal));
    check(ub_beacon_begin(STATUS, &first, &b->beacon));
    ub_beacon_stage(b->beacon, "farm", "items", 1);
}

static void end_keeping(bench *b)
{
    check(ub_journal_close(&b->journal));
    ub_beacon_end(&b->beacon, UB_OK);
    (void)unlink(JOURNAL);
    (void)unlink(STATUS);
}

/* Seconds of a farm of 1 ms items with answers of a kilobyte, with or without them. */
static double kept_s(ub_comm *c, bool keep)
{
    enum { ITEMS = 2000 };
    bench b = {.item_s = 1e-3, .answer_bytes = 1000};
    if (keep && c->rank == 0)
        begin_keeping(&b);
    double s = farm_s(c, ITEMS, NULL, &b, NULL);
    if (keep && c->rank == 0)
        end_keeping(&b);
    return s;
}

/* What journal and status add, in percent: the median over pairs of runs, the order of a pair
 * alternating, so that whoever comes second has no advantage.  *spread: half the distance of the
 * quartiles. */
static double overhead(ub_comm *c, double *spread)
{
    enum { PAIRS = 21 };
    double added[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        bool   first = i % 2 == 0;
        double a = kept_s(c, first), b = kept_s(c, !first);
        added[i] = first ? 100 * (a / b - 1) : 100 * (b / a - 1);
    }
    double middle = median(added, PAIRS);
    *spread = (added[3 * PAIRS / 4] - added[PAIRS / 4]) / 2;
    return middle;
}

int main(int argc, char **argv)
{
    ub_comm world = {0};
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    check(ub_comm_init(&world, MPI_COMM_WORLD));
    if (argc != 2 || world.size != 2) {
        (void)fprintf(stderr, "usage: mpirun -n 2 bench_farm shm|tcp\n");
        (void)MPI_Abort(MPI_COMM_WORLD, 2);
    }
    bool shm = argc == 2 && strcmp(argv[1], "shm") == 0;
    if (shm) {
        double ms = speedup(&world, 1e-3, 2000), us = speedup(&world, 1e-4, 20000);
        double spread, kept = overhead(&world, &spread);
        if (world.rank == 0)
            (void)printf("speedup_2_1ms=%.3f\nspeedup_2_100us=%.3f\noverhead_percent=%.2f\n"
                         "overhead_spread=%.2f\n",
                         ms, us, kept, spread);
    }
    double trips = pingpong(&world), requests = dispatch(&world);
    if (world.rank == 0)
        (void)printf("pingpong_per_s_%s=%.0f\ndispatch_per_s_%s=%.0f\n"
                     "dispatch_vs_pingpong_%s=%.3f\n",
                     argv[1], trips, argv[1], requests, argv[1], requests / trips);
    ub_comm_release(&world);
    (void)MPI_Finalize();
    return 0;
}
