#include "core/internal/sides.h"

#include <math.h>
#include <string.h>

#include "core/internal/gauss.h"
#include "core/internal/simd.h"
#include "core/internal/sweep.h"
#include "core/mem.h"

#define LANES UB_LANES

/* Columns of the table; after them, per test, the correlations of its task with C1, C2 and Y. */
enum { WEIGHTS = 6, VARYING = WEIGHTS, COLUMNS };

struct ub_sides {
    const ub_moments *m; /* borrowed */
    int32_t           stride, tests;
    int64_t  length; /* of a column: steps t, t + stride, ... side by side, and LANES more */
    int32_t *at;     /* steps: where t is in a column */
    double  *column; /* (COLUMNS + 3 tests) x length */
};

/* A variance, as a share of what it was, below which a lane declines. */
static const double least = 0x1p-7;

void ub_sides_destroy(ub_sides **s)
{
    if (s == NULL || *s == NULL)
        return;
    ub_free((*s)->at);
    ub_free((*s)->column);
    ub_free(*s);
    *s = NULL;
}

/* What a step has of its neighbours and itself. */
static void weigh(const ub_moments *m, int32_t t, double sc, double sd, double *w)
{
    int64_t       p = m->columns;
    const double *of_t = m->cov + t * p;
    double        st = ub_gauss_inv_sd(m, t);
    double        tc = sc != 0 ? of_t[t - 1] * (sc * st) : 0;
    double        td = sd != 0 ? of_t[t + 1] * (sd * st) : 0;
    double        dc = sc != 0 && sd != 0 ? of_t[t - 1 + p] * (sc * sd) : 0;
    double        pivot = 1 - dc * dc, root = sqrt(pivot);
    double        second = (td - tc * dc) / root, left = 1 - (tc * tc + second * second);
    bool          fine = pivot > least && left > least && st > 0;
    w[0] = sc;
    w[1] = dc / root;
    w[2] = sd / root;
    w[3] = tc / sqrt(left);
    w[4] = second / sqrt(left);
    w[5] = fine ? st / sqrt(left) : NAN;
}

/* Three values, of c, d and t, as combined by weights w that are stride apart. */
UB_INLINE void combine(const double *w, int64_t stride, double c, double d, double t, double *out1,
                       double *out2, double *out)
{
    *out1 = w[0] * c;
    *out2 = w[2 * stride] * d - w[stride] * *out1;
    *out = w[5 * stride] * t - (w[3 * stride] * *out1 + w[4 * stride] * *out2);
}

static void fill(ub_sides *s, int32_t steps, bool before)
{
    const ub_moments *m = s->m;
    int64_t           len = s->length;
    for (int32_t t = 0; t < steps; t++) {
        double *at = s->column + s->at[t], w[WEIGHTS];
        double  sc = t > 0 && before ? ub_gauss_inv_sd(m, t - 1) : 0;
        double  sd = t + 1 < steps ? ub_gauss_inv_sd(m, t + 1) : 0;
        weigh(m, t, sc, sd, w);
        for (int k = 0; k < WEIGHTS; k++)
            at[k * len] = w[k];
        at[VARYING * len] = (sc != 0) + (sd != 0);
        for (int32_t j = 0; j < m->columns - steps; j++) {
            const double *g = m->cov + (int64_t)(steps + j) * m->columns;
            double        sg = ub_gauss_inv_sd(m, steps + j), *to = at + (COLUMNS + 3 * j) * len;
            combine(w, 1, sc != 0 ? g[t - 1] * sg : 0, sd != 0 ? g[t + 1] * sg : 0, g[t] * sg, to,
                    to + len, to + 2 * len);
        }
    }
}

ub_status ub_sides_create(const ub_moments *m, int32_t steps, int32_t stride, bool contrast,
                          bool before, ub_sides **out)
{
    ub_sides *s = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->m = m;
    s->stride = stride;
    s->tests = m->columns - steps + contrast;
    int32_t lap = (steps + stride - 1) / stride;
    s->length = (int64_t)lap * stride + LANES;
    UB_TRY_OUT(UB_ALLOC(s->at, steps));
    UB_TRY_OUT(UB_ALLOC(s->column, (COLUMNS + 3 * (int64_t)s->tests) * s->length));
    for (int32_t t = 0; t < steps; t++)
        s->at[t] = t % stride * lap + t / stride;
    fill(s, steps, before);
    *out = s;
    return UB_OK;
out:
    ub_sides_destroy(&s);
    return st;
}

bool ub_sides_usable(const ub_sides *s, int32_t x)
{
    return !isnan(s->column[(WEIGHTS - 1) * s->length + s->at[x]]);
}

typedef double lanes[LANES];

/* Of LANES pairs. */
typedef struct pairs {
    lanes r11, r12, r21, r22, q1, q2; /* cor(A, C), cor(A, Y) */
    lanes d, s11, s22, t;             /* det S, its diagonal, - what is beside it */
    lanes p1, p2, v1, v2;             /* adj S cov(C, X), - adj S cov(C, Y), both given A */
    lanes xx, xy, yy;                 /* given A and C, times d */
} pairs;

/* Covariances of a, b and x with c, d and y of each pair. */
typedef struct corners {
    lanes ac, ad, ay, bc, bd, by, xc, xd, xy;
} corners;

/* Of a row, from column y - 1 of the first pair on. */
UB_INLINE void corner(const double *row, int32_t stride, int32_t n, double *restrict c,
                      double *restrict d, double *restrict y)
{
    if (n >= LANES && stride == 2) {
        ub_simd_unzip(row, c, y, d);
        return;
    }
    for (int32_t l = 0; l < LANES; l++, row += stride)
        if (l < n) {
            c[l] = row[0];
            y[l] = row[1];
            d[l] = row[2];
        } else {
            c[l] = y[l] = d[l] = 0;
        }
}

UB_INLINE void couple(const corners *k, const double *x, int64_t of_x, const double *y,
                      int64_t of_y, pairs *p)
{
    UB_EACH_LANE(l)
    {
        double a1c, a1d, a1y, a2c, a2d, a2y, zc, zd, zy, r11, r12, q1, r21, r22, q2, p1, p2, xy;
        /* cppcheck-suppress uninitvar ; corner() has written all of k */
        combine(x, of_x, k->ac[l], k->bc[l], k->xc[l], &a1c, &a2c, &zc);
        combine(x, of_x, k->ad[l], k->bd[l], k->xd[l], &a1d, &a2d, &zd);
        combine(x, of_x, k->ay[l], k->by[l], k->xy[l], &a1y, &a2y, &zy);
        combine(y + l, of_y, a1c, a1d, a1y, &r11, &r12, &q1);
        combine(y + l, of_y, a2c, a2d, a2y, &r21, &r22, &q2);
        combine(y + l, of_y, zc, zd, zy, &p1, &p2, &xy);
        double s11 = 1 - (r11 * r11 + r21 * r21), s22 = 1 - (r12 * r12 + r22 * r22);
        double t = r11 * r12 + r21 * r22, d = s11 * s22 - t * t;
        double v1 = r11 * q1 + r21 * q2, v2 = r12 * q1 + r22 * q2;
        double adj_p1 = s22 * p1 + t * p2, adj_p2 = t * p1 + s11 * p2;
        double adj_v1 = s22 * v1 + t * v2, adj_v2 = t * v1 + s11 * v2;
        p->xx[l] = d - (p1 * adj_p1 + p2 * adj_p2);
        p->xy[l] = d * xy + (v1 * adj_p1 + v2 * adj_p2);
        p->yy[l] = d * (1 - (q1 * q1 + q2 * q2)) - (v1 * adj_v1 + v2 * adj_v2);
        p->r11[l] = r11;
        p->r12[l] = r12;
        p->r21[l] = r21;
        p->r22[l] = r22;
        p->q1[l] = q1;
        p->q2[l] = q2;
        p->d[l] = d > least ? d : NAN;
        p->s11[l] = s11;
        p->s22[l] = s22;
        p->t[l] = t;
        p->p1[l] = adj_p1;
        p->p2[l] = adj_p2;
        p->v1[l] = adj_v1;
        p->v2[l] = adj_v2;
    }
}

/* A task, which has correlations x1, x2, x0 with A1, A2, X and y1, y2, y0 with C1, C2, Y. */
UB_INLINE bool given_task(const pairs *p, double x1, double x2, double x0, const double *y1,
                          const double *y2, const double *y0, double *restrict r)
{
    double  left = 1 - (x1 * x1 + x2 * x2);
    int64_t odd = 0;
    UB_EACH_LANE(l)
    {
        double d = p->d[l], t = p->t[l];
        double u1 = y1[l] - (p->r11[l] * x1 + p->r21[l] * x2);
        double u2 = y2[l] - (p->r12[l] * x1 + p->r22[l] * x2);
        double yg = d * (y0[l] - (p->q1[l] * x1 + p->q2[l] * x2)) + (u1 * p->v1[l] + u2 * p->v2[l]);
        double xg = d * x0 - (u1 * p->p1[l] + u2 * p->p2[l]);
        double gg = d * left - (u1 * (p->s22[l] * u1 + t * u2) + u2 * (t * u1 + p->s11[l] * u2));
        double xx = p->xx[l] * gg - xg * xg, yy = p->yy[l] * gg - yg * yg;
        double value = (p->xy[l] * gg - xg * yg) / sqrt(xx * yy), floor = least * d;
        bool   fine = (gg > floor) & (xx > floor * gg) & (yy > floor * gg);
        r[l] = fine ? value : NAN;
        odd |= fine ? 0 : 1;
    }
    return odd == 0;
}

/* Of each pair the root that goes with its y, of which 0, 1 or 2 neighbours vary. */
UB_INLINE void roots(const double *root, int32_t tests, const double *varying, double *restrict out)
{
    const double none = root[0], one = root[tests], two = root[2 * tests];
    UB_EACH_LANE(l) out[l] = varying[l] == 2 ? two : varying[l] == 1 ? one : none;
}

UB_INLINE void spread(const double *value, int32_t n, int32_t stride, double *out)
{
    if (n == LANES && stride == 1)
        memcpy(out, value, sizeof(lanes));
    else
        for (int32_t l = 0; l < n; l++)
            out[l * stride] = value[l];
}

UB_SIMD bool ub_sides_row(const ub_sides *of_x, const ub_sides *of_y, int32_t x, int32_t y,
                          int32_t n, const double *root, double *r, double *dof)
{
    const ub_moments *m = of_x->m;
    int64_t           lx = of_x->length, ly = of_y->length;
    int32_t           tests = of_x->tests, stride = of_y->stride;
    const double     *wx = of_x->column + of_x->at[x], *wy = of_y->column + of_y->at[y];
    const double     *row_x = m->cov + (int64_t)x * m->columns + y - 1, *row_b = row_x + m->columns;
    const double     *row_a = x > 0 ? row_x - m->columns : row_x;
    bool              fine = true;
    for (; n > 0; n -= LANES, wy += LANES) {
        corners k;
        pairs   p;
        lanes   value;
        int32_t used = n < LANES ? n : LANES;
        corner(row_a, stride, n, k.ac, k.ad, k.ay);
        corner(row_b, stride, n, k.bc, k.bd, k.by);
        corner(row_x, stride, n, k.xc, k.xd, k.xy);
        couple(&k, wx, lx, wy, ly, &p);
        for (int32_t j = 0; j < tests; j++) {
            const double *gx = wx + (COLUMNS + 3 * j) * lx, *gy = wy + (COLUMNS + 3 * j) * ly;
            fine &= given_task(&p, gx[0], gx[lx], gx[2 * lx], gy, gy + ly, gy + 2 * ly, value);
            spread(value, used, tests, r + j);
            roots(root + (int32_t)wx[VARYING * lx] * tests + j, tests, wy + VARYING * ly, value);
            spread(value, used, tests, dof + j);
        }
        row_a += LANES * stride;
        row_b += LANES * stride;
        row_x += LANES * stride;
        r += (int64_t)used * tests;
        dof += (int64_t)used * tests;
    }
    return fine;
}
