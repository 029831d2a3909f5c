#include "core/internal/targets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* One word NAME=NUMBER of the setting. */
static ub_status put_word(const ub_corpus *c, char *word, ub_targets *t)
{
    char   *equals = strrchr(word, '='), *end = NULL;
    int32_t i = 0;
    long    classes = equals == NULL ? 0 : strtol(equals + 1, &end, 10);
    if (equals == NULL || end == equals + 1 || *end != '\0' || classes < 2 || classes > 65536)
        return UB_FAIL(UB_EINPUT,
                       "disentangle.classes: '%s' is not TASK=NUMBER with a number of 2 .. 65536",
                       word);
    *equals = '\0';
    while (i < c->tasks && strcmp(c->task_name[i], word) != 0)
        i++;
    if (i == c->tasks)
        return UB_FAIL(UB_EINPUT, "disentangle.classes: no task is called '%s'", word);
    if (c->task_offset[i + 1] - c->task_offset[i] != 1)
        return UB_FAIL(UB_EINPUT,
                       "disentangle.classes: task '%s' has %d columns; labels are one column of "
                       "0 .. %ld",
                       word, (int)(c->task_offset[i + 1] - c->task_offset[i]), classes - 1);
    t->classes[i] = (int32_t)classes;
    return UB_OK;
}

static ub_status read_setting(const ub_corpus *c, const char *setting, ub_targets *t)
{
    char text[UB_TEXT_MAX], *rest = NULL;
    (void)snprintf(text, sizeof text, "%s", setting);
    for (char *word = strtok_r(text, " ,", &rest); word != NULL; word = strtok_r(NULL, " ,", &rest))
        UB_TRY(put_word(c, word, t));
    return UB_OK;
}

static ub_status check_labels(const ub_corpus *c, const ub_targets *t)
{
    int32_t width = c->task_offset[c->tasks];
    for (int32_t i = 0; i < c->tasks; i++)
        for (int64_t e = 0; e < c->count && t->classes[i] > 0; e++) {
            double  label = c->targets[e * width + c->task_offset[i]];
            int32_t k = 0;
            while (k < t->classes[i] && label != (double)k)
                k++;
            if (k == t->classes[i])
                return UB_FAIL(UB_EINPUT,
                               "task '%s' of episode %lld is %g, none of its classes 0 .. %d "
                               "(disentangle.classes)",
                               c->task_name[i], (long long)(c->first + e), label,
                               (int)t->classes[i] - 1);
        }
    return UB_OK;
}

ub_status ub_targets_init(const ub_corpus *c, const ub_settings *settings, ub_targets *out)
{
    ub_status  st = UB_OK;
    ub_targets t = {.tasks = c->tasks};
    UB_TRY_OUT(UB_ALLOC(t.offset, c->tasks + 1));
    UB_TRY_OUT(UB_ALLOC(t.classes, c->tasks));
    UB_TRY_OUT(read_setting(c, settings->disentangle.classes, &t));
    UB_TRY_OUT(check_labels(c, &t));
    for (int32_t i = 0; i < c->tasks; i++)
        t.offset[i + 1] =
            t.offset[i] +
            (t.classes[i] > 0 ? t.classes[i] : c->task_offset[i + 1] - c->task_offset[i]);
    *out = t;
    return UB_OK;
out:
    ub_targets_release(&t);
    return st;
}

void ub_targets_release(ub_targets *t)
{
    ub_free(t->offset);
    ub_free(t->classes);
    *t = (ub_targets){0};
}

ub_status ub_targets_norm(const ub_targets *t, const ub_corpus *c, const double *norm, double **out)
{
    int32_t from = c->dim + c->task_offset[c->tasks], to = c->dim + t->offset[t->tasks];
    double *x;
    UB_TRY(UB_ALLOC(x, 2 * (int64_t)to));
    for (int half = 0; half < 2; half++, norm += from) {
        double *y = x + half * to;
        memcpy(y, norm, (size_t)c->dim * sizeof *y);
        for (int32_t i = 0; i < t->tasks; i++)
            for (int32_t k = t->offset[i]; k < t->offset[i + 1]; k++)
                y[c->dim + k] =
                    t->classes[i] > 0 ? half : norm[c->dim + c->task_offset[i] + k - t->offset[i]];
    }
    *out = x;
    return UB_OK;
}
