#include "mpi/reduce.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/shard.h"

enum { TAG = 1, PIECE = 1 << 26 /* numbers in one message */, LEVELS = 64, SENTENCE = 1024 };

/* A failed part of the tree travels as an empty message and this one. */
struct failure {
    ub_status status;
    char      sentence[SENTENCE];
};

typedef struct tree {
    const ub_comm  *c;
    int64_t         leaves, count;
    ub_range        own;
    ub_number       type;
    MPI_Datatype    mpi;
    size_t          size; /* bytes of a number */
    ub_leaf_numbers leaf;
    void           *self;
    void           *buffer[LEVELS]; /* allocated when first needed */
    void           *junk;           /* the result: where messages go once something failed */
    struct failure  failed;         /* the first in leaf order; nothing is added from then on */
} tree;

/* The rank that holds a leaf: the last one whose leaves begin at or before it. */
static int owner(const tree *t, int64_t leaf)
{
    int low = 0, high = t->c->size;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (ub_part(t->leaves, t->c->size, middle).first <= leaf)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool holds(const tree *t, int64_t a, int64_t b)
{
    return t->own.count > 0 && t->own.first < b && a < t->own.first + t->own.count;
}

static void note(tree *t, ub_status st)
{
    if (st == UB_OK || t->failed.status != UB_OK)
        return;
    t->failed.status = st;
    (void)snprintf(t->failed.sentence, sizeof t->failed.sentence, "%s", ub_err_message());
}

static void *room(tree *t, int held)
{
    if (t->buffer[held] == NULL) {
        t->buffer[held] = ub_alloc((size_t)t->count, t->size);
        note(t, ub_mem_check(t->buffer[held], (size_t)t->count, t->size, "a sum"));
    }
    return t->failed.status == UB_OK ? t->buffer[held] : t->junk;
}

/* Errors of these two are those of MPI. */
static ub_status send_sum(const tree *t, const void *sum, int to)
{
    if (t->failed.status != UB_OK) {
        UB_TRY_MPI(MPI_Send(NULL, 0, t->mpi, to, TAG, t->c->mpi));
        UB_TRY_MPI(MPI_Send(&t->failed, (int)sizeof t->failed, MPI_BYTE, to, TAG, t->c->mpi));
        return UB_OK;
    }
    for (int64_t at = 0; at < t->count; at += PIECE) {
        int n = (int)(t->count - at < PIECE ? t->count - at : PIECE);
        UB_TRY_MPI(
            MPI_Send((const char *)sum + (size_t)at * t->size, n, t->mpi, to, TAG, t->c->mpi));
    }
    return UB_OK;
}

static ub_status receive_sum(tree *t, void *sum, int from)
{
    for (int64_t at = 0; at < t->count; at += PIECE) {
        MPI_Status got;
        int        n = (int)(t->count - at < PIECE ? t->count - at : PIECE), came = 0;
        UB_TRY_MPI(
            MPI_Recv((char *)sum + (size_t)at * t->size, n, t->mpi, from, TAG, t->c->mpi, &got));
        UB_TRY_MPI(MPI_Get_count(&got, t->mpi, &came));
        if (came == 0) {
            struct failure f;
            UB_TRY_MPI(
                MPI_Recv(&f, (int)sizeof f, MPI_BYTE, from, TAG, t->c->mpi, MPI_STATUS_IGNORE));
            if (t->failed.status == UB_OK)
                t->failed = f;
            return UB_OK;
        }
    }
    return UB_OK;
}

static void add(const tree *t, void *out, const void *other)
{
    if (t->type == UB_NUMBER_FLOAT) {
        float       *a = out;
        const float *b = other;
        for (int64_t i = 0; i < t->count; i++)
            a[i] += b[i];
    } else {
        double       *a = out;
        const double *b = other;
        for (int64_t i = 0; i < t->count; i++)
            a[i] += b[i];
    }
}

/* Sum of the leaves [a, b), of which this rank holds some, into out on the owner of leaf a.
 * `held` buffers are in use above.  All ranks visit the nodes in the same depth-first order and
 * sums go to lower ranks only, so the blocking messages always meet. */
static ub_status sum_node(tree *t, int64_t a, int64_t b, void *out, int held)
{
    if (b - a == 1) {
        if (t->failed.status == UB_OK)
            note(t, t->leaf(t->self, a, out));
        return UB_OK;
    }
    int64_t half = 1;
    while (2 * half < b - a)
        half *= 2;
    int64_t m = a + half;
    int     left = owner(t, a), right = owner(t, m), rank = t->c->rank;
    if (holds(t, a, m))
        UB_TRY(sum_node(t, a, m, out, held));
    /* Only the owner of leaf a must keep what is in out. */
    void *other = rank == left ? room(t, held) : out;
    if (holds(t, m, b))
        UB_TRY(sum_node(t, m, b, other, held + (rank == left)));
    if (rank == right && left != right)
        UB_TRY(send_sum(t, other, left));
    if (rank == left && left != right)
        UB_TRY(receive_sum(t, other, right));
    if (rank == left && t->failed.status == UB_OK)
        add(t, out, other);
    return UB_OK;
}

/* The verdict and the sum from the root to all. */
static ub_status spread(tree *t, int root, void *result)
{
    int code = (int)t->failed.status;
    UB_TRY_MPI(MPI_Bcast(&code, 1, MPI_INT, root, t->c->mpi));
    if (code != UB_OK) {
        UB_TRY_MPI(MPI_Bcast(&t->failed, (int)sizeof t->failed, MPI_BYTE, root, t->c->mpi));
        return UB_FAIL(t->failed.status, "%s", t->failed.sentence);
    }
    for (int64_t at = 0; at < t->count; at += PIECE) {
        int n = (int)(t->count - at < PIECE ? t->count - at : PIECE);
        UB_TRY_MPI(MPI_Bcast((char *)result + (size_t)at * t->size, n, t->mpi, root, t->c->mpi));
    }
    return UB_OK;
}

ub_status ub_reduce_numbers(const ub_comm *c, ub_number type, int64_t leaves, int64_t count,
                            ub_leaf_numbers leaf, void *self, void *result)
{
    if (leaves < 1 || count < 1)
        return UB_FAIL(UB_EARG, "%lld leaves of %lld values", (long long)leaves, (long long)count);
    tree t = {.c = c,
              .leaves = leaves,
              .count = count,
              .type = type,
              .mpi = type == UB_NUMBER_FLOAT ? MPI_FLOAT : MPI_DOUBLE,
              .size = type == UB_NUMBER_FLOAT ? sizeof(float) : sizeof(double),
              .leaf = leaf,
              .self = self,
              .junk = result};
    t.own = ub_part(leaves, c->size, c->rank);
    ub_status st = t.own.count > 0 ? sum_node(&t, 0, leaves, result, 0) : UB_OK;
    if (st == UB_OK)
        st = spread(&t, owner(&t, 0), result);
    for (int i = 0; i < LEVELS; i++)
        ub_free(t.buffer[i]);
    return st;
}

struct doubles {
    ub_leaf leaf;
    void   *self;
};

static ub_status leaf_of_doubles(void *self, int64_t leaf, void *out)
{
    struct doubles *d = self;
    return d->leaf(d->self, leaf, out);
}

ub_status ub_reduce_leaves(const ub_comm *c, int64_t leaves, int64_t count, ub_leaf leaf,
                           void *self, double *result)
{
    struct doubles d = {leaf, self};
    return ub_reduce_numbers(c, UB_NUMBER_DOUBLE, leaves, count, leaf_of_doubles, &d, result);
}
