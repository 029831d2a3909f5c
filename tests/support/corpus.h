/* tests/support/corpus.h - a small made-up corpus, spread over the ranks of an MPI suite. */
#ifndef UB_TESTS_CORPUS_H
#define UB_TESTS_CORPUS_H

#include "core/corpus.h"
#include "mpi/comm.h"

/* Four steps of two components, tasks of one and two columns: all columns of an episode in a row
 * are UB_TEST_COLUMNS, the states first. */
enum {
    UB_TEST_STEPS = 4,
    UB_TEST_DIM = 2,
    UB_TEST_TASKS = 2,
    UB_TEST_WIDTH = 3,
    UB_TEST_WIDE = UB_TEST_STEPS * UB_TEST_DIM,
    UB_TEST_COLUMNS = UB_TEST_WIDE + UB_TEST_WIDTH
};

/* The part of an n-episode corpus that a rank of c holds; fill_row makes the columns of an episode.
 * Release with ub_corpus_release. */
UB_NODISCARD UB_LOCAL ub_status ub_test_corpus(const ub_comm *c, int64_t n, int64_t shards,
                                               void (*fill_row)(int64_t episode, double *row),
                                               ub_corpus *out);

/* The place of a value, if this rank holds the episode; else NULL. */
UB_LOCAL double *ub_test_corpus_at(ub_corpus *c, int64_t episode, int column);

#endif /* UB_TESTS_CORPUS_H */
