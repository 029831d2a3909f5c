/* Verify a run folder: every file opens, every checksum holds. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "io/journal.h"
#include "io/results.h"
#include "io/rundir.h"
#include "jobs/command.h"

typedef struct finding {
    ub_bytes  damaged; /* JSON strings, comma separated */
    ub_sha256 sum;     /* of "name digest" lines of the result files */
    int       files, bad;
} finding;

static ub_status note(finding *f, ub_status st, const char *name)
{
    f->files++;
    if (st == UB_OK)
        return UB_OK;
    f->bad++;
    ub_log_error("damaged", "file='%s' why='%s'", name, ub_err_message());
    UB_TRY(ub_bytes_printf(&f->damaged, "%s\"%s\"", f->damaged.len > 0 ? ", " : "", name));
    ub_err_clear();
    return UB_OK;
}

/* Does STATE say that the stage has finished? */
static bool promised(const char *folder, const char *stage)
{
    char     path[2 * UB_TEXT_MAX], line[64];
    ub_bytes state = {0};
    (void)snprintf(path, sizeof path, "%s/STATE", folder);
    (void)snprintf(line, sizeof line, "%s\n", stage);
    bool yes = ub_file_exists(path) && ub_file_read(path, &state) == UB_OK && state.len > 0 &&
               strstr((const char *)state.data, line) != NULL;
    ub_err_clear();
    ub_bytes_release(&state);
    return yes;
}

/* Result files count for the sum; a stage that has not finished leaves none. */
static ub_status check_results(const char *folder, finding *f)
{
    static const char *const names[] = {"structure.h5", "model.h5"};
    static const char *const stages[] = {"structure", "disentangle"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[2 * UB_TEXT_MAX], hex[UB_SHA256_HEX] = "damaged";
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (!ub_file_exists(path) && !promised(folder, stages[i]))
            continue;
        UB_TRY(note(f, ub_results_verify(path, hex), names[i]));
        ub_sha256_update(&f->sum, names[i], strlen(names[i]));
        ub_sha256_update(&f->sum, hex, strlen(hex));
    }
    return UB_OK;
}

/* The checkpoints in a folder, and in its folders of the initialisations. */
static ub_status check_checkpoints(const ub_comm *self, const char *dir, finding *f)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return UB_OK; /* stage 2 has not begun */
    ub_status st = UB_OK;
    for (struct dirent *e = readdir(d); e != NULL && st == UB_OK; e = readdir(d)) {
        char path[4 * UB_TEXT_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strncmp(e->d_name, "ckpt-", 5) == 0)
            st = note(f, ub_ckpt_verify(self, path), e->d_name);
        else if (strncmp(e->d_name, "init-", 5) == 0)
            st = check_checkpoints(self, path, f);
    }
    (void)closedir(d);
    return st;
}

static const char *sections_of(const char *command)
{
    const ub_command *c = ub_command_find(command);
    return c == NULL ? NULL : c->sections;
}

static ub_status inspect(const ub_comm *self, const char *folder, finding *f)
{
    char path[2 * UB_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/config.yaml", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "%s is not a run folder: it has no config.yaml", folder);
    UB_TRY(note(f, ub_rundir_verify_config(folder, sections_of), "config.yaml"));
    UB_TRY(note(f, ub_rundir_verify_state(folder), "STATE"));
    (void)snprintf(path, sizeof path, "%s/structure.journal", folder);
    if (ub_file_exists(path))
        UB_TRY(note(f, ub_journal_verify(path), "structure.journal"));
    UB_TRY(check_results(folder, f));
    (void)snprintf(path, sizeof path, "%s/checkpoints", folder);
    return check_checkpoints(self, path, f);
}

static ub_status tell(const ub_context *ctx, finding *f)
{
    unsigned char digest[UB_SHA256_BYTES];
    char          hex[UB_SHA256_HEX];
    ub_sha256_final(&f->sum, digest);
    ub_sha256_hex(digest, hex);
    if (ctx->json)
        (void)printf("{\"ok\": %s, \"sha256\": \"%s\", \"files\": %d, \"damaged\": [%s]}\n",
                     f->bad == 0 ? "true" : "false", hex, f->files,
                     f->damaged.len > 0 ? (const char *)f->damaged.data : "");
    else
        (void)printf("%s: %d files checked, %d damaged\nsha256 of the results: %s\n", ctx->word[0],
                     f->files, f->bad, hex);
    if (f->bad > 0)
        return UB_FAIL(UB_EIO,
                       "%d of %d files of %s are damaged; the same command again redoes "
                       "what they held",
                       f->bad, f->files, ctx->word[0]);
    return UB_OK;
}

static ub_status run(ub_context *ctx)
{
    ub_status st = UB_OK;
    ub_comm   self = {0};
    if (ctx->world.rank == 0) { /* small files: one rank is enough */
        finding f = {0};
        ub_sha256_init(&f.sum);
        st = ub_comm_init(&self, MPI_COMM_SELF);
        if (st == UB_OK)
            st = inspect(&self, ctx->word[0], &f);
        if (st == UB_OK)
            st = tell(ctx, &f);
        ub_bytes_release(&f.damaged);
        ub_comm_release(&self);
    }
    return ub_comm_agree(&ctx->world, st);
}

const ub_command ub_cmd_fsck = {
    .name = "fsck",
    .usage = "RUN [--json]",
    .summary = "Verify a run folder and print the digest of its results",
    .sections = "",
    .details =
        "The digest is the same for the same study, whatever the rank count, host or time.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
