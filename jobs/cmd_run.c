#include "jobs/study.h"

static ub_status run(ub_context *ctx)
{
    return ub_study_run(ctx, &ub_cmd_run, UB_STAGE_STRUCTURE | UB_STAGE_DISENTANGLE);
}

const ub_command ub_cmd_run = {
    .name = "run",
    .usage = "-c FILE [--set section.key=value]... --out DIR [--failed-only]",
    .summary = "The whole study: structure, disentangle, evaluate, report",
    .sections = "run corpus segment structure ci farm disentangle eval",
    .flags = "failed-only",
    .details =
        "The same command again goes on where a run was cut off.  With --failed-only it redoes\n"
        "the items of stage 1 that failed and were set aside, and starts no run.\n",
    .needs_out = true,
    .run = run,
};
