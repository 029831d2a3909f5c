#include "mpi/comm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/sha256.h"

enum { PIECE = 1 << 28, SENTENCE = 1024 };

ub_status ub_mpi_status(int mpi_rc, const char *what)
{
    if (mpi_rc == MPI_SUCCESS)
        return UB_OK;
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int  len = 0;
    (void)MPI_Error_string(mpi_rc, text, &len);
    return UB_FAIL(UB_EMPI, "%s: %s", what, text);
}

static ub_status wrap(ub_comm *out, MPI_Comm mpi, bool wounded)
{
    ub_comm c = {.mpi = mpi, .wounded = wounded};
    UB_TRY_MPI(MPI_Comm_set_errhandler(c.mpi, MPI_ERRORS_RETURN));
    UB_TRY_MPI(MPI_Comm_rank(c.mpi, &c.rank));
    UB_TRY_MPI(MPI_Comm_size(c.mpi, &c.size));
    *out = c;
    return UB_OK;
}

ub_status ub_comm_init(ub_comm *out, MPI_Comm parent)
{
    MPI_Comm mpi;
    UB_TRY_MPI(MPI_Comm_dup(parent, &mpi));
    return wrap(out, mpi, false);
}

ub_status ub_comm_split(const ub_comm *c, int part, ub_comm *out)
{
    MPI_Comm mpi;
    UB_TRY_MPI(MPI_Comm_split(c->mpi, part, c->rank, &mpi));
    return wrap(out, mpi, c->wounded);
}

ub_status ub_comm_node(const ub_comm *c, ub_comm *out)
{
    MPI_Comm mpi;
    UB_TRY_MPI(MPI_Comm_split_type(c->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &mpi));
    return wrap(out, mpi, c->wounded);
}

ub_status ub_comm_nodes(const ub_comm *c, ub_node_name **out)
{
    ub_node_name mine = {""}, *all = NULL;
    const int    n = (int)sizeof mine;
    ub_status    st = c->rank == 0 ? UB_ALLOC(all, c->size) : UB_OK;
    UB_TRY(ub_comm_agree(c, st));
    (void)gethostname(mine.text, sizeof mine.text - 1);
    st = ub_mpi_status(MPI_Gather(&mine, n, MPI_BYTE, all, n, MPI_BYTE, 0, c->mpi), "MPI_Gather");
    if (st != UB_OK) {
        ub_free(all);
        return st;
    }
    *out = all;
    return UB_OK;
}

void ub_comm_release(ub_comm *c)
{
    if (c->size > 0 && c->mpi != MPI_COMM_NULL && !c->wounded)
        (void)MPI_Comm_free(&c->mpi);
    *c = (ub_comm){.mpi = MPI_COMM_NULL};
}

ub_status ub_comm_shrink(ub_comm *c, const int *ranks, int count)
{
    enum { TAG = 1 };
    MPI_Comm  left;
    MPI_Group all, some;
    UB_TRY_MPI(MPI_Comm_group(c->mpi, &all));
    UB_TRY_MPI(MPI_Group_incl(all, count, ranks, &some));
    UB_TRY_MPI(MPI_Comm_create_group(c->mpi, some, TAG, &left));
    UB_TRY_MPI(MPI_Group_free(&some));
    UB_TRY_MPI(MPI_Group_free(&all));
    return wrap(c, left, true);
}

/* Lowest (severity, rank) wins: 0 failure, 1 stop, 2 fine. */
static int severity(ub_status st)
{
    return st == UB_OK ? 2 : st == UB_ESTOP ? 1 : 0;
}

ub_status ub_comm_verdict(const ub_comm *c, ub_status mine)
{
    if (mine == UB_EMPI) /* others may be inside a call for ever: main() ends the job */
        return mine;
    struct {
        int severity, rank;
    } in = {severity(mine), c->rank}, out;
    UB_TRY_MPI(MPI_Allreduce(&in, &out, 1, MPI_2INT, MPI_MINLOC, c->mpi));
    if (out.severity == 2)
        return UB_OK;
    struct {
        int  status;
        char text[SENTENCE];
    } word = {.status = (int)mine};
    (void)snprintf(word.text, sizeof word.text, "%s", ub_err_message());
    UB_TRY_MPI(MPI_Bcast(&word, (int)sizeof word, MPI_BYTE, out.rank, c->mpi));
    if (out.rank == c->rank)
        return mine;
    return UB_FAIL((ub_status)word.status, "%s", word.text);
}

ub_status ub_comm_bcast(const ub_comm *c, void *data, size_t n)
{
    unsigned char *p = data;
    for (size_t at = 0; at < n; at += PIECE) {
        int count = (int)(n - at < PIECE ? n - at : PIECE);
        UB_TRY_MPI(MPI_Bcast(p + at, count, MPI_BYTE, 0, c->mpi));
    }
    return UB_OK;
}

ub_status ub_comm_share(const ub_comm *c, ub_bytes *b)
{
    uint64_t n = b->len;
    UB_TRY_MPI(MPI_Bcast(&n, 1, MPI_UINT64_T, 0, c->mpi));
    ub_status st = UB_OK;
    if (c->rank != 0) {
        unsigned char *room = NULL;
        st = UB_ALLOC(room, n + 1);
        if (st == UB_OK) {
            ub_bytes_release(b);
            *b = (ub_bytes){.data = room, .len = (size_t)n, .cap = (size_t)n + 1};
        }
    }
    UB_TRY(ub_comm_agree(c, st));
    return ub_comm_bcast(c, b->data, (size_t)n);
}

ub_status ub_comm_same(const ub_comm *c, const void *data, size_t n, const char *what)
{
    unsigned char mine[UB_SHA256_BYTES], first[UB_SHA256_BYTES];
    ub_sha256_of(data, n, mine);
    memcpy(first, mine, sizeof first);
    UB_TRY_MPI(MPI_Bcast(first, (int)sizeof first, MPI_BYTE, 0, c->mpi));
    ub_status st = UB_OK;
    if (memcmp(first, mine, sizeof first) != 0)
        st = UB_FAIL(UB_ENOTSAME, "%s differs between rank 0 and rank %d", what, c->rank);
    return ub_comm_agree(c, st);
}
