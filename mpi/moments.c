#include "mpi/moments.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "mpi/reduce.h"

enum { TAG = 3, LEAF_ROWS = 512 };

typedef struct pass {
    const ub_corpus *corpus;
    int64_t          leaves;
    int32_t          p;
    const double    *mean;
    double          *strip; /* scratch of a leaf */
} pass;

/* Local episodes of a leaf. */
static ub_range block(const pass *s, int64_t leaf)
{
    ub_range r = ub_part(s->corpus->episodes, s->leaves, leaf);
    r.first -= s->corpus->first;
    return r;
}

static ub_status sum_leaf(void *self, int64_t leaf, double *out)
{
    const pass *s = self;
    ub_range    r = block(s, leaf);
    ub_moments_sum_block(s->corpus, r.first, r.count, out);
    return UB_OK;
}

static ub_status square_leaf(void *self, int64_t leaf, double *out)
{
    const pass *s = self;
    ub_range    r = block(s, leaf);
    return ub_moments_square_block(s->corpus, s->mean, r.first, r.count, s->strip, out);
}

/* The first value of the local episodes that is not finite, episode by episode. */
static ub_status check_finite(const ub_corpus *c)
{
    int64_t wide = (int64_t)c->steps * c->dim, width = c->task_offset[c->tasks];
    for (int64_t e = 0; e < c->count; e++) {
        for (int64_t i = 0; i < wide; i++) {
            double x = c->states[e * wide + i];
            if (!isfinite(x))
                return UB_FAIL(
                    UB_EINPUT,
                    "episode %lld, step %lld, component %lld is %g; repair or remove the "
                    "episode",
                    (long long)(c->first + e), (long long)(i / c->dim), (long long)(i % c->dim), x);
        }
        for (int32_t task = 0; task < c->tasks; task++)
            for (int64_t j = c->task_offset[task]; j < c->task_offset[task + 1]; j++) {
                double x = c->targets[e * width + j];
                if (!isfinite(x))
                    return UB_FAIL(
                        UB_EINPUT,
                        "episode %lld, task %d (%s), column %lld is %g; repair or remove "
                        "the episode",
                        (long long)(c->first + e), task, c->task_name[task],
                        (long long)(j - c->task_offset[task]), x);
            }
    }
    return UB_OK;
}

static ub_status check_share(const ub_comm *c, const ub_corpus *corpus, int64_t shards)
{
    if (shards < 1)
        return UB_FAIL(UB_EARG, "%lld shards", (long long)shards);
    if (corpus->episodes < 2)
        return UB_FAIL(UB_EINPUT, "the corpus has %lld episodes; a covariance needs at least 2",
                       (long long)corpus->episodes);
    ub_range own = ub_rows_of_rank(corpus->episodes, shards, c->size, c->rank);
    if (own.count != corpus->count || (own.count > 0 && own.first != corpus->first))
        return UB_FAIL(UB_EARG, "rank %d holds episodes %lld + %lld, its shards are %lld + %lld",
                       c->rank, (long long)corpus->first, (long long)corpus->count,
                       (long long)own.first, (long long)own.count);
    return UB_OK;
}

ub_status ub_moments_check(const ub_comm *c, const ub_corpus *corpus, int64_t shards)
{
    UB_TRY(check_share(c, corpus, shards));
    return check_finite(corpus);
}

/* A value that is not finite ends up in the mean: the values are looked at only then. */
static ub_status check_means(const ub_corpus *corpus, const ub_moments *m)
{
    for (int32_t i = 0; i < m->columns; i++)
        if (!isfinite(m->mean[i]))
            return check_finite(corpus);
    return UB_OK;
}

/* A product of fewer than LEAF_ROWS rows is had for little more than what its p^2 / 2 numbers take
 * to be added up: shards of a small corpus are put together, by halving their number. */
static int64_t leaves_of(int64_t n, int64_t shards)
{
    while (shards > 1 && n / shards < LEAF_ROWS)
        shards = (shards + 1) / 2;
    return shards;
}

static ub_range common(ub_range a, ub_range b)
{
    int64_t first = a.first > b.first ? a.first : b.first;
    int64_t end = a.first + a.count < b.first + b.count ? a.first + a.count : b.first + b.count;
    return (ub_range){first, end > first ? end - first : 0};
}

/* Episodes that are rows of `width` numbers: those of `have` at rank r come to the rank that has
 * them in `want`. */
typedef struct moving {
    const ub_comm *c;
    int64_t        n, shards, leaves;
} moving;

static ub_range have(const moving *m, int rank)
{
    return ub_rows_of_rank(m->n, m->shards, m->c->size, rank);
}

static ub_range want(const moving *m, int rank)
{
    return ub_rows_of_rank(m->n, m->leaves, m->c->size, rank);
}

static ub_status move_rows(const moving *m, int64_t width, const double *from, double *to)
{
    int          me = m->c->rank, requests = 0;
    ub_range     here = have(m, me), due = want(m, me);
    MPI_Datatype row;
    MPI_Request *request = NULL;
    ub_status    st = UB_OK;
    UB_TRY(UB_ALLOC(request, 2 * m->c->size)); /* NOLINT(bugprone-sizeof-expression) */
    UB_TRY_OUT(ub_mpi_status(MPI_Type_contiguous((int)width, MPI_DOUBLE, &row), "a row"));
    UB_TRY_OUT(ub_mpi_status(MPI_Type_commit(&row), "a row"));
    for (int r = 0; r < m->c->size && st == UB_OK; r++) {
        ub_range in = common(have(m, r), due), off = common(here, want(m, r));
        double  *place = to + (in.first - due.first) * width;
        if (r == me && in.count > 0)
            memcpy(place, from + (in.first - here.first) * width,
                   (size_t)(in.count * width) * sizeof *to);
        if (r != me && in.count > 0)
            st = ub_mpi_status(
                MPI_Irecv(place, (int)in.count, row, r, TAG, m->c->mpi, &request[requests++]),
                "receiving episodes");
        if (r != me && off.count > 0 && st == UB_OK)
            st = ub_mpi_status(MPI_Isend(from + (off.first - here.first) * width, (int)off.count,
                                         row, r, TAG, m->c->mpi, &request[requests++]),
                               "sending episodes");
    }
    if (st == UB_OK)
        st = ub_mpi_status(MPI_Waitall(requests, request, MPI_STATUSES_IGNORE), "moving episodes");
    (void)MPI_Type_free(&row);
out:
    ub_free(request);
    return st;
}

/* The corpus with the episodes of this rank's leaves; where they are not those of its shards, in
 * memory of its own, `moved`. */
static ub_status regroup(const ub_comm *c, const ub_corpus *corpus, int64_t shards, int64_t leaves,
                         ub_corpus *out, double **moved)
{
    moving  m = {c, corpus->episodes, shards, leaves};
    int64_t wide = (int64_t)corpus->steps * corpus->dim, width = corpus->task_offset[corpus->tasks];
    bool    same = true;
    ub_range  due = want(&m, c->rank);
    ub_status st;
    *out = *corpus;
    for (int r = 0; r < c->size; r++)
        same = same && have(&m, r).count == want(&m, r).count;
    if (same)
        return UB_OK;
    st = UB_ALLOC_RAW(*moved, due.count * (wide + width));
    UB_TRY(ub_comm_agree(c, st));
    out->first = due.first;
    out->count = due.count;
    out->states = *moved;
    out->targets = *moved + due.count * wide;
    UB_TRY(move_rows(&m, wide, corpus->states, out->states));
    return width > 0 ? move_rows(&m, width, corpus->targets, out->targets) : UB_OK;
}

ub_status ub_moments_gather(const ub_comm *c, const ub_corpus *corpus, int64_t shards,
                            ub_moments *out)
{
    UB_TRY(ub_comm_agree(c, check_share(c, corpus, shards)));
    int64_t    n = corpus->episodes;
    ub_corpus  own;
    double    *moved = NULL;
    pass       s = {.corpus = &own, .leaves = leaves_of(n, shards), .p = ub_corpus_columns(corpus)};
    size_t     p = (size_t)s.p, packed = p * (p + 1) / 2;
    ub_moments m = {0};
    double    *half = NULL; /* one triangle: half the memory and the traffic of the whole */
    ub_status  st = ub_moments_init(&m, n, s.p);
    if (st == UB_OK)
        st = UB_ALLOC_RAW(half, packed);
    if (st == UB_OK)
        st = UB_ALLOC_RAW(s.strip, UB_MOMENTS_STRIP * p);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(regroup(c, corpus, shards, s.leaves, &own, &moved));
    UB_TRY_OUT(ub_reduce_leaves(c, s.leaves, s.p, sum_leaf, &s, m.mean));
    for (size_t i = 0; i < p; i++)
        m.mean[i] /= (double)n;
    UB_TRY_OUT(ub_comm_agree(c, check_means(corpus, &m)));
    s.mean = m.mean;
    UB_TRY_OUT(ub_reduce_leaves(c, s.leaves, (int64_t)packed, square_leaf, &s, half));
    ub_moments_unpack(half, &m);
    *out = m;
    m = (ub_moments){0};
out:
    ub_free(half);
    ub_free(s.strip);
    ub_free(moved);
    ub_moments_release(&m);
    return st;
}

ub_status ub_corpus_digest(const ub_comm *c, ub_corpus *corpus)
{
    unsigned char mine[UB_SHA256_BYTES];
    ub_corpus_digest_local(corpus, mine);
    UB_TRY_MPI(
        MPI_Allreduce(mine, corpus->digest, UB_SHA256_BYTES, MPI_UNSIGNED_CHAR, MPI_BXOR, c->mpi));
    return UB_OK;
}
