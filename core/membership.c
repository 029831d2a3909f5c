#include "core/membership.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/task_graph.h"

ub_llr ub_membership_llr(int64_t n, double rho, double cap)
{
    double t2 = 1 + (double)n * rho * rho;
    return (ub_llr){cap, 1 - 1 / t2, 0.5 * log(t2)};
}

double ub_membership_price(int32_t segments, int32_t members)
{
    int32_t m = members < segments / 2 ? members : segments / 2;
    return lgamma(segments + 1.0) - lgamma(m + 1.0) - lgamma(segments - m + 1.0);
}

typedef struct ranked {
    double  p;
    int64_t at;
} ranked;

static int by_p(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

ub_status ub_membership_adjust(ub_adjustment how, int64_t n, double *p)
{
    ranked *r;
    int64_t m = 0;
    double  factor = 1, least = 1;
    if (how == UB_ADJUST_NONE)
        return UB_OK;
    UB_TRY(UB_ALLOC(r, n));
    for (int64_t i = 0; i < n; i++)
        if (p[i] >= 0)
            r[m++] = (ranked){p[i], i};
    if (how == UB_ADJUST_BONFERRONI) {
        for (int64_t i = 0; i < m; i++)
            p[r[i].at] = fmin(1, r[i].p * (double)m);
    } else {
        qsort(r, (size_t)m, sizeof *r, by_p);
        if (how == UB_ADJUST_BY)
            for (int64_t i = 2; i <= m; i++)
                factor += 1 / (double)i;
        for (int64_t i = m; i-- > 0;) {
            least = fmin(least, r[i].p * (double)m * factor / (double)(i + 1));
            p[r[i].at] = least;
        }
    }
    ub_free(r);
    return UB_OK;
}

/* A set of vertices, its value, and what flipping each vertex is worth. */
typedef struct search {
    int32_t       k;
    double       *w;         /* k x k, symmetric, zero diagonal */
    const double *h;         /* k, or NULL */
    uint8_t      *in, *best; /* k */
    double       *gain;      /* k: sum of w to the members + h */
    double       *price;     /* k + 1: of a set of so many, see ub_membership_price */
    int32_t       size;      /* members */
    int64_t      *tabu;      /* k: no flip before this move */
    double        value, best_value;
    double        slack; /* differences up to this are rounding */
} search;

static void search_release(search *s)
{
    ub_free(s->w);
    ub_free(s->in);
    ub_free(s->best);
    ub_free(s->gain);
    ub_free(s->price);
    ub_free(s->tabu);
}

static ub_status search_init(search *s, int32_t k, const double *pair, const double *h)
{
    ub_status st = UB_OK;
    double    size = 0;
    *s = (search){.k = k, .h = h};
    UB_TRY_OUT(UB_ALLOC(s->w, (int64_t)k * k));
    UB_TRY_OUT(UB_ALLOC(s->in, k));
    UB_TRY_OUT(UB_ALLOC(s->best, k));
    UB_TRY_OUT(UB_ALLOC(s->gain, k));
    UB_TRY_OUT(UB_ALLOC(s->tabu, k));
    UB_TRY_OUT(UB_ALLOC(s->price, (int64_t)k + 1));
    for (int32_t m = 0; m <= k; m++)
        s->price[m] = ub_membership_price(k, m);
    for (int32_t a = 0; a < k && pair != NULL; a++)
        for (int32_t b = a + 1; b < k; b++) {
            double l = pair[ub_pair_index(k, a, b)];
            s->w[(int64_t)a * k + b] = s->w[(int64_t)b * k + a] = l;
            size += fabs(l);
        }
    for (int32_t a = 0; a < k && h != NULL; a++)
        size += fabs(h[a]);
    s->slack = 1e-13 * size;
    return UB_OK;
out:
    search_release(s);
    return st;
}

/* What flipping a vertex is worth. */
static double worth(const search *s, int32_t v)
{
    return s->in[v] ? s->price[s->size] - s->price[s->size - 1] - s->gain[v]
                    : s->price[s->size] - s->price[s->size + 1] + s->gain[v];
}

static void flip(search *s, int32_t v)
{
    const double *row = s->w + (int64_t)v * s->k;
    double        sign = s->in[v] ? -1 : 1;
    s->value += worth(s, v);
    s->size += s->in[v] ? -1 : 1;
    s->in[v] = !s->in[v];
    for (int32_t i = 0; i < s->k; i++)
        s->gain[i] += sign * row[i];
}

static void keep_best(search *s)
{
    if (s->value > s->best_value + s->slack) {
        s->best_value = s->value;
        memcpy(s->best, s->in, (size_t)s->k);
    }
}

/* Begin at the set `from` (NULL: empty), without rounding left over from earlier moves. */
static void restart(search *s, const uint8_t *from)
{
    s->value = 0;
    s->size = 0;
    memset(s->in, 0, (size_t)s->k);
    memset(s->tabu, 0, (size_t)s->k * sizeof *s->tabu);
    for (int32_t i = 0; i < s->k; i++)
        s->gain[i] = s->h != NULL ? s->h[i] : 0;
    for (int32_t i = 0; i < s->k && from != NULL; i++)
        if (from[i])
            flip(s, i);
    keep_best(s);
}

/* All subsets; two neighbours in Gray code order differ by one vertex. */
static void enumerate(search *s)
{
    restart(s, NULL);
    for (uint32_t code = 1; code < UINT32_C(1) << s->k; code++) {
        flip(s, __builtin_ctz(code));
        keep_best(s);
    }
}

/* One-flip tabu search (Glover, Kochenberger, Alidaee 1998, for binary quadratic programs): always
 * the best move that does not undo a recent one, unless it beats everything seen. */
static void tabu(search *s)
{
    int64_t patience = s->k < 120 ? 4 * (int64_t)s->k + 20 : 500,
            tenure = s->k / 8 < 12 ? s->k / 8 + 2 : 14;
    double peak = s->value;
    for (int64_t move = 1, last = 0; move - last <= patience; move++) {
        int32_t pick = -1;
        double  most = -INFINITY;
        for (int32_t i = 0; i < s->k; i++) {
            double delta = worth(s, i);
            bool   barred = s->tabu[i] > move && s->value + delta <= s->best_value + s->slack;
            if (!barred && delta > most) {
                most = delta;
                pick = i;
            }
        }
        if (pick < 0)
            continue;
        flip(s, pick);
        s->tabu[pick] = move + tenure + (pick + move) % 3;
        if (s->value > peak + s->slack) {
            peak = s->value;
            last = move;
        }
        keep_best(s);
    }
}

enum { STARTS = 32 }; /* neighbourhoods, and as many pairs */

/* Keep the STARTS largest of a stream in r (sorted at the end by the caller). */
static void offer(ranked *r, int32_t *n, double key, int64_t at)
{
    int32_t i;
    if (*n == STARTS && key <= r[STARTS - 1].p)
        return;
    for (i = *n < STARTS ? (*n)++ : STARTS - 1; i > 0 && r[i - 1].p < key; i--)
        r[i] = r[i - 1];
    r[i] = (ranked){key, at};
}

/* Starts: nothing, everything, the positive neighbours of the strongest vertices, the best pairs.
 */
static ub_status search_all(search *s)
{
    ranked   vertex[STARTS], edge[STARTS];
    int32_t  vertices = 0, edges = 0, k = s->k;
    uint8_t *from;
    UB_TRY(UB_ALLOC(from, k));
    for (int32_t a = 0; a < k; a++) {
        const double *row = s->w + (int64_t)a * k;
        double        strength = s->h != NULL ? s->h[a] : 0;
        for (int32_t b = 0; b < k; b++) {
            strength += row[b] > 0 ? row[b] : 0;
            if (b > a)
                offer(edge, &edges, row[b], (int64_t)a * k + b);
        }
        offer(vertex, &vertices, strength, a);
    }
    for (int32_t start = 0; start < 2 + vertices + edges; start++) {
        memset(from, start == 1, (size_t)k);
        if (start >= 2 && start < 2 + vertices) {
            int64_t a = vertex[start - 2].at;
            for (int32_t b = 0; b < k; b++)
                from[b] = b == a || s->w[a * k + b] > 0;
        } else if (start >= 2) {
            int64_t e = edge[start - 2 - vertices].at;
            from[e / k] = from[e % k] = 1;
        }
        restart(s, from);
        tabu(s);
    }
    ub_free(from);
    return UB_OK;
}

ub_status ub_membership_search(int32_t segments, const double *pair, const double *direct,
                               uint8_t *member, double *value)
{
    search s;
    UB_TRY(search_init(&s, segments, pair, direct));
    ub_status st = search_all(&s);
    if (st == UB_OK) {
        memcpy(member, s.best, (size_t)segments);
        *value = s.best_value;
    }
    search_release(&s);
    return st;
}

ub_status ub_membership_clique(int32_t segments, const double *pair, const double *direct,
                               uint8_t *member, double *gain)
{
    search    s;
    ub_status st = UB_OK;
    UB_TRY(search_init(&s, segments, pair, direct));
    if (segments <= UB_MEMBERSHIP_EXACT)
        enumerate(&s);
    else
        UB_TRY_OUT(search_all(&s));
    memcpy(member, s.best, (size_t)segments);
    restart(&s, member);
    bool empty = memchr(member, 1, (size_t)segments) == NULL;
    for (int32_t a = 0; a < segments; a++) {
        gain[a] = s.in[a] ? -worth(&s, a) : worth(&s, a);
        if (empty && direct == NULL && segments > 1) {
            gain[a] = -INFINITY;
            for (int32_t b = 0; b < segments; b++)
                if (b != a)
                    gain[a] = fmax(gain[a], s.w[(int64_t)a * segments + b] - s.price[2]);
        }
    }
out:
    search_release(&s);
    return st;
}
