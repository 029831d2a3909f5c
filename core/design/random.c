/* Independent uniform points; point i has a stream of its own. */
#include "core/design.h"
#include "core/rng.h"

static ub_status length(const ub_design_query *q, int64_t *out)
{
    (void)q;
    *out = INT64_MAX;
    return UB_OK;
}

static ub_status points(const ub_design_query *q, int64_t first, int64_t count, double *u)
{
    for (int64_t i = 0; i < count; i++) {
        ub_rng r = ub_rng_make(q->seed, UB_RNG_DESIGN, (uint64_t)(first + i));
        for (int32_t p = 0; p < q->space->count; p++)
            u[i * q->space->count + p] = ub_rng_uniform(&r);
    }
    return UB_OK;
}

const ub_design ub_design_random = {
    .name = "random",
    .summary = "independent uniform points",
    .reference = "Bergstra and Bengio (2012)",
    .extends = true,
    .length = length,
    .points = points,
};
