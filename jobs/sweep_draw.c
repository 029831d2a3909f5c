/* What the drawing of a sweep shows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "io/draw_sweep.h"
#include "io/file.h"
#include "io/results.h"
#include "jobs/sweep.h"

/* The ends of a range in words. */
typedef char ends[2][24];

/* Ticks of a parameter: both ends of a range, every value of a list. */
static void set_ticks(const ub_parameter *p, ends e, ub_sweep_axis *a)
{
    a->name = p->key;
    a->ticks = p->range ? 2 : p->choices;
    for (int32_t k = 0; k < a->ticks; k++) {
        a->tick[k] = a->ticks > 1 ? (double)k / (a->ticks - 1) : 0.5;
        if (p->range)
            (void)snprintf(e[k], sizeof e[k], "%.6g", k == 0 ? p->low : p->high);
        a->label[k] = p->range ? e[k] : p->choice[k];
    }
}

/* Where a value of the parameter is between its ends. */
static double place(const ub_parameter *p, const char *value)
{
    double x = strtod(value, NULL);
    if (p->range && p->log)
        return log(x / p->low) / log(p->high / p->low);
    if (p->range)
        return (x - p->low) / (p->high - p->low);
    for (int32_t k = 0; k < p->choices; k++)
        if (strcmp(p->choice[k], value) == 0 || (x != 0 && strtod(p->choice[k], NULL) == x))
            return p->choices > 1 ? (double)k / (p->choices - 1) : 0.5;
    return (double)NAN;
}

/* The objective of the initialisation that was kept: the lowest at its end. */
static ub_status take_curve(const char *path, ub_sweep_curve *out)
{
    ub_trainer_history log = {0};
    int64_t            best = 0, length = 0;
    if (!ub_file_exists(path))
        return UB_OK;
    UB_TRY(ub_results_read_log(path, &log));
    for (int64_t i = 0, end; i < log.rows; i = end) {
        for (end = i + 1; end < log.rows && log.row[end].restart == log.row[i].restart;)
            end++;
        if (length == 0 || log.row[end - 1].objective < log.row[best + length - 1].objective) {
            best = i;
            length = end - i;
        }
    }
    ub_status st = UB_ALLOC(out->value, length + 1);
    for (int64_t e = 0; e < length && st == UB_OK; e++)
        out->value[e] = log.row[best + e].objective;
    out->length = st == UB_OK ? length : 0;
    ub_free(log.row);
    ub_free(log.support);
    return st;
}

typedef struct material {
    ub_sweep_axis  *axis;
    double         *at, *value; /* axes x jobs; jobs */
    ub_sweep_curve *curve;
    ub_settings    *settings;
    ends           *ends;
} material;

static ub_status take_job(const ub_sweep *s, int64_t j, material *m)
{
    unsigned char active[UB_SPACE_PARAMETERS];
    char          name[UB_SWEEP_NAME], path[UB_PATH_MAX];
    ub_bytes      text = {0};
    ub_status     st = UB_OK;
    *m->settings = *s->base;
    UB_TRY_OUT(
        ub_space_set(&s->space, s->u + s->job[j].point * s->space.count, m->settings, active));
    for (int32_t p = 0; p < s->space.count; p++) {
        ub_bytes_clear(&text);
        UB_TRY_OUT(ub_schema_value(s->space.parameter[p].field, m->settings, &text));
        m->at[p * s->jobs + j] =
            active[p] ? place(&s->space.parameter[p], (const char *)text.data) : (double)NAN;
    }
    m->value[j] = s->state[j] == UB_JOB_DONE ? s->job[j].result : (double)NAN;
    UB_TRY_OUT(ub_sweep_settings(s, &s->job[j], m->settings));
    UB_TRY_OUT(ub_sweep_name(s, m->settings, name));
    if (s->state[j] == UB_JOB_DONE)
        UB_TRY_OUT(
            take_curve(ub_sweep_path(s, name, "/model.h5", path, sizeof path), &m->curve[j]));
out:
    ub_bytes_release(&text);
    return st;
}

ub_status ub_sweep_draw(const ub_sweep *s, ub_bytes *svg)
{
    material  m = {0};
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(m.axis, s->space.count));
    UB_TRY_OUT(UB_ALLOC(m.at, s->space.count * s->jobs + 1));
    UB_TRY_OUT(UB_ALLOC(m.value, s->jobs + 1));
    UB_TRY_OUT(UB_ALLOC(m.curve, s->jobs + 1));
    UB_TRY_OUT(UB_ALLOC(m.settings, 1));
    UB_TRY_OUT(UB_ALLOC(m.ends, s->space.count));
    for (int64_t j = 0; j < s->jobs; j++)
        UB_TRY_OUT(take_job(s, j, &m));
    for (int32_t p = 0; p < s->space.count; p++) {
        set_ticks(&s->space.parameter[p], m.ends[p], &m.axis[p]);
        m.axis[p].at = m.at + p * s->jobs;
    }
    st = ub_draw_sweep(&(ub_sweep_plot){.jobs = s->jobs,
                                        .best = ub_sweep_best(s),
                                        .axes = s->space.count,
                                        .axis = m.axis,
                                        .metric = s->base->sweep.metric,
                                        .value = m.value,
                                        .minimise = s->promote.minimise,
                                        .curve = m.curve},
                       svg);
out:
    for (int64_t j = 0; m.curve != NULL && j < s->jobs; j++)
        ub_free(m.curve[j].value);
    ub_free(m.axis);
    ub_free(m.at);
    ub_free(m.value);
    ub_free(m.curve);
    ub_free(m.settings);
    ub_free(m.ends);
    return st;
}
