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
        UB_CHECK(ub_team_join(ub_world, count, NULL, &t));
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
    UB_CHECK_FAILS(ub_team_join(ub_world, 0, NULL, &none), UB_EARG, "0 teams");
    UB_CHECK_FAILS(ub_team_join(ub_world, ub_world->size + 1, NULL, &none), UB_EARG, "teams of");
}

/* The last team stops; the others run until they hear of it. */
static void a_stop_is_heard(void)
{
    ub_team t;
    bool    stop = false;
    UB_CHECK(ub_team_join(ub_world, ub_world->size < 3 ? ub_world->size : 3, NULL, &t));
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

/* The first team has one rank, the second all others. */
static void given_sizes(void)
{
    ub_team t;
    int     size[2] = {1, ub_world->size - 1}, count = ub_world->size > 1 ? 2 : 1;
    UB_CHECK(ub_team_join(ub_world, count, size, &t));
    CU_ASSERT_EQUAL(t.index, ub_world->rank > 0);
    CU_ASSERT_EQUAL(t.comm.size, size[t.index]);
    CU_ASSERT_EQUAL(t.comm.rank, ub_world->rank > 0 ? ub_world->rank - 1 : 0);
    UB_CHECK(ub_team_end(&t, false));
    ub_team_leave(&t);
}

/* Are the teams for these jobs of so many ranks? */
static void plan_is(int ranks, int kinds, const ub_team_kind *kind, int count, const int *wanted)
{
    int size[64], of[64];
    CU_ASSERT_EQUAL(ub_team_plan(ranks, kinds, kind, size, of), count);
    for (int i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(size[i], wanted[i]);
        CU_ASSERT(of[i] == kinds - 1 || size[i] == kind[of[i]].ranks);
    }
}

static void several_sizes(void)
{
    const ub_team_kind one[] = {{2, 9}}, two[] = {{4, 2}, {1, 8}};
    const ub_team_kind three[] = {{8, 10}, {4, 1}, {1, 1}};
    plan_is(3, 1, one, 2, (int[]){1, 2});
    plan_is(8, 1, one, 4, (int[]){2, 2, 2, 2});
    plan_is(8, 2, two, 5, (int[]){4, 1, 1, 1, 1}); /* as much work of either */
    plan_is(16, 2, two, 10, (int[]){4, 4, 1, 1, 1, 1, 1, 1, 1, 1});
    plan_is(5, 2, two, 2, (int[]){4, 1});
    plan_is(4, 2, two, 1, (int[]){4}); /* somebody must be able to do the large ones */
    plan_is(12, 3, three, 5, (int[]){8, 1, 1, 1, 1});
}

UB_SUITE("team", {"teams may have given sizes", given_sizes},
         {"jobs of several sizes get teams of these", several_sizes},
         {"every rank is in one team, in the order of ranks", membership},
         {"a stop of one team is heard by the others", a_stop_is_heard},
         {"as many teams as end soonest", how_many})
