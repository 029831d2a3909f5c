#include "core/internal/cells.h"

#include <stdlib.h>

#include "core/mem.h"

typedef struct entry {
    double  value;
    int64_t at, before; /* the point, and where it stood */
} entry;

static int by_value(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int          d = (x->value > y->value) - (x->value < y->value);
    return d != 0 ? d : (x->before > y->before) - (x->before < y->before);
}

static double variance(const double *v, const int64_t *order, int64_t from, int64_t to)
{
    double mean = 0, sum = 0, n = (double)(to - from);
    for (int64_t i = from; i < to; i++)
        mean += v[order[i]] / n;
    for (int64_t i = from; i < to; i++)
        sum += (v[order[i]] - mean) * (v[order[i]] - mean);
    return sum / n;
}

ub_status ub_cells_cut(int64_t n, int32_t dims, const double *const *column, int64_t cells,
                       int64_t *order)
{
    typedef struct range {
        int64_t from, to; /* cells */
    } range;
    range  todo[64]; /* the smaller half first would need log2(cells); the right one waits */
    int    depth = 0;
    entry *e = NULL;
    UB_TRY(UB_ALLOC(e, n));
    todo[depth++] = (range){0, cells};
    while (depth > 0 && dims > 0) {
        range r = todo[--depth];
        if (r.to - r.from < 2)
            continue;
        int64_t from = r.from * n / cells, to = r.to * n / cells, middle = (r.from + r.to) / 2;
        int32_t widest = 0;
        double  most = -1;
        for (int32_t c = 0; c < dims; c++) {
            double v = variance(column[c], order, from, to);
            if (v > most) {
                most = v;
                widest = c;
            }
        }
        for (int64_t i = from; i < to; i++)
            e[i] = (entry){column[widest][order[i]], order[i], i};
        qsort(e + from, (size_t)(to - from), sizeof *e, by_value);
        for (int64_t i = from; i < to; i++)
            order[i] = e[i].at;
        todo[depth++] = (range){r.from, middle};
        todo[depth++] = (range){middle, r.to};
    }
    ub_free(e);
    return UB_OK;
}
