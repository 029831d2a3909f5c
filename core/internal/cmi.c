#include "core/internal/cmi.h"

#include <math.h>

#include "core/internal/cmi_parts.h"
#include "core/internal/steps.h"
#include "core/mem.h"
#include "core/special.h"

enum { BLOCK = UB_KNN_BLOCK, MOST_OPEN = 32 };

void ub_cmi_destroy(ub_cmi **cmi)
{
    ub_cmi *s = *cmi;
    if (s == NULL)
        return;
    void *owned[] = {s->x,       s->y,          s->block, s->radius, s->psi,    s->best,
                     s->nearest, s->point,      s->row_x, s->row_y,  s->row_z,  s->step,
                     s->in_z,    s->in_xz,      s->in_yz, s->open,   s->row_of, s->place,
                     s->dz,      s->near_place, s->near,  s->near_y, s->near_z};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        ub_free(owned[i]);
    ub_knn_destroy(&s->base);
    ub_knn_destroy(&s->alone);
    ub_free(s);
    *cmi = NULL;
}

static ub_status allocate(ub_cmi *s)
{
    int64_t list = (s->n + BLOCK - 1) / BLOCK * BLOCK + BLOCK; /* and UB_KNN_ROOM */
    UB_TRY(UB_ALLOC(s->x, s->n * s->nx));
    UB_TRY(UB_ALLOC(s->y, s->n * s->ny));
    UB_TRY(UB_ALLOC(s->block, list * s->columns));
    UB_TRY(UB_ALLOC(s->radius, s->n));
    UB_TRY(UB_ALLOC(s->psi, s->n + 1));
    UB_TRY(UB_ALLOC(s->best, s->k * UB_CMI_LANES));
    UB_TRY(UB_ALLOC(s->nearest, s->k));
    UB_TRY(UB_ALLOC(s->point, s->nx));
    UB_TRY(UB_ALLOC(s->row_x, list));
    UB_TRY(UB_ALLOC(s->row_y, list));
    UB_TRY(UB_ALLOC(s->row_z, list));
    UB_TRY(UB_ALLOC(s->step, list * s->columns));
    UB_TRY(UB_ALLOC(s->in_z, list));
    UB_TRY(UB_ALLOC(s->in_xz, list));
    UB_TRY(UB_ALLOC(s->in_yz, list));
    UB_TRY(UB_ALLOC(s->open, list));
    UB_TRY(UB_ALLOC(s->row_of, list));
    UB_TRY(UB_ALLOC(s->place, list));
    UB_TRY(UB_ALLOC(s->dz, list));
    UB_TRY(UB_ALLOC(s->near_place, list));
    UB_TRY(UB_ALLOC(s->near, list));
    UB_TRY(UB_ALLOC(s->near_y, list));
    UB_TRY(UB_ALLOC(s->near_z, list));
    return UB_OK;
}

/* Columns, the first of them c0, in the order of places: as rows, and by block, infinite past the
 * last. */
static void by_place(const ub_cmi *s, int32_t columns, const double *const *column, double *row,
                     int32_t c0)
{
    const int32_t *order = ub_knn_order(s->base);
    for (int64_t i = 0; i < s->base->blocks * BLOCK; i++)
        for (int32_t c = 0; c < columns; c++) {
            double v = i < s->n ? column[c][order[i]] : INFINITY;
            s->block[(i / BLOCK * s->columns + c0 + c) * BLOCK + i % BLOCK] = v;
            if (i < s->n)
                row[i * columns + c] = v;
        }
}

/* All columns in steps, UB_STEPS_MOST from the least of all coordinates to the greatest. */
static void make_steps(ub_cmi *s)
{
    int64_t size = s->base->blocks * s->columns * BLOCK;
    double  low = INFINITY, high = -INFINITY;
    for (int64_t j = 0; j < size; j++) {
        low = s->block[j] < low ? s->block[j] : low;
        high = s->block[j] > high && s->block[j] < INFINITY ? s->block[j] : high;
    }
    s->per_unit = UB_STEPS_MOST / (high - low);
    for (int64_t j = 0; j < size; j++) {
        double d = (s->block[j] - low) * s->per_unit; /* too large, or no number: past the last */
        s->step[j] = d < UB_STEPS_MOST + 1 ? (int16_t)d : INT16_MAX;
    }
}

ub_status ub_cmi_create(int64_t n, int32_t nx, int32_t ny, int32_t nz, const double *const *x,
                        const double *const *y, const double *const *z, int32_t k, int estimator,
                        ub_cmi **out)
{
    ub_cmi   *s = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    *s = (ub_cmi){.n = n, .nx = nx, .ny = ny, .nz = nz, .k = k, .estimator = estimator};
    s->columns = nx + ny + nz;
    UB_TRY_OUT(allocate(s));
    UB_TRY_OUT(ub_knn_create(n, nz > 0 ? nz : ny, nz > 0 ? z : y, &s->base));
    if (nz == 0)
        UB_TRY_OUT(ub_knn_create(n, nx, x, &s->alone));
    by_place(s, nx, x, s->x, 0);
    by_place(s, ny, y, s->y, nx);
    for (int64_t b = 0; nz > 0 && b < s->base->blocks; b++)
        memcpy(s->block + (b * s->columns + nx + ny) * BLOCK, s->base->x + b * nz * BLOCK,
               sizeof(double) * (size_t)nz * BLOCK);
    make_steps(s);
    s->missed = nz > 0 && estimator == UB_ESTIMATOR_KSG1 ? 0 : n;
    for (int64_t i = 1; i <= n; i++)
        s->psi[i] = ub_digamma((double)i);
    *out = s;
    s = NULL;
out:
    ub_cmi_destroy(&s);
    return st;
}

void ub_cmi_neighbours(ub_cmi *s, int64_t place, int32_t m, double *work, int32_t *near)
{
    near[0] = (int32_t)place;
    if (m > 1)
        (void)ub_knn_kth(s->base, place, m - 1, work, near + 1);
}

/* Distances of place i from block b in x, y and z as the next row. */
UB_INLINE void look_in(ub_cmi *s, int64_t b, int64_t i)
{
    double *restrict dx = s->row_x + s->rows * BLOCK, *restrict dy = s->row_y + s->rows * BLOCK;
    double *restrict dz = s->row_z + s->rows * BLOCK, d[BLOCK];
    const double *x = s->block + b * s->columns * BLOCK, *y = x + s->nx * BLOCK;
    s->rows++;
    ub_knn_distances(x, s->nx, s->x + i * s->nx, dx);
    ub_knn_distances(y, s->ny, s->y + i * s->ny, dy);
    if (s->nz > 0)
        ub_knn_distances(y + s->ny * BLOCK, s->nz, s->base->at, dz);
    for (int p = 0; p < BLOCK; p++) {
        double far = dx[p] > dy[p] ? dx[p] : dy[p];
        d[p] = dz[p] > far ? dz[p] : far;
    }
    ub_knn_keep(s->k, s->nearest, NULL, d, b, i);
}

/* Rows of distances of place i from all blocks that may hold one of its k nearest or a point no
 * farther in Z than the k-th; distance of the k-th. */
UB_INLINE double scan(ub_cmi *s, int64_t i)
{
    ub_knn *t = s->base;
    int64_t own = i / BLOCK, sibling = own ^ 1;
    for (int32_t m = 0; m < s->k; m++)
        s->nearest[m] = INFINITY;
    s->rows = 0;
    ub_knn_point(t, i, t->at);
    look_in(s, own, i);
    if (sibling < t->blocks)
        look_in(s, sibling, i);
    int64_t close = ub_knn_close(t, i, nextafter(s->nearest[s->k - 1], INFINITY));
    for (int64_t j = 0; j < close; j++)
        if (t->gap[j] <= s->nearest[s->k - 1] && t->close[j] != own && t->close[j] != sibling)
            look_in(s, t->close[j], i);
    s->points = s->rows * BLOCK;
    return s->nearest[s->k - 1];
}

/* The next row in steps. */
UB_INLINE void glance(ub_cmi *s, int64_t i, int16_t *restrict least)
{
    int64_t        row = s->rows++ * BLOCK, b = s->row_of[row / BLOCK], size = s->columns * BLOCK;
    int64_t        y = s->nx * BLOCK, z = y + s->ny * BLOCK;
    const int16_t *x = s->step + b * size, *at = s->step + i / BLOCK * size + i % BLOCK;
    int16_t *restrict in_z = s->in_z + row, *restrict in_xz = s->in_xz + row;
    int16_t *restrict in_yz = s->in_yz + row, d[BLOCK];
    ub_steps_distances(x, s->nx, at, in_xz);
    ub_steps_distances(x + y, s->ny, at + y, in_yz);
    ub_steps_distances(x + z, s->nz, at + z, in_z);
    for (int p = 0; p < BLOCK; p++) {
        in_xz[p] = in_xz[p] > in_z[p] ? in_xz[p] : in_z[p];
        in_yz[p] = in_yz[p] > in_z[p] ? in_yz[p] : in_z[p];
        d[p] = in_xz[p] > in_yz[p] ? in_xz[p] : in_yz[p];
    }
    if (b == i / BLOCK)
        d[i % BLOCK] = INT16_MAX;
    ub_steps_keep(d, least);
}

/* Rows in steps of all blocks that matter to place i; the k-th smallest distance, or more if three
 * of the k are in one lane. */
UB_INLINE int16_t glance_around(ub_cmi *s, int64_t i)
{
    ub_knn *t = s->base;
    int64_t own = i / BLOCK, rows = 1 + ((own ^ 1) < t->blocks);
    int16_t least[2 * UB_STEPS_LANES];
    for (int l = 0; l < 2 * UB_STEPS_LANES; l++)
        least[l] = INT16_MAX;
    s->row_of[0] = (int32_t)own;
    s->row_of[1] = (int32_t)(own ^ 1);
    for (s->rows = 0; s->rows < rows;)
        glance(s, i, least);
    ub_knn_point(t, i, t->at);
    double  bound = ub_steps_kth(s->k, UB_STEPS_LANES, least) + 1.5;
    int64_t close = ub_knn_close(t, i, bound / s->per_unit);
    for (int64_t j = 0; j < close; j++) {
        s->row_of[rows] = t->close[j];
        rows += (t->close[j] ^ own) > 1;
    }
    while (s->rows < rows)
        glance(s, i, least);
    return ub_steps_kth_kept(s->k, least);
}

/* Distance of the point at block[0], block[BLOCK], ... from a point. */
UB_INLINE double apart(const double *block, int32_t columns, const double *at)
{
    double most = 0;
    for (int32_t c = 0; c < columns; c++) {
        double far = fabs(block[c * BLOCK] - at[c]);
        most = far > most ? far : most;
    }
    return most;
}

/* The next point of the rows: how far place i is from that at x[0], x[BLOCK], ...; the largest. */
UB_INLINE double look_at(ub_cmi *s, int64_t i, const double *x)
{
    const double *y = x + s->nx * BLOCK, *z = y + s->ny * BLOCK;
    double        dx = apart(x, s->nx, s->x + i * s->nx), dy = apart(y, s->ny, s->y + i * s->ny);
    double        dz = apart(z, s->nz, s->base->at), far = dx > dy ? dx : dy;
    s->row_x[s->points] = dx;
    s->row_y[s->points] = dy;
    s->row_z[s->points++] = dz;
    return far > dz ? far : dz;
}

/* As scan(), but of the points that steps do not decide; the others go into the counts.  With D the
 * k-th smallest distance in steps, eps is between D - 1 and D + 1, and D - 2 .. D + 2 are open: one
 * more than need be, for rounding.  -1: too many are open, or D was not the k-th smallest. */
UB_INLINE double sift(ub_cmi *s, int64_t i, int64_t *counts)
{
    int16_t  low = (int16_t)(glance_around(s, i) - 2);
    int64_t  m = s->rows * BLOCK;
    uint16_t n_z = 0, n_xz = 0, n_yz = 0, n = 0;
    uint8_t *restrict open = s->open;
    const int16_t *z = s->in_z, *xz = s->in_xz, *yz = s->in_yz;
    for (int64_t j = 0; j < m; j++) {
        int16_t far = xz[j] > yz[j] ? xz[j] : yz[j];
        open[j] = ((uint16_t)(z[j] - low) <= 4) | ((uint16_t)(xz[j] - low) <= 4) |
                  ((uint16_t)(yz[j] - low) <= 4);
        n_z = (uint16_t)(n_z + (z[j] < low));
        n_xz = (uint16_t)(n_xz + (xz[j] < low));
        n_yz = (uint16_t)(n_yz + (yz[j] < low));
        n = (uint16_t)(n + (far < low));
    }
    int32_t k = s->k + 1 - n; /* itself is one of n */
    if (low < 1 || k < 1 || m > UINT16_MAX)
        return -1;
    for (int32_t h = 0; h < k; h++)
        s->nearest[h] = INFINITY;
    s->points = 0;
    for (int64_t at = 0; at < m; at += 8) {
        uint64_t any;
        memcpy(&any, open + at, sizeof any);
        for (int64_t j = at; any != 0 && j < at + 8; j++) {
            if (!open[j])
                continue;
            if (s->points == MOST_OPEN)
                return -1;
            n_z = (uint16_t)(n_z - (z[j] < low));
            n_xz = (uint16_t)(n_xz - (xz[j] < low));
            n_yz = (uint16_t)(n_yz - (yz[j] < low));
            const double *x = s->block + (int64_t)s->row_of[j / BLOCK] * s->columns * BLOCK;
            ub_knn_exchange(k, s->nearest, look_at(s, i, x + j % BLOCK));
        }
    }
    double eps = s->nearest[k - 1];
    if (!(eps * s->per_unit > low + 1))
        return -1;
    counts[0] = n_z;
    counts[1] = n_xz;
    counts[2] = n_yz;
    return eps;
}

/* The point itself counts in ksg1, and is taken off in ksg2.  n: what counts besides the rows. */
UB_INLINE double term_of_rows(const ub_cmi *s, double eps, const int64_t *n)
{
    int64_t n_z = n[0], n_xz = n[1], n_yz = n[2], m = s->points;
    if (s->estimator == UB_ESTIMATOR_KSG1) {
        for (int64_t j = 0; j < m; j++) {
            int64_t in_z = s->row_z[j] < eps;
            n_z += in_z;
            n_xz += in_z & (s->row_x[j] < eps);
            n_yz += in_z & (s->row_y[j] < eps);
        }
        return ub_cmi_term(s, n_z, s->nz > 0 ? n_xz : ub_knn_count(s->alone, s->point, eps), n_yz);
    }
    double above = nextafter(eps, INFINITY), eps_x = 0, eps_y = 0, eps_z = 0;
    for (int64_t b = 0; b < s->rows; b++) {
        const double *dx = s->row_x + b * BLOCK, *dy = s->row_y + b * BLOCK,
                     *dz = s->row_z + b * BLOCK;
        uint64_t mask = ub_knn_below(dx, above) & ub_knn_below(dy, above) & ub_knn_below(dz, above);
        while (mask != 0) {
            int p = ub_knn_next(&mask);
            eps_x = dx[p] > eps_x ? dx[p] : eps_x;
            eps_y = dy[p] > eps_y ? dy[p] : eps_y;
            eps_z = dz[p] > eps_z ? dz[p] : eps_z;
        }
    }
    for (int64_t j = 0; j < m; j++) {
        int64_t in_z = s->row_z[j] <= eps_z;
        n_z += in_z;
        n_xz += in_z & (s->row_x[j] <= eps_x);
        n_yz += in_z & (s->row_y[j] <= eps_y);
    }
    if (s->nz == 0)
        n_xz = ub_knn_count(s->alone, s->point, nextafter(eps_x, INFINITY));
    return ub_cmi_term(s, n_z - 1, n_xz - 1, n_yz - 1);
}

UB_SIMD static double evaluate(ub_cmi *s, int64_t i, double *eps)
{
    int64_t n[3] = {0};
    *eps = s->missed <= s->n / 16 ? sift(s, i, n) : -1;
    if (*eps < 0) {
        s->missed++;
        *eps = scan(s, i);
    }
    for (int32_t c = 0; c < s->nx; c++)
        s->point[c] = s->x[i * s->nx + c];
    return term_of_rows(s, *eps, n);
}

bool ub_cmi_estimate(ub_cmi *s, double *value)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++) {
        double eps;
        sum += evaluate(s, i, &eps);
        if (eps == 0)
            return false;
        s->radius[i] = 1.2 * eps;
    }
    *value = ub_cmi_from_sum(s, sum);
    return true;
}
