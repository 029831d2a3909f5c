#include "jobs/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/structure.h"
#include "core/version.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "io/mpiio.h"

ub_status ub_study_corpus(const ub_comm *c, const ub_context *ctx, int64_t shards, ub_corpus *out)
{
    if (ctx->settings.corpus.path[0] == '\0')
        return UB_FAIL(UB_EINPUT, "corpus.path is empty; give --set corpus.path=FILE or a "
                                  "configuration with -c");
    return ub_corpus_read(c, &ctx->settings, shards, out);
}

/* Rank 0: the status file begins. */
static ub_status light(ub_study *s, const ub_node_name *node)
{
    static ub_beacon_state first; /* too large for some stacks */
    const ub_context      *ctx = s->ctx;
    const char            *job = getenv("SLURM_JOB_ID");
    char                   path[UB_TEXT_MAX];
    first = (ub_beacon_state){.ranks = ctx->world.size, .pause_s = ctx->settings.run.status_s};
    (void)snprintf(first.command, sizeof first.command, "%s", ctx->line);
    if (getcwd(first.folder, sizeof first.folder) == NULL)
        first.folder[0] = '\0';
    (void)snprintf(first.job, sizeof first.job, "%s", job == NULL ? "" : job);
    double left = ub_stop_left(), ends = ub_stop_ends();
    if (isfinite(left) && (ends <= 0 || ub_beacon_now() + left < ends))
        ends = ub_beacon_now() + left;
    first.ends = ends;
    return ub_beacon_begin(ub_rundir_file(&s->dir, "status.json", path, sizeof path), &first, node,
                           &s->beacon);
}

/* What the test finds stands in the run folder either way. */
static ub_status test_writing(ub_study *s)
{
    const ub_comm *c = &s->ctx->world;
    ub_bytes       report = {0};
    ub_status      st = ub_mpiio_selftest(c, s->dir.path, &report), told = UB_OK;
    char           why[UB_TEXT_MAX];
    (void)snprintf(why, sizeof why, "%s", ub_err_message());
    if (report.len > 0)
        told = ub_rundir_add(&s->dir, "parallel_writing", &report);
    ub_bytes_release(&report);
    if (st != UB_OK)
        return UB_FAIL(st, "%s", why);
    return ub_comm_agree(c, told);
}

ub_status ub_study_begin(ub_context *ctx, const ub_command *command, const ub_corpus *corpus,
                         ub_study *out)
{
    ub_study     *s = out;
    ub_node_name *node = NULL;
    *s = (ub_study){.ctx = ctx};
    UB_TRY(ub_rundir_enter(&ctx->world, ctx->out, command->name, command->sections, &ctx->settings,
                           corpus->digest, &s->dir));
    ub_status st = UB_OK;
    UB_TRY_OUT(
        ub_schema_print(ub_settings_schema(), &ctx->settings, command->sections, true, &s->config));
    s->origin = (ub_origin){.identity = s->dir.identity,
                            .corpus = s->dir.corpus,
                            .config = (const char *)s->config.data,
                            .version = UB_VERSION};
    if (s->dir.finished)
        return UB_OK;
    UB_TRY_OUT(ub_comm_nodes(&ctx->world, &node));
    UB_TRY_OUT(ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? light(s, node) : UB_OK));
    UB_TRY_OUT(test_writing(s));
    ub_log0_info("run-begin", "command=%s folder='%s' ranks=%d %s", command->name, s->dir.path,
                 ctx->world.size, s->dir.resumed ? "resumed=yes" : "resumed=no");
out:
    ub_free(node);
    if (st != UB_OK)
        ub_study_end(s, st);
    return st;
}

ub_status ub_study_phase(ub_study *s, const char *phase)
{
    ub_beacon_phase(s->beacon, phase);
    return ub_stop_here(&s->ctx->world, phase);
}

void ub_study_end(ub_study *s, ub_status st)
{
    ub_beacon_end(&s->beacon, st);
    if (ub_status_exit_code(st) == 2)
        ub_rundir_discard(&s->ctx->world, &s->dir); /* refused: leave nothing behind */
    ub_rundir_close_log(&s->dir);
    ub_bytes_release(&s->config);
}

void ub_study_tell_done(const char *stage)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    ub_log0_info("stage-done", "stage=%s cpu_s=%.3f", stage,
                 (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

ub_status ub_study_has(const ub_study *s, const char *stage, const char *result, bool *has)
{
    const ub_comm *c = &s->ctx->world;
    char           path[UB_TEXT_MAX];
    unsigned char  there = 0;
    UB_TRY(ub_rundir_has(c, &s->dir, stage, has));
    if (!*has)
        return UB_OK;
    if (c->rank == 0) {
        there =
            ub_results_belongs(ub_rundir_file(&s->dir, result, path, sizeof path), s->dir.identity);
        if (!there)
            ub_log_warn("result-lost",
                        "file='%s' why='missing, damaged or of another study' "
                        "stage=%s is done again",
                        path, stage);
    }
    UB_TRY(ub_comm_bcast(c, &there, 1));
    *has = there != 0;
    return UB_OK;
}

ub_status ub_study_same_corpus(const ub_study *s, const ub_corpus *corpus)
{
    char hex[UB_SHA256_HEX];
    ub_sha256_hex(corpus->digest, hex);
    if (strcmp(hex, s->dir.corpus) == 0)
        return UB_OK;
    return UB_FAIL(UB_EINPUT,
                   "%s changed during the run: digest %.12s... at the start, %.12s... "
                   "now; use another --out",
                   s->ctx->settings.corpus.path, s->dir.corpus, hex);
}

ub_status ub_study_made_from(const char *path, const ub_settings *run, const ub_corpus *corpus)
{
    char      hex[UB_SHA256_HEX];
    ub_bytes  made = {0};
    ub_status st = ub_results_origin(path, "corpus", &made);
    ub_sha256_hex(corpus->digest, hex);
    if (st == UB_OK && strcmp((const char *)made.data, hex) != 0)
        st = UB_FAIL(UB_EINPUT,
                     "%s was made from another corpus (digest %.12s...) than %s (%.12s...)", path,
                     (const char *)made.data, run->corpus.path, hex);
    ub_bytes_release(&made);
    return st;
}

ub_status ub_study_write(const ub_study *s, const char *name, ub_status made, ub_bytes *text)
{
    char path[UB_TEXT_MAX];
    if (made == UB_OK)
        made =
            ub_file_write(ub_rundir_file(&s->dir, name, path, sizeof path), text->data, text->len);
    ub_bytes_release(text);
    return made;
}

/* Tests and items of stage 1; 0 if the command has no such stage. */
static ub_status count_tests(const ub_context *ctx, const ub_command *command,
                             const ub_corpus *corpus, int64_t *tests, int64_t *items)
{
    ub_structure *plan = NULL;
    *tests = *items = 0;
    if (!ub_schema_listed(command->sections, "structure"))
        return UB_OK;
    UB_TRY(ub_structure_create(corpus, &ctx->settings, false, &plan));
    *tests = ub_structure_tests(plan);
    *items = ub_structure_items(plan);
    ub_structure_destroy(&plan);
    return UB_OK;
}

static ub_status preview_json(const ub_context *ctx, const ub_command *command,
                              const ub_corpus *corpus, ub_bytes *out)
{
    int64_t tests, items;
    char    hex[UB_SHA256_HEX];
    UB_TRY(count_tests(ctx, command, corpus, &tests, &items));
    ub_sha256_hex(corpus->digest, hex);
    return ub_bytes_printf(out,
                           "{\"dry_run\": true, \"ranks\": %d, \"episodes\": %lld, \"steps\": %d, "
                           "\"tasks\": %d, \"segments\": %d, \"tests\": %lld, \"items\": %lld, "
                           "\"corpus\": \"%s\"}\n",
                           ctx->world.size, (long long)corpus->episodes, corpus->steps,
                           corpus->tasks, ub_corpus_segments(corpus), (long long)tests,
                           (long long)items, hex);
}

static ub_status preview_text(const ub_context *ctx, const ub_command *command,
                              const ub_corpus *corpus, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "# unbraid %s would run with these settings on %d ranks:\n",
                           command->name, ctx->world.size));
    UB_TRY(ub_schema_print(ub_settings_schema(), &ctx->settings, command->sections, false, out));
    char hex[UB_SHA256_HEX];
    ub_sha256_hex(corpus->digest, hex);
    UB_TRY(ub_bytes_printf(out,
                           "# corpus %s: %lld episodes, %d steps of %d, %d tasks, "
                           "%d segments of %d\n",
                           hex, (long long)corpus->episodes, corpus->steps, corpus->dim,
                           corpus->tasks, ub_corpus_segments(corpus), corpus->segment));
    int64_t tests, items;
    UB_TRY(count_tests(ctx, command, corpus, &tests, &items));
    if (items > 0)
        UB_TRY(ub_bytes_printf(out, "# stage 1: %lld tests in %lld items of work\n",
                               (long long)tests, (long long)items));
    return ub_bytes_printf(out, "# nothing was run or written (--dry-run)\n");
}

ub_status ub_study_preview(const ub_context *ctx, const ub_command *command,
                           const ub_corpus *corpus)
{
    ub_status st = UB_OK;
    if (ctx->world.rank == 0) {
        ub_bytes text = {0};
        st = ctx->json ? preview_json(ctx, command, corpus, &text)
                       : preview_text(ctx, command, corpus, &text);
        if (st == UB_OK)
            (void)fputs((const char *)text.data, stdout);
        ub_bytes_release(&text);
    }
    return ub_comm_agree(&ctx->world, st);
}

ub_status ub_study_finish(ub_study *s)
{
    UB_TRY(ub_rundir_mark(&s->ctx->world, &s->dir, "done"));
    ub_log0_info("run-done", "folder='%s'", s->dir.path);
    if (s->ctx->world.rank == 0 && !s->ctx->json && !s->ctx->quiet)
        (void)printf("\nwritten: %s\n  report    %s/report.html\nnext:    unbraid eval %s --json\n",
                     s->dir.path, s->dir.path, s->dir.path);
    return UB_OK;
}
