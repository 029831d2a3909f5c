#include "mpi/team.h"

#include "core/mem.h"
#include "core/shard.h"

enum { TAG = 2 };

int ub_team_count(int ranks, int64_t jobs, int64_t shards)
{
    int     best = 1;
    int64_t least = INT64_MAX;
    for (int teams = 1; teams <= ranks && teams <= jobs; teams++) {
        int64_t smallest = ranks / teams, rounds = (jobs + teams - 1) / teams;
        int64_t time = rounds * ((shards + smallest - 1) / smallest + (smallest > 1));
        if (time < least) {
            least = time;
            best = teams;
        }
    }
    return best;
}

/* The first rank of every team listens to those of the others. */
static ub_status listen(ub_team *t)
{
    UB_TRY(UB_ALLOC(t->heard, t->count));
    UB_TRY(UB_ALLOC(t->requests, 2 * t->count)); /* NOLINT(bugprone-sizeof-expression) */
    for (int k = 0; k < t->count; k++) {
        t->requests[k] = t->requests[t->count + k] = MPI_REQUEST_NULL;
        if (k != t->index && t->comm.rank == 0)
            UB_TRY_MPI(MPI_Irecv(&t->heard[k], 1, MPI_INT,
                                 (int)ub_part(t->all->size, t->count, k).first, TAG, t->all->mpi,
                                 &t->requests[t->count + k]));
    }
    return UB_OK;
}

ub_status ub_team_join(const ub_comm *all, int count, ub_team *out)
{
    *out = (ub_team){.all = all, .count = count, .comm = {.mpi = MPI_COMM_NULL}};
    if (count < 1 || count > all->size)
        return UB_FAIL(UB_EARG, "%d teams of %d ranks", count, all->size);
    while (all->rank >= (int)(ub_part(all->size, count, out->index).first +
                              ub_part(all->size, count, out->index).count))
        out->index++;
    UB_TRY(ub_comm_split(all, out->index, &out->comm));
    return ub_comm_agree(all, listen(out));
}

bool ub_team_stopped(ub_team *t)
{
    int all = 0;
    if (t->count == 1 || t->comm.rank != 0)
        return false;
    (void)MPI_Testall(t->count, t->requests + t->count, &all, MPI_STATUSES_IGNORE);
    for (int k = 0; k < t->count; k++)
        if (t->heard[k] != 0)
            return true;
    return false;
}

ub_status ub_team_end(ub_team *t, bool stopped)
{
    t->said = stopped;
    for (int k = 0; k < t->count && t->comm.rank == 0; k++)
        if (k != t->index)
            UB_TRY_MPI(MPI_Isend(&t->said, 1, MPI_INT,
                                 (int)ub_part(t->all->size, t->count, k).first, TAG, t->all->mpi,
                                 &t->requests[k]));
    return ub_mpi_status(MPI_Waitall(2 * t->count, t->requests, MPI_STATUSES_IGNORE),
                         "waiting for the other teams");
}

void ub_team_leave(ub_team *t)
{
    ub_comm_release(&t->comm);
    ub_free(t->heard);
    ub_free(t->requests);
    *t = (ub_team){.comm = {.mpi = MPI_COMM_NULL}};
}
