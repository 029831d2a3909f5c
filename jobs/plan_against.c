/* What a run really took, from its log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "jobs/plan.h"

/* Reading a log of one or more jobs, each of which begins its own time with a line "# ...". */
typedef struct reading {
    double  since, last; /* of this job: the end of the stage before; the newest line */
    int     stage;
    bool    done;
    double *stage_s;
    int    *ranks;
} reading;

static void end_stage(reading *r, int stage, double now)
{
    r->stage_s[stage] += now - r->since;
    r->since = now;
}

static void line_of(reading *r, const char *line, size_t len)
{
    char        text[512];
    const char *ranks;
    (void)snprintf(text, sizeof text, "%.*s", (int)len, line);
    if (text[0] == '#') {
        end_stage(r, r->stage, r->last); /* the job before was cut off here */
        r->since = r->last = 0;
        ranks = strstr(text, " ranks=");
        *r->ranks = ranks == NULL ? 0 : (int)strtol(ranks + 7, NULL, 10);
        return;
    }
    char  *end;
    double now = strtod(text, &end);
    if (end == text)
        return;
    r->last = now;
    if (strstr(text, " stage-done stage=structure") != NULL) {
        end_stage(r, UB_PLAN_STRUCTURE, now);
        r->stage = UB_PLAN_DISENTANGLE;
    } else if (strstr(text, " stage-done stage=disentangle") != NULL) {
        end_stage(r, UB_PLAN_DISENTANGLE, now);
        r->stage = UB_PLAN_EVALUATION;
    } else if (strstr(text, " run-done ") != NULL) {
        end_stage(r, UB_PLAN_EVALUATION, now);
        r->done = true;
    }
}

ub_status ub_plan_against(const char *folder, double stage_s[UB_PLAN_STAGES], int *ranks)
{
    char     path[2 * UB_TEXT_MAX];
    ub_bytes text = {0};
    *ranks = 0;
    memset(stage_s, 0, UB_PLAN_STAGES * sizeof *stage_s);
    reading r = {.stage_s = stage_s, .ranks = ranks};
    (void)snprintf(path, sizeof path, "%s/unbraid.log", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "--against %s: not a run folder, there is no unbraid.log in it",
                       folder);
    UB_TRY(ub_file_read(path, &text));
    for (const char *p = (const char *)text.data; p != NULL && *p != '\0' && !r.done;) {
        size_t len = strcspn(p, "\n");
        line_of(&r, p, len);
        p += len + (p[len] == '\n');
    }
    ub_bytes_release(&text);
    if (!r.done)
        return UB_FAIL(UB_EINPUT,
                       "--against %s: this run has not finished (or was logged below info), so "
                       "there is nothing to compare with; see 'unbraid status'",
                       folder);
    return UB_OK;
}
