/* mpi/internal/farm.h - the conversation of the farm, and its three parts.
 *
 * A master runs a machine of core/sched.h over some ranks.  With one master that is rank 0 over
 * all; else rank 0 is the master of sub-masters, and each of those that of the ranks behind it.
 *
 * Master -> rank: CHUNK (ranges of items), END.  Rank -> master: answers in ANSWERS, ASK and IDLE,
 * and by its tag
 *   ANSWERS  nothing else.  Of a sub-master also without any, now and then: "I am there"
 *   ASK      "I begin the last item of my chunk": the next chunk may travel meanwhile
 *   IDLE     "I have nothing to do": sent when no answer to ASK has come.  Of a sub-master:
 *            "little waits here"
 *   STOP     answers, and "I was asked to stop": once.  Sub-masters pass it on
 *   FAIL     a failure (an item, a status, a sentence) instead of answers; sub-masters pass it on
 *   BYE      what ub_farm_bye holds; the reply to END.  After it the rank only listens to rank 0
 * Anybody -> rank 0, and rank 0 -> the sub-master concerned:
 *   LOST     "the process of this rank is gone" (mpi/watch.h)
 * Rank 0 -> anybody:
 *   ADOPT    "your sub-master is lost": drop what it gave, talk to rank 0 from now on, say IDLE
 *   CLOSE    how it ended and who was lost; it comes when everybody has said BYE or is lost, so
 *            nothing is left behind
 * Messages between two ranks do not overtake.
 *
 * Nothing here may wait for a rank that can be dead.  What masters send is small enough to leave
 * eagerly, and is not waited for; a long answer is received piecemeal by MPI while its master goes
 * on, and given up with its sender; a worker that cannot get rid of a message to its sub-master
 * looks for ADOPT meanwhile.  Everybody waits for rank 0 without fear: without rank 0 there is no
 * farm, and the watch ends the job.
 *
 * Layer: mpi, private.
 */
#ifndef UB_MPI_INTERNAL_FARM_H
#define UB_MPI_INTERNAL_FARM_H

#include "core/sched.h"
#include "mpi/farm.h"

enum {
    UB_FARM_CHUNK,
    UB_FARM_END,
    UB_FARM_ADOPT,
    UB_FARM_CLOSE,
    UB_FARM_ANSWERS,
    UB_FARM_ASK,
    UB_FARM_IDLE,
    UB_FARM_STOP,
    UB_FARM_FAIL,
    UB_FARM_LOST,
    UB_FARM_BYE
};

enum { UB_FARM_SENTENCE = 1024 };

/* Before each answer of a message. */
typedef struct ub_farm_answer {
    int64_t item;
    double  seconds;     /* of work() */
    int32_t bytes, rank; /* that follow; which did it */
} ub_farm_answer;

typedef struct ub_farm_failure {
    int64_t   item;
    int       rank;
    ub_status status;
    char      sentence[UB_FARM_SENTENCE];
} ub_farm_failure;

/* Of the rank, or of all behind the sub-master and of its machine. */
typedef struct ub_farm_bye {
    double  busy; /* seconds in work() */
    int64_t reissued, duplicates;
} ub_farm_bye;

/* Followed by the ranks that were lost, int each. */
typedef struct ub_farm_close {
    ub_status status;
    int       lost;
    char      sentence[UB_FARM_SENTENCE];
} ub_farm_close;

/* What all ranks know of the plan: rank 0's, with defaults filled in. */
typedef struct ub_farm_terms {
    int64_t items, floor;
    int     groups; /* of ub_sched_groups() */
    int     retry;
    bool    only_master;
    double  overdue, patience_s;
    double  gather_s;   /* of a sub-master: see ub_sched_gather() */
    char    policy[32]; /* its name */
} ub_farm_terms;

/* A rank's side of the farm. */
typedef struct ub_farm_side {
    const ub_comm       *c;
    ub_watch            *watch;
    const ub_farm_terms *terms;
    const ub_farm_ops   *ops;
    void                *self;
    MPI_Group            before; /* the ranks there were when ub_farm_run() was called */
} ub_farm_side;

/* UB_ERANGE if the answer is longer than one message holds: on every rank alike, rank 0 too, which
 * sends none. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_fits(int64_t item, const ub_bytes *answer);
/* Was this rank asked to stop? */
UB_LOCAL bool ub_farm_wants_stop(const ub_farm_side *side);
/* The machine of one master over all workers, for these terms. */
UB_LOCAL ub_sched_config ub_farm_config(const ub_farm_side *side);
/* The master of a rank: 0, or its sub-master; of a sub-master: 0. */
UB_LOCAL int ub_farm_master_of(const ub_farm_side *side, int rank);
/* Workers behind a sub-master; 0: it is none. */
UB_LOCAL int ub_farm_behind(const ub_farm_side *side, int rank);

/* Is there a message?  Open MPI's MPI_Iprobe looks before it moves messages on, so after an item
 * its first call does not find what came meanwhile: a second is made. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_probe(const ub_comm *c, int source, MPI_Status *found,
                                              int *here);
/* Nothing to do since `since`: look again at once for a few microseconds (to let others have the
 * core takes as long as a message), then let them, and after much longer than that sleep a little
 * (a rank that only looks takes the time of those that work where ranks share cores, and is not
 * woken when it matters). */
UB_LOCAL void ub_farm_rest(double since, double now);

/* ---- farm_pool.c: a master and its ranks ---- */

typedef struct ub_farm_letter {
    MPI_Request sent;
    ub_bytes    text;
} ub_farm_letter;

typedef struct ub_farm_peer {
    bool            mine, lost, parted; /* of this master; given up; has said BYE */
    bool            retired;            /* a sub-master without ranks: is given nothing more */
    bool            awaited;            /* has been told to end, or to come, and must be heard of */
    double          since, heard;       /* when; when it was last heard of.  Both: see `awake` */
    double          spoke;              /* the same by the clock */
    MPI_Request     in;
    int             in_tag;
    ub_bytes        inbox;
    ub_farm_letter *post;
    int             posts;
} ub_farm_peer;

/* What a master does with what it hears; the machine has been told already. */
typedef struct ub_farm_pool_ops {
    /* The first answer of an item. */
    ub_status (*answer)(void *self, const ub_farm_answer *head, const unsigned char *answer);
    ub_status (*failure)(void *self, const ub_farm_failure *f, bool aside);
    void (*bye)(void *self, const ub_farm_bye *bye);
    /* The rank (any of c) is gone; the machine has not been told: ub_farm_lose(). */
    ub_status (*missing)(void *self, int rank, const char *why);
    /* Sub-masters: from rank 0; not CLOSE, which stays where it is. */
    ub_status (*above)(void *self, int tag, const unsigned char *data, size_t len);
} ub_farm_pool_ops;

/* Ranks first .. first + count - 1 of c are 0 .. count - 1 of the machine. */
typedef struct ub_farm_pool {
    const ub_comm          *c;
    ub_watch               *watch;
    ub_sched               *sched;
    int                     first, count;
    ub_farm_peer           *peers;
    int                    *receiving, receiving_count; /* peers with a message under way */
    const ub_farm_pool_ops *ops;
    void                   *self;
    double                  now, patience_s;
    int64_t                 messages, bytes; /* that came */
    double                  heard;           /* when the last one did */
    double                  looked, awake;   /* when it last listened; seconds spent listening: what
                                                patience is measured by, see ub_farm_listen() */
    ub_sched_action own;                     /* what rank 0 was given and has not begun */
    bool            own_end, more;           /* rank 0 is to end; MORE was decided */
    bool            ending, closed;          /* END was sent; CLOSE has come */
    bool            asked;                   /* STOP has come, or this rank itself was asked */
    /* Of a sub-master: it has said BYE.  What comes now but from rank 0 is not of the farm: others
     * may have left it (ub_comm_shrink). */
    bool parted;
} ub_farm_pool;

/* The ranks and their machine. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_pool_init(ub_farm_pool *p, const ub_sched_config *config);
/* Buffers of messages that have not come, or left, stay with MPI. */
UB_LOCAL void ub_farm_pool_release(ub_farm_pool *p);
/* Send without waiting. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_post(ub_farm_pool *p, int rank, int tag, const void *data,
                                             size_t len);
/* Wait until all posts have left; those to lost ranks, which may live, for a moment only. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_posted(ub_farm_pool *p);
/* Perform what the machine decides. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_act(ub_farm_pool *p);
/* Take all that has come, and what the watch knows.  Of a pause since the last time (a suspended
 * job, a slow disk) little counts as listening: the others had no chance to be heard. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_listen(ub_farm_pool *p);
/* A rank of the pool is gone. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_lose(ub_farm_pool *p, int rank);
/* Have all of the pool parted?  A rank that should be heard of and is silent for longer than
 * patience is missing. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_parted(ub_farm_pool *p, bool *parted);

/* ---- the parts ---- */

/* A plan for policy "auto": does the first items, if there are enough of them, and chooses.  On
 * rank 0 *plan is right and items 0 .. *done-1 are answered.  Fails as ub_farm_run does. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_farm_tuned(ub_comm *c, int64_t items,
                                                   const ub_farm_plan *wanted,
                                                   const ub_farm_ops *ops, void *self,
                                                   ub_farm_plan *plan, int64_t *done,
                                                   ub_farm_stats *stats);
/* Rank 0; items before `first` are answered.  *verdict: how the farm ended; *lost: ub_alloc'ed,
 * ranks in ascending order.  Fails itself only when MPI or memory does. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_master(const ub_farm_side *side, int64_t first,
                                               ub_farm_stats *stats, ub_farm_close *verdict,
                                               int **lost);
/* A sub-master, and the other ranks: until CLOSE is there. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_sub_master(const ub_farm_side *side);
UB_LOCAL UB_NODISCARD ub_status ub_farm_worker(const ub_farm_side *side);

#endif /* UB_MPI_INTERNAL_FARM_H */
