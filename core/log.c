#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static struct {
    int          rank;
    ub_log_level level;
    ub_log_sink  sink;
    void        *self;
    double       start;
    bool         silent; /* not to standard error beside a file */
} logger = {.level = UB_LOG_INFO};

double ub_clock(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ub_log_set_rank(int rank)
{
    logger.rank = rank;
}

int ub_log_rank(void)
{
    return logger.rank;
}

void ub_log_set_terminal(bool yes)
{
    logger.silent = !yes;
}

bool ub_log_terminal(void)
{
    return !logger.silent;
}

void ub_log_set_level(ub_log_level level)
{
    logger.level = level;
}

void ub_log_set_sink(ub_log_sink sink, void *self)
{
    logger.sink = sink;
    logger.self = self;
}

void ub_log_event(ub_log_level level, bool root_only, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if (level > logger.level || (root_only && logger.rank != 0))
        return;
    double now = ub_clock();
    if (logger.start == 0)
        logger.start = now;
    char    line[1024];
    int     len = snprintf(line, sizeof line, "%.3f %s %d %s ", now - logger.start, names[level],
                           logger.rank, event);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line + len, sizeof line - (size_t)len, fmt, ap);
    va_end(ap);
    if (logger.sink != NULL)
        logger.sink(logger.self, level, line);
    else if (!logger.silent || level <= UB_LOG_WARN)
        (void)fprintf(stderr, "%s\n", line);
}
