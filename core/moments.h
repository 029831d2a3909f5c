/* core/moments.h - means and covariances of the columns of a corpus.
 *
 * Columns: component c of step t is column t * dim + c; column j of the task
 * variables is column steps * dim + j.  Sums are made per data block and added
 * in one tree order by mpi/reduce.h, so the same bytes come out at any rank
 * count: mean first, then centred second moments (two passes).
 *
 * Layer: core.
 */
#ifndef UB_CORE_MOMENTS_H
#define UB_CORE_MOMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/corpus.h"
#include "core/status.h"

typedef struct ub_moments {
    int64_t n;       /* samples (episodes) */
    int32_t columns; /* p */
    double *mean;    /* p; owned */
    double *cov;     /* p x p, symmetric, both triangles, sum of squares / (n - 1); owned */
} ub_moments;

enum { UB_MOMENTS_COLUMNS = 65535 }; /* p^2 / 2 must be an int to LAPACK */

/* mean is zero, cov is not set.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_moments_init(ub_moments *m, int64_t n, int32_t columns);
void                   ub_moments_release(ub_moments *m);

/* Columns of a corpus: steps * dim + width of all task variables. */
int32_t ub_corpus_columns(const ub_corpus *c);

/* Copy row `episode` (local index) of the corpus, all columns, into out. */
void ub_corpus_row(const ub_corpus *c, int64_t episode, double *out);

/* Sum of the columns over local episodes [first, first + count) into sum (p). */
void ub_moments_sum_block(const ub_corpus *c, int64_t first, int64_t count, double *sum);

/* Rows that are centred and multiplied at a time: enough for the matrix product, and they stay in
 * cache. */
enum { UB_MOMENTS_STRIP = 256 };

/* Sum of (row - mean)(row - mean)' over local episodes [first, first + count) into out, one
 * triangle in LAPACK's rectangular full packed format: p (p + 1) / 2 doubles.  Cost: count * p^2
 * flops (dsfrk).  Depends on the rows and the mean only.  Errors: UB_EINPUT (p >
 * UB_MOMENTS_COLUMNS). strip  scratch, UB_MOMENTS_STRIP * p */
UB_NODISCARD ub_status ub_moments_square_block(const ub_corpus *c, const double *mean,
                                               int64_t first, int64_t count, double *strip,
                                               double *out);

/* m->cov from the sum of all blocks, divided by n - 1. */
void ub_moments_unpack(const double *sum, ub_moments *m);

/* Is a column constant, as far as rounding lets anybody tell?  mean: of numbers added at most
 * `terms` in a row, which is off by up to terms eps |mean| (Higham, "Accuracy and stability of
 * numerical algorithms", 2002, section 4.2); sd: about this mean. */
bool ub_column_is_constant(double mean, double sd, int64_t terms);

/* Moments of n x p samples stored by columns (column c at x + c * n); for tables
 * and tests.  Errors: UB_ENOMEM, UB_EARG (n < 2). */
UB_NODISCARD ub_status ub_moments_of_columns(int64_t n, int32_t p, const double *x,
                                             ub_moments *out);

#endif /* UB_CORE_MOMENTS_H */
