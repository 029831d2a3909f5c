#include "core/moments.h"

#include <cblas.h>
#include <inttypes.h>
#include <string.h>

#include "core/mem.h"

ub_status ub_moments_init(ub_moments *m, int64_t n, int32_t columns)
{
    ub_moments made = {.n = n, .columns = columns};
    ub_status  st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(made.mean, columns));
    UB_TRY_OUT(UB_ALLOC(made.cov, (int64_t)columns * columns));
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

/* Rows that are centred and multiplied at a time: a buffer that stays in cache. */
enum { STRIP = 128 };

static void mirror(int32_t p, double *a)
{
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < i; j++)
            a[j * p + i] = a[i * p + j];
}

ub_status ub_moments_square_block(const ub_corpus *c, const double *mean, int64_t first,
                                  int64_t count, double *out)
{
    int32_t p = ub_corpus_columns(c);
    double *strip;
    UB_TRY(UB_ALLOC(strip, (int64_t)STRIP * p));
    memset(out, 0, (size_t)p * (size_t)p * sizeof *out);
    for (int64_t at = 0; at < count; at += STRIP) {
        int64_t rows = count - at < STRIP ? count - at : STRIP;
        for (int64_t r = 0; r < rows; r++) {
            double *row = strip + r * p;
            ub_corpus_row(c, first + at + r, row);
            for (int32_t j = 0; j < p; j++)
                row[j] -= mean[j];
        }
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, p, (int)rows, 1.0, strip, p, 1.0, out,
                    p);
    }
    mirror(p, out);
    ub_free(strip);
    return UB_OK;
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
