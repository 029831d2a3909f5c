/* The farm: speed-up of two ranks, requests a second against a bare ping-pong, cost of the journal.
 * Run by bench/run.sh on two ranks, once a transport.  Items spin for a stated time, so a core that
 * is shared shows: use an idle machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/journal.h"
#include "mpi/farm.h"

typedef struct bench {
    double      item_s;
    size_t      answer_bytes;
    ub_journal *journal;
} bench;

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
    return b->journal == NULL ? UB_OK : ub_journal_put(b->journal, item, answer, len);
}

static const ub_farm_ops ops = {.work = work, .absorb = absorb};

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

/* What the journal adds to a farm of 1 ms items with answers of a kilobyte, in percent. */
static double overhead(ub_comm *c, const char *path)
{
    enum { RUNS = 5, ITEMS = 1000 };
    double added[RUNS];
    for (int i = 0; i < RUNS; i++) {
        bench  b = {.item_s = 1e-3, .answer_bytes = 1000};
        double without = farm_s(c, ITEMS, NULL, &b, NULL);
        if (c->rank == 0) {
            char identity[65];
            memset(identity, '0', 64);
            identity[64] = '\0';
            (void)unlink(path);
            check(ub_journal_open(path, identity, 1, NULL, NULL, NULL, &b.journal));
        }
        double with = farm_s(c, ITEMS, NULL, &b, NULL);
        if (c->rank == 0)
            check(ub_journal_close(&b.journal));
        added[i] = 100 * (with - without) / without;
    }
    (void)unlink(path);
    return median(added, RUNS);
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
        double journal = overhead(&world, "bench.journal");
        if (world.rank == 0)
            (void)printf("speedup_2_1ms=%.3f\nspeedup_2_100us=%.3f\noverhead_percent=%.2f\n", ms,
                         us, journal);
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
