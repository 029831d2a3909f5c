/* The model of core/rehearse against real farms: mpirun -n R bench_farm_model, teams of 1, 2, 4,
 * ... ranks up to R.  Items sleep for a stated time instead of computing, so ranks need no core
 * each.  A run is rehearsed with what was measured in it (mean and spread of the items' times, the
 * cost of a message); efficiencies are compared: work / (ranks x time).
 *
 * Lines: ranks, sub-masters, policy, mean and cv of the items, efficiency of the median run and of
 * the rehearsal (mean of some seeds) in percent, and by how much the run took longer than
 * rehearsed. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "bench/support.h"
#include "core/log.h"
#include "core/rehearse.h"
#include "core/rng.h"
#include "mpi/farm.h"

enum { RUNS = 5, SEEDS = 20, TRIPS = 200 };

typedef struct job {
    double   item_s, cv;
    uint64_t seed;
} job;

/* Lognormal. */
static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    const job      *j = self;
    ub_rng          r = ub_rng_make(j->seed, UB_RNG_REHEARSE_ITEM, (uint64_t)item);
    double          s2 = log1p(j->cv * j->cv);
    double          s = j->item_s * exp(sqrt(s2) * ub_rng_normal(&r) - s2 / 2);
    struct timespec t = {(time_t)s, (long)((s - floor(s)) * 1e9)};
    (void)nanosleep(&t, NULL);
    return ub_bytes_put(answer, &item, sizeof item);
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    (void)self, (void)item, (void)answer, (void)len;
    return UB_OK;
}

/* Seconds of a small message between rank 0 and the last, each way: the median. */
static double message_s(const ub_comm *c)
{
    double trip[TRIPS];
    char   text[64] = "";
    int    last = c->size - 1;
    if (c->size == 1)
        return 0;
    for (int i = 0; i < TRIPS && (c->rank == 0 || c->rank == last); i++) {
        double start = ub_clock();
        if (c->rank == 0)
            (void)MPI_Send(text, sizeof text, MPI_BYTE, last, 0, c->mpi);
        (void)MPI_Recv(text, sizeof text, MPI_BYTE, last - c->rank, 0, c->mpi, MPI_STATUS_IGNORE);
        if (c->rank == last)
            (void)MPI_Send(text, sizeof text, MPI_BYTE, 0, 0, c->mpi);
        trip[i] = ub_clock() - start;
    }
    return c->rank == 0 ? ub_bench_median(trip, TRIPS) / 2 : 0;
}

/* Mean efficiency of rehearsals. */
static double rehearse(const ub_rehearsal *world)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        ub_rehearsal p = *world;
        ub_rehearsed r;
        p.seed = seed;
        ub_bench_check(ub_rehearse(&p, &r));
        sum += r.efficiency / SEEDS;
    }
    return sum;
}

/* One line. */
static void compare(ub_comm *c, double item_s, int64_t items, const char *policy, int group)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb};
    double                   real[RUNS], model[RUNS], longer[RUNS];
    double                   trip = message_s(c);
    for (int i = 0; i < RUNS; i++) {
        job           j = {.item_s = item_s, .cv = 0.5, .seed = 1 + (uint64_t)i};
        ub_farm_plan  plan = {.policy = policy, .group = group, .overdue = 3, .message_s = trip};
        ub_farm_stats stats;
        ub_bench_check(ub_farm_run(c, items * c->size, &plan, &ops, &j, &stats));
        if (c->rank != 0)
            continue;
        ub_rehearsal world = {.items = stats.items,
                              .ranks = c->size,
                              .policy = ub_sched_policy_find(policy),
                              .floor = 1,
                              .group = group,
                              .works = true,
                              .retry = 3,
                              .overdue = 3,
                              .item_s = stats.item_mean,
                              .item_cv = stats.item_sigma / stats.item_mean,
                              .message_s = trip,
                              .request_s = trip,
                              .answer_s = trip / 10};
        real[i] = stats.item_mean * (double)stats.items / (c->size * stats.seconds);
        model[i] = rehearse(&world);
        longer[i] = 100 * (model[i] / real[i] - 1);
    }
    if (c->rank == 0)
        (void)printf("ranks=%d groups=%d policy=%s item_ms=%g items=%lld real=%.2f model=%.2f "
                     "longer_percent=%.2f\n",
                     c->size, ub_sched_groups(c->size, group), policy, 1e3 * item_s,
                     (long long)items * c->size, 100 * ub_bench_median(real, RUNS),
                     100 * ub_bench_median(model, RUNS), ub_bench_median(longer, RUNS));
    (void)fflush(stdout);
}

/* A barrier whose waiting ranks leave the cores to the others. */
static void meet(const ub_comm *c)
{
    static const struct timespec pause = {.tv_nsec = 5000000};
    MPI_Request                  all;
    int                          here = 0;
    (void)MPI_Ibarrier(c->mpi, &all);
    while (MPI_Test(&all, &here, MPI_STATUS_IGNORE) == MPI_SUCCESS && !here)
        (void)nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        double  item_s;
        int64_t items; /* a rank */
    } loads[] = {{1e-3, 500}, {5e-3, 100}, {40e-3, 25}};
    ub_comm world = {0};
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    ub_bench_check(ub_comm_init(&world, MPI_COMM_WORLD));
    for (int ranks = 1; ranks <= world.size; ranks *= 2) {
        MPI_Comm part = MPI_COMM_NULL;
        ub_comm  team = {0};
        (void)MPI_Comm_split(world.mpi, world.rank < ranks, world.rank, &part);
        ub_bench_check(ub_comm_init(&team, part));
        (void)MPI_Comm_free(&part);
        for (size_t k = 0; world.rank < ranks && k < sizeof loads / sizeof *loads; k++) {
            compare(&team, loads[k].item_s, loads[k].items, "fac2", 1);
            compare(&team, loads[k].item_s, loads[k].items, "gss", 1);
            if (ranks > 4)
                compare(&team, loads[k].item_s, loads[k].items, "fac2", ranks / 2);
        }
        ub_comm_release(&team);
        meet(&world);
    }
    ub_comm_release(&world);
    (void)MPI_Finalize();
    return 0;
}
