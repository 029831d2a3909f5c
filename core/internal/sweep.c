#include "core/internal/sweep.h"

#include <math.h>

#include "core/internal/gauss.h"
#include "core/internal/simd.h"

#define LANES UB_BAND_PAIRS

UB_SIMD void ub_sweep_factor(ub_band_block *k)
{
    const double least = UB_GAUSS_DETERMINED, share = 0x1p-10;
    const double sa = k->sa, sb = k->sb, sx = k->sx, var_x = k->var_x * (sx * sx);
    const double xa = k->xa * (sx * sa), ba = k->ba * (sb * sa);
    const double pb = 1 - ba * ba, ib = 1 / sqrt(pb), xb = (k->xb * (sx * sb) - xa * ba) * ib;
    k->ba = ba;
    k->xa = xa;
    k->ib = ib;
    k->xb = xb;
    const double left = k->left - (sa > 0 ? 1 : 0) - (sb > 0 ? 1 : 0);
    UB_EACH_LANE(l)
    {
        double sc = k->sc[l], sd = k->sd[l], sy = k->sy[l];
        double ca = k->ca[l] * (sc * sa), cb = (k->cb[l] * (sc * sb) - ca * ba) * ib;
        double pc = 1 - (ca * ca + cb * cb), ic = 1 / sqrt(pc);
        double da = k->da[l] * (sd * sa), db = (k->db[l] * (sd * sb) - da * ba) * ib;
        double dc = (k->dc[l] * (sd * sc) - (da * ca + db * cb)) * ic;
        double pd = 1 - (da * da + db * db + dc * dc), id = 1 / sqrt(pd);
        double xc = (k->xc[l] * (sx * sc) - (xa * ca + xb * cb)) * ic;
        double xd = (k->xd[l] * (sx * sd) - (xa * da + xb * db + xc * dc)) * id;
        double ya = k->ya[l] * (sy * sa), yb = (k->yb[l] * (sy * sb) - ya * ba) * ib;
        double yc = (k->yc[l] * (sy * sc) - (ya * ca + yb * cb)) * ic;
        double yd = (k->yd[l] * (sy * sd) - (ya * da + yb * db + yc * dc)) * id;
        k->dof[l] = left - (sc > 0 ? 1 : 0) - (sd > 0 ? 1 : 0);
        double xx = var_x - (xa * xa + xb * xb + xc * xc + xd * xd);
        double yy = k->yy[l] * (sy * sy) - (ya * ya + yb * yb + yc * yc + yd * yd);
        k->ca[l] = ca;
        k->cb[l] = cb;
        k->ic[l] = ic;
        k->da[l] = da;
        k->db[l] = db;
        k->dc[l] = dc;
        k->id[l] = id;
        k->xc[l] = xc;
        k->xd[l] = xd;
        k->ya[l] = ya;
        k->yb[l] = yb;
        k->yc[l] = yc;
        k->yd[l] = yd;
        k->xy[l] = k->xy[l] * (sy * sx) - (ya * xa + yb * xb + yc * xc + yd * xd);
        k->yy[l] = yy;
        k->xx[l] = (pb > least) & (pc > least) & (pd > least) ? xx : NAN;
        k->least_x[l] = share * xx > least ? share * xx : least;
        k->least_y[l] = share * yy > least ? share * yy : least;
    }
}

/* One pair, as it stands in a block. */
typedef struct pair {
    double ba, ib, ca, cb, ic, da, db, dc, id, xa, xb, xc, xd, ya, yb, yc, yd, xx, xy, yy;
    double least_x, least_y;
} pair;

UB_INLINE double given_task(const pair *k, double ga, double gb, double gc, double gd, double gx,
                            double gy)
{
    const double least = UB_GAUSS_DETERMINED;
    gb = (gb - ga * k->ba) * k->ib;
    gc = (gc - (ga * k->ca + gb * k->cb)) * k->ic;
    gd = (gd - (ga * k->da + gb * k->db + gc * k->dc)) * k->id;
    double p = 1 - (ga * ga + gb * gb + gc * gc + gd * gd);
    gx -= k->xa * ga + k->xb * gb + k->xc * gc + k->xd * gd;
    gy -= k->ya * ga + k->yb * gb + k->yc * gc + k->yd * gd;
    double xx = k->xx * p - gx * gx, yy = k->yy * p - gy * gy;
    double r = (k->xy * p - gx * gy) / sqrt(xx * yy);
    return (p > least) & (xx > k->least_x * p) & (yy > k->least_y * p) ? r : NAN;
}

UB_INLINE pair pair_of(const ub_band_block *k, int l)
{
    return (pair){k->ba,    k->ib,    k->ca[l],      k->cb[l],     k->ic[l], k->da[l],
                  k->db[l], k->dc[l], k->id[l],      k->xa,        k->xb,    k->xc[l],
                  k->xd[l], k->ya[l], k->yb[l],      k->yc[l],     k->yd[l], k->xx[l],
                  k->xy[l], k->yy[l], k->least_x[l], k->least_y[l]};
}

UB_SIMD void ub_sweep_tasks(const ub_band_block *k, int lane, int32_t width, const ub_band_tasks *g,
                            double *restrict r)
{
    const pair    p = pair_of(k, lane);
    const double *a = g->a, *b = g->b, *c = g->c, *d = g->d, *x = g->x, *y = g->y;
    for (int32_t j = 0; j < (width & -UB_LANES); j++)
        r[j] = given_task(&p, a[j], b[j], c[j], d[j], x[j], y[j]);
}

UB_SIMD void ub_sweep_full(const double *p, int32_t x, int32_t y, int32_t stride, int32_t n,
                           int32_t width, int32_t tests, const double *restrict b,
                           const double *restrict i, double *restrict r)
{
    const double *bx = b + (int64_t)x * width, *ix = i + (int64_t)x * width;
    for (; n > 0; n--, y += stride, r += tests) {
        const double *by = b + (int64_t)y * width, *iy = i + (int64_t)y * width;
        const double  pxy = p[y];
        for (int32_t j = 0; j < (tests + UB_LANES - 1) / UB_LANES * UB_LANES; j++)
            r[j] = -(pxy + bx[j] * by[j]) * (ix[j] * iy[j]);
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
