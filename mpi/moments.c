#include "mpi/moments.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "mpi/reduce.h"

typedef struct pass {
    const ub_corpus *corpus;
    int64_t          shards;
    int32_t          p;
    const double    *mean;
    double          *strip; /* scratch of a leaf */
} pass;

/* Local episodes of a shard. */
static ub_range block(const pass *s, int64_t shard)
{
    ub_range r = ub_part(s->corpus->episodes, s->shards, shard);
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

ub_status ub_moments_gather(const ub_comm *c, const ub_corpus *corpus, int64_t shards,
                            ub_moments *out)
{
    UB_TRY(ub_comm_agree(c, check_share(c, corpus, shards)));
    pass       s = {.corpus = corpus, .shards = shards, .p = ub_corpus_columns(corpus)};
    int64_t    n = corpus->episodes;
    size_t     p = (size_t)s.p, packed = p * (p + 1) / 2;
    ub_moments m = {0};
    double    *half = NULL; /* one triangle: half the memory and the traffic of the whole */
    ub_status  st = ub_moments_init(&m, n, s.p);
    if (st == UB_OK)
        st = UB_ALLOC_RAW(half, packed);
    if (st == UB_OK)
        st = UB_ALLOC_RAW(s.strip, UB_MOMENTS_STRIP * p);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(ub_reduce_leaves(c, shards, s.p, sum_leaf, &s, m.mean));
    for (size_t i = 0; i < p; i++)
        m.mean[i] /= (double)n;
    UB_TRY_OUT(ub_comm_agree(c, check_means(corpus, &m)));
    s.mean = m.mean;
    UB_TRY_OUT(ub_reduce_leaves(c, shards, (int64_t)packed, square_leaf, &s, half));
    ub_moments_unpack(half, &m);
    *out = m;
    m = (ub_moments){0};
out:
    ub_free(half);
    ub_free(s.strip);
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
