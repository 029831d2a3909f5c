/* Ranks that are lost in the farm: others do what they held, once.
 *
 * Nobody really dies here (tests/jobs/cli_groups.sh kills): a rank in the middle of an item tells
 * rank 0 what the watch would tell it.  Nothing is given again for being overdue, so that only what
 * follows from the loss can help.  But where ranks fall silent (a whole node that dies leaves
 * nobody to miss it), that and patience are all there is. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "core/sched.h"
#include "mpi/internal/farm.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { ITEMS = 400, LIMIT_S = 10 };

typedef struct bench {
    const ub_comm *c;
    int            taken[ITEMS]; /* rank 0: answers seen of each item */
    int            wrong, worked;
    int            at, victim; /* this rank says in its item number `at` that the victim is gone */
    bool           silent;     /* and if so, it says nothing */
    int64_t        stop_after, absorbed;
    double         start;
} bench;

/* A rank that is lost does not come back from its item before all is over. */
static void be_lost(const bench *b)
{
    int here = 0;
    while (!here && ub_clock() - b->start < 2 * LIMIT_S)
        (void)MPI_Iprobe(0, UB_FARM_CLOSE, b->c->mpi, &here, MPI_STATUS_IGNORE);
}

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    bench          *b = self;
    struct timespec t = {.tv_nsec = 200000};
    (void)nanosleep(&t, NULL);
    if (b->worked++ == b->at) {
        if (!b->silent)
            (void)MPI_Send(&b->victim, 1, MPI_INT, 0, UB_FARM_LOST, b->c->mpi);
        if (b->victim == b->c->rank)
            be_lost(b);
    }
    item *= 3;
    return ub_bytes_put(answer, &item, sizeof item);
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    bench  *b = self;
    int64_t x = 0;
    size_t  at = 0;
    UB_TRY(ub_bytes_take(answer, len, &at, &x, sizeof x));
    b->wrong += x != 3 * item || at != len;
    b->taken[item]++;
    b->absorbed++;
    return UB_OK;
}

static bool has(void *self, int64_t item)
{
    const bench *b = self;
    return b->taken[item] > 0;
}

/* Items that nobody does end the run, and not the patience of whoever waits for this test. */
static bool stop(void *self)
{
    const bench *b = self;
    return b->absorbed >= b->stop_after || ub_clock() - b->start > LIMIT_S;
}

/* A farm in which `witness` says in its item number `at` that `victim` is lost. */
static void lose(bench *b, int group, int witness, int at, int victim, int64_t floor)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb, .has = has, .stop = stop};
    ub_comm                  c = {0};
    ub_farm_stats            stats;
    ub_farm_plan             plan = {.policy = "gss",
                                     .group = group,
                                     .floor = floor,
                                     .overdue = b->silent ? 3 : 0,
                                     .patience_s = b->silent ? 0.3 : 0};
    UB_CHECK(ub_comm_init(&c, ub_world->mpi));
    MPI_Comm whole = c.mpi;
    b->c = &(ub_comm){.mpi = whole, .rank = c.rank, .size = c.size};
    b->start = ub_clock();
    b->at = c.rank == witness ? at : -1;
    b->victim = victim;
    ub_status st = ub_farm_run(&c, ITEMS, &plan, &ops, b, &stats);
    (void)MPI_Barrier(ub_world->mpi); /* no communicator is made while another is being made */
    ub_status want = b->stop_after < ITEMS ? UB_ESTOP : UB_OK;
    CU_ASSERT_EQUAL(st, ub_world->rank == victim ? UB_EMPI : want);
    CU_ASSERT(c.wounded && c.size == (ub_world->rank == victim ? 0 : ub_world->size - 1));
    if (ub_world->rank == 0)
        CU_ASSERT(stats.lost == 1 && ub_clock() - b->start < LIMIT_S);
    if (c.mpi != MPI_COMM_NULL)
        (void)MPI_Comm_free(&c.mpi); /* all its ranks live: see above */
    (void)MPI_Comm_free(&whole);
}

static void all_once(const bench *b)
{
    int wrong = b->wrong;
    for (int i = 0; i < ITEMS && ub_world->rank == 0; i++)
        wrong += b->taken[i] != 1;
    if (wrong > 0)
        (void)printf("\n  %d things wrong\n", wrong);
    CU_ASSERT_EQUAL(wrong, 0);
}

static bench fresh(void)
{
    return (bench){.stop_after = INT64_MAX};
}

/* Ranks 1 .. n-1 in two groups. */
static int half(void)
{
    return ub_world->size / 2;
}

static void one_master(void)
{
    for (int victim = 1; victim < ub_world->size; victim++) {
        bench b = fresh();
        lose(&b, 1, victim, victim, victim, 1);
        all_once(&b);
    }
}

static void worker_of_a_sub_master(void)
{
    if (ub_sched_groups(ub_world->size, half()) < 2)
        return;
    for (int at = 0; at < 20; at += 6) {
        bench b = fresh();
        int   victim = ub_world->size - 1;
        lose(&b, half(), victim, at, victim, 1);
        all_once(&b);
    }
}

/* One of its workers says so, or one of the other group: in the first case the chunk is new. */
static void sub_master(void)
{
    int groups = ub_sched_groups(ub_world->size, half());
    if (groups < 2)
        return;
    for (int at = 0; at < 20; at += 3) {
        bench b = fresh();
        int   sub = ub_sched_group_begin(ub_world->size, groups, 1);
        lose(&b, half(), at % 2 == 0 ? sub + 1 : sub - 1, at, sub, at == 6 ? 40 : 1);
        all_once(&b);
    }
}

static void only_sub_master(void)
{
    if (ub_sched_groups(ub_world->size, ub_world->size) == 0)
        return;
    bench b = fresh();
    lose(&b, ub_world->size, 2, 5, 1, 1);
    all_once(&b);
}

static void stop_after_a_loss(void)
{
    int groups = ub_sched_groups(ub_world->size, half());
    if (groups < 2)
        return;
    bench b = fresh();
    b.stop_after = ITEMS / 2;
    lose(&b, half(), ub_world->size - 1, 2, ub_sched_group_begin(ub_world->size, groups, 1), 1);
    if (ub_world->rank == 0)
        CU_ASSERT(b.absorbed >= b.stop_after && b.absorbed < ITEMS);
    CU_ASSERT_EQUAL(b.wrong, 0);
}

/* Nobody is left but rank 0: it works after all. */
static void nobody_left(void)
{
    if (ub_world->size != 3)
        return;
    bench b = fresh();
    b.c = ub_world;
    lose(&b, 3, 2, 4, 2, 1);
    all_once(&b);
    if (ub_world->rank == 0)
        CU_ASSERT(b.absorbed == ITEMS);
}

/* Falls silent with items in its hands. */
static void silent_rank(void)
{
    int victim = ub_world->size - 1;
    for (int group = 1; group <= half(); group += half() > 1 ? half() - 1 : 1) {
        if (group > 1 && ub_sched_groups(ub_world->size, group) < 2)
            continue;
        bench b = fresh();
        b.silent = true;
        lose(&b, group, victim, 1, victim, 1);
        all_once(&b);
    }
}

/* A rank of a node that died: it was there when the farm began, and is heard of no more. */
static void fall_silent(const ub_comm *c)
{
    ub_farm_terms terms;
    bench         b = {.c = c, .start = ub_clock()};
    UB_CHECK(ub_comm_agree(c, UB_OK));
    UB_CHECK(ub_comm_bcast(c, &terms, sizeof terms));
    be_lost(&b);
}

static void silent_node(void)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb, .has = has, .stop = stop};
    int                      groups = ub_sched_groups(ub_world->size, half());
    if (groups < 2)
        return;
    int          first = ub_sched_group_begin(ub_world->size, groups, groups - 1);
    bool         dead = ub_world->rank >= first;
    ub_farm_plan plan = {.policy = "gss", .group = half(), .overdue = 3, .patience_s = 0.3};
    ub_comm      c = {0};
    bench        b = fresh();
    UB_CHECK(ub_comm_init(&c, ub_world->mpi));
    MPI_Comm      whole = c.mpi;
    ub_farm_stats stats = {0};
    b.c = &(ub_comm){.mpi = whole, .rank = c.rank, .size = c.size};
    b.at = -1;
    b.start = ub_clock();
    if (dead)
        fall_silent(&c);
    else
        UB_CHECK(ub_farm_run(&c, ITEMS, &plan, &ops, &b, &stats));
    if (ub_world->rank == 0)
        CU_ASSERT(stats.lost == ub_world->size - first && ub_clock() - b.start < LIMIT_S);
    CU_ASSERT(dead || c.size == first);
    all_once(&b);
    (void)MPI_Barrier(ub_world->mpi);
    if (!dead)
        (void)MPI_Comm_free(&c.mpi);
    (void)MPI_Comm_free(&whole);
}

UB_SUITE("farm_lost", {"what a lost worker held is done by others", one_master},
         {"so it is behind a sub-master", worker_of_a_sub_master},
         {"the ranks of a lost sub-master go on with rank 0", sub_master},
         {"those of the only one, too", only_sub_master},
         {"a stop after a loss keeps what was answered", stop_after_a_loss},
         {"a rank that falls silent is given up, and others do its items", silent_rank},
         {"so is a whole node with its sub-master", silent_node},
         {"if nobody is left to do the items, rank 0 does", nobody_left})
