#include "jobs/failed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/file.h"

static const char name[] = "structure.failed";

ub_status ub_failed_write(const ub_study *s, const ub_structure *plan, const char *why)
{
    char      path[UB_TEXT_MAX];
    ub_bytes  text = {0};
    int64_t   items = ub_structure_items(plan);
    ub_status st = ub_bytes_printf(&text,
                                   "# Items of stage 1 that failed and were set aside, one a line; "
                                   "--failed-only redoes them.\n# %.*s\n",
                                   (int)strcspn(why, "\n"), why);
    for (int64_t i = 0; i < items && st == UB_OK; i++)
        if (!ub_structure_has(plan, i))
            st = ub_bytes_printf(&text, "%lld\n", (long long)i);
    if (st == UB_OK)
        st = ub_file_write(ub_rundir_file(&s->dir, name, path, sizeof path), text.data, text.len);
    ub_bytes_release(&text);
    return st;
}

static ub_status parse(const char *path, const char *text, int64_t items, uint8_t *wanted,
                       int64_t *count)
{
    for (const char *line = text; *line != '\0';) {
        char *end = NULL;
        errno = 0;
        long long item = strtoll(line, &end, 10);
        bool      comment = line[0] == '#';
        if (!comment && (end == line || *end != '\n' || errno != 0 || item < 0 || item >= items))
            return UB_FAIL(UB_EINPUT,
                           "%s is damaged: '%.*s' is no item of this study; the same command "
                           "without --failed-only does all that is missing",
                           path, (int)strcspn(line, "\n"), line);
        if (!comment && !wanted[item]) {
            wanted[item] = 1;
            ++*count;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return UB_OK;
}

ub_status ub_failed_read(const ub_study *s, int64_t items, uint8_t **wanted, int64_t *count)
{
    char      path[UB_TEXT_MAX];
    ub_bytes  text = {0};
    uint8_t  *flags = NULL;
    int64_t   n = 0;
    ub_status st = ub_file_read(ub_rundir_file(&s->dir, name, path, sizeof path), &text);
    if (st == UB_OK)
        st = UB_ALLOC(flags, items);
    if (st == UB_OK && text.len > 0)
        st = parse(path, (const char *)text.data, items, flags, &n);
    ub_bytes_release(&text);
    if (st != UB_OK) {
        ub_free(flags);
        return st;
    }
    *wanted = flags;
    *count = n;
    return UB_OK;
}

void ub_failed_forget(const ub_study *s)
{
    char path[UB_TEXT_MAX];
    (void)unlink(ub_rundir_file(&s->dir, name, path, sizeof path));
}

/* Rank 0. */
static ub_status look(const ub_context *ctx, bool *any)
{
    char path[2 * UB_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/config.yaml", ctx->out);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT,
                       "%s is not a run folder; --failed-only redoes what failed in a run and "
                       "starts none",
                       ctx->out);
    (void)snprintf(path, sizeof path, "%s/%s", ctx->out, name);
    *any = ub_file_exists(path);
    if (!*any && ctx->json)
        (void)printf("{\"failed_items\": 0}\n");
    else if (!*any)
        (void)printf("no item of %s has failed: nothing to redo\n", ctx->out);
    return UB_OK;
}

ub_status ub_failed_any(const ub_context *ctx, bool *any)
{
    unsigned char yes = 0;
    bool          found = false;
    UB_TRY(ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? look(ctx, &found) : UB_OK));
    yes = found;
    UB_TRY(ub_comm_bcast(&ctx->world, &yes, 1));
    *any = yes != 0;
    return UB_OK;
}
