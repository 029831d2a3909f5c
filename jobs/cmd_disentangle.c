#include "jobs/study.h"

static ub_status run(ub_context *ctx)
{
    return ub_study_run(ctx, &ub_cmd_disentangle, UB_STAGE_DISENTANGLE);
}

const ub_command ub_cmd_disentangle = {
    .name = "disentangle",
    .usage = "-c FILE [--set section.key=value]... --out DIR",
    .summary = "Stage 2: which latent dimensions each task needs",
    .sections = "run corpus segment disentangle eval",
    .details = "Leaves model.h5, training.csv, training.svg, latents.csv, latents.svg and "
               "report.html in the "
               "run folder.\n",
    .needs_out = true,
    .run = run,
};
