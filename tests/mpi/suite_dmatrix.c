/* Inverses of symmetric positive definite matrices: LAPACK, ScaLAPACK, and what they refuse. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "mpi/dmatrix.h"
#include "mpi/internal/scalapack.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

static const ub_inverse_plan serial = {.serial_max = 1000000};

static size_t at(int i, int j, int p)
{
    return (size_t)i * (size_t)p + (size_t)j;
}

static double *square(int p)
{
    return ub_alloc((size_t)p * (size_t)p, sizeof(double));
}

/* B B' / p + I with rows and columns in units that differ by up to 1e6. */
static void make_spd(int p, double *a)
{
    double *b = square(p);
    ub_rng  r = ub_rng_make(5, UB_RNG_TEST, (uint64_t)p);
    for (int i = 0; i < p * p; i++)
        b[i] = ub_rng_normal(&r);
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++) {
            double sum = i == j;
            for (int k = 0; k < p; k++)
                sum += b[at(i, k, p)] * b[at(j, k, p)] / p;
            a[at(i, j, p)] = sum * pow(10, i % 7 - 3) * pow(10, j % 7 - 3);
        }
    for (int i = 0; i < p; i++)
        for (int j = 0; j < i; j++)
            a[at(i, j, p)] = a[at(j, i, p)];
    ub_free(b);
}

/* Largest error of A X against I, in units where A has a unit diagonal. */
static double residual(int p, const double *a, const double *x)
{
    double worst = 0;
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++) {
            double sum = -(i == j);
            for (int k = 0; k < p; k++)
                sum += a[at(i, k, p)] * x[at(k, j, p)];
            sum *= sqrt(a[at(j, j, p)] / a[at(i, i, p)]);
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static double asymmetry(int p, const double *x)
{
    double worst = 0;
    for (int i = 0; i < p; i++)
        for (int j = 0; j < i; j++)
            worst = fmax(worst, fabs(x[at(i, j, p)] - x[at(j, i, p)]));
    return worst;
}

/* Largest difference relative to sqrt(x_ii x_jj). */
static double difference(int p, const double *x, const double *y)
{
    double worst = 0;
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++)
            worst = fmax(worst, fabs(x[at(i, j, p)] - y[at(i, j, p)]) /
                                    sqrt(x[at(i, i, p)] * x[at(j, j, p)]));
    return worst;
}

static void known_inverse(void)
{
    /* The second difference matrix: its inverse is min(i, j) (n + 1 - max(i, j)) / (n + 1). */
    enum { N = 6 };
    double a[N * N] = {0};
    for (int i = 0; i < N; i++) {
        a[at(i, i, N)] = 2;
        if (i > 0)
            a[at(i, i - 1, N)] = a[at(i - 1, i, N)] = -1;
    }
    UB_CHECK(ub_spd_inverse(ub_world, &serial, N, a, "differences"));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            UB_CHECK_CLOSE(a[at(i, j, N)],
                           (i < j ? i + 1 : j + 1) * (N - (i < j ? j : i)) / (N + 1.0), 1e-14);
}

static void serial_path(void)
{
    static const int sizes[] = {1, 2, 5, 64, 150};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        int     p = sizes[k];
        double *a = square(p), *x = square(p);
        make_spd(p, a);
        if (ub_world->rank == 0) /* others bring nothing */
            memcpy(x, a, (size_t)p * (size_t)p * sizeof *x);
        UB_CHECK(ub_spd_inverse(ub_world, &serial, p, x, "test"));
        CU_ASSERT(residual(p, a, x) < 1e-11);
        CU_ASSERT(asymmetry(p, x) == 0);
        UB_CHECK(ub_comm_same(ub_world, x, (size_t)p * (size_t)p * sizeof *x, "the inverse"));
        ub_free(a);
        ub_free(x);
    }
}

static const struct {
    int rows, cols;
} grids[] = {{1, 1}, {1, 2}, {2, 1}, {1, 3}, {2, 2}, {5, 1}};

enum { GRIDS = (int)(sizeof grids / sizeof grids[0]) };

static void one_grid(int p, const ub_inverse_plan *plan)
{
    double *a = square(p), *x = square(p), *y = square(p);
    size_t  bytes = (size_t)p * (size_t)p * sizeof *a;
    make_spd(p, a);
    memcpy(x, a, bytes);
    memcpy(y, a, bytes);
    UB_CHECK(ub_spd_inverse(ub_world, &serial, p, x, "test"));
    UB_CHECK(ub_spd_inverse(ub_world, plan, p, y, "test"));
    CU_ASSERT(difference(p, x, y) < 1e-10);
    CU_ASSERT(residual(p, a, y) < 1e-10);
    CU_ASSERT(asymmetry(p, y) == 0);
    UB_CHECK(ub_comm_same(ub_world, y, bytes, "the inverse"));
    ub_free(a);
    ub_free(x);
    ub_free(y);
}

static void grids_agree(void)
{
    static const int sizes[] = {1, 5, 64, 150}, blocks[] = {1, 8, 64};
    for (int g = 0; g < GRIDS; g++)
        for (size_t k = 0; k < 4; k++)
            for (size_t n = 0; n < 3 && grids[g].rows * grids[g].cols <= ub_world->size; n++)
                one_grid(sizes[k], &(ub_inverse_plan){.grid_rows = grids[g].rows,
                                                      .grid_cols = grids[g].cols,
                                                      .block = blocks[n]});
}

/* Column `copy` is the sum of columns 0 and 1. */
static void make_singular(int p, int copy, double *a)
{
    make_spd(p, a);
    for (int j = 0; j < p; j++)
        a[at(copy, j, p)] = a[at(0, j, p)] + a[at(1, j, p)];
    for (int i = 0; i < p; i++)
        a[at(i, copy, p)] = i == copy ? a[at(copy, 0, p)] + a[at(copy, 1, p)] : a[at(copy, i, p)];
}

static void singular_is_named(void)
{
    for (int g = -1; g < GRIDS; g++) {
        if (g >= 0 && grids[g].rows * grids[g].cols > ub_world->size)
            continue;
        ub_inverse_plan plan = serial;
        if (g >= 0)
            plan = (ub_inverse_plan){
                .grid_rows = grids[g].rows, .grid_cols = grids[g].cols, .block = 8};
        for (int copy = 2; copy < 40; copy += 7) {
            char    words[64];
            double *a = square(40);
            make_singular(40, copy, a);
            (void)snprintf(words, sizeof words, "the covariance: column %d of 40 is a linear",
                           copy);
            UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 40, a, "the covariance"), UB_EINPUT,
                           words);
            make_spd(40, a);
            a[at(copy, copy, 40)] = copy % 2 == 0 ? 0 : NAN;
            (void)snprintf(words, sizeof words, "column %d of 40 has no usable variance", copy);
            UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 40, a, "x"), UB_EINPUT, words);
            make_spd(40, a);
            a[at(copy, 0, 40)] = a[at(0, copy, 40)] = 1e9; /* indefinite */
            (void)snprintf(words, sizeof words, "column %d of 40 is", copy);
            UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 40, a, "x"), UB_EINPUT, words);
            ub_free(a);
        }
    }
}

static void grid_must_fit(void)
{
    double          a[4] = {2, 1, 1, 2};
    ub_inverse_plan plan = {.grid_rows = ub_world->size, .grid_cols = 2, .block = 8};
    UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 2, a, "x"), UB_EINPUT, "choose a smaller grid");
    plan = (ub_inverse_plan){.grid_rows = 1, .grid_cols = 1, .block = 0};
    UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 2, a, "x"), UB_EINPUT, "blocks of 0");
    UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 0, a, "x"), UB_EARG, "0 columns");
}

/* The lowest free grid context: a higher one than before if grids were not released. */
static int free_context(void)
{
    int handle = Csys2blacs_handle(ub_world->mpi), context = handle;
    Cblacs_gridinit(&context, "Row", ub_world->size, 1);
    Cblacs_gridexit(context);
    Cfree_blacs_system_handle(handle);
    return context;
}

static void many_times(void)
{
    ub_inverse_plan plan = {.grid_rows = ub_world->size > 1 ? 2 : 1, .grid_cols = 1, .block = 2};
    int             before = free_context();
    for (int i = 0; i < 20; i++) {
        double a[9] = {4, 1, 0, 1, 3, 1, 0, 1, 2};
        UB_CHECK(ub_spd_inverse(ub_world, &plan, 3, a, "x"));
        UB_CHECK_CLOSE(a[0], 5.0 / 18, 1e-14); /* cofactor 3 * 2 - 1, determinant 18 */
        double bad[4] = {1, 1, 1, 1};
        UB_CHECK_FAILS(ub_spd_inverse(ub_world, &plan, 2, bad, "x"), UB_EINPUT, "column 1 of 2");
    }
    CU_ASSERT_EQUAL(free_context(), before);
}

UB_SUITE("dmatrix", {"a matrix of known inverse", known_inverse},
         {"the serial path inverts and gives all ranks the same bytes", serial_path},
         {"ScaLAPACK agrees on every grid and block size", grids_agree},
         {"a column that is not independent is named", singular_is_named},
         {"a grid larger than the run is refused", grid_must_fit},
         {"grids are released: twenty in a row", many_times})
