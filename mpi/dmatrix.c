#include "mpi/dmatrix.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/lapack.h"
#include "core/mem.h"
#include "mpi/internal/scalapack.h"

enum { PIECE = 1 << 26 /* doubles in one reduction */ };

static const int zero = 0, one = 1;

/* After scaling, the square of a diagonal of the Cholesky factor is 1 - R^2 of its column given
 * those before it; at rounding level there is nothing left of the column.  Also true for NaN. */
static bool is_dependent(double diagonal, int p)
{
    return !(diagonal * diagonal > 8.0 * p * DBL_EPSILON);
}

static ub_status fail_dependent(const char *why, int column, int p)
{
    return UB_FAIL(UB_EINPUT,
                   "%s: column %d of %d is a linear combination of the columns before it; remove "
                   "it, or use more episodes than columns",
                   why, column, p);
}

/* scale[i] = 1 / sqrt(a_ii). */
static ub_status find_scale(int p, const double *a, double *scale, const char *why)
{
    for (int i = 0; i < p; i++) {
        double v = a[(size_t)i * (size_t)p + (size_t)i];
        if (!(v > 0) || !isfinite(v))
            return UB_FAIL(UB_EINPUT,
                           "%s: column %d of %d has no usable variance (%g); remove the column",
                           why, i, p, v);
        scale[i] = 1 / sqrt(v);
    }
    return UB_OK;
}

/* Entry (i, j) of the matrix with unit diagonal. */
static double scaled(const double *a, const double *scale, int p, int i, int j)
{
    return i == j ? 1 : a[(size_t)i + (size_t)j * (size_t)p] * scale[i] * scale[j];
}

/* The lower triangle (column-major) holds the inverse: copy it to the other one. */
static void mirror(int p, double *a)
{
    for (size_t n = (size_t)p, j = 0; j < n; j++)
        for (size_t i = j + 1; i < n; i++)
            a[j + i * n] = a[i + j * n];
}

/* Rank 0 alone. */
static ub_status invert_serial(int p, double *a, const char *why)
{
    double   *scale;
    int       info = 0;
    size_t    n = (size_t)p;
    ub_status st = UB_ALLOC(scale, p);
    UB_TRY(st);
    UB_TRY_OUT(find_scale(p, a, scale, why));
    for (int j = 0; j < p; j++)
        for (int i = j; i < p; i++)
            a[(size_t)i + (size_t)j * n] = scaled(a, scale, p, i, j);
    dpotrf_("L", &p, a, &p, &info);
    int bad = info > 0 ? info - 1 : p;
    for (int j = bad - 1; j >= 0; j--)
        if (is_dependent(a[(size_t)j * n + (size_t)j], p))
            bad = j;
    if (bad < p) {
        st = fail_dependent(why, bad, p);
        goto out;
    }
    dpotri_("L", &p, a, &p, &info);
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++)
            a[i + j * n] *= scale[i] * scale[j];
    mirror(p, a);
out:
    ub_free(scale);
    return st;
}

/* This rank's part of the block-cyclic matrix. */
typedef struct part {
    int     context; /* -1 outside the grid */
    int     p, block, grid_rows, grid_cols, my_row, my_col;
    int     rows, cols, leading;
    int     desc[9];
    double *data; /* leading x cols, column-major */
} part;

/* Local to global index in one dimension. */
static int global_of(int local, int block, int me, int count)
{
    return (local / block * count + me) * block + local % block;
}

static ub_status open_part(part *m)
{
    if (m->context < 0)
        return UB_OK;
    int info = 0;
    Cblacs_gridinfo(m->context, &m->grid_rows, &m->grid_cols, &m->my_row, &m->my_col);
    m->rows = numroc_(&m->p, &m->block, &m->my_row, &zero, &m->grid_rows);
    m->cols = numroc_(&m->p, &m->block, &m->my_col, &zero, &m->grid_cols);
    m->leading = m->rows > 1 ? m->rows : 1;
    if ((int64_t)m->leading * m->cols > INT_MAX)
        return UB_FAIL(UB_EINPUT,
                       "a matrix of %d columns does not fit a grid of %d x %d ranks (%d x %d "
                       "entries a rank, at most %d); use a larger grid",
                       m->p, m->grid_rows, m->grid_cols, m->rows, m->cols, INT_MAX);
    descinit_(m->desc, &m->p, &m->p, &m->block, &m->block, &zero, &zero, &m->context, &m->leading,
              &info);
    if (info != 0)
        return UB_FAIL(UB_EBUG, "descinit refused argument %d", -info);
    return UB_ALLOC(m->data, (int64_t)m->leading * m->cols);
}

/* Factor and invert in place; returns the first dependent column this rank knows of, or p. */
static int invert_part(part *m, const double *a, const double *scale)
{
    int info = 0, bad = m->p;
    for (int j = 0; j < m->cols; j++)
        for (int i = 0; i < m->rows; i++)
            m->data[(size_t)i + (size_t)j * (size_t)m->leading] =
                scaled(a, scale, m->p, global_of(i, m->block, m->my_row, m->grid_rows),
                       global_of(j, m->block, m->my_col, m->grid_cols));
    pdpotrf_("L", &m->p, m->data, &one, &one, m->desc, &info, 1);
    if (info != 0)
        bad = info - 1;
    for (int j = m->cols - 1; j >= 0; j--)
        for (int i = m->rows - 1; i >= 0; i--) {
            int at = global_of(j, m->block, m->my_col, m->grid_cols);
            if (at == global_of(i, m->block, m->my_row, m->grid_rows) && at < bad &&
                is_dependent(m->data[(size_t)i + (size_t)j * (size_t)m->leading], m->p))
                bad = at;
        }
    if (info == 0)
        pdpotri_("L", &m->p, m->data, &one, &one, m->desc, &info, 1);
    return bad;
}

/* The lower triangle of all parts into a on every rank: each entry is one rank's value plus
 * zeros, so the sum is exact in any order. */
static ub_status collect(const ub_comm *c, const part *m, const double *scale, double *a)
{
    size_t p = (size_t)m->p, total = p * p;
    memset(a, 0, total * sizeof *a);
    for (int jl = 0; jl < m->cols; jl++)
        for (int il = 0; il < m->rows; il++) {
            size_t i = (size_t)global_of(il, m->block, m->my_row, m->grid_rows);
            size_t j = (size_t)global_of(jl, m->block, m->my_col, m->grid_cols);
            if (i >= j)
                a[i + j * p] =
                    m->data[(size_t)il + (size_t)jl * (size_t)m->leading] * (scale[i] * scale[j]);
        }
    for (size_t at = 0; at < total; at += PIECE)
        UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, a + at,
                                 (int)(total - at < PIECE ? total - at : PIECE), MPI_DOUBLE,
                                 MPI_SUM, c->mpi));
    mirror(m->p, a);
    return UB_OK;
}

static ub_status invert_grid(const ub_comm *c, const ub_inverse_plan *plan, int p, double *a,
                             const char *why)
{
    double   *scale;
    part      m = {.p = p, .block = plan->block};
    ub_status st = UB_ALLOC(scale, p);
    if (st == UB_OK)
        st = find_scale(p, a, scale, why);
    int handle = Csys2blacs_handle(c->mpi);
    m.context = handle;
    Cblacs_gridinit(&m.context, "Row", plan->grid_rows, plan->grid_cols);
    if (st == UB_OK)
        st = open_part(&m);
    UB_TRY_OUT(ub_comm_agree(c, st));
    int bad = m.context >= 0 ? invert_part(&m, a, scale) : p;
    UB_TRY_OUT(ub_mpi_status(MPI_Allreduce(MPI_IN_PLACE, &bad, 1, MPI_INT, MPI_MIN, c->mpi),
                             "first dependent column"));
    if (bad < p)
        st = fail_dependent(why, bad, p);
    else
        st = collect(c, &m, scale, a);
out:
    ub_free(m.data);
    if (m.context >= 0)
        Cblacs_gridexit(m.context);
    Cfree_blacs_system_handle(handle);
    ub_free(scale);
    return st;
}

ub_status ub_spd_inverse(const ub_comm *c, const ub_inverse_plan *plan, int32_t p, double *a,
                         const char *why)
{
    if (p < 1)
        return UB_FAIL(UB_EARG, "%s has %d columns", why, p);
    if (p <= plan->serial_max) {
        UB_TRY(ub_comm_agree(c, c->rank == 0 ? invert_serial(p, a, why) : UB_OK));
        return ub_comm_bcast(c, a, (size_t)p * (size_t)p * sizeof *a);
    }
    if (plan->grid_rows < 1 || plan->grid_cols < 1 || plan->block < 1)
        return UB_FAIL(UB_EINPUT, "a grid of %d x %d ranks with blocks of %d is not possible",
                       plan->grid_rows, plan->grid_cols, plan->block);
    if ((int64_t)plan->grid_rows * plan->grid_cols > c->size)
        return UB_FAIL(UB_EINPUT,
                       "a grid of %d x %d ranks needs %lld of them, the run has %d; choose a "
                       "smaller grid or more ranks",
                       plan->grid_rows, plan->grid_cols,
                       (long long)plan->grid_rows * plan->grid_cols, c->size);
    return invert_grid(c, plan, p, a, why);
}
