/* Specialist representations of a corpus, by the model of a run. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/version.h"
#include "io/corpus_h5.h"
#include "io/encoding.h"
#include "io/file.h"
#include "jobs/study.h"

/* What is needed of a run. */
typedef struct material {
    ub_model    m;
    ub_evidence e; /* for the names of the tasks */
    char        digest[UB_SHA256_HEX];
    ub_bytes    trained;
} material;

static ub_status read_run(const char *folder, material *x)
{
    char path[2 * UB_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/model.h5", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT,
                       "%s holds no model.h5: stage 2 has not run there, or not finished", folder);
    UB_TRY(ub_results_verify(path, x->digest));
    UB_TRY(ub_results_origin(path, "corpus", &x->trained));
    UB_TRY(ub_results_read_evidence(path, &x->e));
    UB_TRY(ub_results_read_model(path, &x->m));
    if (x->e.task_name != NULL)
        return UB_OK;
    UB_TRY(UB_ALLOC(x->e.task_name, x->m.shape.tasks)); /* of an older run */
    for (int32_t i = 0; i < x->m.shape.tasks; i++)
        (void)snprintf(x->e.task_name[i], UB_NAME_MAX, "task%d", (int)i);
    return UB_OK;
}

static void release(material *x)
{
    ub_model_release(&x->m);
    ub_evidence_release(&x->e);
    ub_bytes_release(&x->trained);
}

/* --with predictions,reconstructions */
static ub_status parse_with(const char *text, int *with)
{
    static const char *const words[] = {"predictions", "reconstructions"};
    *with = 0;
    for (const char *at = text; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < 2 && (strlen(words[i]) != length || strncmp(at, words[i], length) != 0))
            i++;
        if (i == 2)
            return UB_FAIL(UB_EARG, "--with %s: '%.*s' is neither predictions nor reconstructions",
                           text, (int)length, at);
        *with |= i == 0 ? UB_ENCODE_PREDICTIONS : UB_ENCODE_RECONSTRUCTIONS;
        at += length + (at[length] == ',');
    }
    return UB_OK;
}

/* The result must not take the place of what it is made from. */
static ub_status check_out(const char *out, const char *corpus)
{
    struct stat a, b;
    if (stat(out, &a) == 0 && stat(corpus, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return UB_FAIL(UB_EINPUT, "--out %s is the corpus itself; give another file", out);
    if (stat(out, &a) == 0 && S_ISDIR(a.st_mode))
        return UB_FAIL(UB_EINPUT, "--out %s is a folder; give a file", out);
    return UB_OK;
}

static ub_status put_json(const ub_context *ctx, const ub_corpus *corpus, const material *x,
                          const char *digest, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{"));
    UB_TRY(ub_bytes_put_json(out, "path", ctx->out, ", "));
    return ub_bytes_printf(
        out, "\"episodes\": %lld, \"steps\": %d, \"latents\": %d, \"latents_sha256\": \"%s\"}\n",
        (long long)corpus->episodes, (int)corpus->steps, (int)x->m.shape.latents, digest);
}

/* Rank 0. */
static ub_status tell(const ub_context *ctx, const ub_corpus *corpus, const material *x,
                      const char *digest)
{
    long long episodes = (long long)corpus->episodes;
    int       steps = corpus->steps, latents = x->m.shape.latents;
    ub_bytes  text = {0};
    ub_status st;
    if (ctx->dry_run)
        st = ub_bytes_printf(&text,
                             "# %lld episodes, %d steps to %d latents; nothing was written "
                             "(--dry-run)\n",
                             episodes, steps, latents);
    else if (ctx->json)
        st = put_json(ctx, corpus, x, digest, &text);
    else
        st = ub_bytes_printf(&text,
                             "written: %s (%lld episodes, %d steps, %d latents; sha256 %.12s)\n",
                             ctx->out, episodes, steps, latents, digest);
    if (st == UB_OK)
        (void)fputs((const char *)text.data, stdout);
    ub_bytes_release(&text);
    return st;
}

static ub_status encode(ub_context *ctx, const ub_settings *made, const material *x, int with)
{
    const ub_comm *c = &ctx->world;
    ub_corpus      corpus = {0};
    char           hex[UB_SHA256_HEX], digest[UB_SHA256_HEX] = "";
    ub_status      st = UB_OK;
    UB_TRY(ub_corpus_read(c, made, c->size, &corpus));
    ub_sha256_hex(corpus.digest, hex);
    const ub_encoding_origin origin = {.model = x->digest,
                                       .trained = (const char *)x->trained.data,
                                       .corpus = hex,
                                       .version = UB_VERSION};
    UB_TRY_OUT(ub_stop_here(c, "encoding"));
    if (!ctx->dry_run)
        UB_TRY_OUT(
            ub_encoding_write(c, ctx->out, &corpus, &x->m, x->e.task_name, with, &origin, digest));
    UB_TRY_OUT(ub_comm_agree(c, c->rank == 0 ? tell(ctx, &corpus, x, digest) : UB_OK));
out:
    ub_corpus_release(&corpus);
    return st;
}

/* The corpus is read as the run read its own. */
static ub_status run(ub_context *ctx)
{
    static ub_settings made; /* too large for some stacks */
    material           x = {0};
    int                with = 0;
    ub_status          st = UB_OK;
    UB_TRY(ub_comm_agree(&ctx->world, parse_with(ub_context_option(ctx, "with"), &with)));
    UB_TRY(ub_rundir_settings(&ctx->world, ctx->word[0], &made));
    if (ctx->words > 1) { /* whole, and in whatever layout it is */
        (void)snprintf(made.corpus.path, sizeof made.corpus.path, "%s", ctx->word[1]);
        made.corpus.max_episodes = 0;
        made.corpus.format = UB_FORMAT_AUTO;
    }
    st = read_run(ctx->word[0], &x);
    if (st == UB_OK && ctx->world.rank == 0)
        st = check_out(ctx->out, made.corpus.path);
    UB_TRY_OUT(ub_comm_agree(&ctx->world, st));
    UB_TRY_OUT(encode(ctx, &made, &x, with));
out:
    release(&x);
    return st;
}

const ub_command ub_cmd_encode = {
    .name = "encode",
    .usage = "RUN [CORPUS] [--with predictions,reconstructions] --out FILE.h5",
    .summary = "Specialist representations of a corpus, by the model of a run",
    .sections = "",
    .options = "with",
    .details =
        "The latents of every step, and for every task those it needs; with their digests and\n"
        "where they come from. CORPUS: of the same kind as the run's own, of any length; without\n"
        "it the run's own. The same bytes on any number of ranks.\n",
    .words_min = 1,
    .words_max = 2,
    .needs_out = true,
    .run = run,
};
