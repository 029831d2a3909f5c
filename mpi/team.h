/* mpi/team.h - the ranks of a communicator in teams that work on their own.
 *
 * Their ranks follow each other.  The teams do not wait for each other; only the wish to stop
 * passes between them, told by the first rank of each.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_TEAM_H
#define UB_MPI_TEAM_H

#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_team {
    const ub_comm *all;
    ub_comm        comm; /* of this rank's team */
    int            index, count;
    int           *first; /* rank in `all` of each team's first; owned */
    /* Of the first rank of a team: what it told and what the others' first ranks will tell, once
     * each: 1 = stopped, 0 = done. */
    int          said, *heard;
    MPI_Request *requests; /* 2 * count: sent, received */
} ub_team;

/* How many teams finish `jobs` jobs of equal length soonest, if a job is `shards` equal pieces that
 * ranks of a team share out, and ranks that work together lose the time of a piece in each round.
 * Of equals the fewest. */
UB_LOCAL int ub_team_count(int ranks, int64_t jobs, int64_t shards);

/* Jobs that want so many ranks. */
typedef struct ub_team_kind {
    int     ranks;
    int64_t jobs;
} ub_team_kind;

/* Teams for jobs of several sizes that take the same time if they get the ranks they want.  kind:
 * `kinds` of them, falling in ranks, the largest no more than there are.  size, of: at least
 * `ranks` numbers, out: ranks of each team (in sum `ranks`; of the last kind about as many as it
 * wants), and its kind.  Returns how many teams; the first is of the first kind. */
UB_LOCAL int ub_team_plan(int ranks, int kinds, const ub_team_kind *kind, int *size, int *of);

/* Cut the ranks of `all` (borrowed until leave) into `count` teams, 1 <= count <= size: of size[k]
 * ranks, which are all of them in sum, or (NULL) of about equally many. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_team_join(const ub_comm *all, int count, const int *size,
                                                  ub_team *out);

/* Has another team stopped?  Asked of the first rank of a team; false on others. */
UB_LOCAL bool ub_team_stopped(ub_team *t);

/* This team is done with its work, or has stopped: to be called once, before ub_team_leave. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_team_end(ub_team *t, bool stopped);

/* Release; safe on a zeroed struct, and without ub_team_end if an error ends the job. */
UB_COLLECTIVE void ub_team_leave(ub_team *t);

#endif /* UB_MPI_TEAM_H */
