#include "mpi/samples.h"

#include <unistd.h>

#include "core/mem.h"
#include "core/shard.h"
#include "mpi/moments.h"

/* Doubles of one broadcast, and episodes transposed at a time. */
enum { PIECE = 1 << 16, STRIP = 64 };

static ub_status check_room(int64_t n, int64_t columns, int64_t allowed)
{
    double want = (double)n * (double)columns * sizeof(double), most = (double)allowed;
    if (allowed == 0)
        most = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
    if (want > most)
        return UB_FAIL(UB_EINPUT,
                       "the test needs the samples: %lld episodes of %lld columns take %.6g MiB of "
                       "every node, at most %.6g may be used; raise ci.memory_mb, lower "
                       "corpus.max_episodes or choose a test of covariances",
                       (long long)n, (long long)columns, want / 1048576, most / 1048576);
    return UB_OK;
}

static void write_own(const ub_corpus *c, const ub_samples *s, double *x)
{
    int64_t wide = (int64_t)c->steps * c->dim, width = c->task_offset[c->tasks];
    for (int64_t at = 0; at < c->count; at += STRIP) {
        int64_t end = at + STRIP < c->count ? at + STRIP : c->count;
        for (int64_t j = 0; j < s->columns; j++)
            for (int64_t e = at; e < end; e++)
                x[j * s->n + c->first + e] =
                    j < wide ? c->states[e * wide + j] : c->targets[e * width + j - wide];
    }
}

/* Broadcast rows [first, first + rows) of columns [from, from + columns). */
static ub_status send_block(MPI_Comm leaders, int root, double *x, int64_t n, int64_t first,
                            int64_t rows, int64_t from, int64_t columns)
{
    MPI_Datatype block;
    UB_TRY_MPI(MPI_Type_create_hvector((int)columns, (int)rows, (MPI_Aint)n * (MPI_Aint)sizeof *x,
                                       MPI_DOUBLE, &block));
    UB_TRY_MPI(MPI_Type_commit(&block));
    UB_TRY_MPI(MPI_Bcast(x + from * n + first, 1, block, root, leaders));
    UB_TRY_MPI(MPI_Type_free(&block));
    return UB_OK;
}

static ub_status send_rows(MPI_Comm leaders, int root, const ub_samples *s, double *x,
                           ub_range rows)
{
    int64_t end = rows.first + rows.count;
    for (int64_t at = rows.first; at < end; at += PIECE) {
        int64_t some = end - at < PIECE ? end - at : PIECE, wide = PIECE / some;
        for (int64_t j = 0; j < s->columns; j += wide)
            UB_TRY(send_block(leaders, root, x, s->n, at, some, j,
                              s->columns - j < wide ? s->columns - j : wide));
    }
    return UB_OK;
}

/* Between nodes.  home[r]: the leader of rank r; runs of ranks of one node go at once. */
static ub_status exchange(const ub_comm *c, MPI_Comm leaders, const int *home, int64_t shards,
                          const ub_samples *s, double *x)
{
    for (int r = 0, next; r < c->size; r = next) {
        ub_range rows = ub_rows_of_rank(s->n, shards, c->size, r);
        for (next = r + 1; next < c->size && home[next] == home[r]; next++)
            rows.count += ub_rows_of_rank(s->n, shards, c->size, next).count;
        UB_TRY(send_rows(leaders, home[r], s, x, rows));
    }
    return UB_OK;
}

/* After every rank wrote its own rows: the rest, from the other nodes. */
static ub_status complete(const ub_comm *c, int64_t shards, const ub_samples *s, double *x)
{
    int       rank = s->shared.node.rank, nodes = 1, mine = 0, *home = NULL;
    MPI_Comm  leaders = MPI_COMM_NULL;
    ub_status st = UB_OK;
    UB_TRY_MPI(MPI_Comm_split(c->mpi, rank == 0 ? 0 : MPI_UNDEFINED, c->rank, &leaders));
    if (rank == 0) {
        UB_TRY_MPI(MPI_Comm_size(leaders, &nodes));
        UB_TRY_MPI(MPI_Comm_rank(leaders, &mine));
        UB_TRY_MPI(MPI_Comm_set_errhandler(leaders, MPI_ERRORS_RETURN));
    }
    UB_TRY_MPI(MPI_Bcast(&mine, 1, MPI_INT, 0, s->shared.node.mpi));
    UB_TRY_OUT(ub_comm_agree(c, UB_ALLOC(home, c->size)));
    UB_TRY_OUT(
        ub_mpi_status(MPI_Allgather(&mine, 1, MPI_INT, home, 1, MPI_INT, c->mpi), "MPI_Allgather"));
    if (nodes > 1)
        UB_TRY_OUT(exchange(c, leaders, home, shards, s, x));
out:
    if (leaders != MPI_COMM_NULL)
        (void)MPI_Comm_free(&leaders);
    ub_free(home);
    return st;
}

/* Columns are shared out to the ranks of the node. */
static ub_status transform(const ub_ci_test *test, const ub_samples *s, double *x)
{
    for (int64_t j = s->shared.node.rank; j < s->columns; j += s->shared.node.size)
        UB_TRY(test->transform(s->n, x + j * s->n));
    return UB_OK;
}

ub_status ub_samples_gather(const ub_comm *c, const ub_corpus *corpus, int64_t shards,
                            const ub_samples_plan *plan, ub_samples *out)
{
    ub_samples s = {.n = corpus->episodes, .columns = ub_corpus_columns(corpus)};
    size_t     bytes = (size_t)(s.n * s.columns) * sizeof(double);
    double    *x = NULL;
    ub_status  st = check_room(s.n, s.columns, plan->max_bytes);
    if (st == UB_OK)
        st = ub_moments_check(c, corpus, shards);
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(ub_shared_join(c, plan->node, &s.shared));
    UB_TRY_OUT(ub_comm_agree(c, ub_shared_open(&s.shared, s.shared.node.rank == 0 ? bytes : 0)));
    s.x = x = s.shared.base[0];
    write_own(corpus, &s, x);
    UB_TRY_OUT(ub_shared_meet(&s.shared));
    UB_TRY_OUT(complete(c, shards, &s, x));
    UB_TRY_OUT(ub_shared_meet(&s.shared));
    if (plan->test != NULL && plan->test->transform != NULL)
        UB_TRY_OUT(ub_comm_agree(c, transform(plan->test, &s, x)));
    UB_TRY_OUT(ub_shared_meet(&s.shared));
    *out = s;
    return UB_OK;
out:
    if (st != UB_EMPI)
        ub_samples_release(&s);
    return st;
}

void ub_samples_release(ub_samples *s)
{
    ub_shared_release(&s->shared);
    *s = (ub_samples){0};
}

ub_status ub_samples_moments(const ub_comm *c, const ub_samples *s, const ub_corpus *corpus,
                             int64_t shards, ub_moments *out)
{
    int64_t   wide = (int64_t)corpus->steps * corpus->dim, width = s->columns - wide;
    ub_corpus own = *corpus; /* the same episodes, with the gathered values */
    own.states = own.targets = NULL;
    ub_status st = UB_ALLOC(own.states, own.count * wide);
    if (st == UB_OK)
        st = UB_ALLOC(own.targets, own.count * width);
    for (int64_t e = 0; e < own.count && st == UB_OK; e++)
        for (int64_t j = 0; j < s->columns; j++) {
            double v = s->x[j * s->n + own.first + e];
            if (j < wide)
                own.states[e * wide + j] = v;
            else
                own.targets[e * width + j - wide] = v;
        }
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(ub_moments_gather(c, &own, shards, out));
out:
    ub_free(own.states);
    ub_free(own.targets);
    return st;
}
