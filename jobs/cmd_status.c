/* How far a run is, from its files alone. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/beacon.h"
#include "io/file.h"
#include "io/journal.h"
#include "jobs/accounting.h"
#include "jobs/command.h"
#include "jobs/progress.h"
#include "jobs/sweep.h"

/* Signs of life may be late: a loaded node here, a network file system elsewhere, whose clients see
 * changes after up to a minute. */
static const double LATE_HERE_S = 10, LATE_ELSEWHERE_S = 75, STUCK_S = 600;

typedef struct view {
    const char     *folder;
    ub_beacon_state s;
    ub_rank_lines   ranks; /* slow or dead; owned */
    bool            known; /* the status file is there and whole */
    const char     *state; /* running, dead, stopped, failed, finished, unknown */
    char            why[2 * UB_TEXT_MAX];
    ub_bytes        stages;    /* finished, comma separated */
    int64_t         answers;   /* in the journal; -1: there is none */
    double          now, seen; /* seen: when the log last changed, where nothing better is known */
    ub_accounting   account;   /* of the last job; not asked while the run is at work */
} view;

static bool path_of(const view *v, const char *name, char buf[UB_PATH_MAX])
{
    int n = snprintf(buf, UB_PATH_MAX, "%s/%s", v->folder, name);
    return n > 0 && n < UB_PATH_MAX;
}

/* The lines of STATE; true if the last stage is "done". */
static ub_status read_stages(view *v, bool *done)
{
    char     path[UB_PATH_MAX];
    ub_bytes text = {0};
    *done = false;
    if (!path_of(v, "STATE", path) || !ub_file_exists(path))
        return UB_OK;
    ub_status st = ub_file_read(path, &text);
    for (const char *p = (const char *)text.data; st == UB_OK && *p != '\0';) {
        int len = (int)strcspn(p, "\n");
        if (len == 4 && strncmp(p, "done", 4) == 0)
            *done = true;
        else if (len > 0)
            st = ub_bytes_printf(&v->stages, "%s%.*s", v->stages.len > 0 ? ", " : "", len, p);
        p += len + (p[len] == '\n');
    }
    ub_bytes_release(&text);
    return st;
}

/* The process is looked for only where it ran. */
static bool is_gone(const ub_beacon_state *s, bool *here)
{
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    *here = strcmp(host, s->host) == 0;
    return *here && s->pid > 0 && kill((pid_t)s->pid, 0) != 0 && errno == ESRCH;
}

/* What the status file says, against the clock. */
static void judge(view *v, bool done)
{
    const ub_beacon_state *s = &v->s;
    bool                   here;
    double                 age = v->now - s->time;
    v->state = "unknown";
    if (done) {
        v->state = "finished";
    } else if (!v->known) {
        (void)snprintf(v->why, sizeof v->why,
                       "not finished, and no status file says more (run.status_s: 0, or it is "
                       "damaged); the same command goes on with it");
    } else if (strcmp(s->state, "running") != 0) {
        v->state = strcmp(s->state, "stopped") == 0 ? "stopped" : "failed";
        (void)snprintf(v->why, sizeof v->why, "%s", s->message);
    } else {
        bool   gone = is_gone(s, &here);
        double late = 3 * s->pause_s + (here ? LATE_HERE_S : LATE_ELSEWHERE_S);
        v->state = gone || age > late ? "dead" : "running";
        if (gone || age > late)
            (void)snprintf(v->why, sizeof v->why,
                           "no sign of life for %.0f s%s; the same command resumes", age,
                           gone ? ", its process is gone" : "");
        else if (v->now - s->moved > STUCK_S)
            (void)snprintf(v->why, sizeof v->why, "alive, but nothing was done for %.0f s",
                           v->now - s->moved);
    }
}

static ub_status look(view *v)
{
    char        path[UB_PATH_MAX];
    struct stat file;
    bool        done;
    v->now = ub_beacon_now();
    v->answers = -1;
    if (!path_of(v, "config.yaml", path) || !ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "%s is not a run folder: it has no config.yaml", v->folder);
    UB_TRY(read_stages(v, &done));
    if (path_of(v, "unbraid.log", path) && stat(path, &file) == 0)
        v->seen = (double)file.st_mtime;
    v->known =
        path_of(v, "status.json", path) && ub_beacon_read_ranks(path, &v->s, &v->ranks) == UB_OK;
    if (path_of(v, "structure.journal", path) && ub_journal_count(path, &v->answers) != UB_OK)
        v->answers = -1;
    ub_err_clear();
    judge(v, done);
    if (strcmp(v->state, "running") != 0)
        ub_accounting_ask(v->folder, &v->account);
    return UB_OK;
}

/* Seconds left at the rate so far, negative if nobody knows. */
static double left_of(const view *v)
{
    const ub_beacon_state *s = &v->s;
    return s->rate > 0 && strcmp(v->state, "running") == 0 ? (s->total - s->done) / s->rate : -1;
}

static const char *when(double time_s, char buf[32])
{
    time_t    t = (time_t)time_s;
    struct tm parts;
    (void)gmtime_r(&t, &parts);
    (void)strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &parts);
    return buf;
}

/* A rank a line. */
static void tell_ranks(const view *v)
{
    enum { MOST = 20 };
    const ub_beacon_state *s = &v->s;
    if (s->well + s->slow > 0)
        (void)printf("  ranks       %d well, %d slow, %d dead\n", s->well, s->slow, s->dead);
    else if (s->dead > 0)
        (void)printf("  ranks       %d dead\n", s->dead);
    for (int i = 0; i < v->ranks.count && i < MOST; i++) {
        const ub_rank_line *r = &v->ranks.line[i];
        bool                dead = r->state == UB_RANK_DEAD;
        (void)printf("  %s        rank %d%s%s", dead ? "dead" : "slow", r->rank,
                     r->node[0] != '\0' ? " on " : "", r->node);
        if (r->speed > 0)
            (void)printf(": %.2g of the ranks' mean speed%s", r->speed, dead ? " before" : "");
        (void)printf("\n");
    }
    if (v->ranks.count > MOST)
        (void)printf("              and %d more\n", v->ranks.count - MOST);
}

static void tell_progress(const view *v)
{
    const ub_beacon_state *s = &v->s;
    char                   a[32];
    (void)printf("  stage       %s%s%s\n", s->stage[0] != '\0' ? s->stage : "beginning",
                 s->phase[0] != '\0' ? ": " : "", s->phase);
    if (s->total > 0)
        (void)printf("  progress    %.0f of %.0f %s (%.1f %%), %.4g a second\n", s->done, s->total,
                     s->unit, 100 * s->done / s->total, s->rate);
    if (left_of(v) >= 0)
        (void)printf("  stage left  about %s\n", ub_progress_words(left_of(v), a));
    if (s->ends > 0 && strcmp(v->state, "running") == 0)
        (void)printf("  wall time   %s left%s\n", ub_progress_words(s->ends - v->now, a),
                     left_of(v) > s->ends - v->now ? "; less than the stage needs: it will stop in "
                                                     "time and go on when started again"
                                                   : "");
    if (s->lead_s > 0 && s->ends > 0)
        (void)printf("  lead        %s, measured: what it needs to stop in time\n",
                     ub_progress_words(s->lead_s, a));
    if (s->safe > 0)
        (void)printf("  saved       %s ago\n", ub_progress_words(v->now - s->safe, a));
    tell_ranks(v);
}

static ub_status tell(const view *v)
{
    ub_bytes               account = {0};
    const ub_beacon_state *s = &v->s;
    char                   a[32];
    bool                   over = strcmp(v->state, "finished") == 0;
    (void)printf("%s: %s%s%s\n", v->folder, v->state, v->why[0] != '\0' ? ": " : "", v->why);
    if (v->known && !over)
        tell_progress(v);
    if (v->stages.len > 0)
        (void)printf("  finished    %s\n", (const char *)v->stages.data);
    if (v->answers >= 0 && !over)
        (void)printf("  journal     %lld answers\n", (long long)v->answers);
    if (v->known)
        (void)printf("  process     %lld on %s, %d ranks%s%s\n", (long long)s->pid, s->host,
                     s->ranks, s->job[0] != '\0' ? ", job " : "", s->job);
    if (v->known || v->seen > 0)
        (void)printf("  last sign   %s\n", when(v->known ? s->time : v->seen, a));
    ub_status st = ub_accounting_put(&v->account, &account);
    if (account.len > 0)
        (void)printf("  accounting  %s\n", (const char *)account.data);
    ub_bytes_release(&account);
    if (v->known && !over && strcmp(v->state, "running") != 0)
        (void)printf("  go on with  cd '%s' && %s\n", s->folder, s->command);
    if (over)
        (void)printf("  report      %s/report.html\n", v->folder);
    return st;
}

/* "key": number, or null. */
static ub_status put_number(ub_bytes *out, const char *key, bool known, double v)
{
    return known ? ub_bytes_printf(out, ", \"%s\": %.10g", key, v)
                 : ub_bytes_printf(out, ", \"%s\": null", key);
}

static ub_status put_ranks(const view *v, ub_rank_state state, const char *key, ub_bytes *out)
{
    const char *comma = "";
    UB_TRY(ub_bytes_printf(out, ", \"%s\": [", key));
    for (int i = 0; i < v->ranks.count; i++) {
        const ub_rank_line *r = &v->ranks.line[i];
        if (r->state != state)
            continue;
        UB_TRY(ub_bytes_printf(out, "%s", comma));
        UB_TRY(ub_rank_put(r->rank, r->speed, r->node, out));
        comma = ", ";
    }
    return ub_bytes_printf(out, "]");
}

static ub_status put_json(const view *v, ub_bytes *out)
{
    const ub_beacon_state *s = &v->s;
    bool                   k = v->known;
    UB_TRY(ub_bytes_printf(out, "{"));
    UB_TRY(ub_bytes_put_json(out, "state", v->state, ", "));
    UB_TRY(ub_bytes_put_json(out, "why", v->why, ", "));
    UB_TRY(ub_bytes_put_json(out, "stage", s->stage, ", "));
    UB_TRY(ub_bytes_put_json(out, "phase", s->phase, ", "));
    UB_TRY(ub_bytes_put_json(out, "finished", v->stages.len > 0 ? (const char *)v->stages.data : "",
                             ", "));
    UB_TRY(ub_bytes_put_json(out, "unit", s->unit, ", "));
    UB_TRY(ub_bytes_put_json(out, "host", s->host, ", "));
    UB_TRY(ub_bytes_put_json(out, "job", s->job, ", "));
    UB_TRY(ub_bytes_put_json(out, "command", s->command, ", "));
    UB_TRY(ub_bytes_put_json(out, "folder", s->folder, ""));
    UB_TRY(put_number(out, "done", k, s->done));
    UB_TRY(put_number(out, "total", k, s->total));
    UB_TRY(put_number(out, "rate", k, s->rate));
    UB_TRY(put_number(out, "left_s", left_of(v) >= 0, left_of(v)));
    UB_TRY(put_number(out, "margin_s", k && s->ends > 0, s->ends - v->now));
    UB_TRY(put_number(out, "lead_s", k && s->lead_s > 0, s->lead_s));
    UB_TRY(put_number(out, "saved_s", k && s->safe > 0, v->now - s->safe));
    UB_TRY(put_number(out, "age_s", k, v->now - s->time));
    UB_TRY(put_number(out, "journal_answers", v->answers >= 0, (double)v->answers));
    UB_TRY(put_number(out, "pid", k, (double)s->pid));
    UB_TRY(put_number(out, "ranks", k, s->ranks));
    UB_TRY(put_number(out, "slow", k, s->slow));
    UB_TRY(put_number(out, "dead", k, s->dead));
    UB_TRY(put_ranks(v, UB_RANK_SLOW, "slow_ranks", out));
    UB_TRY(put_ranks(v, UB_RANK_DEAD, "dead_ranks", out));
    UB_TRY(ub_bytes_printf(out, ", \"accounting\": "));
    UB_TRY(ub_accounting_put_json(&v->account, out));
    return ub_bytes_printf(out, "}\n");
}

static ub_status answer(const ub_context *ctx)
{
    static view v; /* too large for some stacks */
    ub_bytes    json = {0};
    v = (view){.folder = ctx->word[0]};
    char path[UB_PATH_MAX];
    if (path_of(&v, "sweep.yaml", path) && ub_file_exists(path))
        return ub_sweep_status(v.folder, ctx->json);
    ub_status st = look(&v);
    if (st == UB_OK && ctx->json)
        st = put_json(&v, &json);
    if (st == UB_OK && ctx->json)
        (void)fputs((const char *)json.data, stdout);
    else if (st == UB_OK)
        st = tell(&v);
    ub_bytes_release(&json);
    ub_bytes_release(&v.stages);
    ub_free(v.ranks.line);
    return st;
}

static ub_status run(ub_context *ctx)
{
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? answer(ctx) : UB_OK);
}

const ub_command ub_cmd_status = {
    .name = "status",
    .usage = "RUN|SWEEP [--json]",
    .summary = "Say how far a run or a sweep is: running, stopped, failed, dead or finished",
    .sections = "",
    .details =
        "Reads the files of the run folder, from any machine that sees them, and touches nothing. "
        "Where\n"
        "SLURM keeps an account of its jobs (sacct), it is asked how the last job of a run that is "
        "not at\n"
        "work ended, and in which state the tasks of a sweep are.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
