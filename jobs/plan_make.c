/* Measuring and foretelling, as a command wants it. */
#include "core/log.h"
#include "jobs/plan.h"
#include "jobs/study.h"

static const double TRY_S = 2; /* seconds of items, and of steps */

ub_status ub_plan_ranks(const ub_settings *s, int *ranks)
{
    int64_t n = s->slurm.nodes * s->slurm.tasks_per_node;
    if (n > UB_PLAN_RANKS)
        return UB_FAIL(UB_ERANGE,
                       "slurm.nodes * slurm.tasks_per_node = %lld ranks; a plan is for %d at most",
                       (long long)n, (int)UB_PLAN_RANKS);
    *ranks = (int)n;
    return UB_OK;
}

static ub_status which_stages(const ub_settings *s, int *stages)
{
    static const int of[] = {[UB_SLURM_RUN] = UB_STAGE_STRUCTURE | UB_STAGE_DISENTANGLE,
                             [UB_SLURM_STRUCTURE] = UB_STAGE_STRUCTURE,
                             [UB_SLURM_DISENTANGLE] = UB_STAGE_DISENTANGLE};
    if (s->slurm.command == UB_SLURM_SWEEP)
        return UB_FAIL(UB_EINPUT,
                       "a plan is of one study, slurm.command is sweep; plan its largest "
                       "point with --set slurm.command=run");
    *stages = of[s->slurm.command];
    return UB_OK;
}

ub_status ub_plan_make(const ub_settings *settings, int ranks, ub_plan_costs *m,
                       ub_plan_forecast *f)
{
    int stages;
    UB_TRY(which_stages(settings, &stages));
    if (settings->run.log_level == UB_LOG_INFO) /* the calibration's own steps */
        ub_log_set_level(UB_LOG_WARN);
    UB_TRY(ub_plan_measure(settings, stages, TRY_S, m));
    return ub_plan_foretell(settings, m, ranks, f);
}
