/* A model for numpy. */
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "io/npz.h"
#include "jobs/study.h"

static ub_status put_json(const ub_context *ctx, const char *hex, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{"));
    UB_TRY(ub_bytes_put_json(out, "path", ctx->out, ", "));
    return ub_bytes_put_json(out, "model", hex, "}\n");
}

static ub_status tell(const ub_context *ctx, const char *hex)
{
    ub_bytes  text = {0};
    ub_status st;
    if (ctx->dry_run)
        st = ub_bytes_printf(&text, "# model %.12s; nothing was written (--dry-run)\n", hex);
    else if (ctx->json)
        st = put_json(ctx, hex, &text);
    else
        st =
            ub_bytes_printf(&text,
                            "written: %s (model %.12s)\n"
                            "next:    python3 -c \"import numpy; print(numpy.load('%s').files)\"\n",
                            ctx->out, hex, ctx->out);
    if (st == UB_OK)
        (void)fputs((const char *)text.data, stdout);
    ub_bytes_release(&text);
    return st;
}

static ub_status export_model(const ub_context *ctx)
{
    char        path[2 * UB_TEXT_MAX], hex[UB_SHA256_HEX];
    const char *folder = ctx->word[0], *dot = strrchr(ctx->out, '.');
    (void)snprintf(path, sizeof path, "%s/model.h5", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT,
                       "%s holds no model.h5: stage 2 has not run there, or not finished", folder);
    if (!ctx->dry_run && (dot == NULL || strcmp(dot, ".npz") != 0))
        return UB_FAIL(UB_EINPUT, "--out %s: a file for numpy ends in .npz", ctx->out);
    UB_TRY(ub_results_verify(path, hex));
    if (!ctx->dry_run)
        UB_TRY(ub_npz_from_h5(path, ctx->out));
    return tell(ctx, hex);
}

static ub_status run(ub_context *ctx)
{
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? export_model(ctx) : UB_OK);
}

const ub_command ub_cmd_export = {
    .name = "export",
    .usage = "RUN --out FILE.npz",
    .summary = "The model of a run for numpy.load",
    .sections = "",
    .details =
        "Every dataset of model.h5 under the name it has there (numpy.load(FILE)\n"
        "[\"layers/encoder.0/weight\"]), and its attributes as arrays without dimensions. The\n"
        "same model gives the same bytes.\n",
    .words_min = 1,
    .words_max = 1,
    .needs_out = true,
    .run = run,
};
