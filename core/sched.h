/* core/sched.h - the farm's decisions as a state machine: who gets which items, and when.
 *
 * No messages, no clock: the driver reports what happened with the time it happened (`now`, any
 * origin, never decreasing) and performs the actions that ub_sched_next() returns.  Decisions
 * depend on nothing but these calls and their order.  mpi/farm and the simulator of
 * core/rehearse.h drive the same machine.
 *
 * Life of an item:
 *
 *     waiting --give--> out --first answer--> done
 *        ^               |--fails------------> waiting (on another rank), after `retry` tries aside
 *        +--rank dead----+
 *
 * Every item out is in the lease of at least one living rank.  When nothing waits, an idle rank
 * is given items of an overdue lease again, from its end backwards; the first answer wins.
 * A lease of n items is overdue later than
 *
 *     n/w mean + overdue sqrt(n/w) max(q95 - mean, mean) + lag
 *
 * after it was given (mean and q95: of the measured item times; w: workers behind the rank): the
 * sum of independent times spreads with the square root of their number.  What a rank already
 * held when the lease was given counts to its n.
 *
 * Sub-masters: a sub-master is one rank of its master's machine, `width` workers wide, and runs a
 * machine of its own that is `open`: it asks above (UB_SCHED_MORE) when little waits, takes items
 * by ub_sched_add(), and is closed when its master says END.  Item numbers are the same on both.
 *
 * Layer: core.  Memory: one byte an item (in pages that are touched), about 200 bytes a rank.
 * Cost: amortised O(1) an item, O(log ranks) a request.
 */
#ifndef UB_CORE_SCHED_H
#define UB_CORE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum {
    UB_SCHED_RANGES = 64, /* ranges in one action */
    UB_SCHED_TRIES = 30   /* largest `retry` */
};

/* What a policy looks at.  total: items that waited when the machine was created or last added
 * to; left: that wait now; ranks: alive.  The rest is the policy's own memory. */
typedef struct ub_sched_shape {
    int64_t total, left, floor;
    int     ranks;
    double  overhead, sigma; /* seconds a chunk costs; standard deviation of an item's time */
    int64_t step, first, batch, chunk;
    double  delta;
} ub_sched_shape;

/* A rule for the size of the next chunk, before the floor is applied. */
typedef struct ub_sched_policy {
    const char *name, *summary;
    int64_t (*chunk)(ub_sched_shape *shape); /* step: chunks since `total`, kept by the caller */
    bool weighted;                           /* times the measured speed of the rank */
    bool scales; /* what it loses at the end grows with the length of the run */
} ub_sched_policy;

/* The policies, as published (N items, R left, P ranks):
 *   static  ceil(N / P)
 *   self    1
 *   fsc     (sqrt(2) N h / (sigma P sqrt(ln P)))^(2/3), h the overhead of a chunk: Kruskal and
 *           Weiss, "Allocating independent subtasks on parallel processors", IEEE TSE 11, 1985
 *   gss     ceil(R / P): Polychronopoulos and Kuck, "Guided self-scheduling", IEEE TC 36, 1987
 *   tss     from f = ceil(N / 2P) down to l = the floor in C = ceil(2N / (f + l)) steps of
 *           (f - l) / (C - 1), each size rounded: Tzeng and Ni, "Trapezoid
 *           self-scheduling", IEEE TPDS 4, 1993
 *   fac2    P chunks of ceil(R / 2P), again: Hummel, Schonberg, Flynn, "Factoring", CACM 35, 1992
 *   awf     ceil(R / 2P) times the rank's weight, both renewed at each chunk (variant C):
 * Banicescu, Velusamy, Devaprasad, Cluster Computing 6, 2003; Carino, Banicescu, J Supercomput 44,
 *           2008.  Weight: with pi = sum_k k t_k / sum_k k n_k over the rank's chunks k of n_k
 *           items that took t_k, (1 / pi) / (mean of 1 / pi over the ranks heard of)
 * NULL past the end. */
const ub_sched_policy *ub_sched_policy_at(size_t i);
const ub_sched_policy *ub_sched_policy_find(const char *name);
/* For CHOICE fields: "auto", then the names. */
const char *ub_sched_choice_at(size_t i);

typedef struct ub_sched_config {
    int64_t    items; /* item numbers are 0 .. items-1 */
    bool       open;  /* starts without items: ub_sched_add; else all wait */
    int        ranks;
    const int *width;                /* ranks numbers: workers behind each, borrowed; 0: not there
                                        before its first request, then 1; NULL: 1 each */
    const ub_sched_policy *policy;   /* static storage */
    int64_t                floor;    /* smallest chunk, for each worker behind a rank, >= 1 */
    int64_t                low;      /* open machines: ask above at so many waiting items */
    int                    retry;    /* times an item may fail until it is set aside, >= 1 */
    double                 overdue;  /* factor of the formula above; 0: nothing is given twice */
    double                 lag;      /* seconds answers may be under way */
    double                 overhead; /* seconds a chunk costs (fsc) */
    double                 sigma;    /* of an item's seconds, until 32 are measured (fsc) */
} ub_sched_config;

/* Sub-masters: ranks 1 .. ranks-1 are cut into groups of about `group`, the first of each is its
 * sub-master and has at least one worker.  How many groups; 0: one master for all. */
int ub_sched_groups(int ranks, int group);
/* The first rank of group g; g = groups: one past the last. */
int ub_sched_group_begin(int ranks, int groups, int g);
/* The size of a group by rule of thumb: 128 ranks where one master has more than 1,024 to serve;
 * else 0, no groups. */
int ub_sched_group_usual(int ranks);

/* The machines of a tree from the one that a single master would run over all workers.
 * Above: numbered as all ranks are, width[rank] workers behind each; lag: how long sub-masters
 * gather answers.  Ranks of a sub-master have width 0: they come when it has died.
 * Below: the machine of a sub-master over `width` workers; what fails goes up at once. */
ub_sched_config ub_sched_above(const ub_sched_config *flat, int ranks, const int *width,
                               double lag);
ub_sched_config ub_sched_below(const ub_sched_config *flat, int width);

typedef struct ub_sched ub_sched;

/* config is copied.  Errors: UB_ERANGE, UB_ENOMEM. */
UB_NODISCARD ub_status ub_sched_create(const ub_sched_config *config, ub_sched **out);
void                   ub_sched_destroy(ub_sched **s);

/* Before the first request: item is answered already (from a journal).  Twice is once. */
void ub_sched_known(ub_sched *s, int64_t item);
/* Before the first request: never give the rank more than `limit` items at once. */
void ub_sched_limit(ub_sched *s, int rank, int64_t limit);
/* Open machines: these items wait here now.  What is in work or done here is left alone, what was
 * set aside gets a new round of tries.  Errors: UB_ERANGE, UB_ENOMEM. */
UB_NODISCARD ub_status ub_sched_add(ub_sched *s, int64_t first, int64_t count);
/* Open machines: nothing will be added any more. */
void ub_sched_close(ub_sched *s);
/* Give nothing out any more: everybody is told to end. */
void ub_sched_stop(ub_sched *s);

/* ASK: "I begin the last item I have" (a second chunk may travel meanwhile); it is granted only
 * while chunks are at their floor and everybody can have one.  IDLE: "I have nothing to begin".
 * A rank that was declared dead is alive again.  At the beginning a rank is not heard of. */
typedef enum ub_sched_want { UB_SCHED_ASK, UB_SCHED_IDLE } ub_sched_want;
void ub_sched_request(ub_sched *s, int rank, ub_sched_want want, double now);

typedef enum ub_sched_verdict {
    UB_SCHED_FIRST,     /* absorb it */
    UB_SCHED_DUPLICATE, /* answered already: drop it */
    UB_SCHED_STRANGE    /* nobody was asked this here: drop it */
} ub_sched_verdict;

/* An answer of the rank; seconds: the work it took, 0 if not known. */
ub_sched_verdict ub_sched_answer(ub_sched *s, int rank, int64_t item, double seconds, double now);
/* The rank could not do the item.  aside: out, may be NULL; was that the last try?
 * Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_sched_fail(ub_sched *s, int rank, int64_t item, double now, bool *aside);
/* The rank is taken for dead: what it has not answered waits again.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_sched_dead(ub_sched *s, int rank, double now);

typedef struct ub_sched_range {
    int64_t first, count;
} ub_sched_range;

typedef enum ub_sched_act {
    UB_SCHED_NOTHING, /* wait for the next message, or until ub_sched_wake() */
    UB_SCHED_GIVE,    /* send the ranges to the rank */
    UB_SCHED_END,     /* tell the rank to end; once a rank */
    UB_SCHED_MORE     /* ask the master above for more */
} ub_sched_act;

typedef struct ub_sched_action {
    ub_sched_act   act;
    int            rank;
    int            count; /* of ranges */
    int64_t        items; /* in them */
    ub_sched_range range[UB_SCHED_RANGES];
} ub_sched_action;

/* The next thing to do now.  Call after every report until it says NOTHING.
 * Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_sched_next(ub_sched *s, double now, ub_sched_action *out);
/* When to ask again though nothing was heard: an idle rank waits for a lease to be overdue.
 * INFINITY if none does. */
double ub_sched_wake(const ub_sched *s);

/* All items are answered or set aside, and none will be added. */
bool ub_sched_finished(const ub_sched *s);

typedef struct ub_sched_stats {
    int64_t waiting, out, done, aside;
    int64_t chunks;     /* given */
    int64_t reissued;   /* items given again: overdue, or their rank died */
    int64_t duplicates; /* answers that came second */
    int64_t failures;   /* tries that failed */
    int64_t deaths, revived;
    int     alive;
    int64_t measured; /* items whose time is known, and their: */
    double  mean, sigma, q95;
} ub_sched_stats;

void ub_sched_measure(const ub_sched *s, ub_sched_stats *out);
/* Has the rank been given items, and not said since that it has nothing to begin? */
bool ub_sched_is_busy(const ub_sched *s, int rank);
/* First item >= from that is set aside, or -1.  O(items passed). */
int64_t ub_sched_aside(const ub_sched *s, int64_t from);
bool    ub_sched_is_done(const ub_sched *s, int64_t item);

#endif /* UB_CORE_SCHED_H */
