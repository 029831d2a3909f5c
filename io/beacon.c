#include "io/beacon.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/pace.h"
#include "io/file.h"

/* Part of the time that writing may take, and by how much that may stretch the pause. */
static const double BUDGET = 5e-4, STRETCH = 12;

struct ub_beacon {
    char            path[UB_PATH_MAX];
    double          every; /* the pause that is wanted */
    pthread_t       thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t  wake;
    bool            ending, changed;     /* changed: a phase that no file has told of */
    ub_beacon_state s;                   /* its pause_s: the one that is kept now */
    double          scale, begun, first; /* of the stage: units an item, clock, done at first */
    bool            moving;
    ub_rank_report *rank;
    ub_node_name   *node; /* of each; NULL: not known */
    /* Of whoever writes: the thread, before it and after it the caller. */
    ub_pace         pace;
    double          cpu_s;
    bool            warned;
    ub_beacon_state told; /* what goes into the file */
    ub_rank_report *told_rank;
};

double ub_beacon_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Writing ------------------------------------------------------------------------------------- */

ub_status ub_rank_put(int rank, double speed, const char *node, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{\"rank\": %d, \"speed\": %.3g, ", rank, speed));
    return ub_bytes_put_json(out, "node", node, "}");
}

/* The ranks in this state. */
static ub_status put_list(const ub_beacon *b, const char *key, ub_rank_state state, ub_bytes *out)
{
    const char *comma = "";
    UB_TRY(ub_bytes_printf(out, "\"%s\": [", key));
    for (int r = 0; r < b->told.ranks; r++)
        if (b->told_rank[r].state == state) {
            UB_TRY(ub_bytes_printf(out, "%s", comma));
            UB_TRY(
                ub_rank_put(r, b->told_rank[r].speed, b->node == NULL ? "" : b->node[r].text, out));
            comma = ", ";
        }
    return ub_bytes_printf(out, "],\n");
}

/* Ranks that have been reported, if any. */
static ub_status put_ranks(const ub_beacon *b, ub_bytes *out)
{
    int count[UB_RANK_DEAD + 1] = {0};
    for (int r = 0; r < b->told.ranks; r++)
        count[b->told_rank[r].state]++;
    UB_TRY(ub_bytes_printf(out, "\"well\": %d,\n\"slow\": %d,\n\"dead\": %d,\n",
                           count[UB_RANK_WELL], count[UB_RANK_SLOW], count[UB_RANK_DEAD]));
    if (count[UB_RANK_UNKNOWN] == b->told.ranks)
        return UB_OK;
    UB_TRY(put_list(b, "slow_ranks", UB_RANK_SLOW, out));
    UB_TRY(put_list(b, "dead_ranks", UB_RANK_DEAD, out));
    UB_TRY(ub_bytes_printf(out, "\"rank_busy\": ["));
    for (int r = 0; r < b->told.ranks; r++)
        UB_TRY(ub_bytes_printf(out, "%s%.3g", r > 0 ? ", " : "", b->told_rank[r].busy));
    UB_TRY(ub_bytes_printf(out, "],\n\"rank_done\": ["));
    for (int r = 0; r < b->told.ranks; r++)
        UB_TRY(ub_bytes_printf(out, "%s%lld", r > 0 ? ", " : "", (long long)b->told_rank[r].done));
    UB_TRY(ub_bytes_printf(out, "],\n\"rank_speed\": ["));
    for (int r = 0; r < b->told.ranks; r++)
        UB_TRY(ub_bytes_printf(out, "%s%.3g", r > 0 ? ", " : "", b->told_rank[r].speed));
    return ub_bytes_printf(out, "],\n");
}

static ub_status put_state(const ub_beacon *b, ub_bytes *out)
{
    const ub_beacon_state *s = &b->told;
    UB_TRY(ub_bytes_printf(out, "{\"format\": \"unbraid status 1\",\n"));
    UB_TRY(ub_bytes_put_json(out, "state", s->state, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "message", s->message, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "command", s->command, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "folder", s->folder, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "host", s->host, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "job", s->job, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "stage", s->stage, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "phase", s->phase, ",\n"));
    UB_TRY(ub_bytes_put_json(out, "unit", s->unit, ",\n"));
    UB_TRY(ub_bytes_printf(out,
                           "\"done\": %.17g,\n\"total\": %.17g,\n\"rate\": %.6g,\n\"pid\": %lld,\n"
                           "\"ranks\": %d,\n",
                           s->done, s->total, s->rate, (long long)s->pid, s->ranks));
    UB_TRY(put_ranks(b, out));
    return ub_bytes_printf(out,
                           "\"pause_s\": %g,\n\"started\": %.3f,\n\"ends\": %.3f,\n"
                           "\"lead_s\": %.3f,\n\"moved\": %.3f,\n\"safe\": %.3f,\n"
                           "\"time\": %.3f}\n",
                           s->pause_s, s->started, s->ends, s->lead_s, s->moved, s->safe, s->time);
}

/* Units a second since the stage began, of what this start has done. */
static double rate_of(const ub_beacon *b)
{
    double seconds = ub_clock() - b->begun;
    return b->moving && seconds > 0 ? (b->s.done - b->first) / seconds : 0;
}

static double cpu_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The pause after a write: what the budget wants, but never more than twice what the file says, by
 * which a reader judges whether the run is alive. */
static double next_pause(const ub_beacon *b)
{
    double most = fmin(2 * b->told.pause_s, STRETCH * b->every);
    return fmin(fmax(ub_pace_pause(&b->pace), b->every), most);
}

/* Not flushed to disk: the rename alone makes that a reader finds a whole file. */
static void write_now(ub_beacon *b)
{
    ub_bytes text = {0};
    double   start = ub_clock(), cpu = cpu_now();
    (void)pthread_mutex_lock(&b->lock);
    b->changed = false;
    b->s.time = ub_beacon_now();
    b->s.rate = rate_of(b);
    b->told = b->s;
    memcpy(b->told_rank, b->rank, (size_t)b->s.ranks * sizeof *b->rank);
    (void)pthread_mutex_unlock(&b->lock);
    ub_status st = put_state(b, &text);
    if (st == UB_OK)
        st = ub_file_replace(b->path, text.data, text.len);
    if (st != UB_OK && !b->warned) {
        b->warned = true;
        ub_log_warn("status", "%s; the run goes on", ub_err_message());
    }
    ub_bytes_release(&text);
    b->cpu_s += cpu_now() - cpu;
    double now = ub_clock();
    (void)pthread_mutex_lock(&b->lock);
    ub_pace_saved(&b->pace, now - start, now);
    b->s.pause_s = next_pause(b);
    (void)pthread_mutex_unlock(&b->lock);
}

/* Seconds until a file is due; a phase is told of as soon as the budget allows. */
static double left(const ub_beacon *b)
{
    double pause = b->s.pause_s;
    if (b->changed)
        pause = fmin(pause, ub_pace_pause(&b->pace));
    return b->pace.since + pause - ub_clock();
}

static void *beat(void *self)
{
    ub_beacon *b = self;
    (void)pthread_mutex_lock(&b->lock);
    while (!b->ending) {
        double wait = left(b);
        if (wait > 0) {
            double          until = ub_clock() + wait;
            struct timespec t = {(time_t)until, (long)(1e9 * (until - floor(until)))};
            (void)pthread_cond_timedwait(&b->wake, &b->lock, &t);
            continue;
        }
        (void)pthread_mutex_unlock(&b->lock);
        write_now(b);
        (void)pthread_mutex_lock(&b->lock);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Signals are for the main thread, whose calls they interrupt. */
static ub_status start_thread(ub_beacon *b)
{
    sigset_t           all, before;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&b->thread, NULL, beat, b);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return UB_FAIL(UB_ENOMEM, "no thread for the status file: %s; run.status_s: 0 goes without",
                       strerror(failed));
    return UB_OK;
}

static void release(ub_beacon *b)
{
    (void)pthread_mutex_destroy(&b->lock);
    ub_free(b->told_rank);
    ub_free(b->rank);
    ub_free(b->node);
    ub_free(b);
}

ub_status ub_beacon_begin(const char *path, const ub_beacon_state *first, const ub_node_name *node,
                          ub_beacon **out)
{
    ub_beacon *b;
    *out = NULL;
    if (first->pause_s <= 0) {
        (void)unlink(path); /* what it said is no longer true */
        return UB_OK;
    }
    UB_TRY(UB_ALLOC(b, 1));
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)snprintf(b->path, sizeof b->path, "%s", path);
    b->s = *first;
    b->every = first->pause_s;
    b->pace = ub_pace_begin(BUDGET, 0, ub_clock());
    (void)snprintf(b->s.state, sizeof b->s.state, "running");
    (void)gethostname(b->s.host, sizeof b->s.host - 1);
    b->s.pid = getpid();
    b->s.started = b->s.moved = ub_beacon_now();
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(b->rank, first->ranks));
    UB_TRY_OUT(UB_ALLOC(b->told_rank, first->ranks));
    if (node != NULL) {
        UB_TRY_OUT(UB_ALLOC(b->node, first->ranks));
        memcpy(b->node, node, (size_t)first->ranks * sizeof *node);
    }
    write_now(b);
    UB_TRY_OUT(start_thread(b));
    *out = b;
    return UB_OK;
out:
    release(b);
    return st;
}

void ub_beacon_stage(ub_beacon *b, const char *stage, const char *unit, double scale)
{
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    (void)snprintf(b->s.stage, sizeof b->s.stage, "%s", stage);
    (void)snprintf(b->s.unit, sizeof b->s.unit, "%s", unit);
    b->s.phase[0] = '\0';
    b->s.done = b->s.total = 0;
    b->s.moved = ub_beacon_now();
    b->scale = scale;
    b->moving = false;
    for (int r = 0; r < b->s.ranks; r++)
        if (b->rank[r].state != UB_RANK_DEAD)
            b->rank[r] = (ub_rank_report){.state = UB_RANK_UNKNOWN};
    (void)pthread_mutex_unlock(&b->lock);
    write_now(b);
}

void ub_beacon_phase(ub_beacon *b, const char *phase)
{
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    (void)snprintf(b->s.phase, sizeof b->s.phase, "%s", phase);
    b->s.moved = ub_beacon_now();
    b->changed = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

void ub_beacon_progress(ub_beacon *b, int64_t done, int64_t total)
{
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    double units = (double)done * b->scale;
    if (!b->moving) {
        b->moving = true;
        b->begun = ub_clock();
        b->first = units;
    }
    if (units != b->s.done)
        b->s.moved = ub_beacon_now();
    b->s.done = units;
    b->s.total = (double)total * b->scale;
    (void)pthread_mutex_unlock(&b->lock);
}

void ub_beacon_lead(ub_beacon *b, double seconds)
{
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    b->s.lead_s = seconds;
    (void)pthread_mutex_unlock(&b->lock);
}

void ub_beacon_rank(ub_beacon *b, int rank, const ub_rank_report *report)
{
    if (b == NULL || rank < 0 || rank >= b->s.ranks)
        return;
    (void)pthread_mutex_lock(&b->lock);
    b->rank[rank] = *report;
    (void)pthread_mutex_unlock(&b->lock);
}

void ub_beacon_safe(ub_beacon *b)
{
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    b->s.safe = ub_beacon_now();
    (void)pthread_mutex_unlock(&b->lock);
}

void ub_beacon_end(ub_beacon **beacon, ub_status st)
{
    ub_beacon *b = *beacon;
    *beacon = NULL;
    if (b == NULL)
        return;
    (void)pthread_mutex_lock(&b->lock);
    b->ending = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_join(b->thread, NULL);
    (void)snprintf(b->s.state, sizeof b->s.state, "%s",
                   st == UB_OK      ? "finished"
                   : st == UB_ESTOP ? "stopped"
                                    : "failed");
    if (st != UB_OK)
        (void)snprintf(b->s.message, sizeof b->s.message, "%s", ub_err_message());
    write_now(b);
    if (st != UB_OK && strcmp(ub_err_message(), b->s.message) != 0)
        (void)UB_FAIL(st, "%s", b->s.message); /* not that the status file could not be written */
    ub_log_debug("status", "writes=%lld seconds=%.6f cpu_s=%.6f pause_s=%.3f of=%.3f",
                 (long long)b->pace.saves, b->pace.spent, b->cpu_s, b->s.pause_s,
                 ub_beacon_now() - b->s.started);
    (void)pthread_cond_destroy(&b->wake);
    release(b);
}
