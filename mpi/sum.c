#include "mpi/sum.h"

#include <limits.h>
#include <string.h>

#include "core/mem.h"

enum { TAG = 16, LEVELS = 64, MOST_RANGES = 16384 };

/* A node [first, last) of the tree all of whose leaves one rank holds, and not all of its parent's.
 */
typedef struct piece {
    int64_t first, last;
    int     rank;
    int64_t number; /* among those of its rank */
} piece;

struct ub_sum {
    const ub_comm *c;
    int64_t        leaves, widest; /* numbers of the longest range */
    int32_t        ranges;
    const int64_t *at;
    size_t         size;
    int           *counts, *offsets; /* of the ranks: numbers they own */
    int32_t       *first;            /* of the ranks, and one more: their first range */
    piece         *pieces;           /* in the order of their leaves */
    int64_t        piece_count;
    char          *scratch[LEVELS]; /* of a range each; allocated when needed */
    char          *received;        /* for my ranges: piece after piece */
    MPI_Request   *sends, *receipts;
    ub_shared      shared;
    char         **segment;  /* of the ranks: see lay_out(); NULL: I cannot read that one's */
    char          *unshared; /* mine, if others cannot read it */
    bool           lost;     /* messages have failed */
};

static int rank_of(const ub_sum *s, int64_t leaf)
{
    int low = 0, high = s->c->size;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (ub_part(s->leaves, s->c->size, middle).first <= leaf)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Where the tree cuts [a, b): the largest power of two below its length from a on. */
static int64_t middle_of(int64_t a, int64_t b)
{
    int64_t half = 1;
    while (2 * half < b - a)
        half *= 2;
    return a + half;
}

/* Count, and list unless `out` is NULL, the pieces of [a, b) from number n on. */
static int64_t list_pieces(const ub_sum *s, int64_t a, int64_t b, piece *out, int64_t n)
{
    int rank = rank_of(s, a);
    if (rank == rank_of(s, b - 1)) {
        bool next = out != NULL && n > 0 && out[n - 1].rank == rank;
        if (out != NULL)
            out[n] = (piece){a, b, rank, next ? out[n - 1].number + 1 : 0};
        return n + 1;
    }
    n = list_pieces(s, a, middle_of(a, b), out, n);
    return list_pieces(s, middle_of(a, b), b, out, n);
}

static int64_t length(const ub_sum *s, int32_t k)
{
    return s->at[k + 1] - s->at[k];
}

static int owner(const ub_sum *s, int32_t k)
{
    int r = 0;
    while (k >= s->first[r + 1])
        r++;
    return r;
}

/* A range goes to the rank in whose even share of the vector its middle lies. */
static ub_status share_out(ub_sum *s)
{
    int     size = s->c->size, rank = 0;
    int64_t all = s->at[s->ranges];
    UB_TRY(UB_ALLOC(s->first, size + 1));
    UB_TRY(UB_ALLOC(s->counts, size));
    UB_TRY(UB_ALLOC(s->offsets, size));
    for (int32_t k = 0; k < s->ranges; k++) {
        double middle = 0.5 * ((double)s->at[k] + (double)s->at[k + 1]);
        while (rank + 1 < size && middle * size >= (double)all * (rank + 1))
            s->first[++rank] = k;
        s->widest = length(s, k) > s->widest ? length(s, k) : s->widest;
    }
    while (rank < size)
        s->first[++rank] = s->ranges;
    for (int r = 0; r < size; r++) {
        int64_t from = s->at[s->first[r]], count = s->at[s->first[r + 1]] - from;
        if (from > INT_MAX || count > INT_MAX)
            return UB_FAIL(UB_EARG, "a vector of %lld numbers is too long for one sum",
                           (long long)all);
        s->offsets[r] = (int)from;
        s->counts[r] = (int)count;
    }
    return UB_OK;
}

static ub_status allocate(ub_sum *s, int64_t *mine)
{
    UB_TRY(share_out(s));
    s->piece_count = list_pieces(s, 0, s->leaves, NULL, 0);
    UB_TRY(UB_ALLOC(s->pieces, s->piece_count));
    (void)list_pieces(s, 0, s->leaves, s->pieces, 0);
    int64_t longest = 1, rank = s->c->rank, own = s->first[rank + 1] - s->first[rank];
    *mine = 0;
    for (int64_t p = 0; p < s->piece_count; p++) {
        int64_t leaves = s->pieces[p].last - s->pieces[p].first;
        if (s->pieces[p].rank != rank)
            continue;
        (*mine)++;
        longest = leaves > longest ? leaves : longest;
    }
    for (int level = 0; longest > 1; level++, longest = (longest + 1) / 2)
        UB_TRY(UB_ALLOC(s->scratch[level], s->widest * (int64_t)s->size));
    UB_TRY(UB_ALLOC(s->received, s->piece_count * s->counts[rank] * (int64_t)s->size));
    UB_TRY(UB_ALLOC(s->segment, s->c->size));
    UB_TRY(UB_ALLOC(s->sends, *mine * s->ranges));      /* NOLINT(bugprone-sizeof-expression) */
    return UB_ALLOC(s->receipts, s->piece_count * own); /* NOLINT(bugprone-sizeof-expression) */
}

/* Bytes of a vector in a segment: whole cache lines. */
static size_t stride(const ub_sum *s)
{
    enum { LINE = 64 };
    return ((size_t)s->at[s->ranges] * s->size + LINE - 1) / LINE * LINE;
}

/* Where rank r puts its piece of that number of range k for others: a segment is the vector of
 * ub_sum_vector(), then the sums of one piece after another. */
static char *sent(const ub_sum *s, int r, int64_t number, int32_t k)
{
    return s->segment[r] + (size_t)(1 + number) * stride(s) + (size_t)s->at[k] * s->size;
}

/* Segments that others of the node can read, or, if it has not that much memory to share or there
 * are no others, one of my own. */
static ub_status lay_out(ub_sum *s, int node, int64_t mine)
{
    size_t bytes = (size_t)(1 + mine) * stride(s);
    UB_TRY(ub_shared_join(s->c, node, &s->shared));
    ub_status st = s->shared.node.size > 1 ? ub_shared_open(&s->shared, bytes) : UB_ENOMEM;
    if (st == UB_ENOMEM) {
        st = UB_ALLOC(s->unshared, (int64_t)bytes);
        s->segment[s->c->rank] = s->unshared;
        return st;
    }
    for (int r = 0; r < s->shared.node.size && st == UB_OK; r++) {
        int rank = s->c->rank;
        st = ub_mpi_status(MPI_Bcast(&rank, 1, MPI_INT, r, s->shared.node.mpi), "MPI_Bcast");
        s->segment[rank] = s->shared.base[r];
    }
    return st;
}

ub_status ub_sum_create(const ub_comm *c, const ub_sum_plan *plan, ub_sum **out)
{
    ub_sum   *s = NULL;
    int64_t   mine = 0;
    ub_status st = UB_OK;
    if (plan->leaves < 1 || plan->ranges < 1 || plan->ranges > MOST_RANGES)
        return UB_FAIL(UB_EARG, "a sum over %lld leaves in %d ranges", (long long)plan->leaves,
                       (int)plan->ranges);
    UB_TRY(ub_comm_agree(c, UB_ALLOC(s, 1)));
    *s = (ub_sum){
        .c = c, .leaves = plan->leaves, .ranges = plan->ranges, .at = plan->at, .size = plan->size};
    UB_TRY_OUT(ub_comm_agree(c, allocate(s, &mine)));
    if (c->size > 1)
        UB_TRY_OUT(ub_comm_agree(c, lay_out(s, plan->node, mine)));
    *out = s;
    return UB_OK;
out:
    s->lost = st == UB_EMPI;
    ub_sum_destroy(&s);
    return st;
}

void ub_sum_destroy(ub_sum **s)
{
    if (*s == NULL)
        return;
    if (!(*s)->lost) /* nobody would answer */
        ub_shared_release(&(*s)->shared);
    for (int i = 0; i < LEVELS; i++)
        ub_free((*s)->scratch[i]);
    void *blocks[] = {(*s)->counts,   (*s)->offsets, (*s)->first,    (*s)->pieces, (*s)->received,
                      (*s)->unshared, (*s)->sends,   (*s)->receipts, (*s)->segment};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        ub_free(blocks[i]);
    ub_free(*s);
    *s = NULL;
}

void *ub_sum_vector(const ub_sum *s)
{
    return s->shared.base != NULL && s->shared.node.size == s->c->size ? s->segment[s->c->rank]
                                                                       : NULL;
}

ub_range ub_sum_own(const ub_sum *s)
{
    int r = s->c->rank;
    return (ub_range){s->first[r], s->first[r + 1] - s->first[r]};
}

/* out may be x. */
static void add_doubles(int64_t n, double *out, const double *x, const double *y)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] + y[i];
}

static void add_floats(int64_t n, float *out, const float *x, const float *y)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] + y[i];
}

static void add(const ub_sum *s, int32_t k, void *out, const void *x, const void *y)
{
    if (s->size == sizeof(float))
        add_floats(length(s, k), out, x, y);
    else
        add_doubles(length(s, k), out, x, y);
}

/* Sum of own leaves [a, b) of range k; scratch from `level` on is free. */
static void sum_own(ub_sum *s, const ub_sum_ops *ops, void *self, int32_t k, int64_t a, int64_t b,
                    void *out, int level)
{
    int64_t middle = middle_of(a, b);
    if (b - a == 1) {
        ops->part(self, a, k, out, false);
        return;
    }
    sum_own(s, ops, self, k, a, middle, out, level);
    if (b - middle == 1) {
        ops->part(self, middle, k, out, true);
        return;
    }
    sum_own(s, ops, self, k, middle, b, s->scratch[level], level + 1);
    add(s, k, out, out, s->scratch[level]);
}

static char *received(const ub_sum *s, int64_t p, int32_t k)
{
    int64_t from = s->offsets[s->c->rank];
    return s->received + (size_t)(p * s->counts[s->c->rank] + s->at[k] - from) * s->size;
}

static MPI_Datatype type_of(const ub_sum *s)
{
    return s->size == sizeof(float) ? MPI_FLOAT : MPI_DOUBLE;
}

/* Numbers to send of range k: none where the other reads them in my memory; then the message says
 * that they are there. */
static int numbers(const ub_sum *s, int other, int32_t k)
{
    return s->segment[other] != NULL ? 0 : (int)length(s, k);
}

static ub_status receive(ub_sum *s, int64_t *receipts)
{
    ub_range own = ub_sum_own(s);
    int64_t  n = 0;
    for (int32_t k = (int32_t)own.first; k < own.first + own.count; k++)
        for (int64_t p = 0; p < s->piece_count; p++) {
            MPI_Request *r = &s->receipts[n++];
            int          from = s->pieces[p].rank;
            *r = MPI_REQUEST_NULL;
            if (from != s->c->rank)
                UB_TRY_MPI(MPI_Irecv(received(s, p, k), numbers(s, from, k), type_of(s), from,
                                     TAG + k, s->c->mpi, r));
        }
    *receipts = n;
    return UB_OK;
}

/* Own leaves of range k, and off with their sums unless the range is this rank's. */
static ub_status contribute(ub_sum *s, const ub_sum_ops *ops, void *self, int32_t k, int64_t *sends)
{
    int to = owner(s, k), rank = s->c->rank, done;
    for (int64_t p = 0; p < s->piece_count; p++) {
        const piece *mine = &s->pieces[p];
        if (mine->rank != rank)
            continue;
        char *out = to == rank ? received(s, p, k) : sent(s, rank, mine->number, k);
        sum_own(s, ops, self, k, mine->first, mine->last, out, 0);
        if (to == rank)
            continue;
        if (s->shared.base != NULL)
            UB_TRY(ub_shared_fence(&s->shared));
        UB_TRY_MPI(MPI_Isend(out, numbers(s, to, k), type_of(s), to, TAG + k, s->c->mpi,
                             &s->sends[(*sends)++]));
    }
    if (*sends > 0) /* a word to MPI now and then keeps long messages moving */
        UB_TRY_MPI(MPI_Testall((int)*sends, s->sends, &done, MPI_STATUSES_IGNORE));
    return UB_OK;
}

/* Where piece number p of range k, which is mine, lies. */
static const char *place(const ub_sum *s, int64_t p, int32_t k)
{
    const piece *x = &s->pieces[p];
    bool         near = x->rank != s->c->rank && s->segment[x->rank] != NULL;
    return near ? sent(s, x->rank, x->number, k) : received(s, p, k);
}

/* The sum of the pieces of [a, b), from number *p on. */
static const char *combine(const ub_sum *s, int32_t k, int64_t a, int64_t b, int64_t *p)
{
    if (s->pieces[*p].first == a && s->pieces[*p].last == b)
        return place(s, (*p)++, k);
    char       *out = received(s, *p, k);
    const char *left = combine(s, k, a, middle_of(a, b), p);
    add(s, k, out, left, combine(s, k, middle_of(a, b), b, p));
    return out;
}

static ub_status run(ub_sum *s, const ub_sum_ops *ops, void *self)
{
    ub_range own = ub_sum_own(s);
    int64_t  receipts, sends = 0, each = s->piece_count;
    int32_t  first = (int32_t)(own.first + own.count);
    UB_TRY(receive(s, &receipts));
    for (int32_t i = 0; i < s->ranges; i++) /* those of the next ranks first, the own ones last */
        UB_TRY(contribute(s, ops, self, (first + i) % s->ranges, &sends));
    for (int32_t k = (int32_t)own.first; k < first; k++) {
        int64_t p = 0;
        UB_TRY_MPI(
            MPI_Waitall((int)each, s->receipts + (k - own.first) * each, MPI_STATUSES_IGNORE));
        if (s->shared.base != NULL)
            UB_TRY(ub_shared_fence(&s->shared));
        ops->done(self, k, combine(s, k, 0, s->leaves, &p));
    }
    UB_TRY_MPI(MPI_Waitall((int)sends, s->sends, MPI_STATUSES_IGNORE));
    return s->shared.base != NULL ? ub_shared_meet(&s->shared) : UB_OK;
}

/* From the others' memory, where each keeps its own part of the same vector. */
static ub_status copy(const ub_sum *s, char *vector)
{
    for (int r = 0; r < s->c->size; r++) {
        size_t from = (size_t)s->offsets[r] * s->size;
        if (r != s->c->rank)
            memcpy(vector + from, s->segment[r] + from, (size_t)s->counts[r] * s->size);
    }
    return ub_shared_meet(&s->shared); /* nobody changes what another still copies */
}

static ub_status share(const ub_sum *s, void *vector)
{
    if (s->c->size == 1)
        return UB_OK;
    if (vector != NULL && vector == ub_sum_vector(s))
        return copy(s, vector);
    return ub_mpi_status(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, vector, s->counts,
                                        s->offsets, type_of(s), s->c->mpi),
                         "MPI_Allgatherv");
}

ub_status ub_sum_run(ub_sum *s, const ub_sum_ops *ops, void *self)
{
    ub_status st = run(s, ops, self);
    s->lost = st == UB_EMPI;
    return st;
}

ub_status ub_sum_share(ub_sum *s, void *vector)
{
    ub_status st = share(s, vector);
    s->lost = st == UB_EMPI;
    return st;
}
