#include "core/assign.h"

#include <math.h>
#include <stdbool.h>

#include "core/mem.h"

/* The few are paired with the many; 1-based, 0 is "nobody". */
typedef struct pairing {
    int32_t       few, many;
    int64_t       down, across; /* strides of value for one step in few and in many */
    const double *value;
    double       *u, *v, *slack; /* potentials of few and many; cheapest way to each of many */
    int32_t      *of, *way;      /* of[c]: who of the few has c; way[c]: where the path came from */
    uint8_t      *seen;
} pairing;

/* Lengthen the pairing by one of the few. */
static void augment(pairing *p, int32_t one)
{
    int32_t at = 0;
    p->of[0] = one;
    for (int32_t c = 0; c <= p->many; c++) {
        p->slack[c] = INFINITY;
        p->seen[c] = 0;
    }
    do {
        int32_t r = p->of[at], next = 0;
        double  step = INFINITY;
        p->seen[at] = 1;
        for (int32_t c = 1; c <= p->many; c++) {
            if (p->seen[c])
                continue;
            double cost = -p->value[(r - 1) * p->down + (c - 1) * p->across] - p->u[r] - p->v[c];
            if (cost < p->slack[c]) {
                p->slack[c] = cost;
                p->way[c] = at;
            }
            if (p->slack[c] < step) {
                step = p->slack[c];
                next = c;
            }
        }
        for (int32_t c = 0; c <= p->many; c++) {
            if (p->seen[c]) {
                p->u[p->of[c]] += step;
                p->v[c] -= step;
            } else {
                p->slack[c] -= step;
            }
        }
        at = next;
    } while (p->of[at] != 0);
    for (; at != 0; at = p->way[at])
        p->of[at] = p->of[p->way[at]];
}

ub_status ub_assign(int32_t rows, int32_t columns, const double *value, int32_t *column)
{
    bool    turn = rows > columns;
    pairing p = {.few = turn ? columns : rows,
                 .many = turn ? rows : columns,
                 .down = turn ? 1 : columns,
                 .across = turn ? columns : 1,
                 .value = value};
    for (int64_t i = 0; i < (int64_t)rows * columns; i++)
        if (!isfinite(value[i]))
            return UB_FAIL(UB_ENUMERIC, "value %lld of a pairing of %d with %d is not finite",
                           (long long)i, (int)rows, (int)columns);
    ub_status st;
    UB_TRY_OUT(UB_ALLOC(p.u, p.few + 1));
    UB_TRY_OUT(UB_ALLOC(p.v, p.many + 1));
    UB_TRY_OUT(UB_ALLOC(p.slack, p.many + 1));
    UB_TRY_OUT(UB_ALLOC(p.of, p.many + 1));
    UB_TRY_OUT(UB_ALLOC(p.way, p.many + 1));
    UB_TRY_OUT(UB_ALLOC(p.seen, p.many + 1));
    for (int32_t i = 1; i <= p.few; i++)
        augment(&p, i);
    for (int32_t r = 0; r < rows; r++)
        column[r] = -1;
    for (int32_t c = 1; c <= p.many; c++)
        if (p.of[c] != 0)
            column[turn ? c - 1 : p.of[c] - 1] = turn ? p.of[c] - 1 : c - 1;
out:
    ub_free(p.u);
    ub_free(p.v);
    ub_free(p.slack);
    ub_free(p.of);
    ub_free(p.way);
    ub_free(p.seen);
    return st;
}
