/* Latin hypercube: n points, and every parameter has one of them in each n-th of its range.
 * u_ip = (pi_p(i) + v_ip) / n, pi_p a random permutation of 0 .. n-1, v_ip uniform: McKay, Beckman
 * and Conover, "A comparison of three methods for selecting values of input variables in the
 * analysis of output from a computer code", Technometrics 21 (1979), section 2. */
#include "core/design.h"
#include "core/mem.h"
#include "core/rng.h"

static ub_status length(const ub_design_query *q, int64_t *out)
{
    *out = q->points;
    return UB_OK;
}

static ub_status points(const ub_design_query *q, int64_t first, int64_t count, double *u)
{
    int64_t *order = NULL;
    UB_TRY(UB_ALLOC(order, q->points));
    for (int32_t p = 0; p < q->space->count; p++) {
        ub_rng r = ub_rng_make(q->seed, UB_RNG_DESIGN, (uint64_t)p);
        ub_rng_permutation(&r, q->points, order);
        for (int64_t i = 0; i < first + count; i++) {
            double v = ub_rng_uniform(&r);
            if (i >= first)
                u[(i - first) * q->space->count + p] = ((double)order[i] + v) / (double)q->points;
        }
    }
    ub_free(order);
    return UB_OK;
}

const ub_design ub_design_lhs = {
    .name = "lhs",
    .summary = "Latin hypercube: every n-th of every range is visited once",
    .reference = "McKay, Beckman and Conover (1979)",
    .extends = false,
    .length = length,
    .points = points,
};
