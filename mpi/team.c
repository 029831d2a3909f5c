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

int ub_team_plan(int ranks, int kinds, const ub_team_kind *kind, int *size, int *of)
{
    int    teams = 0, rest = ranks;
    double work = 0;
    for (int k = 0; k < kinds; k++)
        work += (double)kind[k].ranks * (double)kind[k].jobs;
    for (int k = 0; k < kinds && rest > 0; k++) {
        int     wants = kind[k].ranks, last = k == kinds - 1;
        int64_t count = last ? (rest + wants - 1) / wants
                             : (int64_t)((double)ranks * (double)kind[k].jobs / work + 0.5);
        count = count < 1 && k == 0 ? 1 : count;
        count = !last && count > rest / wants ? rest / wants : count;
        for (int64_t i = 0; i < count; i++) {
            size[teams] = last ? (int)ub_part(rest, count, i).count : wants;
            of[teams++] = k;
        }
        rest -= last ? rest : (int)count * wants;
    }
    return teams;
}

/* The first rank of every team listens to those of the others. */
static ub_status listen(ub_team *t)
{
    UB_TRY(UB_ALLOC(t->heard, t->count));
    UB_TRY(UB_ALLOC(t->requests, 2 * t->count)); /* NOLINT(bugprone-sizeof-expression) */
    for (int k = 0; k < t->count; k++) {
        t->requests[k] = t->requests[t->count + k] = MPI_REQUEST_NULL;
        if (k != t->index && t->comm.rank == 0)
            UB_TRY_MPI(MPI_Irecv(&t->heard[k], 1, MPI_INT, t->first[k], TAG, t->all->mpi,
                                 &t->requests[t->count + k]));
    }
    return UB_OK;
}

ub_status ub_team_join(const ub_comm *all, int count, const int *size, ub_team *out)
{
    *out = (ub_team){.all = all, .count = count, .comm = {.mpi = MPI_COMM_NULL}};
    if (count < 1 || count > all->size)
        return UB_FAIL(UB_EARG, "%d teams of %d ranks", count, all->size);
    UB_TRY(ub_comm_agree(all, UB_ALLOC(out->first, count)));
    for (int k = 0, next = 0; k < count; k++) {
        out->first[k] = next;
        next += size != NULL ? size[k] : (int)ub_part(all->size, count, k).count;
        out->index = all->rank >= out->first[k] ? k : out->index;
    }
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
            UB_TRY_MPI(
                MPI_Isend(&t->said, 1, MPI_INT, t->first[k], TAG, t->all->mpi, &t->requests[k]));
    return ub_mpi_status(MPI_Waitall(2 * t->count, t->requests, MPI_STATUSES_IGNORE),
                         "waiting for the other teams");
}

void ub_team_leave(ub_team *t)
{
    ub_comm_release(&t->comm);
    ub_free(t->first);
    ub_free(t->heard);
    ub_free(t->requests);
    *t = (ub_team){.comm = {.mpi = MPI_COMM_NULL}};
}
