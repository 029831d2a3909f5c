/* What a run really took, from its log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "jobs/plan.h"

/* Reading a log of one or more jobs, each of which begins its own time with a line "# ...". */
typedef struct reading {
    double since, last, cpu; /* of this job: the end of the stage before; the newest line;
                                CPU seconds at the end of the stage before */
    int           stage;
    bool          done;
    ub_plan_past *past;
} reading;

static void end_stage(reading *r, int stage, double now, double cpu)
{
    r->past->stage_s[stage] += now - r->since;
    r->past->cpu_s[stage] += cpu - r->cpu;
    r->since = now;
    r->cpu = cpu;
}

static void begin_job(reading *r, const char *line)
{
    const char *ranks = strstr(line, " ranks=");
    end_stage(r, r->stage, r->last, r->cpu); /* the job before was cut off here, if there was one */
    r->since = r->last = r->cpu = 0;
    r->past->starts++;
    r->past->ranks = ranks == NULL ? 1 : (int)strtol(ranks + strlen(" ranks="), NULL, 10);
}

static void line_of(reading *r, const char *line)
{
    static const char *const ends[UB_PLAN_STAGES] = {" stage-done stage=structure ",
                                                     " stage-done stage=disentangle ",
                                                     " stage-done stage=evaluation "};
    char                    *end;
    if (line[0] == '#') {
        begin_job(r, line);
        return;
    }
    double now = strtod(line, &end);
    if (end == line)
        return;
    r->last = now;
    for (int i = 0; i < UB_PLAN_STAGES; i++) {
        const char *cpu = strstr(line, " cpu_s=");
        if (strstr(line, ends[i]) == NULL || cpu == NULL)
            continue;
        end_stage(r, i, now, strtod(cpu + strlen(" cpu_s="), NULL));
        r->stage = i + 1;
        r->done = r->stage == UB_PLAN_STAGES;
    }
}

ub_status ub_plan_against(const char *folder, ub_plan_past *out)
{
    char         path[2 * UB_TEXT_MAX];
    ub_bytes     text = {0};
    ub_plan_past past = {.ranks = 1};
    reading      r = {.past = &past};
    (void)snprintf(path, sizeof path, "%s/unbraid.log", folder);
    if (!ub_file_exists(path))
        return UB_FAIL(UB_EINPUT, "--against %s: not a run folder, there is no unbraid.log in it",
                       folder);
    UB_TRY(ub_file_read(path, &text));
    char *rest = NULL, *line = text.len > 0 ? strtok_r((char *)text.data, "\n", &rest) : NULL;
    for (; !r.done && line != NULL; line = strtok_r(NULL, "\n", &rest))
        line_of(&r, line);
    ub_bytes_release(&text);
    if (!r.done)
        return UB_FAIL(UB_EINPUT,
                       "--against %s: this run has not finished (or run.log_level kept it from the "
                       "log), so there is nothing to compare with; see 'unbraid status'",
                       folder);
    *out = past;
    return UB_OK;
}
