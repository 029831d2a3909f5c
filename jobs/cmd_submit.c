/* A study as a job of SLURM. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "io/beacon.h"
#include "io/file.h"
#include "io/rundir.h"
#include "jobs/accounting.h"
#include "jobs/command.h"
#include "jobs/plan.h"
#include "jobs/slurm.h"

typedef struct submission {
    ub_context  *ctx;
    char         run[UB_RUNDIR_MAX];
    char         program[UB_PATH_MAX];
    ub_bytes     exclude; /* nodes, comma separated */
    bool         requeue;
    bool         refused;         /* some arrays, not the first */
    bool         has_plan, fresh; /* fresh: made now, not found in the run folder */
    ub_plan_kept plan;
    ub_settings  settings; /* those of ctx, with the time and memory that are asked for */
    double       measured; /* lead of an earlier start of the run, seconds; 0: none */
    ub_queue     queue;
    ub_bytes     jobs; /* long long each: the job, or one an array */
    ub_bytes     last; /* what accounting knows of the job before, as `tell` prints it */
} submission;

static const char *file_of(const submission *s, const char *name, char buf[UB_TEXT_MAX])
{
    (void)snprintf(buf, UB_TEXT_MAX, "%s/%s", s->run, name);
    return buf;
}

/* The full path, links and dots resolved as far as its folders are there: the same before a run
 * folder is made and after.  Cuts `given`. */
static int resolve(char *given, char *out, size_t cap)
{
    char rest[UB_PATH_MAX + UB_TEXT_MAX] = "";
    for (;;) {
        char *full = realpath(given, NULL), *slash = strrchr(given, '/');
        if (full != NULL || slash == NULL || slash == given) {
            int n = snprintf(out, cap, "%s%s", full != NULL ? full : given, rest);
            free(full);
            return n;
        }
        char longer[sizeof rest];
        (void)snprintf(longer, sizeof longer, "%s%s", slash, rest);
        memcpy(rest, longer, sizeof rest);
        *slash = '\0';
    }
}

/* The run folder's full path: --out, else runs/NAME for -c NAME.yaml. */
static ub_status find_run(submission *s)
{
    const ub_context *ctx = s->ctx;
    char              given[UB_PATH_MAX + UB_TEXT_MAX], here[PATH_MAX] = "";
    const char       *slash = strrchr(ctx->config, '/');
    const char       *name = slash != NULL ? slash + 1 : ctx->config;
    if (ctx->out[0] == '\0' && name[0] == '\0')
        return UB_FAIL(UB_EARG, "unbraid submit wants -c FILE or --out RUN");
    if (ctx->out[0] == '\0' && name[0] == '.') /* runs/NAME would be runs/ itself */
        return UB_FAIL(UB_EARG, "-c %s names no run; give --out RUN", ctx->config);
    if (ctx->out[0] != '/' && getcwd(here, sizeof here) == NULL)
        return UB_FAIL(UB_EIO, "the working folder cannot be named: %s", strerror(errno));
    if (ctx->out[0] != '\0')
        (void)snprintf(given, sizeof given, "%s%s%s", here, here[0] != '\0' ? "/" : "", ctx->out);
    else
        (void)snprintf(given, sizeof given, "%s/runs/%.*s", here, (int)strcspn(name, "."), name);
    for (size_t n = strlen(given); n > 1 && given[n - 1] == '/'; n--)
        given[n - 1] = '\0';
    int n = resolve(given, s->run, sizeof s->run);
    if (n < 0 || (size_t)n >= sizeof s->run)
        return UB_FAIL(UB_EINPUT, "a run folder needs a path of 1 to %zu bytes: %.80s...",
                       sizeof s->run - 1, given);
    return UB_OK;
}

static ub_status find_program(submission *s)
{
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
    if (n < 0)
        return UB_FAIL(UB_EIO, "/proc/self/exe: %s", strerror(errno));
    s->program[n] = '\0';
    return UB_OK;
}

/* Nodes that failed earlier jobs of this run. */
static ub_status find_bad_nodes(submission *s)
{
    char path[UB_TEXT_MAX];
    UB_TRY(ub_bytes_printf(&s->exclude, "%s", ""));
    if (!ub_file_exists(file_of(s, "slurm-bad-nodes", path)))
        return UB_OK;
    UB_TRY(ub_file_read(path, &s->exclude));
    char *text = (char *)s->exclude.data;
    text[strcspn(text, " \t\r")] = '\0';
    for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    for (char *p = text; *p != '\0'; p++)
        if (*p == '\n')
            *p = ',';
    return UB_OK;
}

/* Does this site let jobs be requeued?  Where it does not say, a script that is refused its requeue
 * submits a successor.  And how large may an array be? */
static ub_status ask_site(submission *s)
{
    static const char *const ask[] = {"scontrol", "show", "config", NULL};
    const ub_settings       *settings = &s->ctx->settings;
    ub_bytes                 text = {0};
    int                      code = 0;
    ub_status                st = ub_slurm_call(ask, true, &text, &code);
    const char              *site = text.len > 0 ? (const char *)text.data : "";
    s->requeue = ub_queue_requeues(settings, site);
    if (st == UB_OK)
        st = ub_queue_init(settings, site, &s->queue);
    ub_bytes_release(&text);
    return st;
}

/* What the last start of this run measured. */
static void find_lead(submission *s)
{
    static ub_beacon_state last; /* too large for some stacks */
    char                   path[UB_TEXT_MAX];
    if (ub_beacon_read(file_of(s, "status.json", path), &last) == UB_OK)
        s->measured = last.lead_s;
    ub_err_clear();
}

/* When SLURM is to say that the end is near, in seconds before it.  With a lead by measurement the
 * program knows better; the signal, which may come a minute early, must leave it time to work. */
static int64_t signal_lead(const submission *s)
{
    enum { UNKNOWN_S = 120, EARLY_S = 60 };
    const ub_settings *settings = &s->settings;
    int64_t            most = (60 * settings->slurm.time_min - EARLY_S) / 2;
    int64_t            lead = s->measured > 0 ? (int64_t)ceil(s->measured) : UNKNOWN_S;
    if (settings->slurm.lead_s > 0)
        return settings->slurm.lead_s;
    return lead < most ? lead : most;
}

/* The plan that a run began with. */
static void find_plan(submission *s)
{
    if (ub_plan_read(s->run, &s->plan, &s->has_plan) != UB_OK) {
        ub_log_warn("plan-lost", "%s", ub_err_message());
        ub_err_clear();
        s->has_plan = false;
    }
}

/* That, or one made now, by some seconds of the study's own work on this machine.  A study that a
 * run would refuse is refused here; where only the measuring fails (no memory for the corpus on
 * this node, say) there is no plan. */
static ub_status make_plan(submission *s)
{
    const ub_settings *settings = &s->ctx->settings;
    char               path[UB_TEXT_MAX];
    int                ranks;
    ub_plan_costs      m = {0};
    ub_plan_forecast   f;
    ub_status          st;
    if (!settings->slurm.plan || settings->slurm.command == UB_SLURM_SWEEP)
        return UB_OK;
    if (ub_file_exists(file_of(s, "config.yaml", path))) {
        find_plan(s);
        return UB_OK;
    }
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "planning, for some seconds (slurm.plan: no leaves it out) ...\n");
    UB_TRY_OUT(ub_plan_ranks(settings, &ranks));
    UB_TRY_OUT(ub_plan_make(settings, ranks, &m, &f));
    UB_TRY_OUT(ub_plan_keep(settings, &m, &f, &s->plan));
    s->has_plan = s->fresh = true;
out:
    ub_plan_costs_release(&m);
    if (st == UB_OK || ub_status_exit_code(st) == 2)
        return st;
    ub_log_warn("no-plan", "why='%s'", ub_err_message());
    ub_err_clear();
    return UB_OK;
}

/* A short job begins sooner: where the plan fits into one job, twice what it needs at most is asked
 * for, as it was made on another machine; a job that is too short goes on in another one. */
static void ask_for(submission *s)
{
    enum { LEAST_MIN = 10, SPARE_MB = 256 };
    ub_settings *asked = &s->settings;
    double       need = ceil((2 * s->plan.high + s->plan.lead_s) / 60);
    double memory = ceil(1.5 * s->plan.memory_mb * (double)asked->slurm.tasks_per_node) + SPARE_MB;
    need = need > LEAST_MIN ? need : LEAST_MIN;
    if (s->has_plan && s->plan.jobs == 1 && need < (double)asked->slurm.time_min)
        asked->slurm.time_min = (int64_t)need;
    if (s->has_plan && asked->slurm.memory_mb == 0)
        asked->slurm.memory_mb = (int64_t)memory;
}

static ub_status check_corpus(const ub_settings *settings)
{
    const char *path = settings->corpus.path;
    if (path[0] == '\0')
        return UB_FAIL(UB_EINPUT, "corpus.path is empty; give --set corpus.path=FILE or a "
                                  "configuration with -c");
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "corpus.path: there is no file %s", path);
    return UB_OK;
}

static bool is_finished(const submission *s)
{
    char     path[UB_TEXT_MAX];
    ub_bytes text = {0};
    bool done = ub_file_exists(file_of(s, "STATE", path)) && ub_file_read(path, &text) == UB_OK &&
                text.len >= 5 && memcmp(text.data + text.len - 5, "done\n", 5) == 0;
    ub_err_clear();
    ub_bytes_release(&text);
    return done;
}

/* The number a command's answer begins with; 0 if there is none. */
static long long first_number(const ub_bytes *text)
{
    return text->len > 0 ? strtoll((const char *)text->data, NULL, 10) : 0;
}

/* UB_EINPUT if a job of this run is still in the queue: one of several arrays, or the successor of
 * one of their tasks, maybe, so it is asked for by the name that all jobs of this folder share. */
static ub_status check_queue(const submission *s)
{
    char              path[UB_TEXT_MAX], name[UB_TEXT_MAX];
    ub_bytes          queue = {0};
    int               code = 0;
    ub_status         st = UB_OK;
    const char *const ask[] = {"squeue", "-h", "-o", "%i", "--name", ub_slurm_name(s->run, name),
                               NULL};
    if (ub_file_exists(file_of(s, "slurm-jobs.log", path)))
        st = ub_slurm_call(ask, true, &queue, &code);
    long long waiting = first_number(&queue);
    if (st == UB_OK && waiting > 0)
        st = UB_FAIL(UB_EINPUT, "job %lld of %s is still in the queue; scancel --name=%s first",
                     waiting, s->run, name);
    ub_bytes_release(&queue);
    return st;
}

/* May a job begin here, or go on? */
static ub_status look_at_run(const submission *s, bool *finished)
{
    char path[UB_TEXT_MAX];
    bool sweep = s->ctx->settings.slurm.command == UB_SLURM_SWEEP;
    if (!sweep || !ub_file_exists(file_of(s, "sweep.yaml", path)))
        UB_TRY(ub_rundir_check(s->run));
    *finished = !sweep && is_finished(s);
    return *finished ? UB_OK : check_queue(s);
}

/* The study's settings, resolved: the job does not depend on files that may change meanwhile. */
static ub_status write_study(const submission *s)
{
    char              path[UB_TEXT_MAX];
    ub_bytes          text = {0};
    const ub_command *command = ub_command_find(ub_slurm_command(&s->ctx->settings));
    ub_status         st =
        ub_schema_print(ub_settings_schema(), &s->ctx->settings, command->sections, false, &text);
    if (st == UB_OK)
        st = ub_file_write(file_of(s, "slurm-study.yaml", path), text.data, text.len);
    ub_bytes_release(&text);
    return st;
}

static size_t jobs_of(const submission *s)
{
    return s->jobs.len / sizeof(long long);
}

static long long job_of(const submission *s, size_t k)
{
    return ((const long long *)(const void *)s->jobs.data)[k];
}

static ub_status refuse(const submission *s, int code)
{
    char path[UB_TEXT_MAX];
    if (code == 127)
        return UB_FAIL(UB_EINPUT, "there is no sbatch on PATH: this is no machine of a SLURM "
                                  "cluster; --dry-run shows the script");
    return UB_FAIL(UB_EINPUT, "sbatch refuses %s (exit code %d); it says why above%s",
                   file_of(s, "slurm-job.sh", path), code,
                   s->exclude.data[0] != '\0' ? "; the nodes in slurm-bad-nodes are excluded" : "");
}

static ub_status queue(submission *s)
{
    int64_t arrays = s->queue.arrays;
    int     code;
    UB_TRY(ub_queue_submit(s->run, &s->queue, &s->jobs, &code));
    if (s->jobs.len == 0)
        return refuse(s, code);
    s->refused = s->queue.arrays < arrays;
    return UB_OK;
}

static void tell_jobs(const submission *s)
{
    for (size_t k = 0; k < jobs_of(s); k++)
        (void)printf("%s%lld", k > 0 ? ", " : "", job_of(s, k));
}

static void tell_json(const submission *s)
{
    const ub_settings *settings = &s->settings;
    char               name[UB_TEXT_MAX];
    (void)printf("{\"job\": %lld, \"jobs\": [", job_of(s, 0));
    tell_jobs(s);
    (void)printf("], \"workers\": %lld, \"name\": \"%s\", \"requeue\": %s, \"nodes\": %lld, "
                 "\"ranks\": %lld, \"time_min\": %lld, \"memory_mb\": %lld",
                 (long long)s->queue.workers, ub_slurm_name(s->run, name),
                 s->requeue ? "true" : "false", (long long)settings->slurm.nodes,
                 (long long)(settings->slurm.nodes * settings->slurm.tasks_per_node),
                 (long long)settings->slurm.time_min, (long long)settings->slurm.memory_mb);
    if (s->has_plan)
        (void)printf(", \"planned_s\": %.9g, \"planned_node_hours\": %.9g", s->plan.seconds,
                     s->plan.node_hours);
    (void)printf(", \"last\": %s}\n", (const char *)s->last.data);
}

/* Of a sweep as arrays: who works, and where it is written. */
static void tell_workers(const submission *s)
{
    const ub_queue *q = &s->queue;
    (void)printf("  workers     %lld", (long long)q->workers);
    if (q->workers < s->settings.slurm.workers)
        (void)printf(" of %lld (%s; fewer do as well, as they share the points)",
                     (long long)s->settings.slurm.workers,
                     s->refused ? "sbatch refuses more" : "by slurm.workers_at_once");
    (void)printf(" in %lld array%s", (long long)q->arrays, q->arrays == 1 ? "" : "s");
    if (q->at_once > 0)
        (void)printf(", %lld at once", (long long)q->at_once);
    (void)printf("\n  output      slurm-JOB.out of every worker K; starts and ends of jobs: "
                 "workers/K/slurm-jobs.log\n");
}

static void tell(const submission *s)
{
    const ub_settings *settings = &s->settings;
    char               name[UB_TEXT_MAX], low[32], high[32];
    (void)printf("job%s ", jobs_of(s) == 1 ? "" : "s");
    tell_jobs(s);
    (void)printf(": unbraid %s on %lld nodes, %lld ranks each, in %s\n"
                 "  script      slurm-job.sh, settings slurm-study.yaml\n",
                 ub_slurm_command(settings), (long long)settings->slurm.nodes,
                 (long long)settings->slurm.tasks_per_node, s->run);
    if (s->queue.arrays > 0)
        tell_workers(s);
    else
        (void)printf("  output      slurm-%lld.out; starts and ends of jobs: slurm-jobs.log\n",
                     job_of(s, 0));
    (void)printf("  asks for    %lld min, %lld MiB a node%s\n", (long long)settings->slurm.time_min,
                 (long long)settings->slurm.memory_mb,
                 settings->slurm.memory_mb == 0 ? " (0: the site's default)" : "");
    if (s->has_plan)
        (void)printf("  planned     %s to %s of work, %.3g node-hours, %lld job%s\n",
                     ub_plan_span(s->plan.low, low, sizeof low),
                     ub_plan_span(s->plan.high, high, sizeof high), s->plan.node_hours,
                     (long long)s->plan.jobs, s->plan.jobs == 1 ? "" : "s");
    (void)printf("  goes on     %s, %lld starts at most\n",
                 s->requeue ? "by requeue" : "in a chain of jobs",
                 (long long)settings->slurm.max_jobs);
    if (s->measured > 0 && settings->slurm.lead_s == 0)
        (void)printf("  lead        %.0f s, as measured by the last start of this run\n",
                     ceil(s->measured));
    if (s->last.len > 0)
        (void)printf("  before      %s\n", (const char *)s->last.data);
    if (s->exclude.data[0] != '\0')
        (void)printf("  excluded    %s (failed before; remove slurm-bad-nodes to forget)\n",
                     (const char *)s->exclude.data);
    (void)printf("  stop it     scancel --name=%s\n", ub_slurm_name(s->run, name));
}

static ub_status ask_account(submission *s)
{
    ub_accounting a;
    ub_accounting_ask(s->run, &a);
    return s->ctx->json ? ub_accounting_put_json(&a, &s->last) : ub_accounting_put(&a, &s->last);
}

static ub_status submit(submission *s, const ub_bytes *script)
{
    char path[UB_TEXT_MAX];
    UB_TRY(ask_account(s));
    UB_TRY(ub_dir_make(s->run));
    UB_TRY(write_study(s));
    if (s->fresh)
        UB_TRY(ub_plan_write(s->run, &s->plan));
    UB_TRY(ub_file_write(file_of(s, "slurm-job.sh", path), script->data, script->len));
    UB_TRY(queue(s));
    if (s->ctx->json)
        tell_json(s);
    else
        tell(s);
    return UB_OK;
}

static ub_status answer(ub_context *ctx)
{
    static submission s; /* too large for some stacks */
    ub_bytes          script = {0};
    bool              finished = false;
    ub_status         st;
    s = (submission){.ctx = ctx, .settings = ctx->settings};
    UB_TRY_OUT(check_corpus(&ctx->settings));
    UB_TRY_OUT(find_run(&s));
    UB_TRY_OUT(find_program(&s));
    UB_TRY_OUT(find_bad_nodes(&s));
    UB_TRY_OUT(ask_site(&s));
    find_lead(&s);
    if (!ctx->dry_run)
        UB_TRY_OUT(look_at_run(&s, &finished));
    if (finished) {
        (void)printf("%s holds a finished run; nothing to do\n", s.run);
        goto out;
    }
    UB_TRY_OUT(make_plan(&s));
    ask_for(&s);
    UB_TRY_OUT(ub_slurm_script(&(ub_slurm_job){.settings = &s.settings,
                                               .run = s.run,
                                               .program = s.program,
                                               .exclude = (const char *)s.exclude.data,
                                               .requeue = s.requeue,
                                               .signal_s = signal_lead(&s),
                                               .queue = s.queue},
                               &script));
    if (ctx->dry_run)
        (void)fwrite(script.data, 1, script.len, stdout);
    else
        st = submit(&s, &script);
out:
    ub_bytes_release(&script);
    ub_bytes_release(&s.exclude);
    ub_bytes_release(&s.jobs);
    ub_bytes_release(&s.last);
    return st;
}

static ub_status run(ub_context *ctx)
{
    ub_status st = UB_OK;
    if (ctx->world.size > 1)
        st = UB_FAIL(UB_EARG, "unbraid submit is one process: start it without mpirun and srun");
    else
        st = answer(ctx);
    return ub_comm_agree(&ctx->world, st);
}

const ub_command ub_cmd_submit = {
    .name = "submit",
    .usage = "-c FILE [--site FILE] [--set section.key=value]... [--out RUN] [--dry-run] [--json]",
    .summary = "Run a study on a SLURM cluster, in as many jobs as it takes",
    .sections = "slurm",
    .options = "site",
    .details =
        "Writes RUN/slurm-job.sh (default RUN: runs/NAME for -c NAME.yaml) and submits it; "
        "--dry-run\n"
        "prints it. --site FILE: settings of a cluster, which -c and --set override. The job "
        "stops in\n"
        "time before its end and goes on in the next one until the run is finished. How the job "
        "before\n"
        "ended is told where SLURM keeps an account of its jobs; see docs/slurm.md.\n",
    .run = run,
};
