/* mpi/watch.h - is every rank of this node still alive?
 *
 * Stock MPI does not tell a rank that another has died; the kernel does.  A thread looks at the
 * process of the next rank of the node (in a ring, so a death is seen by one) a few times a
 * second.  It calls no MPI.  While deaths are tolerated (the farm) they are noted for the main
 * thread to report; otherwise, and if it is rank 0, nobody could go on - the next collective would
 * wait for ever - and the watch ends the job: a sentence, a signal to the launcher, _exit.
 *
 * Without a launcher that lets a job outlive a rank (mpirun --enable-recovery, srun
 * --kill-on-bad-exit=0) the job is gone before the watch sees anything.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_WATCH_H
#define UB_MPI_WATCH_H

#include <stdbool.h>

#include "mpi/comm.h"

typedef struct ub_watch ub_watch;

/* Begin.  Ranks that see each other's processes (same node, same process namespace) watch each
 * other; *out is NULL where there is nobody to watch.  Deaths are not tolerated at first. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_watch_start(const ub_comm *c, ub_watch **out);
/* End; call it on every rank before anyone leaves on purpose.  NULL is fine. */
UB_LOCAL void ub_watch_stop(ub_watch **w);

/* From now on, are deaths somebody's business?  When they no longer are, those noted since and of
 * ranks still watched end the job.  NULL is fine. */
UB_LOCAL void ub_watch_tolerate(ub_watch *w, bool tolerate);
/* The communicator has shrunk (ub_comm_shrink): rank k was left[k]; the others are watched no more.
 * NULL is fine. */
UB_LOCAL void ub_watch_follow(ub_watch *w, const int *left, int count);
/* A rank that this rank was the first to miss, each once; -1: none.  NULL is fine. */
UB_LOCAL int ub_watch_missing(ub_watch *w);
/* The end of a job that lost ranks, by those that are left, instead of ub_watch_stop(); only
 * leaving may follow.  Launchers wait for every process, so ranks of this node that the others went
 * on without and that are still there (stuck, stopped) are killed.  mpirun of Open MPI 4.1 sees
 * that such a job is over on one node, but waits for ever on several; so each rank tells the daemon
 * of its node to go, if there is one.  mpirun then ends with 1, whatever the ranks' exit code. c
 * without ranks, of a rank that was given up itself: it waits for nobody */
UB_COLLECTIVE void ub_watch_dismiss(ub_watch **w, const ub_comm *c);

#endif /* UB_MPI_WATCH_H */
