/* Teams: who is in which, how many there should be, and that a stop reaches all of them. */
#include <unistd.h>

#include "core/shard.h"
#include "mpi/team.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

static void membership(void)
{
    for (int count = 1; count <= ub_world->size; count++) {
        ub_team t;
        int     sum = 0;
        UB_CHECK(ub_team_join(ub_world, count, &t));
        ub_range own = ub_part(ub_world->size, count, t.index);
        CU_ASSERT_EQUAL(t.comm.size, own.count);
        CU_ASSERT_EQUAL(t.comm.rank, ub_world->rank - own.first);
        (void)MPI_Allreduce(&(int){1}, &sum, 1, MPI_INT, MPI_SUM, t.comm.mpi);
        CU_ASSERT_EQUAL(sum, own.count);
        UB_CHECK(ub_team_end(&t, false));
        CU_ASSERT(!ub_team_stopped(&t));
        ub_team_leave(&t);
    }
    ub_team none;
    UB_CHECK_FAILS(ub_team_join(ub_world, 0, &none), UB_EARG, "0 teams");
    UB_CHECK_FAILS(ub_team_join(ub_world, ub_world->size + 1, &none), UB_EARG, "teams of");
}

/* The last team stops; the others run until they hear of it. */
static void a_stop_is_heard(void)
{
    ub_team t;
    bool    stop = false;
    UB_CHECK(ub_team_join(ub_world, ub_world->size < 3 ? ub_world->size : 3, &t));
    bool first = t.index == t.count - 1;
    for (int tries = 0; !first && !stop && tries < 50000; tries++) {
        (void)usleep(1000);
        int heard = ub_team_stopped(&t);
        (void)MPI_Allreduce(MPI_IN_PLACE, &heard, 1, MPI_INT, MPI_MAX, t.comm.mpi);
        stop = heard != 0;
    }
    CU_ASSERT(first || stop);
    UB_CHECK(ub_team_end(&t, true));
    ub_team_leave(&t);
}

static void how_many(void)
{
    CU_ASSERT_EQUAL(ub_team_count(1, 3, 8), 1);
    CU_ASSERT_EQUAL(ub_team_count(2, 3, 8), 1); /* 3 * (4 + 1) before 2 * 8 */
    CU_ASSERT_EQUAL(ub_team_count(2, 4, 8), 2);
    CU_ASSERT_EQUAL(ub_team_count(3, 3, 8), 3);
    CU_ASSERT_EQUAL(ub_team_count(4, 3, 8), 3);
    CU_ASSERT_EQUAL(ub_team_count(64, 3, 8), 3);
    CU_ASSERT_EQUAL(ub_team_count(64, 1, 8), 1);
    CU_ASSERT_EQUAL(ub_team_count(6, 5, 1), 5);
}

UB_SUITE("team", {"every rank is in one team, in the order of ranks", membership},
         {"a stop of one team is heard by the others", a_stop_is_heard},
         {"as many teams as end soonest", how_many})
