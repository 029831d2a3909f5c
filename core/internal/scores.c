#include "core/internal/scores.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/special.h"

typedef struct item {
    double  value;
    int64_t at;
} item;

static int by_value(const void *a, const void *b)
{
    double x = ((const item *)a)->value, y = ((const item *)b)->value;
    return (x > y) - (x < y);
}

/* Equal values get equal ranks, so the order in which qsort leaves them does not matter. */
ub_status ub_ranks(int64_t n, const double *v, double *out)
{
    item *sorted;
    UB_TRY(UB_ALLOC(sorted, n));
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (item){v[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && sorted[end].value == sorted[first].value;)
            end++;
        for (int64_t i = first; i < end; i++)
            out[sorted[i].at] = 0.5 * (double)(first + end - 1);
    }
    ub_free(sorted);
    return UB_OK;
}

ub_status ub_normal_scores(int64_t n, double *column)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(column[i]);
    if (finite)
        UB_TRY(ub_ranks(n, column, column));
    for (int64_t i = 0; i < n; i++)
        column[i] = finite ? ub_normal_quantile((column[i] + 1) / (double)(n + 1)) : NAN;
    return UB_OK;
}
