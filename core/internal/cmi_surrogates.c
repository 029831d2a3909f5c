/* Estimates with x moved, UB_CMI_LANES at a time. */
#include <math.h>

#include "core/internal/cmi_parts.h"
#include "core/knn.h"

enum { LANES = UB_CMI_LANES };

/* Lists of the points within radius r of place i, itself left out. */
UB_SIMD static void gather(ub_cmi *s, int64_t i, double r)
{
    int64_t       all = ub_knn_within(s->base, i, r, s->place, s->dz), found = 0, near = 0;
    const double *y = s->y + i * s->ny;
    for (int64_t j = 0; j < all; j++) {
        int32_t p = s->place[j];
        double  dz = s->nz > 0 ? s->dz[j] : 0, dy = 0;
        for (int32_t c = 0; c < s->ny; c++) {
            double d = fabs(s->y[(int64_t)p * s->ny + c] - y[c]);
            dy = d > dy ? d : dy;
        }
        int other = p != i;
        s->place[found] = p;
        s->dz[found] = dz;
        found += other;
        s->near_place[near] = p;
        s->near_y[near] = dy;
        s->near_z[near] = dz;
        s->near[near] = dz > dy ? dz : dy;
        near += other & (s->near[near] < r);
    }
    s->found = found;
    s->near_found = near;
}

/* Put a distance into the nearest so far of every lane, by exchanging upwards without branches. */
UB_INLINE void keep_nearest(int32_t k, double *best, double *d)
{
    int64_t any = 0;
    UB_EACH_LANE(l)
    any += d[l] < best[(k - 1) * LANES + l];
    for (int32_t m = 0; any != 0 && m < k; m++)
        UB_EACH_LANE(l)
        {
            double held = best[m * LANES + l], more = held > d[l] ? held : d[l];
            best[m * LANES + l] = held > d[l] ? d[l] : held;
            d[l] = more;
        }
}

/* Distances of place p from place i in x, a lane for each surrogate. */
UB_INLINE void x_distance(int32_t nx, const double *x, int64_t i, int64_t p, double *dx)
{
    const double *a = x + i * nx * LANES, *b = x + p * nx * LANES;
    UB_EACH_LANE(l)
    dx[l] = fabs(a[l] - b[l]);
    for (int32_t c = 1; c < nx; c++)
        UB_EACH_LANE(l)
        {
            double d = fabs(a[c * LANES + l] - b[c * LANES + l]);
            dx[l] = d > dx[l] ? d : dx[l];
        }
}

/* Distance to the k-th neighbour among those gathered; infinite if they are fewer. */
UB_INLINE void kth_distance(const ub_cmi *s, const double *x, int64_t i, double *eps)
{
    for (int32_t m = 0; m < s->k * LANES; m++)
        s->best[m] = INFINITY;
    for (int64_t j = 0; j < s->near_found; j++) {
        double d[LANES], dyz = s->near[j];
        x_distance(s->nx, x, i, s->near_place[j], d);
        UB_EACH_LANE(l)
        d[l] = d[l] > dyz ? d[l] : dyz;
        keep_nearest(s->k, s->best, d);
    }
    UB_EACH_LANE(l)
    eps[l] = s->best[(s->k - 1) * LANES + l];
}

/* ksg1: how many are nearer than eps in z, (x, z) and (y, z). */
UB_INLINE void count_below(const ub_cmi *s, const double *x, int64_t i, const double *eps,
                           int64_t *n_z, int64_t *n_xz, int64_t *n_yz)
{
    for (int64_t j = 0; j < s->near_found; j++)
        UB_EACH_LANE(l)
    n_yz[l] += s->near[j] < eps[l];
    for (int64_t j = 0; s->nz > 0 && j < s->found; j++) {
        double dx[LANES], dz = s->dz[j];
        x_distance(s->nx, x, i, s->place[j], dx);
        UB_EACH_LANE(l)
        {
            dx[l] = dx[l] > dz ? dx[l] : dz;
            n_z[l] += dz < eps[l];
            n_xz[l] += dx[l] < eps[l];
        }
    }
}

/* ksg2: eps becomes that of x; how many are within eps_z, (eps_x, eps_z), (eps_y, eps_z). */
UB_INLINE void count_within(const ub_cmi *s, const double *x, int64_t i, double *eps, int64_t *n_z,
                            int64_t *n_xz, int64_t *n_yz)
{
    double dx[LANES], eps_x[LANES] = {0}, eps_y[LANES] = {0}, eps_z[LANES] = {0};
    for (int64_t j = 0; j < s->near_found; j++) {
        double d = s->near[j], dy = s->near_y[j], dz = s->near_z[j];
        x_distance(s->nx, x, i, s->near_place[j], dx);
        UB_EACH_LANE(l)
        {
            int inside = (d <= eps[l]) & (dx[l] <= eps[l]);
            eps_x[l] = inside && dx[l] > eps_x[l] ? dx[l] : eps_x[l];
            eps_y[l] = inside && dy > eps_y[l] ? dy : eps_y[l];
            eps_z[l] = inside && dz > eps_z[l] ? dz : eps_z[l];
        }
    }
    for (int64_t j = 0; j < s->near_found; j++)
        UB_EACH_LANE(l)
    n_yz[l] += (s->near_y[j] <= eps_y[l]) & (s->near_z[j] <= eps_z[l]);
    for (int64_t j = 0; s->nz > 0 && j < s->found; j++) {
        double dz = s->dz[j];
        x_distance(s->nx, x, i, s->place[j], dx);
        UB_EACH_LANE(l)
        {
            n_z[l] += dz <= eps_z[l];
            n_xz[l] += (dz <= eps_z[l]) & (dx[l] <= eps_x[l]);
        }
    }
    UB_EACH_LANE(l)
    eps[l] = eps_x[l];
}

/* The terms of place i; the largest eps, which must be below the radius of the lists for the terms
 * to hold. */
UB_SIMD static double terms(ub_cmi *s, const double *x, int64_t i, double r, double *out)
{
    int64_t n_z[LANES] = {0}, n_xz[LANES] = {0}, n_yz[LANES] = {0};
    int     itself = s->estimator == UB_ESTIMATOR_KSG1; /* is not in the lists */
    double  eps[LANES], largest = 0;
    kth_distance(s, x, i, eps);
    for (int l = 0; l < LANES; l++)
        largest = eps[l] > largest ? eps[l] : largest;
    if (!(largest < r))
        return largest;
    if (s->estimator == UB_ESTIMATOR_KSG1)
        count_below(s, x, i, eps, n_z, n_xz, n_yz);
    else
        count_within(s, x, i, eps, n_z, n_xz, n_yz);
    for (int l = 0; l < LANES; l++) {
        if (s->nz == 0) {
            double reach = itself ? eps[l] : nextafter(eps[l], INFINITY);
            for (int32_t c = 0; c < s->nx; c++)
                s->point[c] = x[(i * s->nx + c) * LANES + l];
            n_xz[l] = ub_knn_count(s->alone, s->point, reach) - (reach > 0);
        }
        out[l] = ub_cmi_term(s, n_z[l] + itself, n_xz[l] + itself, n_yz[l] + itself);
    }
    return largest;
}

/* A radius for the next attempt: the k-th neighbour found so far bounds the true one. */
static double wider(double r, double largest)
{
    return isfinite(largest) ? nextafter(largest, INFINITY) : 2 * r;
}

void ub_cmi_surrogates(ub_cmi *s, int32_t groups, const int32_t *source, double *x, double *value)
{
    int64_t size = s->n * LANES;
    for (int64_t at = 0; at < groups * s->n; at++)
        for (int32_t c = 0; c < s->nx; c++)
            for (int l = 0; l < LANES; l++)
                x[(at * s->nx + c) * LANES + l] = s->x[source[at * LANES + l] * s->nx + c];
    for (int32_t v = 0; v < groups * LANES; v++)
        value[v] = 0;
    for (int64_t i = 0; i < s->n; i++) {
        double r = s->radius[i], largest = 0, eps, add[LANES];
        gather(s, i, r);
        for (int32_t g = 0; g < groups; g++) {
            while (!((eps = terms(s, x + g * size * s->nx, i, r, add)) < r)) {
                r = wider(r, eps);
                gather(s, i, r);
            }
            largest = eps > largest ? eps : largest;
            for (int l = 0; l < LANES; l++)
                value[g * LANES + l] += add[l];
        }
        s->radius[i] = largest > 0 ? 1.05 * largest : r;
    }
    for (int32_t v = 0; v < groups * LANES; v++)
        value[v] = ub_cmi_from_sum(s, value[v]);
}
