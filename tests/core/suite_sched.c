/* The scheduler's machine: chunk sizes as published, leases, retries, deaths, and thousands of
 * random schedules. */
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "core/sched.h"
#include "tests/support/suite.h"

enum { MOST = 4096 };

static ub_sched *make(const char *policy, int64_t items, int ranks, int64_t floor)
{
    ub_sched       *s = NULL;
    ub_sched_config c = {.items = items,
                         .ranks = ranks,
                         .policy = ub_sched_policy_find(policy),
                         .floor = floor,
                         .retry = 2,
                         .overdue = 3};
    UB_CHECK(ub_sched_create(&c, &s));
    return s;
}

static ub_sched_action next(ub_sched *s, double now)
{
    static ub_sched_action a;
    UB_CHECK(ub_sched_next(s, now, &a));
    return a;
}

/* Answer all items of a chunk, each after `seconds`. */
static void answer_all(ub_sched *s, const ub_sched_action *a, double seconds, double now)
{
    for (int i = 0; i < a->count; i++)
        for (int64_t k = 0; k < a->range[i].count; k++)
            CU_ASSERT_EQUAL(ub_sched_answer(s, a->rank, a->range[i].first + k, seconds, now),
                            UB_SCHED_FIRST);
}

/* The chunks that ranks asking in turn are given. */
static int sequence(const char *policy, int64_t items, int ranks, int64_t floor, int64_t *size)
{
    ub_sched *s = make(policy, items, ranks, floor);
    int       n = 0;
    for (int rank = 0; n < MOST; rank = (rank + 1) % ranks) {
        ub_sched_request(s, rank, UB_SCHED_IDLE, n);
        ub_sched_action a = next(s, n);
        if (a.act != UB_SCHED_GIVE)
            break;
        CU_ASSERT_EQUAL(a.rank, rank);
        size[n++] = a.items;
        answer_all(s, &a, 0, n);
    }
    CU_ASSERT(ub_sched_finished(s));
    ub_sched_destroy(&s);
    return n;
}

static void same(const char *policy, int64_t items, int ranks, int64_t floor, int want,
                 const int64_t *sizes)
{
    int64_t got[MOST];
    int     n = sequence(policy, items, ranks, floor, got);
    CU_ASSERT_EQUAL(n, want);
    for (int i = 0; i < n && i < want; i++)
        CU_ASSERT_EQUAL(got[i], sizes[i]);
}

#define SAME(policy, items, ranks, floor, ...)                                                     \
    same(policy, items, ranks, floor, (int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)),     \
         (int64_t[]){__VA_ARGS__})

/* The worked examples of the literature: 100 iterations on 5, 1000 on 4. */
static void published(void)
{
    SAME("gss", 100, 5, 1, 20, 16, 13, 11, 8, 7, 5, 4, 4, 3, 2, 2, 1, 1, 1, 1, 1);
    SAME("gss", 1000, 4, 1, 250, 188, 141, 106, 79, 59, 45, 33, 25, 19, 14, 11, 8, 6, 4, 3, 3, 2, 1,
         1, 1, 1);
    SAME("fac2", 1000, 4, 1, 125, 125, 125, 125, 63, 63, 63, 63, 31, 31, 31, 31, 16, 16, 16, 16, 8,
         8, 8, 8, 4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1);
    SAME("static", 1003, 4, 1, 251, 251, 251, 250);
    SAME("self", 5, 3, 1, 1, 1, 1, 1, 1);
    SAME("self", 10, 3, 4, 4, 4, 2);
    SAME("gss", 100, 5, 7, 20, 16, 13, 11, 8, 7, 7, 7, 7, 4);
    SAME("fac2", 40, 4, 3, 5, 5, 5, 5, 3, 3, 3, 3, 3, 3, 2);
}

/* Tzeng and Ni: from N / 2P in equal steps down to 1, in 2N / (f + l) chunks. */
static void trapezoid(void)
{
    int64_t got[MOST], left = 1000;
    int     n = sequence("tss", 1000, 4, 1, got);
    for (int i = 0; i < n; i++) {
        int64_t want = lround(125 - i * 124.0 / 15);
        CU_ASSERT_EQUAL(got[i], want < left ? want : left);
        left -= got[i];
    }
    CU_ASSERT(left == 0 && n <= 16);
    n = sequence("tss", 100000, 64, 8, got);
    CU_ASSERT_EQUAL(got[0], 782);
    CU_ASSERT(n <= 254); /* ceil(200000 / 790) */
    for (int i = 1; i < n; i++)
        CU_ASSERT(got[i] <= got[i - 1] && (i == n - 1 || got[i] >= got[i - 1] - 4));
}

/* Kruskal and Weiss by logarithms; and from measured times. */
static void fixed_size(void)
{
    ub_sched       *s = NULL;
    ub_sched_config c = {.items = 100000,
                         .ranks = 16,
                         .policy = ub_sched_policy_find("fsc"),
                         .floor = 1,
                         .retry = 1,
                         .overhead = 1e-4,
                         .sigma = 5e-4};
    double          want =
        exp((0.5 * log(2) + log(1e5) + log(1e-4 / 5e-4) - log(16) - 0.5 * log(log(16))) * 2 / 3);
    UB_CHECK(ub_sched_create(&c, &s));
    for (int i = 0; i < 40; i++) {
        ub_sched_request(s, i % 16, UB_SCHED_IDLE, i);
        ub_sched_action a = next(s, i);
        CU_ASSERT_EQUAL(a.items, (int64_t)ceil(floor(want)));
        for (int64_t k = 0; k < a.items; k++) /* the same sigma: 1 ms -+ .5 ms */
            (void)ub_sched_answer(s, a.rank, a.range[0].first + k, k % 2 ? 0.5e-3 : 1.5e-3, i);
    }
    ub_sched_stats m;
    ub_sched_measure(s, &m);
    UB_CHECK_CLOSE(m.mean, 1e-3, 1e-2);
    UB_CHECK_CLOSE(m.sigma, 5e-4, 1e-2);
    CU_ASSERT(m.q95 >= 1.5e-3 && m.q95 <= 1.5e-3 * 1.25);
    ub_sched_destroy(&s);
}

/* One rank takes three times as long: weights 1/2 and 3/2. */
static void adaptive(void)
{
    ub_sched *s = make("awf", 1600, 2, 1);
    for (int rank = 0; rank < 2; rank++) {
        ub_sched_request(s, rank, UB_SCHED_IDLE, 0);
        ub_sched_action a = next(s, 0);
        CU_ASSERT_EQUAL(a.items, rank == 0 ? 400 : 300); /* 1600 / 4, 1200 / 4 */
        answer_all(s, &a, rank == 0 ? 3e-3 : 1e-3, 1);
    }
    ub_sched_request(s, 1, UB_SCHED_IDLE, 1); /* the other has not reported yet */
    CU_ASSERT_EQUAL(next(s, 1).items, 225);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 1);
    CU_ASSERT_EQUAL(next(s, 1).items, 85); /* 675 / 4 = 169; half of it, rounded up */
    CU_ASSERT(ub_sched_is_busy(s, 0) && ub_sched_is_busy(s, 1));
    ub_sched_request(s, 0, UB_SCHED_IDLE, 1);
    CU_ASSERT(!ub_sched_is_busy(s, 0) && ub_sched_is_busy(s, 1));
    ub_sched_destroy(&s);
}

static void known_items(void)
{
    ub_sched *s = make("static", 1000, 1, 1);
    int64_t   seen = 0;
    for (int64_t i = 0; i < 1000; i++)
        if (i % 4 == 0 || i < 100)
            ub_sched_known(s, i);
    ub_sched_known(s, 0);
    for (;;) {
        ub_sched_request(s, 0, UB_SCHED_IDLE, 0);
        ub_sched_action a = next(s, 0);
        if (a.act != UB_SCHED_GIVE)
            break;
        for (int i = 0; i < a.count; i++) {
            CU_ASSERT(a.range[i].first >= 100 && a.range[i].first % 4 == 1);
            CU_ASSERT_EQUAL(a.range[i].count, 3);
        }
        seen += a.items;
        answer_all(s, &a, 0, 0);
    }
    CU_ASSERT_EQUAL(seen, 900 - 225);
    CU_ASSERT(ub_sched_finished(s));
    ub_sched_destroy(&s);
    s = make("gss", 3, 2, 1);
    for (int64_t i = 0; i < 3; i++)
        ub_sched_known(s, i);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_END);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_END);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_NOTHING);
    ub_sched_destroy(&s);
}

static void prefetch(void)
{
    ub_sched *s = make("fac2", 40, 2, 4);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 0);
    CU_ASSERT_EQUAL(next(s, 0).items, 10);
    ub_sched_request(s, 0, UB_SCHED_ASK, 1); /* chunks are still large */
    CU_ASSERT_EQUAL(next(s, 1).act, UB_SCHED_NOTHING);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 1);
    CU_ASSERT_EQUAL(next(s, 1).rank, 1);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 2);
    CU_ASSERT_EQUAL(next(s, 2).items, 5); /* 20 left */
    ub_sched_request(s, 1, UB_SCHED_IDLE, 2);
    CU_ASSERT_EQUAL(next(s, 2).items, 5);
    ub_sched_request(s, 0, UB_SCHED_ASK, 3); /* at the floor, and 10 > 2 x 4 */
    CU_ASSERT_EQUAL(next(s, 3).items, 4);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 4); /* crossed the chunk */
    CU_ASSERT_EQUAL(next(s, 4).act, UB_SCHED_NOTHING);
    ub_sched_request(s, 0, UB_SCHED_ASK, 5); /* 6 left: the others first */
    CU_ASSERT_EQUAL(next(s, 5).act, UB_SCHED_NOTHING);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 6);
    CU_ASSERT_EQUAL(next(s, 6).items, 4);
    ub_sched_destroy(&s);
}

static void failing(void)
{
    ub_sched *s = make("self", 3, 2, 1);
    bool      aside = true;
    ub_sched_request(s, 0, UB_SCHED_IDLE, 0);
    CU_ASSERT_EQUAL(next(s, 0).range[0].first, 0);
    UB_CHECK(ub_sched_fail(s, 0, 0, 1, &aside));
    CU_ASSERT(!aside);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 1); /* item 0 again, on another rank, before the fresh */
    CU_ASSERT_EQUAL(next(s, 1).range[0].first, 0);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 1);
    CU_ASSERT_EQUAL(next(s, 1).range[0].first, 1);
    UB_CHECK(ub_sched_fail(s, 0, 1, 2, &aside));
    ub_sched_request(s, 0, UB_SCHED_IDLE, 2); /* not the one that failed here */
    CU_ASSERT_EQUAL(next(s, 2).range[0].first, 2);
    UB_CHECK(ub_sched_fail(s, 1, 0, 3, &aside));
    CU_ASSERT(aside && ub_sched_aside(s, 0) == 0 && ub_sched_aside(s, 1) == -1);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 2, 0, 4), UB_SCHED_FIRST);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 4);
    CU_ASSERT_EQUAL(next(s, 4).range[0].first, 1);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 1, 1, 0, 5), UB_SCHED_FIRST);
    CU_ASSERT(ub_sched_finished(s));
    CU_ASSERT_EQUAL(ub_sched_answer(s, 1, 0, 0, 6), UB_SCHED_FIRST); /* it was done after all */
    CU_ASSERT_EQUAL(ub_sched_aside(s, 0), -1);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 1, 7, 0, 6), UB_SCHED_STRANGE);
    ub_sched_destroy(&s);
}

static void dying(void)
{
    ub_sched      *s = make("static", 20, 2, 1);
    ub_sched_stats m;
    ub_sched_request(s, 0, UB_SCHED_IDLE, 0);
    CU_ASSERT_EQUAL(next(s, 0).items, 10);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 0);
    ub_sched_action mine = next(s, 0);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 0, 0, 1), UB_SCHED_FIRST);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 1, 0, 1), UB_SCHED_FIRST);
    UB_CHECK(ub_sched_dead(s, 0, 2));
    UB_CHECK(ub_sched_dead(s, 0, 2));
    ub_sched_measure(s, &m);
    CU_ASSERT(m.waiting == 8 && m.alive == 1 && m.reissued == 8 && m.deaths == 1);
    answer_all(s, &mine, 0, 3);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 2, 0, 3), UB_SCHED_FIRST); /* late, and welcome */
    ub_sched_request(s, 1, UB_SCHED_IDLE, 3);
    ub_sched_action a = next(s, 3);
    CU_ASSERT(a.items == 2 && a.range[0].first == 3); /* half of an equal share of 7, two alive */
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 3, 0, 3), UB_SCHED_FIRST);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 1, 3, 0, 3), UB_SCHED_DUPLICATE);
    ub_sched_measure(s, &m);
    CU_ASSERT(m.revived == 1 && m.alive == 2 && m.duplicates == 1);
    ub_sched_destroy(&s);
}

static void overdue(void)
{
    ub_sched *s = make("static", 20, 2, 1);
    ub_sched_request(s, 0, UB_SCHED_IDLE, 0);
    (void)next(s, 0);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 0);
    ub_sched_action a = next(s, 0);
    answer_all(s, &a, 1, 10); /* one second each */
    ub_sched_request(s, 1, UB_SCHED_IDLE, 10);
    CU_ASSERT_EQUAL(next(s, 10).act, UB_SCHED_NOTHING);
    double wake = ub_sched_wake(s); /* 10 + 3 sqrt(10) max(1.25 - 1, 1) */
    UB_CHECK_CLOSE(wake, 10 + 3 * sqrt(10), 1e-9);
    CU_ASSERT_EQUAL(next(s, wake - 1e-6).act, UB_SCHED_NOTHING);
    a = next(s, ub_sched_wake(s)); /* 10 out on 2 ranks: 3, from the end */
    CU_ASSERT(a.act == UB_SCHED_GIVE && a.rank == 1 && a.items == 3 && a.range[0].first == 7);
    answer_all(s, &a, 1, 21);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 0, 9, 1, 21), UB_SCHED_DUPLICATE);
    ub_sched_request(s, 1, UB_SCHED_IDLE, 21);
    a = next(s, 21);
    CU_ASSERT(a.items == 2 && a.range[0].first == 5);
    for (int64_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(ub_sched_answer(s, 0, i, 1, 22), UB_SCHED_FIRST);
    answer_all(s, &a, 1, 22);
    CU_ASSERT(next(s, 22).act == UB_SCHED_END && next(s, 22).act == UB_SCHED_END);
    CU_ASSERT_EQUAL(next(s, 22).act, UB_SCHED_NOTHING);
    ub_sched_destroy(&s);
}

static void sub_master(void)
{
    ub_sched       *s = NULL;
    ub_sched_config flat = {
        .items = 1000000, .policy = ub_sched_policy_find("gss"), .floor = 2, .retry = 3};
    ub_sched_config c = ub_sched_below(&flat, 3);
    UB_CHECK(ub_sched_create(&c, &s));
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_MORE);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_NOTHING);
    UB_CHECK(ub_sched_add(s, 500000, 10));
    UB_CHECK(ub_sched_add(s, 999999, 1));
    UB_CHECK_FAILS(ub_sched_add(s, 999999, 2), UB_ERANGE, "1000000");
    ub_sched_request(s, 2, UB_SCHED_IDLE, 0);
    ub_sched_action a = next(s, 0); /* 11 / 3 */
    CU_ASSERT(a.items == 4 && a.range[0].first == 500000);
    CU_ASSERT_EQUAL(ub_sched_answer(s, 2, 400000, 0, 0), UB_SCHED_STRANGE);
    UB_CHECK(ub_sched_add(s, 500000, 4)); /* given again from above: in work already */
    ub_sched_request(s, 1, UB_SCHED_IDLE, 0);
    CU_ASSERT_EQUAL(next(s, 0).range[0].first, 500004);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_MORE); /* 4 wait, 6 is little */
    bool aside = false;
    UB_CHECK(ub_sched_fail(s, 2, 500000, 0, &aside));
    CU_ASSERT(aside); /* the master above decides who tries again: */
    UB_CHECK(ub_sched_add(s, 500000, 1));
    UB_CHECK(ub_sched_fail(s, 2, 500000, 0, &aside));
    CU_ASSERT(aside && !ub_sched_finished(s));
    ub_sched_stop(s);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_END);
    CU_ASSERT_EQUAL(next(s, 0).act, UB_SCHED_NOTHING);
    ub_sched_destroy(&s);
}

static void refusals(void)
{
    ub_sched       *s = NULL;
    ub_sched_config c = {.items = 1, .ranks = 1, .policy = ub_sched_policy_at(0), .floor = 0};
    UB_CHECK_FAILS(ub_sched_create(&c, &s), UB_ERANGE, "floor 0");
    c.floor = 1;
    c.retry = UB_SCHED_TRIES + 1;
    UB_CHECK_FAILS(ub_sched_create(&c, &s), UB_ERANGE, "31 tries");
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_PTR_NULL(ub_sched_policy_find("fca2"));
    CU_ASSERT_STRING_EQUAL(ub_sched_choice_at(0), "auto");
    CU_ASSERT_STRING_EQUAL(ub_sched_choice_at(1), "static");
}

/* Random schedules.  A network that delays, repeats and reorders; ranks that are up to twenty times
 * slower than others, die, are taken for dead and come back; items that always fail; sub-masters
 * below (ranks of any width) and above (an open machine, whose items come piecemeal). */

enum { RANKS = 9, ITEMS = 300, POST = 20000 };

typedef struct letter {
    int     rank;
    int64_t item; /* -1 ask, -2 idle */
} letter;

typedef struct world {
    ub_rng    r;
    ub_sched *s;
    int64_t   items;
    int       ranks, letters, hand[RANKS]; /* hand: items a rank holds, in todo */
    double    now, slow[RANKS];            /* seconds of an item */
    int       width[RANKS];
    int64_t   added; /* open machines: items before it were added */
    bool      gone[RANKS], ended[RANKS];
    int64_t   todo[RANKS][4 * ITEMS];
    int       done[ITEMS], aside[ITEMS], tries[ITEMS];
    bool      bad[ITEMS];
    letter    post[POST];
} world;

static bool chance(world *w, double p)
{
    return ub_rng_uniform(&w->r) < p;
}

static void send(world *w, int rank, int64_t item)
{
    for (int copies = chance(w, 0.05) ? 2 : 1; copies > 0 && w->letters < POST; copies--)
        w->post[w->letters++] = (letter){rank, item};
}

static void deliver(world *w)
{
    if (w->letters == 0)
        return;
    /* mostly in order, sometimes any */
    int    i = chance(w, 0.8) ? 0 : (int)ub_rng_below(&w->r, (uint64_t)w->letters);
    letter l = w->post[i];
    memmove(&w->post[i], &w->post[i + 1], (size_t)(--w->letters - i) * sizeof l);
    if (l.item < 0) {
        ub_sched_request(w->s, l.rank, l.item == -1 ? UB_SCHED_ASK : UB_SCHED_IDLE, w->now);
    } else if (w->bad[l.item]) {
        bool aside;
        UB_CHECK(ub_sched_fail(w->s, l.rank, l.item, w->now, &aside));
        w->aside[l.item] += aside;
    } else if (ub_sched_answer(w->s, l.rank, l.item, w->slow[l.rank], w->now) == UB_SCHED_FIRST) {
        w->done[l.item]++;
    }
}

/* A rank works on one item, or says that it has none. */
static void work(world *w, int rank)
{
    if (w->gone[rank] || w->ended[rank])
        return;
    if (w->hand[rank] == 0) {
        if (chance(w, 0.3))
            send(w, rank, -2);
        return;
    }
    if (!chance(w, 1 / w->slow[rank])) /* its turn comes as often as that of others */
        return;
    int64_t item = w->todo[rank][0];
    if (w->hand[rank] == 1)
        send(w, rank, -1);
    memmove(w->todo[rank], w->todo[rank] + 1, (size_t)--w->hand[rank] * sizeof item);
    send(w, rank, item);
}

/* True deaths are found out some time, again after a late letter; rank 0 lives.  Anybody may be
 * taken for dead. */
static void mishap(world *w)
{
    int rank = (int)ub_rng_below(&w->r, (uint64_t)w->ranks);
    if (chance(w, 0.5) && rank > 0)
        w->gone[rank] = true;
    else if (chance(w, 0.5) && !w->gone[rank])
        UB_CHECK(ub_sched_dead(w->s, rank, w->now));
}

static void discover(world *w)
{
    for (int rank = 0; rank < w->ranks; rank++)
        if (w->gone[rank] && chance(w, 0.02))
            UB_CHECK(ub_sched_dead(w->s, rank, w->now));
}

static void obey(world *w)
{
    for (;;) {
        ub_sched_action a = next(w->s, w->now);
        if (a.act == UB_SCHED_NOTHING)
            return;
        if (a.act == UB_SCHED_MORE) {
            int64_t n = 1 + (int64_t)ub_rng_below(&w->r, 40);
            n = n < w->items - w->added ? n : w->items - w->added;
            if (n == 0)
                ub_sched_close(w->s);
            else
                UB_CHECK(ub_sched_add(w->s, w->added, n));
            w->added += n;
            continue;
        }
        if (a.act == UB_SCHED_END) {
            CU_ASSERT(!w->ended[a.rank]);
            w->ended[a.rank] = true;
            continue;
        }
        CU_ASSERT(!w->ended[a.rank] && a.items > 0);
        for (int i = 0; i < a.count; i++)
            for (int64_t item = a.range[i].first; item < a.range[i].first + a.range[i].count;
                 item++) {
                CU_ASSERT(item >= 0 && item < w->items);
                CU_ASSERT(!w->done[item] && !w->aside[item]); /* nothing that is answered */
                if (!w->gone[a.rank] && w->hand[a.rank] < 4 * ITEMS)
                    w->todo[a.rank][w->hand[a.rank]++] = item;
            }
    }
}

static void draw_world(world *w, uint64_t seed)
{
    static const int widths[] = {1, 2, 5, 0};
    memset(w, 0, sizeof *w);
    w->r = ub_rng_make(seed, UB_RNG_TEST, 7);
    w->items = (int64_t)ub_rng_below(&w->r, ITEMS);
    w->ranks = 1 + (int)ub_rng_below(&w->r, RANKS);
    bool wide = chance(w, 0.3), slow = chance(w, 0.5);
    for (int rank = 0; rank < w->ranks; rank++) {
        w->slow[rank] = slow && chance(w, 0.3) ? 1 + 19 * ub_rng_uniform(&w->r) : 1;
        w->width[rank] = wide ? widths[ub_rng_below(&w->r, rank == 0 ? 3 : 4)] : 1;
    }
}

static void one_schedule(world *w, uint64_t seed)
{
    draw_world(w, seed);
    ub_sched_config c = {.items = w->items,
                         .open = chance(w, 0.3),
                         .ranks = w->ranks,
                         .width = w->width,
                         .low = (int64_t)ub_rng_below(&w->r, 20),
                         .policy = ub_sched_policy_at(ub_rng_below(&w->r, 7)),
                         .floor = 1 + (int64_t)ub_rng_below(&w->r, 8),
                         .retry = 1 + (int)ub_rng_below(&w->r, 4),
                         .overdue = chance(w, 0.3) ? 0 : 2,
                         .overhead = 1,
                         .sigma = 1};
    UB_CHECK(ub_sched_create(&c, &w->s));
    double trouble = chance(w, 0.3) ? 0 : 0.01, bad = chance(w, 0.5) ? 0 : 0.1;
    for (int64_t i = 0; i < w->items; i++) {
        w->bad[i] = chance(w, bad);
        if (!w->bad[i] && !c.open && chance(w, 0.1)) {
            ub_sched_known(w->s, i);
            w->done[i] = 1;
        }
    }
    for (int step = 0; step < 200000 && !ub_sched_finished(w->s); step++) {
        w->now += ub_rng_uniform(&w->r);
        work(w, (int)ub_rng_below(&w->r, (uint64_t)w->ranks));
        deliver(w);
        if (chance(w, trouble))
            mishap(w);
        discover(w);
        obey(w);
    }
    CU_ASSERT(ub_sched_finished(w->s));
    ub_sched_stats m;
    ub_sched_measure(w->s, &m);
    int64_t failures = 0;
    for (int64_t i = 0; i < w->items; i++) {
        CU_ASSERT_EQUAL(w->done[i], !w->bad[i]);
        CU_ASSERT_EQUAL(w->aside[i], w->bad[i]);
        CU_ASSERT_EQUAL(ub_sched_aside(w->s, i) == i, w->bad[i]);
        failures += w->bad[i];
    }
    CU_ASSERT(m.waiting == 0 && m.out == 0 && m.done + m.aside == w->items);
    CU_ASSERT_EQUAL(m.failures, failures * c.retry);
    obey(w);
    for (int rank = 0; rank < w->ranks; rank++) { /* who comes late is told, too */
        if (w->gone[rank] || w->ended[rank])
            continue;
        ub_sched_request(w->s, rank, UB_SCHED_IDLE, w->now);
        obey(w);
        CU_ASSERT(w->ended[rank]);
    }
    ub_sched_destroy(&w->s);
}

static void random_schedules(void)
{
    static world w;
    for (uint64_t seed = 1; seed <= 4000; seed++)
        one_schedule(&w, seed);
}

UB_SUITE("sched", {"chunks are those of the published examples", published},
         {"trapezoid chunks fall in equal steps", trapezoid},
         {"fixed-size chunks follow cost and spread, given or measured", fixed_size},
         {"adaptive chunks follow the measured speed", adaptive},
         {"what is known from a journal is not given", known_items},
         {"a second chunk comes early only while chunks are small", prefetch},
         {"a failed item goes to another rank, and aside in the end", failing},
         {"the dead give back what they held, and may come back", dying},
         {"overdue items go to idle ranks, and the first answer wins", overdue},
         {"a sub-master asks for more, and leaves failures to its master", sub_master},
         {"configurations that make no sense are refused", refusals},
         {"every item ends once in 4000 random schedules", random_schedules})
