/* The communicator: one verdict, one sentence, the same bytes. */
#include <stdio.h>
#include <string.h>

#include "mpi/comm.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

/* Does every rank hold the sentence of rank 0? */
static int one_sentence(void)
{
    char first[1024] = "", mine[1024] = "";
    (void)snprintf(mine, sizeof mine, "%s", ub_err_message());
    memcpy(first, mine, sizeof first);
    (void)MPI_Bcast(first, (int)sizeof first, MPI_CHAR, 0, ub_world->mpi);
    return strcmp(first, mine) == 0;
}

static void nobody_failed(void)
{
    UB_CHECK(ub_comm_agree(ub_world, UB_OK));
}

static void one_failed(void)
{
    for (int culprit = 0; culprit < ub_world->size; culprit++) {
        char words[64];
        (void)snprintf(words, sizeof words, "rank %d lost shard %d", culprit, 10 * culprit);
        ub_err_clear();
        ub_status mine = ub_world->rank == culprit ? UB_FAIL(UB_ENOENT, "%s", words) : UB_OK;
        UB_CHECK_FAILS(ub_comm_agree(ub_world, mine), UB_ENOENT, words);
        CU_ASSERT(one_sentence());
    }
}

static void lowest_rank_speaks(void)
{
    int       first = ub_world->size > 2 ? 1 : 0;
    ub_status mine = UB_OK;
    if (ub_world->rank >= first)
        mine = UB_FAIL(ub_world->rank == first ? UB_ESHAPE : UB_EIO, "I am %d", ub_world->rank);
    UB_CHECK_FAILS(ub_comm_agree(ub_world, mine), UB_ESHAPE, first == 0 ? "I am 0" : "I am 1");
    CU_ASSERT(one_sentence());
}

static void stop_yields(void)
{
    int       last = ub_world->size - 1;
    ub_status mine = ub_world->rank == 0 ? UB_FAIL(UB_ESTOP, "time is up") : UB_OK;
    UB_CHECK_FAILS(ub_comm_agree(ub_world, mine), UB_ESTOP, "time is up");
    if (last == 0)
        return;
    mine = ub_world->rank == last ? UB_FAIL(UB_EIO, "disk full") : UB_FAIL(UB_ESTOP, "time is up");
    UB_CHECK_FAILS(ub_comm_agree(ub_world, mine), UB_EIO, "disk full");
    CU_ASSERT(one_sentence());
}

static void share_replaces(void)
{
    static const size_t lengths[] = {0, 1, 7, 100000};
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
        ub_bytes b = {0};
        for (size_t i = 0; ub_world->rank == 0 && i < lengths[k]; i++) {
            unsigned char x = (unsigned char)(i * 31 + k);
            UB_CHECK(ub_bytes_put(&b, &x, 1));
        }
        if (ub_world->rank != 0)
            UB_CHECK(ub_bytes_put(&b, "old content", 11));
        UB_CHECK(ub_comm_share(ub_world, &b));
        CU_ASSERT_EQUAL(b.len, lengths[k]);
        size_t wrong = 0;
        for (size_t i = 0; i < b.len; i++)
            wrong += b.data[i] != (unsigned char)(i * 31 + k);
        CU_ASSERT_EQUAL(wrong, 0);
        UB_CHECK(ub_bytes_put(&b, "!", 1)); /* still a buffer like any other */
        ub_bytes_release(&b);
    }
}

static void bcast_from_zero(void)
{
    double x[3] = {0, 0, 0};
    if (ub_world->rank == 0)
        x[0] = 1.5, x[1] = -2, x[2] = 1e300;
    UB_CHECK(ub_comm_bcast(ub_world, x, sizeof x));
    CU_ASSERT(x[0] == 1.5 && x[1] == -2 && x[2] == 1e300);
    UB_CHECK(ub_comm_bcast(ub_world, NULL, 0));
}

static void same_or_not(void)
{
    char text[] = "the resolved configuration";
    UB_CHECK(ub_comm_same(ub_world, text, sizeof text, "the configuration"));
    if (ub_world->size == 1)
        return;
    if (ub_world->rank == ub_world->size - 1)
        text[3] = 'R';
    UB_CHECK_FAILS(ub_comm_same(ub_world, text, sizeof text, "the configuration"), UB_ENOTSAME,
                   "the configuration differs");
    CU_ASSERT(one_sentence());
}

static void mpi_errors_have_words(void)
{
    int none = 0;
    UB_CHECK_FAILS(ub_mpi_status(MPI_Send(&none, 1, MPI_INT, ub_world->size, 0, ub_world->mpi),
                                 "send to nobody"),
                   UB_EMPI, "send to nobody: MPI_ERR_RANK");
}

UB_SUITE("comm", {"nobody failed: all go on", nobody_failed},
         {"whoever fails, all hold its status and sentence", one_failed},
         {"of several failures the lowest rank's is told", lowest_rank_speaks},
         {"a stop yields to a failure", stop_yields},
         {"a shared buffer replaces what was there", share_replaces},
         {"a broadcast comes from rank 0", bcast_from_zero},
         {"bytes that differ on one rank are noticed by all", same_or_not},
         {"an MPI error becomes a sentence", mpi_errors_have_words})
