/* Ranks that are lost in the farm: others do what they held, once.
 *
 * Nobody really dies here (tests/jobs/cli_groups.sh kills): a rank in the middle of an item tells
 * rank 0 what the watch would tell it.  Nothing is given again for being overdue, so that only what
 * follows from the loss can help.  But where ranks fall silent (a whole node that dies leaves
 * nobody to miss it), that and patience are all there is.
 *
 * Sub-masters are really stopped (SIGSTOP), by a worker behind them in the middle of an item, and
 * go on when all is over; what was sent to them meanwhile stays with MPI.  If this test is ended
 * before that, the launcher's end lets them go: stopped processes of an orphaned process group get
 * SIGHUP and SIGCONT from the kernel. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sched.h"
#include "mpi/internal/farm.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { ITEMS = 400, LIMIT_S = 10, MOST_RANKS = 64, PATIENCE_MS = 1000 };

typedef struct bench {
    const ub_comm *c;
    int            taken[ITEMS]; /* rank 0: answers seen of each item */
    int            wrong, worked;
    int            at, victim; /* this rank says in its item number `at` that the victim is gone */
    bool           silent;     /* and if so, it says nothing */
    bool           freeze;     /* nor that: it stops the victim, a sub-master, */
    bool           suspend;    /* or all others, for a while */
    const pid_t   *pid;        /* of the ranks */
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

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* A job that is suspended and goes on: rank 0 first, as bad luck has it. */
static void suspend(const bench *b)
{
    for (int rank = 0; rank < b->c->size; rank++)
        if (rank != b->c->rank)
            (void)kill(b->pid[rank], SIGSTOP);
    sleep_ms(4 * PATIENCE_MS);
    (void)kill(b->pid[0], SIGCONT);
    sleep_ms(PATIENCE_MS / 4);
    for (int rank = 1; rank < b->c->size; rank++)
        (void)kill(b->pid[rank], SIGCONT);
}

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    bench          *b = self;
    struct timespec t = {.tv_nsec = 200000};
    (void)nanosleep(&t, NULL);
    if (b->worked++ == b->at) {
        if (b->suspend)
            suspend(b);
        else if (b->freeze)
            (void)kill(b->pid[b->victim], SIGSTOP);
        else if (!b->silent)
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
                                     .patience_s = b->silent   ? 0.3
                                                   : b->freeze ? PATIENCE_MS * 1e-3
                                                               : 0};
    pid_t                    pid[MOST_RANKS], own = getpid();
    UB_CHECK(ub_comm_init(&c, ub_world->mpi));
    (void)MPI_Allgather(&own, sizeof own, MPI_BYTE, pid, sizeof own, MPI_BYTE, c.mpi);
    MPI_Comm whole = c.mpi;
    b->pid = pid;
    b->c = &(ub_comm){.mpi = whole, .rank = c.rank, .size = c.size};
    b->start = ub_clock();
    b->at = c.rank == witness ? at : -1;
    b->victim = victim;
    ub_status st = ub_farm_run(&c, ITEMS, &plan, &ops, b, &stats);
    if (b->freeze && ub_world->rank == 0)
        (void)kill(pid[victim], SIGCONT);
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

/* One of two, then the only one, then the only one of a single worker. */
static void stopped_sub_master(void)
{
    int size = ub_world->size;
    for (int group = half(); group <= size; group += size - half()) {
        int groups = ub_sched_groups(size, group);
        if (groups == 0 || (group < size && groups < 2))
            continue;
        for (int at = 0; at < 10; at += 5) {
            bench   b = fresh();
            int     sub = ub_sched_group_begin(size, groups, groups - 1);
            int64_t live = ub_mem_live();
            b.freeze = true;
            lose(&b, group, sub + 1, at, sub, at == 5 ? 40 : 1);
            all_once(&b);
            live = ub_mem_live() - live;
            CU_ASSERT(live <= 4);
            ub_suite_left += live;
        }
    }
}

static void suspended(void)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb, .has = has, .stop = stop};
    ub_farm_plan             plan = {.group = half(), .patience_s = PATIENCE_MS * 1e-3};
    int                      groups = ub_sched_groups(ub_world->size, half());
    bench                    b = fresh();
    pid_t                    pid[MOST_RANKS], own = getpid();
    ub_comm                  c = *ub_world;
    ub_farm_stats            stats;
    if (groups < 2)
        return;
    (void)MPI_Allgather(&own, sizeof own, MPI_BYTE, pid, sizeof own, MPI_BYTE, c.mpi);
    b.c = &c;
    b.pid = pid;
    b.start = ub_clock();
    b.suspend = true;
    b.at = c.rank == c.size - 1 ? 5 : -1;
    UB_CHECK(ub_farm_run(&c, ITEMS, &plan, &ops, &b, &stats));
    CU_ASSERT(!c.wounded && stats.lost == 0);
    all_once(&b);
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

/* The last group, which may be the only one: then rank 0 is alone. */
static void lose_node(int group)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb, .has = has, .stop = stop};
    int                      groups = ub_sched_groups(ub_world->size, group);
    if (groups == 0)
        return;
    int          first = ub_sched_group_begin(ub_world->size, groups, groups - 1);
    bool         dead = ub_world->rank >= first;
    ub_farm_plan plan = {.policy = "gss", .group = group, .overdue = 3, .patience_s = 0.3};
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

static void silent_node(void)
{
    lose_node(half());
    lose_node(ub_world->size);
}

UB_SUITE("farm_lost", {"what a lost worker held is done by others", one_master},
         {"so it is behind a sub-master", worker_of_a_sub_master},
         {"the ranks of a lost sub-master go on with rank 0", sub_master},
         {"those of the only one, too", only_sub_master},
         {"a stop after a loss keeps what was answered", stop_after_a_loss},
         {"a rank that falls silent is given up, and others do its items", silent_rank},
         {"so is a whole node with its sub-master", silent_node},
         {"so is a sub-master that is stopped, and its ranks go on", stopped_sub_master},
         {"a job that was suspended loses nobody", suspended},
         {"if nobody is left to do the items, rank 0 does", nobody_left})
