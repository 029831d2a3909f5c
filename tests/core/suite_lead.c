/* When to stop before the end of a job: the arithmetic of core/lead.h. */
#include <math.h>

#include "core/lead.h"
#include "core/rng.h"
#include "tests/support/suite.h"

static void the_lead_is_save_and_item_and_margin(void)
{
    ub_lead l = ub_lead_begin(3600);
    ub_lead_worked(&l, 30);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 90, 1e-12);
    ub_lead_worked(&l, 200);
    ub_lead_worked(&l, 10);
    ub_lead_saved(&l, 5);
    ub_lead_saved(&l, 2);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 200 + 5 + 60, 1e-12);
    CU_ASSERT(!ub_lead_due(&l, 265));
    CU_ASSERT(ub_lead_due(&l, 264.9));
    CU_ASSERT(!ub_lead_due(&l, INFINITY));
}

static void nothing_is_due_before_an_item_has_ended(void)
{
    ub_lead l = ub_lead_begin(3600);
    CU_ASSERT(ub_lead_seconds(&l) == 0);
    ub_lead_saved(&l, 5);
    CU_ASSERT(ub_lead_seconds(&l) == 0);
    CU_ASSERT(!ub_lead_due(&l, 1));
    ub_lead_worked(&l, 0);
    CU_ASSERT(ub_lead_due(&l, 1));
}

static void the_margin_is_a_quarter_of_a_short_job(void)
{
    ub_lead l = ub_lead_begin(60);
    ub_lead_worked(&l, 7);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 22, 1e-12);
    UB_CHECK_CLOSE(ub_lead_margin(240), 60, 1e-12);
    UB_CHECK_CLOSE(ub_lead_margin(200), 50, 1e-12);
    UB_CHECK_CLOSE(ub_lead_margin(INFINITY), 60, 1e-12);
}

/* The smallest of x that at least 99 % of them do not exceed. */
static double brute(const double *x, int n)
{
    double best = INFINITY;
    for (int i = 0; i < n; i++) {
        int below = 0;
        for (int j = 0; j < n; j++)
            below += x[j] <= x[i];
        if (100 * below >= 99 * n)
            best = fmin(best, x[i]);
    }
    return best;
}

static void the_percentile_is_that_of_the_last_hundred_saves(void)
{
    double  all[350];
    ub_lead l = ub_lead_begin(INFINITY);
    ub_lead_worked(&l, 0);
    for (int k = 0; k < 350; k++) {
        ub_rng r = ub_rng_make(3, UB_RNG_TEST, (uint64_t)k);
        all[k] = exp(ub_rng_normal(&r));
        ub_lead_saved(&l, all[k]);
        int n = k < 100 ? k + 1 : 100;
        UB_CHECK_CLOSE(ub_lead_seconds(&l), brute(all + k + 1 - n, n) + 60, 1e-12);
    }
}

/* One save in a hundred that stalls is what the percentile leaves out; two are not. */
static void one_stall_in_a_hundred_saves_is_left_out(void)
{
    ub_lead l = ub_lead_begin(INFINITY);
    ub_lead_worked(&l, 0);
    for (int k = 0; k < 100; k++)
        ub_lead_saved(&l, k == 50 ? 900 : 1);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 61, 1e-12);
    ub_lead_saved(&l, 800);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 860, 1e-12);
}

static void another_stage_forgets_but_has_worked(void)
{
    ub_lead l = ub_lead_begin(400);
    ub_lead_worked(&l, 100);
    ub_lead_saved(&l, 9);
    ub_lead_renew(&l);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 60, 1e-12);
    CU_ASSERT(ub_lead_due(&l, 59));
    ub_lead_saved(&l, 1);
    UB_CHECK_CLOSE(ub_lead_seconds(&l), 61, 1e-12);
}

UB_SUITE("lead", {"the lead is a save, an item and a margin", the_lead_is_save_and_item_and_margin},
         {"nothing is due before an item has ended", nothing_is_due_before_an_item_has_ended},
         {"the margin is a quarter of a short job", the_margin_is_a_quarter_of_a_short_job},
         {"the percentile is that of the last hundred saves",
          the_percentile_is_that_of_the_last_hundred_saves},
         {"one stall in a hundred saves is left out, two are not",
          one_stall_in_a_hundred_saves_is_left_out},
         {"another stage forgets what was measured", another_stage_forgets_but_has_worked})
