/* Every key, is this file valid, what would run, the manual. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/config.h"
#include "io/file.h"
#include "jobs/command.h"
#include "jobs/help.h"

static ub_status reference(const ub_context *ctx, ub_bytes *out)
{
    (void)ctx;
    UB_TRY(ub_bytes_printf(out, "# unbraid config reference: every setting with its default.\n\n"));
    return ub_schema_reference(ub_settings_schema(), out);
}

static ub_status check(const ub_context *ctx, ub_bytes *out)
{
    if (ctx->words < 2 && ctx->config[0] == '\0')
        return UB_FAIL(UB_EARG, "usage: unbraid config check FILE");
    const char  *path = ctx->words > 1 ? ctx->word[1] : ctx->config;
    ub_settings *scratch;
    UB_TRY(UB_ALLOC(scratch, 1));
    ub_status st = ub_schema_defaults(ub_settings_schema(), scratch);
    if (st == UB_OK)
        st = ub_config_load(ub_settings_schema(), scratch, path);
    ub_free(scratch);
    UB_TRY(st);
    return ub_bytes_printf(out, "%s is valid\n", path);
}

static ub_status show(const ub_context *ctx, ub_bytes *out)
{
    return ub_schema_print(ub_settings_schema(), &ctx->settings, NULL, false, out);
}

/* The page of a command, or (NULL) of the program, to DIR/unbraid[-NAME].1. */
static ub_status write_page(const char *dir, const ub_command *c)
{
    char     path[UB_PATH_MAX];
    ub_bytes page = {0};
    int      n = snprintf(path, sizeof path, "%s/unbraid%s%s.1", dir, c != NULL ? "-" : "",
                     c != NULL ? c->name : "");
    if (n >= (int)sizeof path)
        return UB_FAIL(UB_EARG, "%s: this path is too long", dir);
    ub_status st = ub_help_manual(c, &page);
    if (st == UB_OK)
        st = ub_file_write(path, page.data, page.len);
    ub_bytes_release(&page);
    return st;
}

static ub_status man(const ub_context *ctx, ub_bytes *out)
{
    const ub_command *c = ctx->words > 1 ? ub_command_find(ctx->word[1]) : NULL;
    if (ctx->words > 1 && c == NULL)
        return UB_FAIL(UB_EARG, "unknown command '%s'; 'unbraid list command' lists them",
                       ctx->word[1]);
    if (ctx->out[0] == '\0')
        return ub_help_manual(c, out);
    UB_TRY(ub_dir_make(ctx->out));
    if (c != NULL)
        return write_page(ctx->out, c);
    UB_TRY(write_page(ctx->out, NULL));
    for (size_t i = 0; ub_command_at(i) != NULL; i++)
        UB_TRY(write_page(ctx->out, ub_command_at(i)));
    return UB_OK;
}

static const struct {
    const char *name;
    ub_status (*print)(const ub_context *ctx, ub_bytes *out);
} actions[] = {{"reference", reference}, {"check", check}, {"show", show}, {"man", man}};

static ub_status run(ub_context *ctx)
{
    ub_status st = UB_FAIL(
        UB_EARG, "nothing is called '%s'; unbraid config reference|check|show|man", ctx->word[0]);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, ctx->word[0]) != 0)
            continue;
        ub_err_clear();
        ub_bytes text = {0};
        st = ctx->world.rank == 0 ? actions[i].print(ctx, &text) : UB_OK;
        if (st == UB_OK && text.len > 0)
            (void)fputs((const char *)text.data, stdout);
        ub_bytes_release(&text);
    }
    return ub_comm_agree(&ctx->world, st);
}

const ub_command ub_cmd_config = {
    .name = "config",
    .usage = "reference | check FILE | show [-c FILE] [--set section.key=value]... | man [COMMAND] "
             "[--out DIR]",
    .summary = "Every setting; is a file valid; what a command would use; the manual",
    .sections = "",
    .details = "man: the manual page of a command, or of the program, for man(1) or mandoc(1). "
               "With --out DIR:\nthe pages of all, as files.\n",
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
