#include "jobs/study.h"

static ub_status run(ub_context *ctx)
{
    return ub_study_run(ctx, &ub_cmd_structure, UB_STAGE_STRUCTURE);
}

const ub_command ub_cmd_structure = {
    .name = "structure",
    .usage = "-c FILE [--set section.key=value]... --out DIR [--failed-only]",
    .summary = "Stage 1: which time steps belong to which task",
    .sections = "run corpus segment structure ci farm eval",
    .flags = "failed-only",
    .details =
        "Leaves structure.h5, membership.csv, steps.csv, pairs.csv, graph.graphml, timeline.svg,\n"
        "pairs.svg and report.html in the run folder.\n"
        "With --failed-only: redoes the items that failed and were set aside, and starts no run.\n",
    .needs_out = true,
    .run = run,
};
