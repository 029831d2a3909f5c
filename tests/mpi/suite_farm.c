/* The farm: every item once, the same verdict everywhere, nothing left behind. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/sched.h"
#include "mpi/farm.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { MOST = 3000 };

typedef struct bench {
    int            taken[MOST]; /* rank 0: answers seen of each item, over all runs */
    int64_t        absorbed, told, stop_after;
    int64_t        fail_item, fail_absorb;
    int            fail_rank, stop_rank, wrong, backwards;
    size_t         length; /* of an answer; 0: varies with the item */
    long           sleep_us;
    const ub_comm *meet; /* not NULL: ranks wait for each other in work(), see meet() */
    int            worked;
    int            ticks, fail_tick; /* fail_tick: the tick that fails, from 1 */
    const ub_comm *notes;            /* not NULL: workers tell rank 0 of every item, see note() */
    int            unheard;
} bench;

static bench fresh(void)
{
    return (bench){.fail_item = -1,
                   .fail_absorb = -1,
                   .fail_rank = -1,
                   .stop_rank = -1,
                   .stop_after = INT64_MAX};
}

static size_t length_of(const bench *b, int64_t item)
{
    return b->length > 0 ? b->length + (size_t)item : (size_t)(item * 37 % 101);
}

static unsigned char byte_of(int64_t item, size_t i)
{
    return (unsigned char)((size_t)item * 131 + i * 7 + (i >> 8));
}

/* Rank 0 ends its first item when all workers are in theirs; they end when it begins another. */
static void meet(const bench *b)
{
    MPI_Comm on = b->meet->mpi;
    for (int rank = 1; rank < ub_world->size && ub_world->rank == 0; rank++)
        if (b->worked == 1)
            (void)MPI_Recv(NULL, 0, MPI_BYTE, rank, 0, on, MPI_STATUS_IGNORE);
        else
            (void)MPI_Send(NULL, 0, MPI_BYTE, rank, 0, on);
    if (ub_world->rank > 0) {
        (void)MPI_Send(NULL, 0, MPI_BYTE, 0, 0, on);
        (void)MPI_Recv(NULL, 0, MPI_BYTE, 0, 0, on, MPI_STATUS_IGNORE);
    }
}

/* Rank 0 ends its first item when every worker has begun its second one, or is taken to stand
 * still. */
static void note(bench *b)
{
    MPI_Comm on = b->notes->mpi;
    double   start = MPI_Wtime();
    if (ub_world->rank > 0)
        (void)MPI_Send(NULL, 0, MPI_BYTE, 0, 0, on);
    for (int k = 0; ub_world->rank == 0 && b->worked == 1 && k < 2 * (ub_world->size - 1); k++) {
        int here = 0;
        while (!here && MPI_Wtime() - start < 30)
            (void)MPI_Iprobe(1 + k / 2, 0, on, &here, MPI_STATUS_IGNORE);
        if (here)
            (void)MPI_Recv(NULL, 0, MPI_BYTE, 1 + k / 2, 0, on, MPI_STATUS_IGNORE);
        b->unheard += !here;
    }
}

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    bench *b = self;
    b->worked++;
    if (b->notes != NULL)
        note(b);
    if (item == b->fail_item || ub_world->rank == b->fail_rank)
        return UB_FAIL(UB_ENUMERIC, "no luck with %s",
                       b->fail_rank >= 0 ? "this rank" : "this item");
    if (b->meet != NULL)
        meet(b);
    if (b->sleep_us > 0) {
        struct timespec t = {.tv_nsec = b->sleep_us * 1000};
        (void)nanosleep(&t, NULL);
    }
    for (size_t i = 0, n = length_of(b, item); i < n; i++) {
        unsigned char x = byte_of(item, i);
        UB_TRY(ub_bytes_put(answer, &x, 1));
    }
    return UB_OK;
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    bench *b = self;
    if (item == b->fail_absorb)
        return UB_FAIL(UB_EIO, "cannot keep item %lld", (long long)item);
    if (item < 0 || item >= MOST || len != length_of(b, item) || ub_world->rank != 0) {
        b->wrong++;
        return UB_OK;
    }
    for (size_t i = 0; i < len; i++)
        b->wrong += answer[i] != byte_of(item, i);
    b->taken[item]++;
    b->absorbed++;
    return UB_OK;
}

static bool has(void *self, int64_t item)
{
    const bench *b = self;
    return b->taken[item] > 0;
}

static bool stop(void *self)
{
    const bench *b = self;
    return b->absorbed >= b->stop_after || ub_world->rank == b->stop_rank;
}

static void progress(void *self, int64_t done, int64_t items)
{
    bench *b = self;
    b->backwards += done < b->told || done > items;
    b->told = done;
}

static ub_status tick(void *self)
{
    bench *b = self;
    return ++b->ticks == b->fail_tick ? UB_FAIL(UB_EIO, "cannot flush") : UB_OK;
}

static const ub_farm_ops plain = {.work = work, .absorb = absorb};
static const ub_farm_ops full = {
    .work = work, .absorb = absorb, .has = has, .stop = stop, .progress = progress};

static const char *policy;    /* of the runs of this case; NULL: the default */
static int         group = 1; /* the same: ranks of a sub-master; 1: none */

static ub_status run_farm(int64_t items, const ub_farm_ops *ops, bench *b, ub_farm_stats *stats)
{
    ub_comm      c = *ub_world; /* nobody dies here */
    ub_farm_plan plan = {.policy = policy, .group = group, .retry = 2};
    return ub_farm_run(&c, items, &plan, ops, b, stats);
}

static int left_behind(void)
{
    int found = 0;
    (void)MPI_Barrier(ub_world->mpi);
    (void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, ub_world->mpi, &found, MPI_STATUS_IGNORE);
    return found;
}

/* On rank 0 all of `items` were taken exactly once and nothing else; silence everywhere. */
static int all_once(const bench *b, int64_t items)
{
    int wrong = b->wrong + left_behind();
    for (int64_t i = 0; i < MOST && ub_world->rank == 0; i++)
        wrong += b->taken[i] != (i < items);
    if (wrong != 0)
        (void)printf("\n  %d things wrong with %lld items\n", wrong, (long long)items);
    return wrong == 0;
}

static int one_sentence(void)
{
    char first[1024] = "", mine[1024] = "";
    (void)snprintf(mine, sizeof mine, "%s", ub_err_message());
    memcpy(first, mine, sizeof first);
    (void)MPI_Bcast(first, (int)sizeof first, MPI_CHAR, 0, ub_world->mpi);
    return strcmp(first, mine) == 0;
}

static void every_item_once(void)
{
    static const int64_t counts[] = {0, 1, 2, 3, 4, 5, 6, 7, 11, 100, 1000, MOST};
    for (size_t i = 0; ub_sched_choice_at(i) != NULL; i++)
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            bench         b = fresh();
            ub_farm_stats stats;
            policy = ub_sched_choice_at(i);
            UB_CHECK(run_farm(counts[k], &plain, &b, &stats));
            CU_ASSERT(all_once(&b, counts[k]));
            CU_ASSERT_EQUAL(stats.items, ub_world->rank == 0 ? counts[k] : 0);
            CU_ASSERT(stats.busy >= 0 && stats.busy <= 1);
            CU_ASSERT_EQUAL(stats.lost + (int)stats.reissued, 0);
        }
    policy = NULL;
}

static void sleepy_items(void)
{
    bench b = fresh();
    b.sleep_us = 1000;
    UB_CHECK(run_farm(60, &full, &b, NULL));
    CU_ASSERT(all_once(&b, 60));
}

static void holes_are_skipped(void)
{
    bench b = fresh();
    for (int64_t i = 0; i < MOST; i++)
        b.taken[i] = i % 3 == 1 || (i >= 500 && i < 900) || i == MOST - 1;
    ub_farm_stats stats;
    int64_t       known = 0;
    for (int64_t i = 0; i < MOST; i++)
        known += b.taken[i];
    UB_CHECK(run_farm(MOST, &full, &b, &stats));
    CU_ASSERT(all_once(&b, MOST));
    if (ub_world->rank == 0) {
        CU_ASSERT_EQUAL(stats.items, MOST - known);
        CU_ASSERT_EQUAL(b.told, MOST);
    }
    UB_CHECK(run_farm(MOST, &full, &b, &stats)); /* nothing to do */
    CU_ASSERT_EQUAL(stats.items, 0);
    CU_ASSERT(all_once(&b, MOST));
}

static void stop_and_go_on(void)
{
    for (int64_t after = 0; after < 1000; after = 3 * after + 1) {
        bench b = fresh();
        b.stop_after = after;
        UB_CHECK_FAILS(run_farm(2000, &full, &b, NULL), UB_ESTOP, "stopped on request");
        CU_ASSERT(one_sentence());
        CU_ASSERT_EQUAL(left_behind(), 0);
        if (ub_world->rank == 0)
            CU_ASSERT(b.absorbed >= after && b.absorbed < 2000);
        b.stop_after = INT64_MAX;
        UB_CHECK(run_farm(2000, &full, &b, NULL));
        CU_ASSERT(all_once(&b, 2000));
    }
}

/* At any time: before its first item, too, and of sub-masters, which do none. */
static void any_rank_stops(void)
{
    for (int rank = 0; rank < ub_world->size; rank++) {
        ub_farm_stats stats;
        bench         b = fresh();
        b.sleep_us = 300;
        b.stop_rank = rank;
        UB_CHECK_FAILS(run_farm(2000, &full, &b, &stats), UB_ESTOP, "stopped on request");
        CU_ASSERT(one_sentence());
        CU_ASSERT_EQUAL(left_behind(), 0);
        CU_ASSERT(b.absorbed < 1000);
        CU_ASSERT_EQUAL(stats.cut, ub_world->rank == 0);
        b.stop_rank = -1;
        b.sleep_us = 0;
        UB_CHECK(run_farm(2000, &full, &b, &stats));
        CU_ASSERT(all_once(&b, 2000));
        CU_ASSERT(!stats.cut);
    }
}

static void stop_when_all_is_done(void)
{
    bench b = fresh();
    b.stop_after = 50;
    UB_CHECK(run_farm(50, &full, &b, NULL));
    CU_ASSERT(all_once(&b, 50));
}

static void failing_item(void)
{
    static const int64_t at[] = {0, 1, 7, 150, 299};
    for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
        bench b = fresh();
        b.fail_item = at[k];
        UB_CHECK_FAILS(run_farm(300, &full, &b, NULL), UB_ENUMERIC, "no luck with this item");
        CU_ASSERT(one_sentence());
        CU_ASSERT_EQUAL(left_behind(), 0);
        CU_ASSERT_EQUAL(b.taken[at[k]], 0);
        if (ub_world->rank == 0)
            CU_ASSERT_EQUAL(b.absorbed, 299);
        b.fail_item = -1;
        UB_CHECK(run_farm(300, &full, &b, NULL));
        CU_ASSERT(all_once(&b, 300));
    }
}

static void failing_rank(void)
{
    for (int rank = 0; rank < ub_world->size; rank++) {
        bench b = fresh();
        b.fail_rank = rank;
        if (ub_world->size == 1) {
            UB_CHECK_FAILS(run_farm(300, &full, &b, NULL), UB_ENUMERIC, "no luck with this rank");
            b.fail_rank = -1;
        }
        UB_CHECK(run_farm(300, &full, &b, NULL));
        CU_ASSERT(all_once(&b, 300));
    }
}

static void all_ranks_fail(void)
{
    bench b = fresh();
    b.fail_rank = ub_world->rank;
    UB_CHECK_FAILS(run_farm(300, &full, &b, NULL), UB_ENUMERIC, "no luck");
    CU_ASSERT_EQUAL(left_behind(), 0);
    CU_ASSERT(one_sentence());
}

static void failing_absorb(void)
{
    bench b = fresh();
    b.fail_absorb = 123;
    UB_CHECK_FAILS(run_farm(300, &full, &b, NULL), UB_EIO, "cannot keep item 123");
    CU_ASSERT(one_sentence());
    CU_ASSERT_EQUAL(left_behind(), 0);
    b.fail_absorb = -1;
    UB_CHECK(run_farm(300, &full, &b, NULL));
    CU_ASSERT(all_once(&b, 300));
}

/* Half a second an item, one each: rank 0 has done its own, or has none, while the others work. */
static void ticks_in_silence(void)
{
    static const ub_farm_ops ops = {.work = work, .absorb = absorb, .tick = tick};
    bench                    b = fresh();
    b.sleep_us = ub_world->rank == 0 ? 1000 : 500000;
    UB_CHECK(run_farm(ub_world->size, &ops, &b, NULL));
    CU_ASSERT(all_once(&b, ub_world->size));
    CU_ASSERT(ub_world->rank == 0 ? b.ticks >= (ub_world->size > 1 ? 3 : 1) : b.ticks == 0);
    b = fresh();
    b.sleep_us = 1000;
    b.fail_tick = 1;
    UB_CHECK_FAILS(run_farm(1000, &ops, &b, NULL), UB_EIO, "cannot flush");
    CU_ASSERT(one_sentence());
    CU_ASSERT_EQUAL(left_behind(), 0);
}

static void large_answers(void)
{
    bench b = fresh();
    b.length = (3u << 19) + 5;
    UB_CHECK(run_farm(24, &full, &b, NULL));
    CU_ASSERT(all_once(&b, 24));
}

/* Hangs (and times out) if a busy rank is given what an idle one could do. */
/* Nothing looks at the bytes, which are not there. */
static ub_status endless(void *self, int64_t item, ub_bytes *answer)
{
    (void)self;
    answer->len = item == 2 ? (size_t)INT32_MAX + 100 : 0;
    return UB_OK;
}

static ub_status take_any(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    (void)self, (void)item, (void)answer, (void)len;
    return UB_OK;
}

/* Answers too large to be sent before they are waited for. */
static void workers_go_on(void)
{
    ub_comm notes;
    bench   b = fresh();
    int     here = 1;
    UB_CHECK(ub_comm_init(&notes, ub_world->mpi));
    b.notes = &notes;
    b.length = 300000;
    policy = "static";
    UB_CHECK(run_farm(3 * (int64_t)ub_world->size, &plain, &b, NULL));
    policy = NULL;
    CU_ASSERT_EQUAL(b.unheard, 0);
    CU_ASSERT(all_once(&b, 3 * (int64_t)ub_world->size));
    while (here) { /* the notes that nobody waited for */
        (void)MPI_Iprobe(MPI_ANY_SOURCE, 0, notes.mpi, &here, MPI_STATUS_IGNORE);
        if (here)
            (void)MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, 0, notes.mpi, MPI_STATUS_IGNORE);
    }
    ub_comm_release(&notes);
}

static void endless_answer(void)
{
    static const ub_farm_ops ops = {.work = endless, .absorb = take_any};
    UB_CHECK_FAILS(run_farm(5, &ops, NULL, NULL), UB_ERANGE,
                   "the answer of item 2 has 2147483747 bytes");
}

static void last_items_go_to_the_idle(void)
{
    ub_comm meeting = {0};
    bench   b = fresh();
    UB_CHECK(ub_comm_init(&meeting, ub_world->mpi));
    b.meet = &meeting;
    UB_CHECK(run_farm(ub_world->size + 1, &full, &b, NULL));
    CU_ASSERT_EQUAL(b.worked, ub_world->rank == 0 ? 2 : 1);
    CU_ASSERT(all_once(&b, ub_world->size + 1));
    ub_comm_release(&meeting);
}

static void progress_goes_up(void)
{
    bench b = fresh();
    b.told = -1;
    UB_CHECK(run_farm(1000, &full, &b, NULL));
    CU_ASSERT_EQUAL(b.backwards, 0);
    CU_ASSERT_EQUAL(b.told, ub_world->rank == 0 ? 1000 : -1);
}

/* More sub-masters than there can be, two, and one. */
static void sub_masters(void)
{
    static void (*const cases[])(void) = {every_item_once, sleepy_items,          holes_are_skipped,
                                          stop_and_go_on,  stop_when_all_is_done, any_rank_stops,
                                          failing_item,    all_ranks_fail,        failing_absorb,
                                          large_answers,   progress_goes_up};
    int wanted[] = {2, (ub_world->size + 1) / 2, ub_world->size};
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
        group = wanted[k];
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            cases[i]();
        if (ub_sched_groups(ub_world->size, group) > 1) /* else there may be no other worker */
            failing_rank();
    }
    group = 1;
}

/* Rank 0 and sub-masters hand out only. */
static void who_works(void)
{
    bench b = fresh();
    int   workers = 0;
    group = 4;
    b.sleep_us = 2000;
    UB_CHECK(run_farm(100, &full, &b, NULL));
    group = 1;
    CU_ASSERT(all_once(&b, 100));
    int works = b.worked > 0, groups = ub_sched_groups(ub_world->size, 4);
    (void)MPI_Allreduce(&works, &workers, 1, MPI_INT, MPI_SUM, ub_world->mpi);
    CU_ASSERT_EQUAL(workers, groups > 0 ? ub_world->size - 1 - groups : ub_world->size);
}

static ub_farm_rank reports[64];
static int          reports_made;

static void take_report(void *self, int rank, const ub_farm_rank *how)
{
    (void)self;
    reports[rank % 64] = *how;
    reports_made++;
}

/* The last rank takes 20 ms an item, the others 2. */
static ub_status unequal(void *self, int64_t item, ub_bytes *answer)
{
    struct timespec t = {.tv_nsec = ub_world->rank == ub_world->size - 1 ? 20000000 : 2000000};
    (void)nanosleep(&t, NULL);
    (void)self, (void)item, (void)answer;
    return UB_OK;
}

static void ranks_are_told_of(void)
{
    static const ub_farm_ops ops = {.work = unequal, .absorb = take_any, .rank = take_report};
    static const char *const policies[] = {"fac2", "auto"};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        int64_t done = 0, items = 60 * (int64_t)ub_world->size;
        policy = policies[i];
        reports_made = 0;
        UB_CHECK(run_farm(items, &ops, NULL, NULL));
        CU_ASSERT(ub_world->rank == 0 ? reports_made >= ub_world->size : reports_made == 0);
        for (int rank = 0; rank < ub_world->size && ub_world->rank == 0; rank++) {
            const ub_farm_rank *how = &reports[rank], *last = &reports[ub_world->size - 1];
            done += how->done;
            CU_ASSERT(!how->lost);
            CU_ASSERT_EQUAL(how->slow, how->speed < 0.5);
            CU_ASSERT(how == last ? how->slow == (rank > 0) : how->speed > last->speed);
        }
        int64_t head = i == 1 ? ub_farm_head(items, ub_world->size) : 0;
        CU_ASSERT(ub_world->rank > 0 || done == items - head);
    }
    policy = NULL;
}

static void negative_is_refused(void)
{
    bench b = fresh();
    UB_CHECK_FAILS(run_farm(-1, &full, &b, NULL), UB_EARG, "-1 items");
}

UB_SUITE("farm", {"every item is absorbed once with the right bytes", every_item_once},
         {"so are items that take time", sleepy_items},
         {"items already known are not done again", holes_are_skipped},
         {"a stop drains, and a second run completes the first", stop_and_go_on},
         {"it is asked for by any rank", any_rank_stops},
         {"a stop after the last answer is no stop", stop_when_all_is_done},
         {"an item that keeps failing is set aside, with one sentence everywhere", failing_item},
         {"what a failing rank cannot do others do", failing_rank},
         {"if all of them fail, all is set aside", all_ranks_fail},
         {"an answer that cannot be kept ends the run", failing_absorb},
         {"rank 0 ticks while others work, and a tick that fails ends the run", ticks_in_silence},
         {"answers of more than a megabyte arrive whole", large_answers},
         {"a worker goes on while its master is in an item of its own", workers_go_on},
         {"one that no message holds is a failure, on rank 0 as on any", endless_answer},
         {"the last items go to ranks without work", last_items_go_to_the_idle},
         {"progress never goes back and ends at the total", progress_goes_up},
         {"all of this holds with sub-masters", sub_masters},
         {"rank 0 hears how each rank is doing", ranks_are_told_of},
         {"where there are sub-masters the ranks behind them do all items", who_works},
         {"a negative number of items is refused", negative_is_refused})
