/* Promotion of points of a sweep against a plain implementation of its definition. */
#include <math.h>
#include <string.h>

#include "core/promote.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { POINTS = 20, RUNGS = 5, JOBS = POINTS * RUNGS };

/* A sweep: the rule and the seed of what comes of each of its jobs. */
typedef struct sweep {
    ub_promote p;
    uint64_t   seed;
} sweep;

/* What comes of a job: none, a tenth, a half or all of the jobs of a sweep fail; in every other one
 * there are few different results, hence ties. */
static double outcome(const sweep *s, int64_t point, int32_t rung)
{
    static const double failing[] = {0, .1, .5, .1, 0, .1, .5, 1};
    ub_rng              r = ub_rng_make(s->seed, UB_RNG_TEST, (uint64_t)(point * RUNGS + rung));
    if (ub_rng_uniform(&r) < failing[s->seed % 8])
        return (double)NAN;
    double x = 2 * ub_rng_uniform(&r) - 1;
    return s->seed / 8 % 2 == 0 ? x : rint(2 * x);
}

/* The results that a decision uses, and what has climbed from where. */
typedef struct view {
    bool    has[RUNGS][POINTS], climbed[RUNGS][POINTS];
    double  result[RUNGS][POINTS];
    int64_t begun;
} view;

static view view_of(const ub_job *jobs, int64_t n, int64_t visible)
{
    view v = {0};
    for (int64_t j = 0; j < n; j++) {
        int32_t rung = jobs[j].rung;
        int64_t point = jobs[j].point;
        if (j < visible) {
            v.has[rung][point] = true;
            v.result[rung][point] = jobs[j].result;
        }
        if (rung == 0)
            v.begun++;
        else
            v.climbed[rung - 1][point] = true;
    }
    return v;
}

static bool beats(const ub_promote *p, double a, double b)
{
    if (isnan(a) || isnan(b))
        return !isnan(a) && isnan(b);
    return p->minimise ? a < b : a > b;
}

/* asha: fewer are ahead of point t than the rung's size / eta, rounded down; of equal ones the
 * lower number is ahead.  median: fewer than half of at least three are better.  Failed: never. */
static bool may_climb(const ub_promote *p, const view *v, int32_t rung, int64_t t)
{
    const double *result = v->result[rung];
    int           size = 0, top = 0, better = 0, ahead = 0;
    if (!v->has[rung][t] || isnan(result[t]))
        return false;
    for (int64_t o = 0; o < p->points; o++) {
        if (!v->has[rung][o])
            continue;
        size++;
        better += beats(p, result[o], result[t]);
        ahead += beats(p, result[o], result[t]) || (o < t && !beats(p, result[t], result[o]));
    }
    if (p->rule == UB_PROMOTE_MEDIAN)
        return size >= 3 && 2 * better < size;
    while ((top + 1) * p->eta <= size)
        top++;
    return ahead < top;
}

/* get_job of algorithm 2: from the highest rung that is not the last one down, the best that may
 * climb and has not; else a new point. */
static bool get_job(const ub_promote *p, const view *v, ub_job *next)
{
    for (int32_t rung = p->rungs - 2; rung >= 0; rung--) {
        int64_t best = -1;
        for (int64_t t = 0; t < p->points; t++)
            if (may_climb(p, v, rung, t) && !v->climbed[rung][t] &&
                (best < 0 || beats(p, v->result[rung][t], v->result[rung][best])))
                best = t;
        if (best >= 0) {
            *next = (ub_job){.point = best, .rung = rung + 1};
            return true;
        }
    }
    *next = (ub_job){.point = v->begun};
    return v->begun < p->points;
}

/* The jobs of a sweep, and how many results each decision takes: those older than the last lag - 1
 * jobs, and one more for as long as they allow none.  needs[jobs]: for the end. */
static int64_t list_of(const sweep *s, ub_job *list, int64_t *needs)
{
    for (int64_t n = 0;; n++) {
        int64_t visible = n < s->p.lag ? 0 : n - s->p.lag + 1;
        bool    found = false;
        while (!found && visible <= n) {
            view v = view_of(list, n, visible);
            found = get_job(&s->p, &v, &list[n]);
            visible += !found;
        }
        needs[n] = found ? visible : n;
        if (!found)
            return n;
        list[n].result = outcome(s, list[n].point, list[n].rung);
    }
}

/* Run the sweep with jobs that end in an order of chance; at every moment the answer is the one of
 * the list, or to wait for the oldest job without a result if the list needs it.  Returns how often
 * it was to wait. */
static int64_t run(const sweep *s, const ub_job *list, const int64_t *needs, int64_t count,
                   uint64_t order)
{
    ub_rng  r = ub_rng_make(s->seed, UB_RNG_TEST, 1000000 + order);
    ub_job  jobs[JOBS + 1] = {0};
    int64_t open[JOBS], busy = 0, n = 0, waits = 0, workers = 1 + (int64_t)ub_rng_below(&r, 9);
    for (;;) {
        ub_job            next;
        ub_promote_answer answer, expected = UB_PROMOTE_WAIT;
        int64_t           known = 0;
        while (known < n && jobs[known].known)
            known++;
        if (known >= needs[n])
            expected = n < count ? UB_PROMOTE_JOB : UB_PROMOTE_DONE;
        UB_CHECK(ub_promote_next(&s->p, jobs, n, &next, &answer));
        CU_ASSERT_EQUAL(answer, expected);
        if (answer != expected || answer == UB_PROMOTE_DONE)
            return waits;
        if (answer == UB_PROMOTE_WAIT) {
            CU_ASSERT_EQUAL(next.point, known);
            waits++;
        } else {
            CU_ASSERT(next.point == list[n].point && next.rung == list[n].rung);
            if (next.point != list[n].point || next.rung != list[n].rung)
                return waits;
            if (busy == 0 || (busy < workers && ub_rng_below(&r, 3) > 0)) {
                jobs[n] = next;
                jobs[n].known = false;
                jobs[n].result = s->p.minimise ? -9 : 9; /* better than all: nobody may look */
                open[busy++] = n++;
                continue;
            }
        }
        int64_t k = (int64_t)ub_rng_below(&r, (uint64_t)busy), ended = open[k];
        jobs[ended].result = list[ended].result;
        jobs[ended].known = true;
        open[k] = open[--busy];
    }
}

static void decisions_are_those_of_the_definition_in_any_order(void)
{
    enum { SWEEPS = 960 * 4, ORDERS = 3 };
    static const double eta[] = {2, 2.5, 3, 4};
    int64_t             waits = 0, climbs = 0, last = 0;
    for (uint64_t i = 0; i < SWEEPS; i++) {
        ub_job  list[JOBS + 1];
        int64_t needs[JOBS + 1];
        int     rule = (int)(i % 3);
        ub_rng  r = ub_rng_make(i, UB_RNG_TEST, 2000000);
        sweep   s = {{.rule = rule,
                      .minimise = i / 3 % 2 == 1,
                      .points = 1 + (int64_t)ub_rng_below(&r, POINTS),
                      .rungs = rule == UB_PROMOTE_NONE ? 1 : 1 + (int32_t)(i / 192 % RUNGS),
                      .eta = eta[i / 48 % 4],
                      .lag = 1 + (int64_t)(i / 6 % 8)},
                     ub_rng_u64(&r)};
        int64_t count = list_of(&s, list, needs);
        for (int64_t j = 0; j < count; j++) {
            climbs += list[j].rung > 0;
            last += list[j].rung == RUNGS - 1;
        }
        CU_ASSERT(rule == UB_PROMOTE_NONE ? count == s.p.points : count >= s.p.points);
        for (uint64_t order = 0; order < ORDERS; order++)
            waits += run(&s, list, needs, count, order);
    }
    /* There was something to decide: these are counts of the definition, not of the program. */
    CU_ASSERT(climbs > 10000 && last > 100 && waits > 10000);
}

static void as_many_jobs_as_the_lag_are_open_together(void)
{
    for (int64_t lag = 1; lag <= 8; lag++) {
        ub_job            jobs[9] = {0}, next;
        ub_promote        p = {UB_PROMOTE_ASHA, false, POINTS, RUNGS, 2, lag};
        ub_promote_answer a;
        for (int64_t n = 0; n < lag; n++) {
            UB_CHECK(ub_promote_next(&p, jobs, n, &next, &a));
            CU_ASSERT(a == UB_PROMOTE_JOB && next.point == n && next.rung == 0);
            jobs[n] = next;
        }
        UB_CHECK(ub_promote_next(&p, jobs, lag, &next, &a));
        CU_ASSERT(a == UB_PROMOTE_WAIT && next.point == 0);
    }
}

/* By hand: results 4, 7, 5, 6 on the lowest rung, eta 2, the largest is best, nothing above known.
 * Of two results one may climb (7), of four two (7 and 6). */
static void asha_promotes_as_by_hand(void)
{
    static const struct {
        int64_t point;
        int32_t rung;
        double  result;
    } job[] = {{0, 0, 4}, {1, 0, 7}, {1, 1, 8}, {2, 0, 5}, {3, 0, 6}, {3, 1, 9}, {3, 2, 9}};
    ub_promote        p = {UB_PROMOTE_ASHA, false, 4, 3, 2, 1};
    ub_job            jobs[8] = {0}, next;
    ub_promote_answer a;
    for (int64_t n = 0; n < 7; n++) {
        UB_CHECK(ub_promote_next(&p, jobs, n, &next, &a));
        CU_ASSERT(a == UB_PROMOTE_JOB && next.point == job[n].point && next.rung == job[n].rung);
        jobs[n] = (ub_job){job[n].point, job[n].rung, true, job[n].result};
    }
    UB_CHECK(ub_promote_next(&p, jobs, 7, &next, &a));
    CU_ASSERT_EQUAL(a, UB_PROMOTE_DONE);
}

/* Results 1, 3 and 2 on the lowest rung: the median is 2, and 1 may not climb. */
static void median_promotes_the_better_half(void)
{
    ub_job            jobs[8] = {{0, 0, true, 1}, {1, 0, true, 3}, {2, 0, true, 2}};
    ub_promote        p = {UB_PROMOTE_MEDIAN, false, 3, 2, 2, 1};
    static const int  order[] = {1, 2};
    ub_promote_answer a;
    ub_job            next;
    for (int64_t n = 3; n < 5; n++) {
        UB_CHECK(ub_promote_next(&p, jobs, n, &next, &a));
        CU_ASSERT(a == UB_PROMOTE_JOB && next.point == order[n - 3] && next.rung == 1);
        jobs[n] = next;
        jobs[n].known = true;
    }
    UB_CHECK(ub_promote_next(&p, jobs, 5, &next, &a));
    CU_ASSERT_EQUAL(a, UB_PROMOTE_DONE);
}

UB_SUITE("promote",
         {"decisions are those of the definition, in whatever order results arrive",
          decisions_are_those_of_the_definition_in_any_order},
         {"as many jobs as the lag are open together", as_many_jobs_as_the_lag_are_open_together},
         {"ASHA promotes as by hand", asha_promotes_as_by_hand},
         {"median promotes the better half", median_promotes_the_better_half})
