/* Many studies: points of a space, each in a run folder of its own, by teams of ranks. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/file.h"
#include "jobs/study.h"
#include "jobs/sweep.h"
#include "mpi/team.h"

/* What a team has in hand. */
typedef struct crew {
    ub_context    *ctx;   /* of the whole job */
    ub_context     point; /* of a study: the team as its world */
    ub_sweep       sweep; /* the team's first rank */
    ub_sweep_teams teams;
    ub_bytes       said; /* of them */
    ub_team        team;
    int64_t        ran, told; /* jobs run by this team; results when it last spoke */
    int            ranks;     /* that a point wants whom this team is made for */
    bool           only;      /* --failed-only: jobs of these names, a line each, and no others */
    ub_bytes       names;
    char           doing[3 * UB_TEXT_MAX];
} crew;

enum { NOTHING = -1 }; /* no job left that nobody works on */

/* Working --------------------------------------------------------------------------------------*/

/* The first job without result and owner, of those that want this team (own) or a smaller one:
 * claimed, its settings in `at`, its name; or NOTHING. */
static ub_status take_job(crew *w, bool own, ub_settings *at, char name[UB_SWEEP_NAME], int *fd,
                          int64_t *job)
{
    ub_sweep *s = &w->sweep;
    int       wanted;
    *fd = -1;
    for (*job = 0; *job < s->jobs; ++*job) {
        if (s->job[*job].known)
            continue;
        UB_TRY(ub_sweep_settings(s, &s->job[*job], at));
        UB_TRY(ub_sweep_name(s, at, name));
        UB_TRY(ub_sweep_ranks(s, at, w->ctx->world.size, &wanted));
        if (own ? wanted != w->ranks : wanted >= w->ranks)
            continue;
        if (w->only && strstr((const char *)w->names.data, name) == NULL)
            continue;
        UB_TRY(ub_sweep_claim(s, name, fd));
        if (*fd < 0)
            continue;
        UB_TRY(ub_sweep_look_at(s, *job)); /* perhaps it ended just before we had the lock */
        if (!s->job[*job].known)
            return UB_OK;
        ub_sweep_give_up(s, name, fd);
    }
    *job = NOTHING;
    return UB_OK;
}

static void tell(crew *w)
{
    int64_t failed, ended = ub_sweep_ended(&w->sweep, &failed), best = ub_sweep_best(&w->sweep);
    if (ended == w->told || w->ctx->world.rank != 0) /* one team speaks for all */
        return;
    w->told = ended;
    ub_log_info("sweep", "ended=%lld of=%lld%s failed=%lld best_job=%lld %s=%.6g", (long long)ended,
                (long long)w->sweep.jobs, w->sweep.decided ? "" : "+", (long long)failed,
                (long long)best, w->ctx->settings.sweep.metric,
                best < 0 ? (double)NAN : w->sweep.job[best].result);
}

/* The next job for this team, waiting for others' results where the next decision needs them. */
static ub_status find_job(crew *w, ub_settings *at, char name[UB_SWEEP_NAME], int *fd, int64_t *job)
{
    ub_sweep       *s = &w->sweep;
    double          pause = w->ctx->settings.sweep.poll_s;
    struct timespec nap = {(time_t)pause, (long)((pause - floor(pause)) * 1e9)};
    for (;;) {
        UB_TRY(ub_sweep_look(s));
        tell(w);
        UB_TRY(take_job(w, true, at, name, fd, job));
        if (*job == NOTHING && w->teams.kinds > 1)
            UB_TRY(take_job(w, false, at, name, fd, job));
        if (*job != NOTHING || s->decided || w->only)
            return UB_OK;
        if (ub_stop_asked() || ub_team_stopped(&w->team))
            return UB_FAIL(UB_ESTOP, "stopped on request; the same command goes on from there");
        (void)nanosleep(&nap, NULL);
    }
}

/* What stops us all, and is no fault of a point: a wish, MPI, a disk that is full or fails. */
static bool stops_all(ub_status st)
{
    return st == UB_ESTOP || st == UB_EMPI || st == UB_EIO;
}

/* A study that failed by itself is written down. */
static ub_status conclude(crew *w, const char *name, int64_t job, ub_status st)
{
    char path[UB_PATH_MAX], sentence[UB_TEXT_MAX];
    if (stops_all(st))
        return st;
    if (st != UB_OK) {
        (void)snprintf(sentence, sizeof sentence, "%s\n", ub_err_message());
        ub_log_warn("point-failed", "job=%lld name=%s why='%s'", (long long)job, name,
                    ub_err_message());
        ub_err_clear();
        UB_TRY(ub_file_write(ub_sweep_path(&w->sweep, name, ".failed", path, sizeof path), sentence,
                             strlen(sentence)));
    }
    w->ran++;
    UB_TRY(ub_sweep_look_at(&w->sweep, job));
    if (w->sweep.state[job] == UB_JOB_DONE && isnan(w->sweep.job[job].result))
        ub_log_warn("point-unjudged", "job=%lld name=%s why='its %s is not defined: worst'",
                    (long long)job, name, w->ctx->settings.sweep.metric);
    return UB_OK;
}

/* All ranks of the team: the study whose settings the first one has. */
static ub_status run_point(crew *w, const ub_settings *at, const char *name)
{
    ub_context *p = &w->point;
    ub_bytes    text = {0};
    ub_status   st = UB_OK;
    if (p->world.rank == 0) {
        char path[UB_PATH_MAX];
        st = ub_schema_print(ub_settings_schema(), at, NULL, false, &text);
        (void)snprintf(p->out, sizeof p->out, "%s",
                       ub_sweep_path(&w->sweep, name, "", path, sizeof path));
    }
    UB_TRY_OUT(ub_comm_agree(&p->world, st));
    UB_TRY_OUT(ub_comm_share(&p->world, &text));
    UB_TRY_OUT(ub_comm_bcast(&p->world, p->out, sizeof p->out));
    st = ub_schema_defaults(ub_settings_schema(), &p->settings);
    if (st == UB_OK)
        st = ub_config_parse(ub_settings_schema(), &p->settings, (const char *)text.data, text.len,
                             "resolved settings");
    UB_TRY_OUT(ub_comm_agree(&p->world, st));
    char config[UB_PATH_MAX], word[2][UB_PATH_MAX];
    (void)snprintf(config, sizeof config, "%s/config.yaml", p->out);
    (void)snprintf(w->doing, sizeof w->doing, "unbraid %s -c %s --out %s", w->sweep.command->name,
                   ub_shell_word(config, word[0], sizeof word[0]),
                   ub_shell_word(p->out, word[1], sizeof word[1]));
    p->line = w->doing;
    ub_log_set_terminal(false);
    st = w->sweep.command->run(p);
    ub_log_set_terminal(true);
out:
    ub_bytes_release(&text);
    return st;
}

/* Until nothing is left that this team could do. */
static ub_status work(crew *w)
{
    ub_settings *at = NULL;
    char         name[UB_SWEEP_NAME] = "";
    const bool   first = w->point.world.rank == 0;
    ub_status    st = UB_OK;
    UB_TRY(ub_comm_agree(&w->point.world, UB_ALLOC(at, 1)));
    for (;;) {
        int     fd = -1;
        int64_t job = NOTHING;
        if (first)
            st = find_job(w, at, name, &fd, &job);
        UB_TRY_OUT(ub_comm_agree(&w->point.world, st));
        UB_TRY_OUT(ub_comm_bcast(&w->point.world, &job, sizeof job));
        if (job == NOTHING)
            break;
        st = run_point(w, at, name);
        if (first) {
            st = conclude(w, name, job, st);
            ub_sweep_give_up(&w->sweep, name, &fd);
        } else if (!stops_all(st)) {
            st = UB_OK;
        }
        UB_TRY_OUT(ub_comm_agree(&w->point.world, st));
        if (w->point.world.wounded) /* the other teams would wait for the dead at the end */
            UB_TRY_OUT(UB_FAIL(UB_EMPI, "a rank was lost; what has ended is kept, the same "
                                        "command goes on from there"));
    }
out:
    ub_free(at);
    return st;
}

/* The end -------------------------------------------------------------------------------------- */

static ub_status write_table(const ub_sweep *s)
{
    char       path[UB_PATH_MAX];
    ub_columns t = {0};
    ub_bytes   csv = {0}, svg = {0};
    ub_status  st = UB_OK;
    UB_TRY(ub_sweep_table(s, &t));
    UB_TRY_OUT(ub_columns_csv(&t, &csv));
    (void)snprintf(path, sizeof path, "%s/sweep.h5", s->folder);
    UB_TRY_OUT(ub_columns_write(&t, path));
    (void)snprintf(path, sizeof path, "%s/sweep.svg", s->folder);
    UB_TRY_OUT(ub_sweep_draw(s, &svg));
    UB_TRY_OUT(ub_file_write(path, svg.data, svg.len));
    (void)snprintf(path, sizeof path, "%s/sweep.csv", s->folder);
    UB_TRY_OUT(ub_file_write(path, csv.data, csv.len));
out:
    ub_columns_release(&t);
    ub_bytes_release(&csv);
    ub_bytes_release(&svg);
    return st;
}

static ub_status best_line(const ub_sweep *s, int64_t best, ub_bytes *out)
{
    ub_settings *at = NULL;
    char         name[UB_SWEEP_NAME];
    UB_TRY(UB_ALLOC(at, 1));
    ub_status st = ub_sweep_settings(s, &s->job[best], at);
    if (st == UB_OK)
        st = ub_sweep_name(s, at, name);
    for (int32_t p = 0; p < s->space.count && st == UB_OK; p++) {
        st = ub_bytes_printf(out, "%s%s = ", p > 0 ? ", " : "", s->space.parameter[p].key);
        if (st == UB_OK)
            st = ub_schema_value(s->space.parameter[p].field, at, out);
    }
    if (st == UB_OK)
        st = ub_bytes_printf(out, "\n  run     %s/%s\n", s->points, name);
    ub_free(at);
    return st;
}

static ub_status say_end(const crew *w)
{
    const ub_sweep *s = &w->sweep;
    int64_t         failed, ended = ub_sweep_ended(s, &failed), best = ub_sweep_best(s);
    ub_bytes        text = {0};
    bool            all = s->decided && ended == s->jobs;
    ub_status       st = UB_OK;
    if (w->ctx->json) {
        (void)printf("{\"jobs\": %lld, \"ended\": %lld, \"failed\": %lld, \"complete\": %s, "
                     "\"best_job\": %lld}\n",
                     (long long)s->jobs, (long long)ended, (long long)failed,
                     all ? "true" : "false", (long long)best);
        return UB_OK;
    }
    if (best >= 0)
        UB_TRY_OUT(best_line(s, best, &text));
    (void)printf("%lld jobs of %lld points ended, %lld of them failed\n", (long long)ended,
                 (long long)s->promote.points, (long long)failed);
    if (best >= 0)
        (void)printf("best      %s = %.6g at %s", w->ctx->settings.sweep.metric,
                     s->job[best].result, (const char *)text.data);
    if (all)
        (void)printf("\nwritten: %s/sweep.csv, sweep.h5 and sweep.svg\n", s->folder);
    else if (w->only)
        (void)printf("\nothers wait: the same command without --failed-only does them\n");
    else
        (void)printf(
            "\nthe rest is in the hands of other workers; who ends last writes the table\n");
out:
    ub_bytes_release(&text);
    return st;
}

/* Rank 0 of the job, after all teams. */
static ub_status finish(crew *w)
{
    int64_t failed;
    UB_TRY(ub_sweep_look(&w->sweep));
    if (w->sweep.decided && ub_sweep_ended(&w->sweep, &failed) == w->sweep.jobs) {
        int fd;
        UB_TRY(ub_sweep_lock(&w->sweep, &fd));
        ub_status st = write_table(&w->sweep);
        (void)close(fd);
        UB_TRY(st);
    }
    return say_end(w);
}

/* Beginning ------------------------------------------------------------------------------------ */

static ub_status preview(const crew *w)
{
    const ub_sweep *s = &w->sweep;
    ub_sweep        all = *s;
    ub_columns      t = {0};
    ub_bytes        csv = {0};
    /* The points alone: what is promoted depends on results. */
    all.promote.rungs = s->promote.rungs;
    all.jobs = s->promote.points;
    for (int64_t i = 0; i < all.jobs; i++)
        all.job[i] = (ub_job){.point = i};
    ub_status st = ub_sweep_table(&all, &t);
    if (st == UB_OK)
        st = ub_columns_csv(&t, &csv);
    if (st == UB_OK)
        (void)printf("%s# %lld points, %lld left out; %s; nothing was run or written (--dry-run)\n",
                     (const char *)csv.data, (long long)s->promote.points, (long long)s->left_out,
                     (const char *)w->said.data);
    ub_columns_release(&t);
    ub_bytes_release(&csv);
    return st;
}

/* The folder of a sweep (its lock is the first thing a worker makes), or one that may become it. */
static ub_status check_folder(const ub_sweep *s)
{
    char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/.lock", s->folder);
    bool ours = ub_file_exists(path);
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", s->folder);
    if (ours || ub_file_exists(path))
        return UB_OK;
    (void)snprintf(path, sizeof path, "%s/config.yaml", s->folder);
    if (ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "%s holds a run, not a sweep; use another --out", s->folder);
    return ub_rundir_check(s->folder);
}

/* The resolved settings, for people; points have their own. */
static ub_status put_settings(const ub_context *ctx, const ub_sweep *s)
{
    char path[UB_PATH_MAX];
    UB_TRY(check_folder(s));
    ub_bytes text = {0};
    int      fd;
    UB_TRY(ub_dir_make(s->folder));
    UB_TRY(ub_sweep_lock(s, &fd));
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", s->folder);
    ub_status st = ub_sweep_same_study(s);
    if (st == UB_OK)
        st = ub_dir_make(s->points);
    if (st == UB_OK)
        st = ub_schema_print(ub_settings_schema(), &ctx->settings, NULL, false, &text);
    if (st == UB_OK)
        st = ub_file_write(path, text.data, text.len);
    (void)close(fd);
    ub_bytes_release(&text);
    return st;
}

/* Rank 0, --failed-only: which jobs failed.  They are to be done like any that wait. */
static ub_status forgive(crew *w)
{
    char path[UB_PATH_MAX];
    int  fd;
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", w->sweep.folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT,
                       "%s is not the folder of a sweep; --failed-only redoes what failed in one "
                       "and starts none",
                       w->sweep.folder);
    UB_TRY(ub_sweep_same_study(&w->sweep));
    UB_TRY(ub_bytes_printf(&w->names, "%s", ""));
    UB_TRY(ub_sweep_lock(&w->sweep, &fd));
    ub_status st = ub_sweep_look(&w->sweep);
    if (st == UB_OK)
        st = ub_sweep_forgive(&w->sweep, &w->names);
    (void)close(fd);
    if (st == UB_OK && w->names.len == 0 && !w->ctx->json)
        (void)printf("no point of %s has failed: nothing to redo\n", w->sweep.folder);
    else if (st == UB_OK && w->names.len == 0)
        (void)printf("{\"failed_points\": 0}\n");
    return st;
}

/* All ranks: *any false if there is nothing to do. */
static ub_status take_failed(crew *w, bool *any)
{
    const ub_comm *c = &w->ctx->world;
    *any = true;
    w->only = ub_context_option(w->ctx, "failed-only") != NULL;
    if (!w->only)
        return UB_OK;
    UB_TRY(ub_comm_agree(c, c->rank == 0 ? forgive(w) : UB_OK));
    UB_TRY(ub_comm_share(c, &w->names));
    *any = w->names.len > 0;
    return UB_OK;
}

/* All ranks: who will work with whom. */
static ub_status plan_teams(crew *w)
{
    UB_TRY(ub_sweep_teams_plan(&w->sweep, w->ctx->world.size, &w->teams));
    return ub_sweep_teams_say(&w->teams, &w->said);
}

static ub_status form_team(crew *w)
{
    ub_context *ctx = w->ctx;
    UB_TRY(ub_team_join(&ctx->world, w->teams.count, w->teams.size, &w->team));
    w->ranks = w->teams.wanted[w->team.index];
    ub_log0_info("teams", "made='%s'", (const char *)w->said.data);
    ub_watch_stop(&ctx->watch);
    ub_log_set_rank(w->team.comm.rank);
    w->point.world = w->team.comm;
    w->point.quiet = true;
    /* no team works without the others: at the end it would wait for them */
    return ub_comm_agree(&ctx->world, ub_watch_start(&w->point.world, &w->point.watch));
}

/* What a team came to; where MPI failed nothing collective is tried. */
static ub_status dissolve(crew *w, ub_status st)
{
    ub_watch_stop(&w->point.watch);
    ub_log_set_rank(w->ctx->world.rank);
    if (st == UB_EMPI)
        return st;
    ub_status ended = ub_team_end(&w->team, st == UB_ESTOP);
    ub_team_leave(&w->team);
    return st == UB_OK ? ended : st;
}

static ub_status run(ub_context *ctx)
{
    static crew w; /* settings are too large for some stacks */
    w = (crew){.ctx = ctx, .told = -1};
    UB_TRY(ub_comm_agree(&ctx->world, ub_sweep_init(&ctx->settings, ctx->out, &w.sweep)));
    ub_status st = UB_OK;
    UB_TRY_OUT(ub_comm_agree(&ctx->world, plan_teams(&w)));
    if (ctx->dry_run) {
        st = ctx->world.rank == 0 ? preview(&w) : UB_OK;
        UB_TRY_OUT(ub_comm_agree(&ctx->world, st));
        goto out;
    }
    bool any;
    UB_TRY_OUT(ub_sweep_corpora(&ctx->world, &w.sweep));
    UB_TRY_OUT(take_failed(&w, &any));
    if (!any)
        goto out;
    if (ctx->world.rank == 0)
        st = ub_sweep_look(&w.sweep); /* points of other data: refused before anything is written */
    if (ctx->world.rank == 0 && st == UB_OK)
        st = put_settings(ctx, &w.sweep);
    UB_TRY_OUT(ub_comm_agree(&ctx->world, st));
    UB_TRY_OUT(form_team(&w));
    UB_TRY_OUT(ub_comm_agree(&ctx->world, dissolve(&w, work(&w))));
    UB_TRY_OUT(ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? finish(&w) : UB_OK));
out:
    ub_bytes_release(&w.names);
    ub_bytes_release(&w.said);
    ub_sweep_teams_release(&w.teams);
    ub_sweep_release(&w.sweep);
    return st;
}

const ub_command ub_cmd_sweep = {
    .name = "sweep",
    .usage = "-c FILE [--set section.key=value]... --out DIR [--failed-only] [--dry-run]",
    .summary = "Many studies: grid, random, Latin hypercube, Sobol', with or without ASHA",
    .sections = "sweep run corpus segment structure ci farm disentangle eval",
    .flags = "failed-only",
    .details =
        "Every point is a study in DIR/points/NAME, named by the hash of its settings: nothing\n"
        "runs twice, and the same command goes on where it was cut off. The ranks form teams of\n"
        "sweep.ranks; any number of such commands may work on one DIR together. At the end\n"
        "DIR/sweep.csv and sweep.h5 hold every parameter and every number of every point.\n"
        "With --failed-only the points that failed are tried again, and no others.\n",
    .needs_out = true,
    .run = run,
};
