/* core/structure.h - stage 1: which tests to ask, and what their answers mean.
 *
 * The study is a list of numbered items of work (tiles of segment pairs, then
 * blocks of direct tests).  Anybody may evaluate any item, any number of times,
 * in any order; answers are placed by item number, never by arrival.  The
 * object holds no samples: the worker side gets them through ub_ci_data.
 *
 *   worker:  ub_structure_eval(s, solver, item, out)
 *   master:  ub_structure_absorb(s, item, bytes, len) ... ub_structure_decide(s, graph)
 *
 * Layer: core (no MPI, no files).
 */
#ifndef UB_CORE_STRUCTURE_H
#define UB_CORE_STRUCTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/ci_test.h"
#include "core/corpus.h"
#include "core/settings.h"
#include "core/task_graph.h"

typedef struct ub_structure ub_structure; /* the plan and, on the master, the answers */
typedef struct ub_solver    ub_solver;    /* the worker side: test state, factors, scratch */

/* Plan the study.
 *   shape     only N, steps, dim, tasks, segment, task_offset, task_name are used; copied
 *   settings  borrowed; outlives the object
 *   answers   true on the master: allocate room for the answers
 * Errors: UB_EINPUT with a sentence (one segment only and no direct tests; full
 * conditioning with N <= columns; segment of one step; rule that needs tests that
 * the conditioning does not give; test that does not accept the shape). */
UB_NODISCARD ub_status ub_structure_create(const ub_corpus          *shape,
                                           const struct ub_settings *settings, bool answers,
                                           ub_structure **out);
void                   ub_structure_destroy(ub_structure **s);

/* Number of items, and of tests in all of them or in one. */
int64_t ub_structure_items(const ub_structure *s);
int64_t ub_structure_tests(const ub_structure *s);
int64_t ub_structure_tests_in(const ub_structure *s, int64_t item);
/* True if eval needs the inverse of the covariance of all steps (`full`). */
bool ub_structure_needs_precision(const ub_structure *s);

/* Open the worker side.
 *   data       borrowed; outlives the solver
 *   precision  inverse of the (steps*dim)^2 leading block of data->moments->cov, both
 *              triangles; borrowed; NULL unless ub_structure_needs_precision()
 * Cost for `full`: O(M p^2). */
UB_NODISCARD ub_status ub_solver_create(const ub_structure *s, const ub_ci_data *data,
                                        const double *precision, ub_solver **out);
void                   ub_solver_destroy(ub_solver **v);

/* Answer one item: appends the answers to `out`.  The same bytes for the same item,
 * whoever asks, whenever.  The answer holds the item number it belongs to, and of every
 * test the statistic, the p-value and evidence unless they follow from it, and the verdict. */
UB_NODISCARD ub_status ub_structure_eval(const ub_structure *s, ub_solver *v, int64_t item,
                                         ub_bytes *out);

/* Take one answer; taking it twice is harmless.  Errors: UB_EFORMAT (not an answer
 * to this item of this study). */
UB_NODISCARD ub_status ub_structure_absorb(ub_structure *s, int64_t item,
                                           const unsigned char *answer, size_t len);
/* Was the item answered?  How many were? */
bool    ub_structure_has(const ub_structure *s, int64_t item);
int64_t ub_structure_answered(const ub_structure *s);

/* From answers to membership, by structure.rule.  All items must be answered
 * (UB_ESTATE).  *graph is filled and owned by the caller. */
UB_NODISCARD ub_status ub_structure_decide(const ub_structure *s, ub_task_graph *graph);

#endif /* UB_CORE_STRUCTURE_H */
