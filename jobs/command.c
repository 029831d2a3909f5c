#include "jobs/command.h"

#include <signal.h>
#include <string.h>

#include "core/log.h"

static const ub_command *const commands[] = {
#define UB_COMMAND(name) &ub_cmd_##name,
#include "jobs/commands.def"
#undef UB_COMMAND
};

const ub_command *ub_command_at(size_t i)
{
    return i < sizeof commands / sizeof commands[0] ? commands[i] : NULL;
}

const ub_command *ub_command_find(const char *name)
{
    for (size_t i = 0; ub_command_at(i) != NULL; i++)
        if (strcmp(ub_command_at(i)->name, name) == 0)
            return ub_command_at(i);
    return NULL;
}

const char *ub_context_option(const ub_context *ctx, const char *name)
{
    for (int i = 0; i < ctx->options; i++)
        if (strcmp(ctx->option[i].name, name) == 0)
            return ctx->option[i].value;
    return NULL;
}

/* A handler may only set a flag; the farm and the trainer look at it between items. */
static volatile sig_atomic_t stop_flag;
static double                stop_at;

static void on_signal(int number)
{
    (void)number;
    stop_flag = 1;
}

void ub_stop_install(double after_s)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaction(numbers[i], &action, NULL);
    /* A limit on file sizes is an error with a sentence, not a death. */
    (void)signal(SIGXFSZ, SIG_IGN);
    stop_at = after_s > 0 ? ub_clock() + after_s : 0;
}

bool ub_stop_asked(void)
{
    return stop_flag != 0 || (stop_at > 0 && ub_clock() >= stop_at);
}
