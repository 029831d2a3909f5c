#include "jobs/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "core/log.h"
#include "jobs/command.h"

enum { BAR = 28 };

ub_progress ub_progress_begin(ub_beacon *beacon, const char *stage, const char *unit, double scale,
                              double pause_s)
{
    ub_beacon_stage(beacon, stage, unit, scale);
    double now = ub_clock();
    bool   terminal = ub_log_terminal() && isatty(STDERR_FILENO) != 0;
    return (ub_progress){.stage = stage,
                         .unit = unit,
                         .start = now,
                         .last = now,
                         .pause_s = terminal ? 0.1 : pause_s,
                         .scale = scale,
                         .terminal = terminal,
                         .beacon = beacon};
}

const char *ub_progress_words(double seconds, char buf[32])
{
    long long t = (long long)(seconds > 0 ? seconds + 0.5 : 0);
    if (t < 60)
        (void)snprintf(buf, 32, "%lld s", t);
    else if (t < 3600)
        (void)snprintf(buf, 32, "%lld min %02lld s", t / 60, t % 60);
    else if (t < 86400)
        (void)snprintf(buf, 32, "%lld h %02lld min", t / 3600, t / 60 % 60);
    else
        (void)snprintf(buf, 32, "%lld days %lld h", t / 86400, t / 3600 % 24);
    return buf;
}

static void show(const ub_progress *p, int64_t done, int64_t total, double now)
{
    double seconds = now - p->start;
    double rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
    double part = total > 0 ? (double)done / (double)total : 1;
    char   eta[32] = "?", took[32];
    if (rate > 0)
        (void)ub_progress_words((double)(total - done) / rate, eta);
    (void)ub_progress_words(seconds, took);
    double units = (double)done * p->scale, all = (double)total * p->scale;
    if (!p->terminal) {
        ub_log0_info("progress", "stage=%s done=%.0f of=%.0f percent=%.1f %s_per_s=%.4g left='%s'",
                     p->stage, units, all, 100 * part, p->unit, rate * p->scale, eta);
        return;
    }
    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(part * BAR + 0.5) ? '#' : '.';
    bar[BAR] = '\0';
    (void)fprintf(stderr, "\r%-12s [%s] %5.1f %%  %.4g of %.4g %s  %.3g/s  %s %s \033[K", p->stage,
                  bar, 100 * part, units, all, p->unit, rate * p->scale,
                  done < total ? "left" : "took", done < total ? eta : took);
    (void)fflush(stderr);
}

void ub_progress_show(ub_progress *p, int64_t done, int64_t total)
{
    double now = ub_clock();
    ub_beacon_progress(p->beacon, done, total);
    ub_beacon_lead(p->beacon, ub_stop_lead());
    if (!p->begun) {
        p->begun = true;
        p->first = done;
    }
    if (now - p->last < p->pause_s)
        return;
    p->last = now;
    show(p, done, total, now);
}

void ub_progress_end(ub_progress *p, int64_t done, int64_t total)
{
    ub_beacon_progress(p->beacon, done, total);
    ub_beacon_lead(p->beacon, ub_stop_lead());
    show(p, done, total, ub_clock());
    if (p->terminal)
        (void)fprintf(stderr, "\n");
}
