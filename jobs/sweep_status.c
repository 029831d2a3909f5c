/* How far a sweep is, from its files alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/mem.h"
#include "io/beacon.h"
#include "io/config.h"
#include "io/file.h"
#include "jobs/accounting.h"
#include "jobs/sweep.h"

static const double FRESH_S = 75; /* a network file system may show changes so late */

typedef struct sweep_view {
    ub_sweep    sweep;
    ub_settings base;
    int64_t     ended, failed, running, cut; /* cut: begun, and nobody is at work on it now */
    double      left_s;                      /* NaN: nobody knows */
    double      first, last;                 /* when jobs ended */
    double      begun;                       /* work of the job that ended first */
    double      done, all;                   /* work, of jobs that ended well and of all to come */
    ub_bytes    account;                     /* of SLURM, in words or as JSON; may be empty */
} sweep_view;

/* A job takes as long as its rung is high. */
static double work_of(const ub_sweep *s, int32_t rung)
{
    return s->promote.rungs > 1 ? s->rung[rung] : 1;
}

static void see_end(sweep_view *v, const char *path, double work)
{
    struct stat file;
    v->done += work;
    if (stat(path, &file) != 0)
        return;
    double at = (double)file.st_mtime;
    if (v->first == 0 || at < v->first) {
        v->first = at;
        v->begun = work;
    }
    v->last = fmax(v->last, at);
}

/* The work of all jobs.  Those that are not decided yet: as many as climb from each rung if the
 * best do (core/promote.h: one in eta, of median one in two). */
static double all_work(const ub_sweep *s)
{
    double work = 0, share = s->promote.rule == UB_PROMOTE_ASHA ? s->promote.eta : 2;
    double points = (double)s->promote.points;
    for (int64_t j = 0; j < s->jobs && s->decided; j++)
        work += s->state[j] == UB_JOB_FAILED ? 0 : work_of(s, s->job[j].rung);
    for (int32_t r = 0; r < s->promote.rungs && !s->decided; r++, points = floor(points / share))
        work += points * work_of(s, r);
    return work;
}

/* From the end of the first job to that of the last one the others were done. */
static double time_left(const sweep_view *v)
{
    double rate = (v->done - v->begun) / (v->last - v->first), left = v->all - v->done;
    return v->running > 0 && v->last > v->first && rate > 0 && left >= 0 ? left / rate
                                                                         : (double)NAN;
}

/* What becomes of a job without a result. */
static void see_open(sweep_view *v, const char *name)
{
    char            path[UB_PATH_MAX];
    ub_beacon_state s;
    if (ub_beacon_read(ub_sweep_path(&v->sweep, name, "/status.json", path, sizeof path), &s) ==
        UB_OK) {
        bool alive =
            strcmp(s.state, "running") == 0 && ub_beacon_now() - s.time < 3 * s.pause_s + FRESH_S;
        v->running += alive;
        v->cut += !alive;
    }
    ub_err_clear();
}

static ub_status see_jobs(sweep_view *v)
{
    ub_sweep    *s = &v->sweep;
    ub_settings *at = NULL;
    char         name[UB_SWEEP_NAME], path[UB_PATH_MAX];
    ub_status    st = UB_OK;
    UB_TRY(UB_ALLOC(at, 1));
    for (int64_t j = 0; j < s->jobs && st == UB_OK; j++) {
        st = ub_sweep_settings(s, &s->job[j], at);
        if (st == UB_OK)
            st = ub_sweep_name(s, at, name);
        if (st == UB_OK && s->state[j] == UB_JOB_DONE)
            see_end(v, ub_sweep_path(s, name, "/STATE", path, sizeof path),
                    work_of(s, s->job[j].rung));
        else if (st == UB_OK && s->state[j] == UB_JOB_WAITING)
            see_open(v, name);
    }
    ub_free(at);
    return st;
}

static ub_status ask_account(sweep_view *v, const char *folder, bool json)
{
    ub_accounting a;
    ub_accounting_ask(folder, &a);
    return json ? ub_accounting_put_json(&a, &v->account) : ub_accounting_put(&a, &v->account);
}

static ub_status look(sweep_view *v, const char *folder)
{
    char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", folder);
    UB_TRY(ub_schema_defaults(ub_settings_schema(), &v->base));
    UB_TRY(ub_config_load(ub_settings_schema(), &v->base, path));
    UB_TRY(ub_sweep_init(&v->base, folder, &v->sweep));
    UB_TRY(ub_sweep_look(&v->sweep));
    v->ended = ub_sweep_ended(&v->sweep, &v->failed);
    UB_TRY(see_jobs(v));
    v->all = all_work(&v->sweep);
    v->left_s = time_left(v);
    return UB_OK;
}

static const char *state_of(const sweep_view *v)
{
    if (v->sweep.decided && v->ended == v->sweep.jobs)
        return "finished";
    return v->running > 0 ? "running" : "idle";
}

static void tell(const sweep_view *v)
{
    const ub_sweep *s = &v->sweep;
    int64_t         best = ub_sweep_best(s);
    char            file[UB_PATH_MAX], word[2][UB_PATH_MAX];
    (void)snprintf(file, sizeof file, "%s/sweep.yaml", s->folder);
    (void)printf("%s: a sweep, %s\n", s->folder, state_of(v));
    (void)printf("  jobs        %lld%s of %lld points\n", (long long)s->jobs,
                 s->decided ? "" : " or more", (long long)s->promote.points);
    (void)printf("  done        %lld\n  failed      %lld\n  running     %lld\n"
                 "  waiting     %lld%s\n",
                 (long long)(v->ended - v->failed), (long long)v->failed, (long long)v->running,
                 (long long)(s->jobs - v->ended - v->running),
                 v->cut > 0 ? ", some of them cut off and to be continued" : "");
    if (best >= 0)
        (void)printf("  best        %s = %.6g (job %lld, point %lld)\n", v->base.sweep.metric,
                     s->job[best].result, (long long)best, (long long)s->job[best].point);
    if (!isnan(v->left_s))
        (void)printf("  left        about %.0f s at the rate so far\n", v->left_s);
    if (v->account.len > 0)
        (void)printf("  accounting  %s\n", (const char *)v->account.data);
    if (strcmp(state_of(v), "finished") == 0)
        (void)printf("  table       %s/sweep.csv\n", s->folder);
    else if (strcmp(state_of(v), "idle") == 0)
        (void)printf("  go on with  unbraid sweep -c %s --out %s\n",
                     ub_shell_word(file, word[0], sizeof word[0]),
                     ub_shell_word(s->folder, word[1], sizeof word[1]));
}

static void tell_json(const sweep_view *v)
{
    const ub_sweep *s = &v->sweep;
    int64_t         best = ub_sweep_best(s);
    (void)printf("{\"state\": \"%s\", \"jobs\": %lld, \"decided\": %s, \"points\": %lld, "
                 "\"done\": %lld, \"failed\": %lld, \"running\": %lld, \"waiting\": %lld, ",
                 state_of(v), (long long)s->jobs, s->decided ? "true" : "false",
                 (long long)s->promote.points, (long long)(v->ended - v->failed),
                 (long long)v->failed, (long long)v->running,
                 (long long)(s->jobs - v->ended - v->running));
    (void)printf(best >= 0 ? "\"best\": %.10g, " : "\"best\": null, ",
                 best >= 0 ? s->job[best].result : 0.0);
    (void)printf("\"best_job\": %lld, ", (long long)best);
    (void)printf(isnan(v->left_s) ? "\"left_s\": null, " : "\"left_s\": %.0f, ", v->left_s);
    (void)printf("\"accounting\": %s}\n", (const char *)v->account.data);
}

ub_status ub_sweep_status(const char *folder, bool json)
{
    sweep_view *v = NULL;
    UB_TRY(UB_ALLOC(v, 1));
    ub_status st = look(v, folder);
    if (st == UB_OK)
        st = ask_account(v, folder, json);
    if (st == UB_OK && json)
        tell_json(v);
    else if (st == UB_OK)
        tell(v);
    ub_bytes_release(&v->account);
    ub_sweep_release(&v->sweep);
    ub_free(v);
    return st;
}
