/* core/full.h - every pair of steps given all other steps and a task, off one inverse.
 *
 * With P the inverse covariance of all steps S, beta = P cov(S, g) and
 * v = var(g) - cov(S, g)' beta, the precision matrix of (S, g) is
 *     [ P + beta v^-1 beta'   -beta v^-1 ]
 *     [    -v^-1 beta'           v^-1    ]
 * (inverse of a bordered matrix), so that a pair given everything else is read off two d x d
 * blocks of it: r = -Q_xy / sqrt(Q_xx Q_yy) for scalars, Wilks' lambda for vectors.
 *
 * Layer: core.  One thread at a time (scratch inside).
 */
#ifndef UB_CORE_FULL_H
#define UB_CORE_FULL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ci_test.h"
#include "core/moments.h"

typedef struct ub_full ub_full;

/*   m            moments of the corpus; borrowed
 *   steps, dim   T and d
 *   task_offset  tasks + 1 offsets of the task columns
 *   precision    (T d)^2, inverse of the leading block of m->cov; borrowed
 * Cost: O(q (T d)^2) for q task columns, q T d doubles.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_full_create(const ub_moments *m, int32_t steps, int32_t dim,
                                      int32_t tasks, const int32_t *task_offset,
                                      const double *precision, ub_full **out);
void                   ub_full_destroy(ub_full **f);

/* Rows of pairs, for scalar steps and scalar tasks: what ub_full_pair answers, to the same bits,
 * through vector lanes.  Prepare once; memory 2 steps * (tasks + 1) doubles.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_full_prepare_rows(ub_full *f);
/* The partial correlations of n pairs (x, y + i stride), y > x, given each task and, if `contrast`,
 * without any; all tests of a pair one after the other.
 *   r     out, n * (tasks + contrast) and room for UB_LANES more; NaN where ub_full_pair is to be
 *         asked (a step that may be determined, a value that is not finite)
 *   root  out, n * (tasks + contrast): sqrt(degrees of freedom), so that Fisher's z is
 *         root * atanh(r) (ub_sweep_z) */
void ub_full_row(const ub_full *f, int32_t x, int32_t y, int32_t stride, int32_t n, bool contrast,
                 double *r, double *root);

/* Steps x and y, x != y, given all other steps and the task; task = -1: without a task.
 * A task that the steps determine counts as known up to UB_GAUSS_DETERMINED of its variance. */
void ub_full_pair(ub_full *f, int32_t x, int32_t y, int32_t task, ub_ci_result *out);
/* Step x against the task given all other steps. */
void ub_full_direct(ub_full *f, int32_t x, int32_t task, ub_ci_result *out);

#endif /* UB_CORE_FULL_H */
