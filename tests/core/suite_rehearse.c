/* The simulated farm: against closed forms, against a loop of its own, and the bars of the docs. */
#include <math.h>
#include <string.h>

#include "core/internal/rehearse.h"
#include "core/rng.h"
#include "tests/support/suite.h"

static ub_rehearsal plan_of(const char *policy, int ranks, int64_t items)
{
    return (ub_rehearsal){.seed = 5,
                          .items = items,
                          .ranks = ranks,
                          .policy = ub_sched_policy_find(policy),
                          .floor = 1,
                          .retry = 3,
                          .overdue = 3,
                          .item_s = 1e-3,
                          .item_cv = 0.5,
                          .message_s = 2e-6,
                          .request_s = 5e-6,
                          .answer_s = 2e-8,
                          .detect_s = 0.1,
                          .restart_s = 1};
}

static ub_rehearsed rehearsed(const ub_rehearsal *p)
{
    ub_rehearsed r = {0};
    UB_CHECK(ub_rehearse(p, &r));
    CU_ASSERT(r.efficiency > 0 && r.efficiency <= 1 + 1e-12);
    return r;
}

static void deterministic(void)
{
    for (size_t i = 0; ub_sched_policy_at(i) != NULL; i++)
        for (int group = 0; group <= 8; group += 8) {
            ub_rehearsal p = plan_of(ub_sched_policy_at(i)->name, 40, 3000);
            p.group = group;
            p.works = i % 2 == 0;
            p.slow_fraction = 0.1;
            p.slow_factor = 3;
            p.deaths = 3;
            p.fail_fraction = 0.01;
            ub_rehearsed a = rehearsed(&p), b = rehearsed(&p);
            CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
            CU_ASSERT_EQUAL(a.groups, group > 0 ? 5 : 0);
            p.seed++;
            b = rehearsed(&p);
            CU_ASSERT(b.makespan < a.makespan || b.makespan > a.makespan);
        }
}

/* A single worker: grant, items, the last answer; nothing else is in its way. */
static void one_worker(void)
{
    ub_rehearsal p = plan_of("static", 2, 10);
    p.times = UB_TIMES_EQUAL;
    p.message_s = 3e-5;
    p.request_s = 7e-5;
    p.answer_s = 1e-6;
    ub_rehearsed r = rehearsed(&p);
    UB_CHECK_CLOSE(r.makespan, 10e-3 + 2 * 3e-5 + 7e-5 + 1e-6, 1e-6);
    CU_ASSERT(r.messages == 2 && r.chunks == 1); /* ASK with nine answers, IDLE with the last */
    p.ranks = 1;
    r = rehearsed(&p);
    UB_CHECK_CLOSE(r.makespan, 10e-3, 1e-6);
    UB_CHECK_CLOSE(r.efficiency, 1, 1e-12);
    CU_ASSERT_EQUAL(r.messages, 0);
}

/* More ranks than the master can serve, item by item: ASK and, as its reply is late, IDLE; two
 * messages an item however many ranks there are.  Fewer ranks: the work counts. */
static void saturation(void)
{
    ub_rehearsal p = plan_of("self", 801, 40000);
    p.times = UB_TIMES_EQUAL;
    p.answer_s = 0;
    ub_rehearsed r = rehearsed(&p);
    UB_CHECK_CLOSE(r.makespan, 2 * 40000 * 5e-6, 0.02);
    CU_ASSERT(r.master > 0.98);
    p.ranks = 51; /* a quarter of its time: hidden by prefetch */
    r = rehearsed(&p);
    UB_CHECK_CLOSE(r.makespan, 40000e-3 / 50, 0.01);
    UB_CHECK_CLOSE(r.efficiency, 50.0 / 51, 0.01);
}

/* Guided self-scheduling in twenty lines: workers ask when they are ready, the master takes one at
 * a time. */
static double naive_gss(const float *seconds, int64_t n, int workers, double m, double h)
{
    double  ready[64] = {0}, free_at = 0, end = 0;
    int64_t next = 0;
    while (next < n) {
        int w = 0;
        for (int k = 1; k < workers; k++)
            if (ready[k] < ready[w])
                w = k;
        free_at = fmax(free_at, ready[w] + m) + h;
        int64_t chunk = (n - next + workers - 1) / workers;
        ready[w] = free_at + m;
        for (; chunk > 0; chunk--)
            ready[w] += (double)seconds[next++];
        end = fmax(end, ready[w]);
    }
    return end + m + h;
}

static void against_a_loop(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        ub_rehearsal p = plan_of("gss", 2 + (int)seed * 3, 20000);
        float       *seconds = NULL;
        p.seed = seed;
        p.times = seed % 2 ? UB_TIMES_GAMMA : UB_TIMES_LOGNORMAL;
        p.item_cv = 0.1 * (double)seed;
        p.overdue = 0;
        UB_CHECK(ub_rehearse_draw(&p, &seconds));
        double want = naive_gss(seconds, p.items, p.ranks - 1, p.message_s, p.request_s);
        UB_CHECK_CLOSE(rehearsed(&p).makespan, want, 5e-3);
        ub_free(seconds);
    }
}

static void times(void)
{
    static const double sample[] = {1e-3, 2e-3, 9e-3};
    float              *x = NULL;
    for (int kind = 0; kind < 4; kind++) {
        ub_rehearsal p = plan_of("gss", 2, 200000);
        double       sum = 0, squares = 0, n = (double)p.items;
        p.times = (ub_times)(kind % 3);
        p.item_cv = 1.5;
        if (kind == 3) {
            p.sample = sample;
            p.samples = 3;
        }
        UB_CHECK(ub_rehearse_draw(&p, &x));
        for (int64_t i = 0; i < p.items; i++) {
            sum += (double)x[i];
            squares += (double)x[i] * (double)x[i];
        }
        double mean = sum / n, cv = sqrt(fmax(squares / n - mean * mean, 0)) / mean;
        double want = kind == 3 ? 4e-3 : 1e-3, spread[] = {1.5, 1.5, 0, sqrt(38.0 / 3) / 4};
        UB_CHECK_CLOSE(mean, want, 0.02); /* standard error .0034 */
        CU_ASSERT(fabs(cv - spread[kind]) < 0.08);
        ub_free(x);
    }
}

/* What the documentation promises, at another seed. */
static void bars(void)
{
    ub_rehearsal p = plan_of("fac2", 1024, 1024000);
    p.floor = 8;
    double whole = rehearsed(&p).efficiency;
    CU_ASSERT(whole >= 0.97);
    p.deaths = 1;
    p.detect_s = 1;
    ub_rehearsed r = rehearsed(&p);
    CU_ASSERT(r.deaths == 1 && r.efficiency >= whole - 0.01);
    p.deaths = 0;
    p.slow_fraction = 0.05;
    p.slow_factor = 3;
    r = rehearsed(&p);
    CU_ASSERT(r.efficiency >= whole - 0.03);
    p = plan_of("fac2", 4096, 1024000);
    p.floor = 2;
    p.group = 256;
    CU_ASSERT(rehearsed(&p).efficiency >= 0.96); /* 250 items a rank only */
}

static void mishaps(void)
{
    ub_rehearsal p = plan_of("fac2", 64, 32000);
    ub_rehearsed calm = rehearsed(&p), r;
    p.preempt_s = calm.makespan / 2;
    r = rehearsed(&p); /* at most 50 ms of answers of each rank, and the restart */
    CU_ASSERT(r.restarts == 1 && r.lost <= 64 * 0.06 && r.lost > 0);
    CU_ASSERT(r.makespan > calm.makespan + 1 && r.makespan < calm.makespan + 1.07);
    p.preempt_s = 0;
    p.group = 8;
    p.works = true;
    p.deaths = 20; /* sub-masters among them */
    r = rehearsed(&p);
    CU_ASSERT(r.deaths > 10 && r.deaths <= 20);
    p.deaths = 0;
    p.node_ranks = 8;
    p.node_mtbf_s = 3;
    r = rehearsed(&p);
    CU_ASSERT(r.deaths > 0);
    p.node_mtbf_s = 0;
    p.fail_fraction = 1;
    r = rehearsed(&p);
    CU_ASSERT_EQUAL(r.aside, p.items);
    p.fail_fraction = 0.3;
    r = rehearsed(&p); /* three in a row: .027 */
    CU_ASSERT(fabs((double)r.aside - 0.027 * 32000) < 5 * sqrt(0.027 * 32000));
    p.fail_fraction = 0;
    p.rank_mtbf_s = 1e-4;
    UB_CHECK_FAILS(ub_rehearse(&p, &r), UB_ESTATE, "restarts");
}

/* 256 nodes of 8, 30 % of them slow.  *mixed: nodes with ranks of both kinds.  Returns slow ranks.
 */
static int slow_ranks(bool by_node, int *mixed)
{
    enum { NODES = 256, EACH = 8, MANY = NODES * EACH };
    ub_rehearsal p = plan_of("fac2", MANY, MANY);
    ub_rehearsed out = {0};
    float       *seconds = NULL;
    uint8_t     *done = NULL;
    int          all = 0;
    p.slow_fraction = 0.3;
    p.slow_factor = 3;
    p.slow_nodes = by_node;
    p.node_ranks = EACH;
    UB_CHECK(ub_rehearse_draw(&p, &seconds));
    UB_CHECK(UB_ALLOC(done, MANY));
    session s = {.plan = &p, .seconds = seconds, .done = done, .out = &out};
    UB_CHECK(ub_session_run(&s));
    *mixed = 0;
    for (int node = 0; node < NODES; node++) {
        int n = 0;
        for (int k = 0; k < EACH; k++)
            n += s.process[node * EACH + k].factor > 2;
        *mixed += n > 0 && n < EACH;
        all += n;
    }
    ub_session_release(&s);
    ub_free(seconds);
    ub_free(done);
    return all;
}

static void slow_nodes(void)
{
    int          mixed;
    ub_rehearsed r;
    int          ranks = slow_ranks(false, &mixed); /* binomial: five standard deviations */
    CU_ASSERT(fabs(ranks - 0.3 * 2048) < 5 * sqrt(0.21 * 2048) && mixed > 200);
    ranks = slow_ranks(true, &mixed);
    CU_ASSERT(fabs(ranks / 8.0 - 0.3 * 256) < 5 * sqrt(0.21 * 256) && mixed == 0);
    ub_rehearsal p = plan_of("fac2", 64, 6400);
    p.slow_nodes = true;
    p.slow_factor = 3;
    (void)rehearsed(&p); /* nobody is slow, so nodes need no size */
    p.slow_fraction = 0.1;
    UB_CHECK_FAILS(ub_rehearse(&p, &r), UB_ERANGE, "nodes have ranks");
}

/* The stream that makes a rank slow must not be the one that makes an item fail there. */
static void own_streams(void)
{
    enum { SESSIONS = 64 };
    ub_rehearsal plan = {.seed = 7, .fail_fraction = 0.5};
    int          same = 0;
    for (int n = 0; n < SESSIONS; n++) {
        session s = {.plan = &plan, .number = n};
        ub_rng  g = ub_rng_make(plan.seed, UB_RNG_REHEARSE_RANK, (uint64_t)n);
        same += ub_session_fails(&s, 0, 0) == (ub_rng_uniform(&g) < plan.fail_fraction);
    }
    CU_ASSERT(same > 0 && same < SESSIONS);
}

static void choice(void)
{
    ub_sched_pick k;
    ub_rehearsal  p = plan_of("self", 2, 2000);
    p.policy = NULL;
    p.floor = 0;
    p.group = -1;
    UB_CHECK(ub_sched_choose(&p, 100000, &k));
    CU_ASSERT(k.works && k.group == 0 && k.expected > 0.98 && k.tried > 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(k.why, "one master: "));
    p.ranks = 2100; /* one master can serve 200 ranks, item by item */
    p.items = 2100 * 200;
    UB_CHECK(ub_sched_choose(&p, 1, &k));
    CU_ASSERT(k.group > 0 && !k.works && k.expected > k.one_master + 0.01);
    CU_ASSERT_PTR_NOT_NULL(strstr(k.why, "sub-masters: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(k.why, "; one master "));
    p.policy = k.policy;
    p.floor = k.floor;
    p.group = k.group;
    p.seed++;
    CU_ASSERT(fabs(rehearsed(&p).efficiency - k.expected) < 0.02);
    p.ranks = 16;
    p.items = 1600;
    p.policy = ub_sched_policy_find("tss");
    p.floor = 3;
    p.group = 0;
    UB_CHECK(ub_sched_choose(&p, 100000, &k)); /* what is given is kept */
    CU_ASSERT(k.policy == p.policy && k.floor == 3 && k.group == 0);
    p.policy = NULL;
    p.floor = 0;
    UB_CHECK(ub_sched_choose(&p, 0, &k));
    CU_ASSERT(k.tried == 0 && k.floor >= 1 && isnan(k.expected));
    CU_ASSERT_STRING_EQUAL(k.policy->name, "fac2");
}

/* One block a rank, rank 0 one item at a time: the longer of 1 + 2 + 3 and, item by item, of 4, 5
 * and 6. */
static void times_of_each(void)
{
    static const double each[] = {1, 2, 3, 4, 5, 6};
    ub_rehearsal        p = plan_of("static", 2, 6);
    p.each = each;
    p.item_s = 0;
    p.works = true;
    p.overdue = 0;
    ub_rehearsed r = rehearsed(&p);
    UB_CHECK_CLOSE(r.work, 21, 1e-12);
    UB_CHECK_CLOSE(r.makespan, 15, 1e-4);
}

static void refusals(void)
{
    ub_rehearsed  r;
    ub_sched_pick k;
    ub_rehearsal  p = plan_of("gss", 0, 10);
    UB_CHECK_FAILS(ub_rehearse(&p, &r), UB_ERANGE, "0 ranks");
    p.ranks = 2;
    p.item_s = 0;
    UB_CHECK_FAILS(ub_rehearse(&p, &r), UB_ERANGE, "items of 0 s");
    UB_CHECK_FAILS(ub_sched_choose(&p, 1, &k), UB_ERANGE, "items of 0 s");
    p.item_s = 1;
    p.items = 0;
    UB_CHECK(ub_rehearse(&p, &r));
    CU_ASSERT(r.makespan <= 0 && r.efficiency >= 1);
}

UB_SUITE("rehearse", {"equal rehearsals give equal results", deterministic},
         {"one worker takes what its items and messages take", one_worker},
         {"a master that is asked too often sets the pace", saturation},
         {"an independent loop finds the same time", against_a_loop},
         {"times have the mean and spread that were asked for", times},
         {"the bars hold at another seed", bars},
         {"deaths, preemption and failing items cost what they must", mishaps},
         {"slow ranks are drawn one by one, or by nodes", slow_nodes},
         {"slow ranks and failing items are drawn apart", own_streams},
         {"the choice follows ranks and costs, and keeps what is given", choice},
         {"items whose times are known take them", times_of_each},
         {"rehearsals that make no sense are refused", refusals})
