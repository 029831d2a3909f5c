/* Make a corpus with known truth. */
#include <stdio.h>

#include "core/log.h"
#include "core/shard.h"
#include "core/synth.h"
#include "io/corpus_h5.h"
#include "jobs/command.h"
#include "mpi/moments.h"

static ub_status describe(const ub_context *ctx, ub_bytes *origin)
{
    UB_TRY(ub_bytes_printf(origin, "made by unbraid synth\n"));
    return ub_schema_print(ub_settings_schema(), &ctx->settings, "run synth", true, origin);
}

static ub_status put_json(const ub_context *ctx, const ub_corpus *corpus, const char *hex,
                          ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{"));
    UB_TRY(ub_bytes_put_json(out, "path", ctx->out, ", "));
    return ub_bytes_printf(
        out, "\"episodes\": %lld, \"steps\": %d, \"tasks\": %d, \"corpus\": \"%s\"}\n",
        (long long)corpus->episodes, corpus->steps, corpus->tasks, hex);
}

/* Rank 0. */
static ub_status tell(const ub_context *ctx, const ub_corpus *corpus)
{
    char     hex[UB_SHA256_HEX], word[2 * UB_TEXT_MAX];
    ub_bytes text = {0};
    ub_sha256_hex(corpus->digest, hex);
    ub_status st =
        ctx->json
            ? put_json(ctx, corpus, hex, &text)
            : ub_bytes_printf(&text,
                              "written: %s (%lld episodes, %d steps, %d tasks; corpus %.12s)\n"
                              "next:    unbraid run --set corpus.path=%s --out RUN\n",
                              ctx->out, (long long)corpus->episodes, corpus->steps, corpus->tasks,
                              hex, ub_shell_word(ctx->out, word, sizeof word));
    if (st == UB_OK)
        (void)fputs((const char *)text.data, stdout);
    ub_bytes_release(&text);
    return st;
}

static ub_status run(ub_context *ctx)
{
    const ub_comm *c = &ctx->world;
    ub_range       own = ub_part(ctx->settings.synth.samples, c->size, c->rank);
    ub_corpus      corpus = {0};
    ub_bytes       origin = {0};
    ub_status      st = ub_synth(&ctx->settings, own.first, own.count, &corpus);
    if (st == UB_OK)
        st = describe(ctx, &origin);
    UB_TRY_OUT(ub_comm_agree(c, st));
    if (ctx->dry_run) {
        if (c->rank == 0)
            (void)printf("%s# %lld episodes, %d steps, %d tasks; nothing was written (--dry-run)\n",
                         (const char *)origin.data, (long long)corpus.episodes, corpus.steps,
                         corpus.tasks);
    } else {
        UB_TRY_OUT(ub_corpus_digest(c, &corpus));
        UB_TRY_OUT(ub_corpus_write(c, ctx->out, &corpus, 0, (const char *)origin.data));
        UB_TRY_OUT(ub_comm_agree(c, c->rank == 0 ? tell(ctx, &corpus) : UB_OK));
    }
out:
    ub_corpus_release(&corpus);
    ub_bytes_release(&origin);
    return st;
}

const ub_command ub_cmd_synth = {
    .name = "synth",
    .usage = "[--set synth.key=value]... --out FILE.h5",
    .summary = "Make a corpus with known truth",
    .sections = "run synth",
    .details = "The same file content for the same settings, whatever the number of ranks.\n",
    .needs_out = true,
    .run = run,
};
