#include "core/knn.h"

#include <math.h>
#include <stdbool.h>

#include "core/internal/blocks.h"
#include "core/mem.h"

typedef struct key {
    double  value;
    int32_t point;
} key;

static bool before(key a, key b)
{
    return a.value < b.value || (a.value == b.value && a.point < b.point);
}

static void exchange(key *a, key *b)
{
    key t = *a;
    *a = *b;
    *b = t;
}

/* Quickselect (Hoare 1961): afterwards no key before `rank` comes after one from there on. */
static void split_keys(key *a, int64_t n, int64_t rank)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t i = low, j = high, middle = low + (high - low) / 2;
        if (before(a[middle], a[low]))
            exchange(&a[middle], &a[low]);
        if (before(a[high], a[low]))
            exchange(&a[high], &a[low]);
        if (before(a[high], a[middle]))
            exchange(&a[high], &a[middle]);
        key pivot = a[middle];
        while (i <= j) {
            while (before(a[i], pivot))
                i++;
            while (before(pivot, a[j]))
                j--;
            if (i <= j)
                exchange(&a[i++], &a[j--]);
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            return;
    }
}

/* The coordinate with the largest variance among points order[first .. first + n). */
static int32_t widest(const ub_knn *t, const double *const *column, int64_t first, int64_t n)
{
    int32_t best = 0;
    double  most = -1;
    for (int32_t c = 0; c < t->dims; c++) {
        double sum = 0, square = 0, origin = column[c][t->order[first]];
        for (int64_t i = first; i < first + n; i++) {
            double v = column[c][t->order[i]] - origin;
            sum += v;
            square += v * v;
        }
        double spread = square - sum * sum / (double)n;
        if (spread > most) {
            most = spread;
            best = c;
        }
    }
    return best;
}

/* Cut points [first, first + n) of the order at a block boundary near the median, and again. */
static void arrange(ub_knn *t, const double *const *column, int64_t first, int64_t n, key *keys)
{
    while (n > UB_KNN_BLOCK) {
        int64_t       half = (n + UB_KNN_BLOCK - 1) / UB_KNN_BLOCK / 2 * UB_KNN_BLOCK;
        const double *v = column[widest(t, column, first, n)];
        for (int64_t i = 0; i < n; i++)
            keys[i] = (key){v[t->order[first + i]], t->order[first + i]};
        split_keys(keys, n, half);
        for (int64_t i = 0; i < n; i++)
            t->order[first + i] = keys[i].point;
        arrange(t, column, first, half, keys); /* depth: log2(n / UB_KNN_BLOCK) */
        first += half;
        n -= half;
    }
}

static void fill_blocks(ub_knn *t, const double *const *column)
{
    for (int64_t b = 0; b < t->blocks; b++)
        for (int32_t c = 0; c < t->dims; c++) {
            double *x = t->x + (b * t->dims + c) * UB_KNN_BLOCK, low = INFINITY, high = -INFINITY;
            for (int64_t p = 0; p < UB_KNN_BLOCK; p++) {
                int64_t place = b * UB_KNN_BLOCK + p;
                x[p] = place < t->n ? column[c][t->order[place]] : INFINITY;
                low = x[p] < low ? x[p] : low;
                high = x[p] > high && place < t->n ? x[p] : high;
            }
            t->low[c * t->blocks + b] = low;
            t->high[c * t->blocks + b] = high;
        }
}

ub_status ub_knn_create(int64_t n, int32_t dims, const double *const *column, ub_knn **out)
{
    ub_knn   *t = NULL;
    key      *keys = NULL;
    ub_status st = UB_OK;
    if (n < 1 || n > INT32_MAX || dims < 1)
        return UB_FAIL(UB_EARG, "neighbours of %lld points in %d dimensions", (long long)n, dims);
    UB_TRY_OUT(UB_ALLOC(t, 1));
    t->n = n;
    t->dims = dims;
    t->blocks = (n + UB_KNN_BLOCK - 1) / UB_KNN_BLOCK;
    t->list_of = -1;
    UB_TRY_OUT(UB_ALLOC(t->x, t->blocks * UB_KNN_BLOCK * dims));
    UB_TRY_OUT(UB_ALLOC(t->low, t->blocks * dims));
    UB_TRY_OUT(UB_ALLOC(t->high, t->blocks * dims));
    UB_TRY_OUT(UB_ALLOC(t->order, n));
    UB_TRY_OUT(UB_ALLOC(t->at, dims));
    UB_TRY_OUT(UB_ALLOC(t->gap, t->blocks));
    UB_TRY_OUT(UB_ALLOC(t->close, t->blocks + 1));
    UB_TRY_OUT(UB_ALLOC(t->listed, t->blocks + 1));
    UB_TRY_OUT(UB_ALLOC(t->listed_low, t->blocks * dims));
    UB_TRY_OUT(UB_ALLOC(t->listed_high, t->blocks * dims));
    UB_TRY_OUT(UB_ALLOC(keys, n));
    for (int64_t i = 0; i < n; i++)
        t->order[i] = (int32_t)i;
    arrange(t, column, 0, n, keys);
    fill_blocks(t, column);
    *out = t;
    t = NULL;
out:
    ub_free(keys);
    ub_knn_destroy(&t);
    return st;
}

void ub_knn_destroy(ub_knn **knn)
{
    ub_knn *t = *knn;
    if (t == NULL)
        return;
    ub_free(t->x);
    ub_free(t->low);
    ub_free(t->high);
    ub_free(t->order);
    ub_free(t->at);
    ub_free(t->gap);
    ub_free(t->close);
    ub_free(t->listed);
    ub_free(t->listed_low);
    ub_free(t->listed_high);
    ub_free(t);
    *knn = NULL;
}

const int32_t *ub_knn_order(const ub_knn *knn)
{
    return knn->order;
}

void ub_knn_point(const ub_knn *t, int64_t place, double *out)
{
    for (int32_t c = 0; c < t->dims; c++)
        out[c] = t->x[(place / UB_KNN_BLOCK * t->dims + c) * UB_KNN_BLOCK + place % UB_KNN_BLOCK];
}

UB_INLINE void look_in(const ub_knn *t, int64_t b, int64_t self, int32_t k, double *nearest,
                       int32_t *near)
{
    double d[UB_KNN_BLOCK];
    ub_knn_distances(t->x + b * t->dims * UB_KNN_BLOCK, t->dims, t->at, d);
    ub_knn_keep(k, nearest, near, d, b, self);
}

/* The own block and its sibling first: they bound the distance, and few others come closer. */
UB_SIMD double ub_knn_kth(ub_knn *t, int64_t place, int32_t k, double *nearest, int32_t *near)
{
    int64_t own = place / UB_KNN_BLOCK, sibling = own ^ 1;
    for (int32_t i = 0; i < k; i++)
        nearest[i] = INFINITY;
    ub_knn_point(t, place, t->at);
    look_in(t, own, place, k, nearest, near);
    if (sibling < t->blocks)
        look_in(t, sibling, place, k, nearest, near);
    int64_t close = ub_knn_close(t, place, nearest[k - 1]);
    for (int64_t i = 0; i < close; i++)
        if (t->gap[i] < nearest[k - 1] && t->close[i] != own && t->close[i] != sibling)
            look_in(t, t->close[i], place, k, nearest, near);
    return nearest[k - 1];
}

UB_SIMD int64_t ub_knn_within(ub_knn *t, int64_t at, double radius, int32_t *place,
                              double *distance)
{
    int64_t found = 0;
    double  d[UB_KNN_BLOCK];
    ub_knn_point(t, at, t->at);
    int64_t close = ub_knn_close(t, at, radius);
    for (int64_t i = 0; i < close; i++) {
        int64_t b = t->close[i];
        ub_knn_distances(t->x + b * t->dims * UB_KNN_BLOCK, t->dims, t->at, d);
        for (uint64_t mask = ub_knn_below(d, radius); mask != 0; found++) {
            int p = ub_knn_next(&mask);
            place[found] = (int32_t)(b * UB_KNN_BLOCK + p);
            distance[found] = d[p];
        }
    }
    return found;
}

UB_SIMD int64_t ub_knn_count(ub_knn *t, const double *at, double radius)
{
    int64_t found = 0;
    double  d[UB_KNN_BLOCK];
    ub_knn_gaps(t->dims, t->blocks, t->low, t->high, at, t->gap);
    for (int64_t b = 0; b < t->blocks; b++) {
        if (t->gap[b] >= radius)
            continue;
        ub_knn_distances(t->x + b * t->dims * UB_KNN_BLOCK, t->dims, at, d);
        for (int p = 0; p < UB_KNN_BLOCK; p++)
            found += d[p] < radius;
    }
    return found;
}
