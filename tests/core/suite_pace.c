/* How often to save: the rule of core/pace.h on saves of known cost. */
#include <math.h>
#include <string.h>

#include "core/pace.h"
#include "core/rng.h"
#include "tests/support/suite.h"

/* A run of `length` seconds that looks every `step` seconds; save k takes cost(k).  Returns the
 * saves; *spent: seconds they took of *all. */
static int64_t simulate(ub_pace *p, double length, double step, double (*cost)(int64_t),
                        double *spent, double *all)
{
    double now = p->since, begun = now;
    *spent = 0;
    for (double worked = 0; worked < length; worked += step) {
        now += step;
        if (ub_pace_left(p, now) > 0)
            continue;
        double took = cost(p->saves);
        now += took;
        *spent += took;
        ub_pace_saved(p, took, now);
    }
    *all = now - begun;
    return p->saves;
}

static double cheap(int64_t k)
{
    (void)k;
    return 1e-3;
}

static double dear(int64_t k)
{
    (void)k;
    return 2;
}

/* The file system stalls once in ten saves. */
static double stalls(int64_t k)
{
    return k % 10 == 3 ? 60 : 0.1;
}

/* Log-normal costs around 50 ms. */
static double scatters(int64_t k)
{
    ub_rng r = ub_rng_make(7, UB_RNG_TEST, (uint64_t)k);
    return 0.05 * exp(0.7 * ub_rng_normal(&r));
}

static void the_pause_is_the_cost_over_the_budget(void)
{
    ub_pace p = ub_pace_begin(0.01, 1, 100);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 1, 1e-15);
    UB_CHECK_CLOSE(ub_pace_left(&p, 100.25), 0.75, 1e-12);
    ub_pace_saved(&p, 0.5, 102); /* 0.5 / 1 % */
    UB_CHECK_CLOSE(ub_pace_pause(&p), 50, 1e-12);
    UB_CHECK_CLOSE(ub_pace_left(&p, 152), 0, 1e-12);
    ub_pace_saved(&p, 0.2, 152);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 20, 1e-12);
    ub_pace_saved(&p, 0.3, 172);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 30, 1e-12);
    ub_pace_saved(&p, 0.001, 202); /* of 0.2, 0.3, 0.001 */
    UB_CHECK_CLOSE(ub_pace_pause(&p), 20, 1e-12);
    ub_pace_saved(&p, 0.002, 222);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 1, 1e-12); /* 0.2 s, but one second at least */
    CU_ASSERT_EQUAL(p.saves, 5);
    UB_CHECK_CLOSE(p.spent, 1.003, 1e-12);
}

/* The median of three by hand, in every order. */
static void costs_count_whatever_their_order(void)
{
    static const double order[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                       {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (int i = 0; i < 6; i++) {
        ub_pace p = ub_pace_begin(0.5, 0, 0);
        for (int k = 0; k < 3; k++)
            ub_pace_saved(&p, order[i][k], k);
        UB_CHECK_CLOSE(ub_pace_pause(&p), 4, 1e-15);
    }
}

static void saving_keeps_to_the_budget(void)
{
    static const double budgets[] = {0.001, 0.01, 0.1};
    double              spent, all;
    for (int i = 0; i < 3; i++) {
        double  length = 4000 / budgets[i];
        ub_pace p = ub_pace_begin(budgets[i], 1, 5);
        CU_ASSERT(simulate(&p, length, 0.3, dear, &spent, &all) > 1000);
        CU_ASSERT(spent <= budgets[i] * all);
        CU_ASSERT(spent > 0.9 * budgets[i] * all); /* and uses it */
        p = ub_pace_begin(budgets[i], 1, 5);
        CU_ASSERT(simulate(&p, length, 0.3, scatters, &spent, &all) > 1000);
        CU_ASSERT(spent <= 1.5 * budgets[i] * all); /* the mean is above the median */
        p = ub_pace_begin(budgets[i], 1, 5);
        CU_ASSERT(simulate(&p, length, 0.3, cheap, &spent, &all) <= (int64_t)length);
        CU_ASSERT(spent <= budgets[i] * all);
    }
}

static void one_stall_is_forgiven(void)
{
    double  spent, all;
    ub_pace p = ub_pace_begin(0.01, 1, 0);
    (void)simulate(&p, 1000, 0.1, stalls, &spent, &all);
    CU_ASSERT(p.saves > 80);
    for (int k = 0; k < 2; k++)
        ub_pace_saved(&p, 60, all);
    CU_ASSERT(ub_pace_pause(&p) > 5999); /* two are the way it is */
}

static void an_infinite_budget_fixes_the_pause(void)
{
    ub_pace p = ub_pace_begin(INFINITY, 0.25, 0);
    for (int k = 0; k < 5; k++) {
        UB_CHECK_CLOSE(ub_pace_pause(&p), 0.25, 0);
        ub_pace_saved(&p, 1000, k);
    }
    p = ub_pace_begin(INFINITY, 0, 0);
    ub_pace_saved(&p, 3, 3);
    CU_ASSERT(ub_pace_left(&p, 3) <= 0); /* always due */
}

UB_SUITE("pace",
         {"the pause is the cost of the last saves over the budget",
          the_pause_is_the_cost_over_the_budget},
         {"the median of three does not look at their order", costs_count_whatever_their_order},
         {"saving keeps to the budget and uses it", saving_keeps_to_the_budget},
         {"one save that stalled does not stretch the pause, two do", one_stall_is_forgiven},
         {"an infinite budget fixes the pause", an_infinite_budget_fixes_the_pause})
