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

/* Equal values get equal scores, so the order in which qsort leaves them does not matter. */
ub_status ub_normal_scores(int64_t n, double *column)
{
    item *sorted;
    bool  finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(column[i]);
    UB_TRY(UB_ALLOC(sorted, n));
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (item){column[i], i};
    if (finite)
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; finite && end < n && sorted[end].value == sorted[first].value;)
            end++;
        double rank = 0.5 * (double)(first + 1 + end); /* mean of first + 1 .. end */
        double score = finite ? ub_normal_quantile(rank / (double)(n + 1)) : NAN;
        for (int64_t i = first; i < end; i++)
            column[sorted[i].at] = score;
    }
    ub_free(sorted);
    return UB_OK;
}
