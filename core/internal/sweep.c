#include "core/internal/sweep.h"

#include <math.h>

#include "core/internal/gauss.h"
#include "core/internal/simd.h"

enum { LANES = UB_LANES };

UB_SIMD void ub_sweep_factor(ub_band_block *k)
{
    const double least = UB_GAUSS_DETERMINED, ba = k->ba, xa = k->xa;
    const double pb = 1 - ba * ba, ib = 1 / sqrt(pb), xb = (k->xb - xa * ba) * ib;
    k->ib = ib;
    k->xb = xb;
    UB_EACH_LANE(l)
    {
        double ca = k->ca[l], cb = (k->cb[l] - ca * ba) * ib;
        double pc = 1 - (ca * ca + cb * cb), ic = 1 / sqrt(pc);
        double da = k->da[l], db = (k->db[l] - da * ba) * ib;
        double dc = (k->dc[l] - (da * ca + db * cb)) * ic;
        double pd = 1 - (da * da + db * db + dc * dc), id = 1 / sqrt(pd);
        double xc = (k->xc[l] - (xa * ca + xb * cb)) * ic;
        double xd = (k->xd[l] - (xa * da + xb * db + xc * dc)) * id;
        double ya = k->ya[l], yb = (k->yb[l] - ya * ba) * ib;
        double yc = (k->yc[l] - (ya * ca + yb * cb)) * ic;
        double yd = (k->yd[l] - (ya * da + yb * db + yc * dc)) * id;
        double xx = k->xx[l] - (xa * xa + xb * xb + xc * xc + xd * xd);
        k->cb[l] = cb;
        k->ic[l] = ic;
        k->db[l] = db;
        k->dc[l] = dc;
        k->id[l] = id;
        k->xc[l] = xc;
        k->xd[l] = xd;
        k->yb[l] = yb;
        k->yc[l] = yc;
        k->yd[l] = yd;
        k->xy[l] -= ya * xa + yb * xb + yc * xc + yd * xd;
        k->yy[l] -= ya * ya + yb * yb + yc * yc + yd * yd;
        k->xx[l] = (pb > least) & (pc > least) & (pd > least) ? xx : NAN;
    }
}

/* One pair, as it stands in a block. */
typedef struct pair {
    double ba, ib, ca, cb, ic, da, db, dc, id, xa, xb, xc, xd, ya, yb, yc, yd, xx, xy, yy;
} pair;

/* The task enters as the fifth row of the factor. */
UB_INLINE double given_task(const pair *k, double ga, double gb, double gc, double gd, double gx,
                            double gy)
{
    const double least = UB_GAUSS_DETERMINED;
    gb = (gb - ga * k->ba) * k->ib;
    gc = (gc - (ga * k->ca + gb * k->cb)) * k->ic;
    gd = (gd - (ga * k->da + gb * k->db + gc * k->dc)) * k->id;
    double pivot = 1 - (ga * ga + gb * gb + gc * gc + gd * gd), inv = 1 / sqrt(pivot);
    gx = (gx - (k->xa * ga + k->xb * gb + k->xc * gc + k->xd * gd)) * inv;
    gy = (gy - (k->ya * ga + k->yb * gb + k->yc * gc + k->yd * gd)) * inv;
    double xx = k->xx - gx * gx, yy = k->yy - gy * gy, r = (k->xy - gx * gy) / sqrt(xx * yy);
    return (pivot > least) & (xx > least) & (yy > least) ? r : NAN;
}

UB_INLINE pair pair_of(const ub_band_block *k, int l)
{
    return (pair){k->ba,    k->ib,    k->ca[l], k->cb[l], k->ic[l], k->da[l], k->db[l],
                  k->dc[l], k->id[l], k->xa,    k->xb,    k->xc[l], k->xd[l], k->ya[l],
                  k->yb[l], k->yc[l], k->yd[l], k->xx[l], k->xy[l], k->yy[l]};
}

UB_SIMD void ub_sweep_tasks(const ub_band_block *k, int lane, int32_t width, const ub_band_tasks *g,
                            double *restrict r)
{
    const pair    p = pair_of(k, lane);
    const double *a = g->a, *b = g->b, *c = g->c, *d = g->d, *x = g->x, *y = g->y;
    for (int32_t at = 0; at < width; at += LANES)
        UB_EACH_LANE(l)
        {
            int32_t j = at + l;
            r[j] = given_task(&p, a[j], b[j], c[j], d[j], x[j], y[j]);
        }
}

UB_SIMD void ub_sweep_pairs(const ub_band_block *k, const ub_band_lanes *g, double *restrict r)
{
    UB_EACH_LANE(l)
    {
        pair p = pair_of(k, l);
        r[l] = given_task(&p, g->a, g->b, g->c[l], g->d[l], g->x, g->y[l]);
    }
}

UB_SIMD void ub_sweep_full(double pxy, int32_t width, const double *bx, const double *by,
                           const double *qx, const double *qy, double *restrict r)
{
    for (int32_t at = 0; at < width; at += LANES)
        UB_EACH_LANE(l)
        {
            int32_t j = at + l;
            r[j] = -(pxy + bx[j] * by[j]) / sqrt(qx[j] * qy[j]);
        }
}

UB_SIMD bool ub_sweep_z(int64_t n, const double *restrict root, double *restrict r)
{
    int64_t odd = 0;
    for (int64_t i = 0; i < n; i++) {
        double z = root[i] * ub_gauss_atanh(r[i]);
        odd |= fabs(r[i]) < 2 ? 0 : 1;
        r[i] = fabs(r[i]) < 2 ? z : NAN;
    }
    return odd == 0;
}
