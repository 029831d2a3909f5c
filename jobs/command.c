#include "jobs/command.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lead.h"
#include "core/log.h"
#include "io/beacon.h"

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

const char *ub_shell_word(const char *text, char *buf, size_t cap)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=.,:/@%";
    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        (void)snprintf(buf, cap, "%s", text);
        return buf;
    }
    size_t at = (size_t)snprintf(buf, cap, "'");
    for (const char *p = text; *p != '\0' && at + 6 < cap; p++)
        at += (size_t)snprintf(buf + at, cap - at, *p == '\'' ? "'\\''" : "%c", *p);
    (void)snprintf(buf + at, cap - at, "'");
    return buf;
}

/* A handler may only set a flag; the farm and the trainer look at it between items. */
static volatile sig_atomic_t stop_flag;
static double                stop_at; /* 0: never; as end_at by ub_clock() */
static double                end_at;  /* of the job, while the lead is measured; INFINITY: none */
static double                job_ends;
static ub_lead               lead;

static void on_signal(int number)
{
    (void)number;
    stop_flag = 1;
}

/* What may be given; others have a meaning that a flag would take away. */
static const struct {
    const char *name;
    int         number;
} signals[] = {{"INT", SIGINT}, {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
               {"HUP", SIGHUP}, {"CONT", SIGCONT}, {"XCPU", SIGXCPU}};

static ub_status catch_signal(const char *name, size_t len)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (strlen(signals[i].name) != len || strncmp(signals[i].name, name, len) != 0)
            continue;
        (void)sigaction(signals[i].number, &action, NULL);
        return UB_OK;
    }
    return UB_FAIL(UB_EINPUT,
                   "run.stop_signals: '%.*s' is none of INT TERM USR1 USR2 HUP CONT XCPU", (int)len,
                   name);
}

/* An end that is past (of a job whose environment was left in some shell) is none. */
static void mind_end(int64_t fixed)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    double      ends = text == NULL ? 0 : strtod(text, NULL), room = ends - ub_beacon_now();
    double      now = ub_clock(), fixed_at = now + fmax(room - (double)fixed, 1);
    job_ends = room > 0 ? ends : 0;
    lead = ub_lead_begin(room > 0 ? room : INFINITY);
    end_at = room > 0 && fixed == 0 ? now + room : INFINITY;
    if (room > 0 && fixed > 0 && (stop_at <= 0 || fixed_at < stop_at))
        stop_at = fixed_at;
}

ub_status ub_stop_install(const ub_settings *settings)
{
    static const char blank[] = " ,";
    for (const char *p = settings->run.stop_signals + strspn(settings->run.stop_signals, blank);
         *p != '\0'; p += strspn(p, blank)) {
        size_t len = strcspn(p, blank), prefix = strncmp(p, "SIG", 3) == 0 ? 3 : 0;
        UB_TRY(catch_signal(p + prefix, len - prefix));
        p += len;
    }
    /* A limit on file sizes is an error with a sentence, not a death. */
    (void)signal(SIGXFSZ, SIG_IGN);
    double after_s = settings->run.stop_after_s;
    stop_at = after_s > 0 ? ub_clock() + after_s : 0;
    mind_end(settings->slurm.lead_s);
    return UB_OK;
}

/* Said once. */
static bool must_leave(double now)
{
    static bool said;
    if (!ub_lead_due(&lead, end_at - now))
        return false;
    if (!said)
        ub_log0_info("stop-in-time", "left_s=%.1f lead_s=%.1f save_s=%.3f item_s=%.3f margin_s=%g",
                     end_at - now, ub_lead_seconds(&lead), lead.p99, lead.longest,
                     ub_lead_margin(lead.room));
    said = true;
    return true;
}

bool ub_stop_signalled(void)
{
    return stop_flag != 0;
}

bool ub_stop_asked(void)
{
    if (stop_flag != 0)
        return true;
    if (stop_at <= 0 && isinf(end_at))
        return false;
    double now = ub_clock();
    return (stop_at > 0 && now >= stop_at) || must_leave(now);
}

double ub_stop_ends(void)
{
    return job_ends;
}

void ub_stop_renew(void)
{
    ub_lead_renew(&lead);
}

void ub_stop_worked(double seconds)
{
    ub_lead_worked(&lead, seconds);
}

void ub_stop_saved(double seconds)
{
    ub_lead_saved(&lead, seconds);
}

double ub_stop_lead(void)
{
    return ub_lead_seconds(&lead);
}

double ub_stop_left(void)
{
    return stop_at > 0 ? stop_at - ub_clock() : INFINITY;
}

ub_status ub_stop_here(const ub_comm *c, const char *before)
{
    ub_status st = UB_OK;
    if (ub_stop_asked())
        st = UB_FAIL(UB_ESTOP, "stopped on request before %s; the same command goes on from there",
                     before);
    return ub_comm_agree(c, st);
}
