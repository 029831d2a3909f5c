/* jobs/main.c - the program: command line, settings, one command, exit code.
 *
 * Rank 0 alone reads files; the resolved settings are shared as text, every rank parses the
 * same bytes.  The only place with main() and exit codes.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpi.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/suggest.h"
#include "core/version.h"
#include "io/config.h"
#include "io/mpiio.h"
#include "jobs/command.h"
#include "jobs/help.h"

enum { MAX_SETS = 512, MAX_WORDS = 64, MAX_OWN = 16 };

typedef struct command_line {
    const ub_command *command;
    const char       *config, *out;
    const char       *sets[MAX_SETS];
    int               set_count;
    const char       *words[MAX_WORDS];
    int               word_count;
    ub_option         own[MAX_OWN];
    int               own_count;
    bool              json, dry_run, help, version;
} command_line;

/* --help of a command, or (NULL) of the program. */
static ub_status print_help(const ub_command *c, FILE *to)
{
    ub_bytes  text = {0};
    ub_status st = c != NULL ? ub_help_command(c, &text) : ub_help_program(&text);
    if (st == UB_OK)
        (void)fputs((const char *)text.data, to);
    ub_bytes_release(&text);
    return st;
}

/* "--opt value" or "--opt=value"; advances *i. NULL if the value is missing. */
static const char *value_of(int argc, char **argv, int *i, const char *name)
{
    size_t len = strlen(name);
    if (argv[*i][len] == '=')
        return argv[*i] + len + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool is_option(const char *arg, const char *name)
{
    size_t len = strlen(name);
    return strncmp(arg, name, len) == 0 && (arg[len] == '\0' || arg[len] == '=');
}

static bool is_listed(const char *list, const char *name)
{
    return list != NULL && name[0] != '\0' && ub_schema_listed(list, name);
}

/* An option of the command, which stands before it: --name value, or a flag, --name. */
static ub_status parse_own(int argc, char **argv, int *i, command_line *cl)
{
    const ub_command *c = cl->command;
    const char       *arg = argv[*i];
    ub_option         own = {.name = ""};
    if (strncmp(arg, "--", 2) == 0 && strcspn(arg + 2, "=") < sizeof own.name)
        (void)snprintf(own.name, sizeof own.name, "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    bool is_flag = c != NULL && is_listed(c->flags, own.name);
    if (!is_flag && (c == NULL || !is_listed(c->options, own.name)))
        return UB_FAIL(UB_EARG, "unknown option '%s'; 'unbraid --help' lists what there is", arg);
    char flag[sizeof own.name + 2];
    (void)snprintf(flag, sizeof flag, "--%s", own.name);
    if (is_flag && strcmp(arg, flag) != 0)
        return UB_FAIL(UB_EARG, "%s takes no value", flag);
    own.value = is_flag ? "yes" : value_of(argc, argv, i, flag);
    if (own.value == NULL)
        return UB_FAIL(UB_EARG, "%s wants a value", flag);
    for (int k = 0; k < cl->own_count; k++)
        if (strcmp(cl->own[k].name, own.name) == 0)
            return UB_FAIL(UB_EARG, "%s is given twice", flag);
    cl->own[cl->own_count++] = own;
    return UB_OK;
}

static ub_status parse_option(int argc, char **argv, int *i, command_line *cl)
{
    const char *arg = argv[*i];
    if (strcmp(arg, "--json") == 0)
        cl->json = true;
    else if (strcmp(arg, "--dry-run") == 0)
        cl->dry_run = true;
    else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        cl->help = true;
    else if (strcmp(arg, "--version") == 0)
        cl->version = true;
    else if (is_option(arg, "--set") || is_option(arg, "--out") || is_option(arg, "-c") ||
             is_option(arg, "--config")) {
        const char *name = is_option(arg, "--set")      ? "--set"
                           : is_option(arg, "--out")    ? "--out"
                           : is_option(arg, "--config") ? "--config"
                                                        : "-c";
        const char *value = value_of(argc, argv, i, name);
        if (value == NULL)
            return UB_FAIL(UB_EARG, "%s wants a value", name);
        if (name[2] == 's' && cl->set_count == MAX_SETS)
            return UB_FAIL(UB_EARG, "more than %d --set; use a configuration file", MAX_SETS);
        if (name[2] == 's')
            cl->sets[cl->set_count++] = value;
        else if (name[2] == 'o')
            cl->out = value;
        else
            cl->config = value;
    } else {
        return parse_own(argc, argv, i, cl);
    }
    return UB_OK;
}

static ub_status unknown_command(const char *word)
{
    ub_suggest best = ub_suggest_begin(word);
    for (size_t i = 0; ub_command_at(i) != NULL; i++)
        ub_suggest_consider(&best, ub_command_at(i)->name);
    if (ub_suggest_found(&best))
        return UB_FAIL(UB_EARG, "unknown command '%s'; did you mean '%s'?", word, best.nearest);
    return UB_FAIL(UB_EARG, "unknown command '%s'; 'unbraid --help' lists them", word);
}

static ub_status parse_arguments(int argc, char **argv, command_line *cl)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            UB_TRY(parse_option(argc, argv, &i, cl));
        } else if (cl->command == NULL) {
            cl->command = ub_command_find(argv[i]);
            if (cl->command == NULL)
                return unknown_command(argv[i]);
        } else if (cl->word_count < MAX_WORDS) {
            cl->words[cl->word_count++] = argv[i];
        }
    }
    if (cl->command == NULL || cl->help)
        return UB_OK;
    if (cl->word_count < cl->command->words_min || cl->word_count > cl->command->words_max)
        return UB_FAIL(UB_EARG, "usage: unbraid %s %s", cl->command->name, cl->command->usage);
    if (cl->command->needs_out && cl->out == NULL && !cl->dry_run)
        return UB_FAIL(UB_EARG, "unbraid %s wants --out PATH: where to put the result",
                       cl->command->name);
    return UB_OK;
}

/* The workers of a sweep may start in another folder. */
static ub_status find_store(ub_settings *settings)
{
    char here[PATH_MAX], full[PATH_MAX + UB_TEXT_MAX];
    if (settings->sweep.store[0] == '\0' || settings->sweep.store[0] == '/')
        return UB_OK;
    if (getcwd(here, sizeof here) == NULL)
        return UB_FAIL(UB_EIO, "the working folder cannot be named: %s", strerror(errno));
    (void)snprintf(full, sizeof full, "%s/%s", here, settings->sweep.store);
    return ub_schema_set(ub_settings_schema(), settings, "sweep.store", full, "sweep.store");
}

/* Defaults, then the site's file (--site of commands that have it), the file, --set: rank 0 only.
 */
static ub_status resolve(const command_line *cl, ub_settings *settings)
{
    const ub_schema *schema = ub_settings_schema();
    for (int i = 0; i < cl->own_count; i++)
        if (strcmp(cl->own[i].name, "site") == 0)
            UB_TRY(ub_config_load(schema, settings, cl->own[i].value));
    if (cl->config != NULL)
        UB_TRY(ub_config_load(schema, settings, cl->config));
    for (int i = 0; i < cl->set_count; i++) {
        char        path[UB_TEXT_MAX];
        const char *equals = strchr(cl->sets[i], '=');
        if (equals == NULL || (size_t)(equals - cl->sets[i]) >= sizeof path)
            return UB_FAIL(UB_EARG, "--set %s: wants section.key=value", cl->sets[i]);
        (void)snprintf(path, sizeof path, "%.*s", (int)(equals - cl->sets[i]), cl->sets[i]);
        UB_TRY(ub_schema_set(schema, settings, path, equals + 1, "--set"));
    }
    /* A run folder must find its corpus again from anywhere. */
    char *full = realpath(settings->corpus.path, NULL);
    if (full != NULL && strlen(full) < sizeof settings->corpus.path)
        (void)snprintf(settings->corpus.path, sizeof settings->corpus.path, "%s", full);
    free(full);
    return find_store(settings);
}

/* The same settings on every rank: rank 0's resolved text, parsed by all. */
static ub_status share_settings(const command_line *cl, ub_context *ctx)
{
    const ub_schema *schema = ub_settings_schema();
    ub_bytes         text = {0};
    ub_status        st = ub_schema_defaults(schema, &ctx->settings);
    if (st == UB_OK && ctx->world.rank == 0) {
        st = resolve(cl, &ctx->settings);
        if (st == UB_OK)
            st = ub_schema_print(schema, &ctx->settings, NULL, false, &text);
    }
    st = ub_comm_agree(&ctx->world, st);
    if (st == UB_OK)
        st = ub_comm_share(&ctx->world, &text);
    if (st != UB_OK) /* the same on all ranks */
        goto out;
    if (ctx->world.rank != 0)
        st = ub_config_parse(schema, &ctx->settings, (const char *)text.data, text.len,
                             "resolved settings");
    st = ub_comm_agree(&ctx->world, st);
out:
    ub_bytes_release(&text);
    return st;
}

/* The command as it was typed, quoted for a shell; cut off where it does not fit. */
static void quote_line(int argc, char **argv, char *buf, size_t cap)
{
    char word[UB_TEXT_MAX];
    for (int i = 0, at = 0; i < argc && (size_t)at < cap; i++)
        at += snprintf(buf + at, cap - (size_t)at, "%s%s", i > 0 ? " " : "",
                       ub_shell_word(argv[i], word, sizeof word));
}

static ub_status run_command(int argc, char **argv, ub_context *ctx)
{
    static char  line[4 * UB_TEXT_MAX];
    command_line cl = {0};
    quote_line(argc, argv, line, sizeof line);
    UB_TRY(parse_arguments(argc, argv, &cl));
    if (cl.version || cl.command == NULL || cl.help) {
        if (ctx->world.rank == 0 && cl.version)
            (void)printf("unbraid %s\n", UB_VERSION);
        else if (ctx->world.rank == 0)
            UB_TRY(print_help(cl.command, cl.help ? stdout : stderr));
        return cl.version || cl.help ? UB_OK : UB_FAIL(UB_EARG, "which command?");
    }
    ctx->words = cl.word_count;
    ctx->word = cl.words;
    ctx->options = cl.own_count;
    ctx->option = cl.own;
    ctx->line = line;
    ctx->json = cl.json;
    ctx->dry_run = cl.dry_run;
    (void)snprintf(ctx->out, sizeof ctx->out, "%s", cl.out != NULL ? cl.out : "");
    (void)snprintf(ctx->config, sizeof ctx->config, "%s", cl.config != NULL ? cl.config : "");
    UB_TRY(share_settings(&cl, ctx));
    ub_log_set_level((ub_log_level)ctx->settings.run.log_level);
    UB_TRY(ub_stop_install(&ctx->settings));
    return cl.command->run(ctx);
}

/* With lost ranks MPI_Finalize would wait for them. */
static _Noreturn void leave_wounded(ub_context *ctx, ub_status st)
{
    ub_watch_dismiss(&ctx->watch, &ctx->world);
    _exit(ub_status_exit_code(st));
}

/* After a failure of MPI itself nothing collective may be tried. */
static void leave(ub_context *ctx, ub_status st)
{
    if (!ctx->world.wounded)
        ub_watch_stop(&ctx->watch);
    if (st == UB_EMPI && !ctx->world.wounded) {
        (void)fprintf(stderr, "unbraid: rank %d: %s\n", ctx->world.rank, ub_err_message());
        (void)MPI_Abort(MPI_COMM_WORLD, ub_status_exit_code(st));
    }
    if (st != UB_OK && ctx->world.rank == 0) {
        bool ours = st == UB_EBUG || st == UB_ENOTSAME;
        (void)fprintf(stderr, "unbraid: %s\n", ours ? ub_err_report() : ub_err_message());
    }
    (void)fflush(NULL);
    if (ctx->world.wounded)
        leave_wounded(ctx, st);
    int lost = ub_h5_lost(), any = lost;
    (void)MPI_Allreduce(&lost, &any, 1, MPI_INT, MPI_MAX, ctx->world.mpi);
    if (any != 0) /* all ranks have said what they had to */
        _exit(ub_status_exit_code(st));
    ub_comm_release(&ctx->world);
    (void)MPI_Finalize();
}

/* OpenBLAS reads this once: two ranks times two threads on two cores would be slower. */
extern void openblas_set_num_threads(int n);

int main(int argc, char **argv)
{
    int               provided;
    static ub_context ctx;
    ub_mpiio_choose();
    openblas_set_num_threads(1);
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        (void)fprintf(stderr, "unbraid: MPI does not start\n");
        return 1;
    }
    ub_status st = ub_comm_init(&ctx.world, MPI_COMM_WORLD);
    if (st == UB_OK) {
        ub_log_set_rank(ctx.world.rank);
        st = ub_watch_start(&ctx.world, &ctx.watch);
    }
    if (st == UB_OK) {
        st = run_command(argc, argv, &ctx);
    }
    leave(&ctx, st);
    return ub_status_exit_code(st);
}
