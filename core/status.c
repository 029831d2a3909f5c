#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 1024, REPORT_MAX = 4096 };

static _Thread_local char message[MESSAGE_MAX];
static _Thread_local char report[REPORT_MAX];

static const struct {
    const char *name, *text;
} table[] = {
#define ENTRY(name, text) {#name, text},
    UB_STATUS_LIST(ENTRY)
#undef ENTRY
};

const char *ub_status_name(ub_status st)
{
    return (unsigned)st < UB_STATUS_COUNT ? table[st].name : "UB_E???";
}

const char *ub_status_text(ub_status st)
{
    return (unsigned)st < UB_STATUS_COUNT ? table[st].text : "unknown status";
}

int ub_status_exit_code(ub_status st)
{
    switch (st) {
    case UB_OK:
        return 0;
    case UB_EARG:
    case UB_ERANGE:
    case UB_ESHAPE:
    case UB_ENOENT:
    case UB_EFORMAT:
    case UB_EINPUT:
        return 2;
    case UB_ESTOP:
        return 75;
    case UB_EBUG:
    case UB_ENOTSAME:
        return 70;
    default:
        return 1;
    }
}

void ub_err_set(ub_status st, const char *file, int line, const char *func, const char *fmt, ...)
{
    char    text[MESSAGE_MAX]; /* the last message may be among the arguments */
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, strlen(text) + 1);
    (void)snprintf(report, sizeof report, "%s [%s]\n  at %s:%d %s", message, ub_status_name(st),
                   file, line, func);
}

void ub_err_trace(const char *file, int line, const char *func)
{
    size_t len = strlen(report);
    (void)snprintf(report + len, sizeof report - len, "\n  from %s:%d %s", file, line, func);
}

const char *ub_err_message(void)
{
    return message;
}

const char *ub_err_report(void)
{
    return report;
}

void ub_err_clear(void)
{
    message[0] = report[0] = '\0';
}
