/* The choice of lambda. */
#include <math.h>

#include "core/lambda.h"
#include "tests/support/suite.h"

static void candidates_halve(void)
{
    CU_ASSERT_EQUAL(ub_lambda_candidate(0.2, 0), 0.2);
    CU_ASSERT_EQUAL(ub_lambda_candidate(0.2, 1), 0.1);
    CU_ASSERT_EQUAL(ub_lambda_candidate(0.4, 3), 0.05);
}

static void the_strongest_that_costs_nothing(void)
{
    /* Task 0 breaks down between candidates 1 and 0, task 1 between 2 and 1. */
    static const double r2[] = {.50, .80, .955, .90, .96, .975, .954, .98};
    CU_ASSERT_EQUAL(ub_lambda_choose(4, 2, r2, 0.01), 2); /* .005 short in task 1 */
    CU_ASSERT_EQUAL(ub_lambda_choose(4, 2, r2, 0.081), 1);
    CU_ASSERT_EQUAL(ub_lambda_choose(4, 2, r2, 1), 0);
    CU_ASSERT_EQUAL(ub_lambda_choose(1, 2, r2, 0), 0);
    /* None is best for both tasks: the one that loses least, .005 against .006. */
    CU_ASSERT_EQUAL(ub_lambda_choose(4, 2, r2, 0.001), 2);
}

static void tasks_that_count_nowhere(void)
{
    const double r2[] = {.5, NAN, .9, NAN};
    CU_ASSERT_EQUAL(ub_lambda_choose(2, 2, r2, 0.1), 1);
    CU_ASSERT_EQUAL(ub_lambda_choose(2, 2, r2, 0.4), 0);
    CU_ASSERT_EQUAL(ub_lambda_choose(2, 1, (double[]){NAN, NAN}, 0.4), 0);
}

UB_SUITE("lambda", {"candidates are lambda, its half, its quarter", candidates_halve},
         {"the strongest that costs no task more than the tolerance is chosen",
          the_strongest_that_costs_nothing},
         {"a task that counts nowhere has no say", tasks_that_count_nowhere})
