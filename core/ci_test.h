/* core/ci_test.h - conditional independence tests: one interface, many tests.
 *
 * A test answers "is X independent of Y given Z, judging by these n samples?",
 * where X, Y and Z are sets of columns (a step of a trajectory has d of them, a
 * task variable q).  Each test is one file core/ci/NAME.c that defines
 * `const ub_ci_test ub_ci_NAME`, plus the line UB_CI_TEST(NAME) in
 * core/ci/registry.def.  The build, `unbraid list ci`, the configuration key
 * structure.test and the contract suite read that one line.
 *
 * Layer: core (no MPI, no files, no globals).  A state is used by one thread at
 * a time; two states over the same data may be used concurrently.
 */
#ifndef UB_CORE_CI_TEST_H
#define UB_CORE_CI_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/moments.h"
#include "core/status.h"

struct ub_settings; /* core/settings.h */

/* What a test can digest and needs; OR-ed in ub_ci_test.accepts. */
enum {
    UB_CI_SCALAR = 1u << 0,   /* X and Y of one column */
    UB_CI_VECTOR = 1u << 1,   /* X and Y of several columns */
    UB_CI_MOMENTS = 1u << 2,  /* needs only the second moments */
    UB_CI_SAMPLES = 1u << 3,  /* needs the samples themselves */
    UB_CI_DISCRETE = 1u << 4, /* columns of few distinct values; without it: real numbers */
    /* With one column a side the statistic is Fisher's z of the partial correlation of the columns
     * as they are: p_value = ub_normal_two_sided(statistic), evidence its square, and a study may
     * compute it in rows (core/band.h, core/full.h).  Only with UB_CI_MOMENTS. */
    UB_CI_PARTIAL = 1u << 5
};

/* Why a test has no number, or that it has one. */
#define UB_CI_VERDICTS(X)                                                                          \
    X(UB_CI_OK, "ok")                                                                              \
    X(UB_CI_CONSTANT, "constant")        /* X or Y has no variance */                              \
    X(UB_CI_COLLINEAR, "collinear")      /* Z determines X or Y, to rounding */                    \
    X(UB_CI_NONFINITE, "nonfinite")      /* NaN or infinity among the values */                    \
    X(UB_CI_TOO_FEW, "too_few")          /* not enough samples for |Z| */                          \
    X(UB_CI_UNTESTABLE, "untestable")    /* adjacent steps: nothing lies between them */           \
    X(UB_CI_TOO_MANY, "too_many_levels") /* too many distinct values for a table of counts */      \
    X(UB_CI_TIES, "ties")                /* samples coincide: neighbours have no distance */

typedef enum ub_ci_verdict {
#define UB_CI_VERDICT_ENUM(name, text) name,
    UB_CI_VERDICTS(UB_CI_VERDICT_ENUM)
#undef UB_CI_VERDICT_ENUM
        UB_CI_VERDICT_COUNT
} ub_ci_verdict;
const char *ub_ci_verdict_name(ub_ci_verdict v);

/* The data of a study; borrowed by states and queries.  If the test has a transform, these are the
 * columns after it, and their moments. */
typedef struct ub_ci_data {
    const ub_moments *moments; /* never NULL */
    const double     *samples; /* column c at samples + c * moments->n; NULL if no test needs it */
} ub_ci_data;

/* One question.  Columns are 0-based; X, Y and Z are disjoint. */
typedef struct ub_ci_query {
    int64_t        id; /* position in the study; keys the random stream */
    const int32_t *x, *y, *z;
    int32_t        nx, ny, nz; /* nx, ny >= 1 */
    /* The last so many of Z are moderators: columns along which the dependence may change its
     * sign (in a study the task's), where tests that look for interactions look.  0: none. */
    int32_t moderators;
} ub_ci_query;

/* One answer.  With a verdict other than UB_CI_OK: p_value 1, the rest 0. */
typedef struct ub_ci_result {
    double statistic; /* in the test's own units, see its file; signed where that means something */
    double p_value;   /* in [0, 1]; never NaN */
    double evidence;  /* z^2: the chi-square(1) quantile with this p-value; finite, >= 0 */
    double dof;       /* degrees of freedom, or 0 if not defined */
    int64_t       n_used; /* samples that entered */
    ub_ci_verdict verdict;
} ub_ci_result;

typedef struct ub_ci_test {
    const char *name;      /* the word used in configurations; equals the file name */
    const char *summary;   /* one line for `unbraid list ci` */
    const char *cost;      /* one phrase, e.g. "O(|Z|^3) a test" */
    const char *reference; /* where the method is from */
    unsigned    accepts;   /* OR of the flags above */
    const char *settings;  /* keys that change its answers, "ci.a run.seed"; NULL: none */

    /* What the test does to each column by itself before anything else (normal scores of ranks,
     * codes of values), in place.  Done once by whoever holds the samples: once a node, and in
     * front of the covariance, so that a linear test of transformed columns is full.c's too.
     * Not finite values: the whole column becomes NaN.  OPTIONAL (NULL: the columns as they are).
     */
    ub_status (*transform)(int64_t n, double *column);

    /* Prepare whatever all queries share.  REQUIRED.
     *   data, settings  borrowed; outlive the state
     *   state           out: owned by the caller, released with close() */
    ub_status (*open)(const ub_ci_data *data, const struct ub_settings *settings, void **state);

    /* Answer one query.  REQUIRED.  Depends on (data, settings, query) only, never
     * on call order, rank or time.  Symmetric in X and Y.  What is wrong with the
     * data becomes a verdict, never an error. */
    ub_status (*eval)(void *state, const ub_ci_query *q, ub_ci_result *out);

    /* Answer the same X, Y, Z with each of m further conditioning sets, so that
     * the part shared by all tasks is factored once.  OPTIONAL (NULL: eval is
     * called m times).  Set i is extra[offset[i]] .. extra[offset[i+1]-1]; same
     * answers as eval on Z + set i with id q->id + i and set i as moderators, to rounding. */
    ub_status (*eval_each)(void *state, const ub_ci_query *q, int32_t m, const int32_t *extra,
                           const int32_t *offset, ub_ci_result *out);

    /* Release a state.  REQUIRED.  close(NULL) does nothing. */
    void (*close)(void *state);
} ub_ci_test;

/* Apply the test's transform, if it has one, to p columns of n samples, column c at x + c * n. */
UB_NODISCARD ub_status ub_ci_transform(const ub_ci_test *test, int64_t n, int32_t p, double *x);
/* Does a study with this test need the samples gathered (mpi/samples.h)? */
bool ub_ci_wants_samples(const ub_ci_test *test);
/* Look a test up by name; NULL if there is none.  Static storage. */
const ub_ci_test *ub_ci_find(const char *name);
/* The i-th registered test in registry order, or NULL past the end. */
const ub_ci_test *ub_ci_at(size_t i);
/* Its name, or NULL past the end (for configuration tables). */
const char *ub_ci_name_at(size_t i);

#endif /* UB_CORE_CI_TEST_H */
