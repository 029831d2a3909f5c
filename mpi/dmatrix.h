/* mpi/dmatrix.h - the inverse of a symmetric positive definite matrix.
 *
 * Up to `serial_max` rows rank 0 inverts with LAPACK (dpotrf, dpotri) and shares the
 * result: the same bytes at any rank count.  Beyond it ScaLAPACK (pdpotrf, pdpotri) does
 * it on a fixed process grid of grid_rows x grid_cols ranks with square blocks; its rounding
 * belongs to that grid, so the grid is part of the resolved configuration.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_DMATRIX_H
#define UB_MPI_DMATRIX_H

#include <stdint.h>

#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_inverse_plan {
    int64_t serial_max;
    int32_t grid_rows, grid_cols; /* 1 x 1 is allowed; when the grid is used it must not exceed the
                                     ranks (UB_EINPUT) */
    int32_t block;
} ub_inverse_plan;

/* a (p x p, both triangles, the same on every rank; only rank 0's is read by the serial path)
 * is replaced by its inverse, both triangles, exactly symmetric, on every rank.
 * The matrix is scaled to unit diagonal before and scaled back after.
 *   why   names the matrix in the error sentence
 * Errors: UB_EINPUT if it is not positive definite: names the first column that is a linear
 * combination of those before it (or has no variance), and what to do; a is then lost. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_spd_inverse(const ub_comm *c, const ub_inverse_plan *plan,
                                                    int32_t p, double *a, const char *why);

#endif /* UB_MPI_DMATRIX_H */
