/* core/rehearse.h - the farm on ranks that do not exist: real decisions, simulated time.
 *
 * A discrete-event simulation around core/sched.h.  Every rank is a process that works, sends its
 * answers and asks as mpi/farm does (ASK when it begins its last item, IDLE when it has nothing);
 * every master is a queue that takes one message at a time.
 *
 * One master: rank 0 of `ranks`; it works too between messages, if `works`.
 * Sub-masters (group > 1): rank 0 only hands out to the first rank of each group of about `group`
 * ranks, and that one only hands out to the rest.  Answers travel up in batches.  The ranks of a
 * sub-master that dies go on with rank 0.
 *
 * Assumed: an answer, a request or a chunk takes message_s on its way, whatever the load of the
 * network; the receiving master spends request_s on a message and answer_s on each answer in it.
 * Times of items are independent.  Nothing else runs on the nodes.
 *
 * Layer: core.  Deterministic: equal rehearsals give equal results.
 */
#ifndef UB_CORE_REHEARSE_H
#define UB_CORE_REHEARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sched.h"

typedef enum ub_times { UB_TIMES_LOGNORMAL, UB_TIMES_GAMMA, UB_TIMES_EQUAL } ub_times;

typedef struct ub_rehearsal {
    uint64_t               seed;
    int64_t                items;
    int                    ranks;
    const ub_sched_policy *policy;
    int64_t                floor;
    int                    group;   /* ranks of a sub-master, itself among them; 0, 1: one master */
    bool                   works;   /* one master: rank 0 does items, too */
    int                    retry;   /* see ub_sched_config */
    double                 overdue; /* the same */
    /* The world, in seconds. */
    ub_times      times;
    double        item_s, item_cv; /* mean, and standard deviation over mean, of an item's time */
    const double *sample;          /* measured times to draw from instead; may be NULL */
    int64_t       samples;
    const double *each; /* the time of every item, in their order, instead; may be NULL */
    double        message_s, request_s, answer_s;
    double        slow_fraction, slow_factor; /* so many ranks take so many times longer: */
    bool          slow_nodes;               /* of the nodes, all ranks of one; else rank by rank */
    double        fail_fraction;            /* so many tries of an item fail */
    int           deaths;                   /* so many ranks (not rank 0) die during the run */
    double        rank_mtbf_s, node_mtbf_s; /* mean time until a rank, a node dies; 0: never */
    int           node_ranks;
    double        detect_s;             /* from a death to its discovery */
    double        preempt_s, restart_s; /* all ranks are stopped then (0: never), and back later */
} ub_rehearsal;

typedef struct ub_rehearsed {
    double efficiency; /* work / (capacity x makespan); capacity: the sum of the ranks' speeds, a
                          rank that is f times slower counts 1/f, a dead one as if it lived */
    double  makespan, work; /* seconds; work: the items once, on a rank of speed 1 */
    double  lost;           /* seconds ranks spent on answers that came second or never */
    double  master;         /* part of the time the busiest master spent on messages */
    double  top;            /* the same of rank 0 */
    int     groups;
    int64_t messages, chunks, reissued, duplicates, aside, deaths, restarts;
} ub_rehearsed;

/* Errors: UB_ERANGE (sizes that cannot be), UB_ESTATE (no rank is left, or restarts without
 * end), UB_ENOMEM.  Cost: about 0.3 us an item and 1 us a message; memory 6 bytes an item. */
UB_NODISCARD ub_status ub_rehearse(const ub_rehearsal *plan, ub_rehearsed *out);

/* What ub_sched_choose found. */
typedef struct ub_sched_pick {
    const ub_sched_policy *policy;
    int64_t                floor;
    int                    group;
    bool                   works;
    double                 expected;   /* efficiency */
    double                 one_master; /* the best with one master, NaN if none was tried */
    int                    tried;      /* settings simulated */
    char                   why[256];   /* one line */
} ub_sched_pick;

/* Choose policy, floor, sub-masters and whether masters work, for the world of `plan`.
 *   plan      policy NULL, floor 0, group < 0: chosen; else kept
 *   budget    items to simulate in all; 0: no simulation, FAC2 and a floor by formula.  Runs that
 *             do not fit are simulated with fewer items a rank, at least 128, and extrapolated:
 *             what a policy loses at its end is the same in a longer run, or grows with it
 *             (ub_sched_policy.scales); what masters lose by not working grows with it, and
 *             where a master sets the pace two lengths are simulated
 * Every candidate sees the same item times and slow ranks.  Without deaths and preemption. */
UB_NODISCARD ub_status ub_sched_choose(const ub_rehearsal *plan, int64_t budget,
                                       ub_sched_pick *out);

/* How long a sub-master may gather answers before it sends them up, so that those messages take
 * at most half of the time of the master above; at most 50 ms. */
double ub_sched_gather(int groups, double request_s);

#endif /* UB_CORE_REHEARSE_H */
