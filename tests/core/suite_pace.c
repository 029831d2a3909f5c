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

/* Log-normal costs, their mean well above their median: 0.5 s and 1.4 s. */
static double scatters(int64_t k)
{
    ub_rng r = ub_rng_make(7, UB_RNG_TEST, (uint64_t)k);
    return 0.5 * exp(1.4 * ub_rng_normal(&r));
}

static void the_pause_is_the_cost_over_the_budget(void)
{
    ub_pace p = ub_pace_begin(0.01, 1, 100);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 1, 1e-15);
    UB_CHECK_CLOSE(ub_pace_left(&p, 100.25), 0.75, 1e-12);
    ub_pace_saved(&p, 0.5, 102); /* 0.5 / 1 % */
    UB_CHECK_CLOSE(ub_pace_pause(&p), 50, 1e-12);
    UB_CHECK_CLOSE(ub_pace_left(&p, 152), 0, 1e-12);
    ub_pace_saved(&p, 0.3, 152);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 40, 1e-12);
    for (int k = 0; k < 6; k++)
        ub_pace_saved(&p, 0.1, 153 + k);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 17.5, 1e-12); /* of 0.5, 0.3 and six times 0.1 */
    ub_pace_saved(&p, 0.1, 160);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 12.5, 1e-12); /* 0.5 is forgotten */
    for (int k = 0; k < 8; k++)
        ub_pace_saved(&p, 0.002, 161 + k);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 1, 1e-12); /* 0.2 s, but one second at least */
    CU_ASSERT_EQUAL(p.saves, 17);
    UB_CHECK_CLOSE(p.spent, 1.516, 1e-12);
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
        CU_ASSERT(spent <= 1.01 * budgets[i] * all);
        CU_ASSERT(spent > 0.9 * budgets[i] * all);
        p = ub_pace_begin(budgets[i], 1, 5);
        CU_ASSERT(simulate(&p, length, 0.3, cheap, &spent, &all) <= (int64_t)length);
        CU_ASSERT(spent <= budgets[i] * all);
    }
}

static void a_stall_is_made_up_for_in_small_pieces(void)
{
    double  spent, all, longest = 0;
    ub_pace p = ub_pace_begin(0.01, 1, 0);
    for (int k = 0; k < 8; k++)
        ub_pace_saved(&p, 0.1, 0);
    for (int k = 0; k < 8; k++) {
        ub_pace_saved(&p, k == 0 ? 60 : 0.1, 0);
        longest = fmax(longest, ub_pace_pause(&p));
    }
    UB_CHECK_CLOSE(longest, 6070.0 / 8, 1e-9); /* 60.7 s of eight, over 1 % */
    ub_pace_saved(&p, 0.1, 0);
    UB_CHECK_CLOSE(ub_pace_pause(&p), 10, 1e-9);
    p = ub_pace_begin(0.01, 1, 0);
    (void)simulate(&p, 1e6, 0.5, stalls, &spent, &all);
    CU_ASSERT(p.saves > 1000);
    CU_ASSERT(spent <= 0.01 * all + 60); /* one may have no successors yet */
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
         {"saving keeps to the budget and uses it", saving_keeps_to_the_budget},
         {"a stall is made up for in small pieces", a_stall_is_made_up_for_in_small_pieces},
         {"an infinite budget fixes the pause", an_infinite_budget_fixes_the_pause})
