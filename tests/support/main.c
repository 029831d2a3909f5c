/* Runs the one suite linked in; with UB_TEST_MPI on all ranks, failures summed. */
#include <stdio.h>

#include <CUnit/Basic.h>

#include "core/log.h"
#include "tests/support/suite.h"

#ifdef UB_TEST_MPI
#include "tests/support/world.h"

const ub_comm *ub_world;
#endif

static unsigned run_suite(int loud)
{
    unsigned failures = 1;
    if (CU_initialize_registry() != CUE_SUCCESS)
        return failures;
    CU_pSuite suite = CU_add_suite(ub_suite_name, NULL, NULL);
    if (suite != NULL) {
        for (const ub_case *c = ub_suite_cases; c->sentence != NULL; c++)
            (void)CU_add_test(suite, c->sentence, c->run);
        CU_basic_set_mode(loud ? CU_BRM_VERBOSE : CU_BRM_SILENT);
        (void)CU_basic_run_tests();
        failures = CU_get_number_of_failures();
        if (CU_get_number_of_tests_run() == 0)
            failures++;
    }
    CU_cleanup_registry();
    return failures;
}

static unsigned leaks(void)
{
    int64_t live = ub_mem_live() - ub_suite_left;
    if (live == 0)
        return 0;
    (void)printf("%lld blocks were not released\n", (long long)live);
    return 1;
}

#ifdef UB_TEST_MPI
int main(int argc, char **argv)
{
    int     provided;
    ub_comm world = {0};
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return 1;
    if (ub_comm_init(&world, MPI_COMM_WORLD) != UB_OK)
        return 1;
    ub_world = &world;
    ub_log_set_rank(world.rank);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned mine = run_suite(world.rank == 0), all = 0;
    mine += leaks();
    (void)MPI_Allreduce(&mine, &all, 1, MPI_UNSIGNED, MPI_SUM, world.mpi);
    if (mine > 0)
        (void)printf("rank %d: %u failures\n", world.rank, mine);
    ub_comm_release(&world);
    (void)MPI_Finalize();
    return all > 0;
}
#else
int main(void)
{
    unsigned failures = run_suite(1);
    failures += leaks();
    return failures > 0;
}
#endif
