/* Every combination of values; the last parameter varies fastest. */
#include "core/design.h"

static ub_status length(const ub_design_query *q, int64_t *out)
{
    int64_t total = 1, levels;
    for (int32_t p = 0; p < q->space->count; p++) {
        UB_TRY(ub_space_levels(q->space, p, &levels));
        if (total > 1000000000 / levels)
            return UB_FAIL(UB_ERANGE, "the grid has more than 1000000000 points; vary less, or "
                                      "use sweep.method: sobol");
        total *= levels;
    }
    *out = total;
    return UB_OK;
}

static ub_status points(const ub_design_query *q, int64_t first, int64_t count, double *u)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = first + i, levels;
        for (int32_t p = q->space->count - 1; p >= 0; p--) {
            UB_TRY(ub_space_levels(q->space, p, &levels));
            u[i * q->space->count + p] = ub_space_level(q->space, p, rest % levels, levels);
            rest /= levels;
        }
    }
    return UB_OK;
}

const ub_design ub_design_grid = {
    .name = "grid",
    .summary = "every combination of the values",
    .reference = "",
    .extends = true,
    .whole = true,
    .length = length,
    .points = points,
};
