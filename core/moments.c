#include "core/moments.h"

#include <float.h>
#include <math.h>
#include <inttypes.h>
#include <string.h>

#include "core/lapack.h"
#include "core/mem.h"
#include "core/shard.h"

ub_status ub_moments_init(ub_moments *m, int64_t n, int32_t columns)
{
    ub_moments made = {.n = n, .columns = columns};
    ub_status  st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(made.mean, columns));
    UB_TRY_OUT(UB_ALLOC_RAW(made.cov, (int64_t)columns * columns));
    *m = made;
    return UB_OK;
out:
    ub_moments_release(&made);
    return st;
}

void ub_moments_release(ub_moments *m)
{
    if (m == NULL)
        return;
    ub_free(m->mean);
    ub_free(m->cov);
    *m = (ub_moments){0};
}

int32_t ub_corpus_columns(const ub_corpus *c)
{
    return c->steps * c->dim + c->task_offset[c->tasks];
}

/* Column j of row `episode` without a copy. */
static const double *row_states(const ub_corpus *c, int64_t episode)
{
    return c->states + episode * c->steps * c->dim;
}

static const double *row_targets(const ub_corpus *c, int64_t episode)
{
    return c->targets + episode * c->task_offset[c->tasks];
}

void ub_corpus_row(const ub_corpus *c, int64_t episode, double *out)
{
    size_t state = (size_t)c->steps * (size_t)c->dim;
    memcpy(out, row_states(c, episode), state * sizeof *out);
    memcpy(out + state, row_targets(c, episode), (size_t)c->task_offset[c->tasks] * sizeof *out);
}

/* sum[j] += row[j] - origin[j] */
static void add_shifted(int64_t n, const double *row, const double *origin, double *sum)
{
    for (int64_t j = 0; j < n; j++)
        sum[j] += row[j] - origin[j];
}

/* Deviations from the first row are summed, so that a constant column has its mean exactly
 * and a large offset costs no digits. */
void ub_moments_sum_block(const ub_corpus *c, int64_t first, int64_t count, double *sum)
{
    int64_t p = ub_corpus_columns(c), state = (int64_t)c->steps * c->dim;
    memset(sum, 0, (size_t)p * sizeof *sum);
    if (count == 0)
        return;
    const double *s0 = row_states(c, first), *g0 = row_targets(c, first);
    for (int64_t e = first + 1; e < first + count; e++) {
        add_shifted(state, row_states(c, e), s0, sum);
        add_shifted(p - state, row_targets(c, e), g0, sum + state);
    }
    for (int64_t j = 0; j < p; j++)
        sum[j] += (double)count * (j < state ? s0[j] : g0[j - state]);
}

enum { SQUARE = 32 };

/* The upper triangle from the lower, square by square. */
static void mirror(int32_t p, double *a)
{
    for (int64_t r = 0; r < p; r += SQUARE)
        for (int64_t c = 0; c <= r; c += SQUARE)
            for (int64_t i = r; i < p && i < r + SQUARE; i++)
                for (int64_t j = c; j < i && j < c + SQUARE; j++)
                    a[j * p + i] = a[i * p + j];
}

static void centre(int64_t n, const double *x, const double *mean, double *out)
{
    for (int64_t j = 0; j < n; j++)
        out[j] = x[j] - mean[j];
}

ub_status ub_moments_square_block(const ub_corpus *c, const double *mean, int64_t first,
                                  int64_t count, double *strip, double *out)
{
    int     p = ub_corpus_columns(c);
    int64_t state = (int64_t)c->steps * c->dim;
    double  one = 1;
    if (p > UB_MOMENTS_COLUMNS)
        return UB_FAIL(UB_EINPUT, "a covariance of %d columns; at most %d are possible", p,
                       UB_MOMENTS_COLUMNS);
    /* The product is added to zeros: told to overwrite, OpenBLAS clears its target at a third of
     * the speed. */
    memset(out, 0, ((size_t)p * ((size_t)p + 1) / 2) * sizeof *out);
    int64_t strips = (count + UB_MOMENTS_STRIP - 1) / UB_MOMENTS_STRIP;
    for (int64_t i = 0; i < strips; i++) {
        ub_range of = ub_part(count, strips, i);
        int      rows = (int)of.count;
        for (int64_t r = 0, e = first + of.first; r < rows; r++, e++) {
            centre(state, row_states(c, e), mean, strip + r * p);
            centre(p - state, row_targets(c, e), mean + state, strip + r * p + state);
        }
        dsfrk_("N", "U", "N", &p, &rows, &one, strip, &p, &one, out);
    }
    return UB_OK;
}

void ub_moments_unpack(const double *sum, ub_moments *m)
{
    int p = m->columns, info;
    dtfttr_("N", "U", &p, sum, m->cov, &p, &info); /* upper by columns is lower by rows */
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j <= i; j++)
            m->cov[i * p + j] /= (double)(m->n - 1);
    mirror(p, m->cov);
}

bool ub_column_is_constant(double mean, double sd, int64_t terms)
{
    return !(sd > fmax(1e-12, (double)terms * DBL_EPSILON) * fabs(mean));
}

ub_status ub_moments_of_columns(int64_t n, int32_t p, const double *x, ub_moments *out)
{
    ub_moments m = {0};
    double    *centred = NULL;
    ub_status  st = UB_OK;
    if (n < 2)
        return UB_FAIL(UB_EARG, "moments need two samples, there are %" PRId64, n);
    UB_TRY(ub_moments_init(&m, n, p));
    UB_TRY_OUT(UB_ALLOC(centred, n));
    for (int32_t a = 0; a < p; a++) {
        const double *xa = x + a * n;
        double        sum = 0;
        for (int64_t e = 1; e < n; e++)
            sum += xa[e] - xa[0];
        m.mean[a] = xa[0] + sum / (double)n;
    }
    for (int32_t a = 0; a < p; a++) {
        for (int64_t e = 0; e < n; e++)
            centred[e] = x[a * n + e] - m.mean[a];
        for (int32_t b = 0; b <= a; b++) {
            double sum = 0;
            for (int64_t e = 0; e < n; e++)
                sum += centred[e] * (x[b * n + e] - m.mean[b]);
            m.cov[(int64_t)a * p + b] = sum / (double)(n - 1);
        }
    }
    mirror(p, m.cov);
    *out = m;
    m = (ub_moments){0};
out:
    ub_free(centred);
    ub_moments_release(&m);
    return st;
}
