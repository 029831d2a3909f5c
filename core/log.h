/* core/log.h - one line per event: `seconds level rank event key=value ...`.
 *
 * Logs go to standard error and, once a run directory is open, to its log
 * file: standard output is for results only.  The sink is a function pointer,
 * so tests can capture it.  ub_log0_* speaks on rank 0 only.
 *
 * Layer: core, ground floor.  main() tells the logger its rank.
 */
#ifndef UB_CORE_LOG_H
#define UB_CORE_LOG_H

#include <stdbool.h>

#include "core/status.h"

typedef enum ub_log_level { UB_LOG_ERROR, UB_LOG_WARN, UB_LOG_INFO, UB_LOG_DEBUG } ub_log_level;

/* Receives one finished line without newline. */
typedef void (*ub_log_sink)(void *self, ub_log_level level, const char *line);

void ub_log_set_rank(int rank);
int  ub_log_rank(void);
/* Lines above `level` are dropped; default UB_LOG_INFO. */
void ub_log_set_level(ub_log_level level);
/* Replace the sink (NULL: standard error). */
void ub_log_set_sink(ub_log_sink sink, void *self);

/* May progress, and lines that are no warning, go to standard error?  Default: yes; no while one of
 * many studies is at work, whose log file has them. */
void ub_log_set_terminal(bool yes);
bool ub_log_terminal(void);

void ub_log_event(ub_log_level level, bool root_only, const char *event, const char *fmt, ...)
    UB_PRINTF(4, 5);

#define ub_log_error(event, ...) ub_log_event(UB_LOG_ERROR, false, (event), __VA_ARGS__)
#define ub_log_warn(event, ...) ub_log_event(UB_LOG_WARN, false, (event), __VA_ARGS__)
#define ub_log_info(event, ...) ub_log_event(UB_LOG_INFO, false, (event), __VA_ARGS__)
#define ub_log_debug(event, ...) ub_log_event(UB_LOG_DEBUG, false, (event), __VA_ARGS__)
#define ub_log0_warn(event, ...) ub_log_event(UB_LOG_WARN, true, (event), __VA_ARGS__)
#define ub_log0_info(event, ...) ub_log_event(UB_LOG_INFO, true, (event), __VA_ARGS__)
#define ub_log0_debug(event, ...) ub_log_event(UB_LOG_DEBUG, true, (event), __VA_ARGS__)

/* Wall clock in seconds from an arbitrary start (monotonic). */
double ub_clock(void);

#endif /* UB_CORE_LOG_H */
