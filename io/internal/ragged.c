/* Rank 0's part: names and shapes of the first episode.  Reading: ragged_read.c. */
#include "io/internal/ragged.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/internal/h5.h"

enum { SEGMENT = 2 };

typedef struct survey {
    hid_t              file;
    const ub_ragged   *layout;
    const ub_settings *settings;
    ub_plan           *plan;
    char               first[UB_H5_NAME_MAX]; /* group of the first episode */
} survey;

/* Is it PREFIX<number>, or anything if there is no prefix? */
static bool is_episode(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    if (len == 0)
        return true;
    return strncmp(name, prefix, len) == 0 && name[len] != '\0' &&
           strspn(name + len, "0123456789") == strlen(name + len);
}

static ub_status list_episodes(survey *v)
{
    const ub_ragged *l = v->layout;
    ub_names         links = {0}, *episode = &v->plan->episode;
    ub_status        st = UB_OK;
    UB_TRY_OUT(ub_h5_links(v->file, l->group, &links));
    for (int64_t i = 0; i < links.count; i++)
        if (is_episode(links.at[i], l->prefix))
            UB_TRY_OUT(ub_names_add(episode, links.at[i], strlen(links.at[i])));
    UB_TRY_OUT(ub_names_sort(episode));
    UB_TRY_OUT(ub_plan_episodes(v->plan, v->file, v->settings, episode->count));
    UB_TRY_OUT(ub_h5_join(l->group, episode->at[0], v->first));
out:
    ub_names_release(&links);
    return st;
}

/* All datasets of the first episode, for sentences. */
static void held(const survey *v, char *text, size_t cap)
{
    ub_names all = {0};
    (void)snprintf(text, cap, "nothing");
    if (ub_h5_leaves(v->file, v->first, "", &all) == UB_OK)
        ub_names_text(&all, text, cap);
    ub_names_release(&all);
}

/* Names of the observation datasets below the episode: those asked for, or all. */
static ub_status find_observations(const survey *v, ub_names *out)
{
    const char *list = v->settings->corpus.obs;
    ub_names    asked = {0};
    char        below[UB_H5_NAME_MAX], full[UB_H5_NAME_MAX], text[512];
    ub_status   st = UB_OK;
    UB_TRY_OUT(ub_names_split(&asked, list));
    if (asked.count == 0)
        UB_TRY_OUT(ub_h5_leaves(v->file, v->first, v->layout->obs, out));
    for (int64_t i = 0; i < asked.count; i++) {
        int64_t before = out->count;
        UB_TRY_OUT(ub_h5_join(v->layout->obs, asked.at[i], below));
        UB_TRY_OUT(ub_h5_join(v->first, below, full));
        bool inside = ub_h5_look(v->file, full) != UB_H5_NOTHING;
        UB_TRY_OUT(ub_h5_leaves(v->file, v->first, inside ? below : asked.at[i], out));
        if (out->count > before)
            continue;
        held(v, text, sizeof text);
        st = ub_format_refuse(v->file,
                              "there is no observation '%s' (corpus.obs) in '%s', which "
                              "holds %s",
                              asked.at[i], v->first, text);
        goto out;
    }
    if (out->count == 0) {
        held(v, text, sizeof text);
        st = ub_format_refuse(v->file, "there are no observations '%s' in '%s', which holds %s%s",
                              v->layout->obs, v->first, text, v->layout->hint);
        goto out;
    }
    UB_TRY_OUT(ub_names_index(out));
out:
    ub_names_release(&asked);
    return st;
}

/* Measure a dataset of the first episode. */
static ub_status measure(const survey *v, const char *name, ub_h5_rows *r)
{
    char full[UB_H5_NAME_MAX];
    UB_TRY(ub_h5_join(v->first, name, full));
    UB_TRY(ub_h5_rows_open(v->file, full, r));
    ub_h5_rows_close(r);
    return UB_OK;
}

static ub_status plan_observations(const survey *v)
{
    ub_names   obs = {0};
    ub_h5_rows r = {0};
    int64_t    dim = 0;
    ub_status  st = UB_OK;
    UB_TRY_OUT(find_observations(v, &obs));
    for (int64_t i = 0; i < obs.count; i++) {
        UB_TRY_OUT(measure(v, obs.at[i], &r));
        UB_TRY_OUT(ub_plan_add(v->file, v->plan, obs.at[i], r.width, -1, UB_TAKE_WHOLE));
        dim += r.width;
    }
    if (dim > INT32_MAX) {
        st = ub_format_refuse(v->file,
                              "observations of %lld columns cannot be used: choose with "
                              "corpus.obs",
                              (long long)dim);
        goto out;
    }
    v->plan->head.dim = (int32_t)dim;
out:
    ub_names_release(&obs);
    return st;
}

static ub_status add_task(const survey *v, const char *name)
{
    v->plan->head.tasks++;
    return ub_names_add(&v->plan->task, name, strlen(name));
}

/* The last observation, after the last action where the file has that. */
static ub_status plan_final(const survey *v)
{
    const ub_ragged *l = v->layout;
    int64_t          columns = v->plan->head.columns;
    size_t           len = strlen(l->obs);
    for (int64_t i = 0; i < columns; i++) {
        char    path[UB_H5_NAME_MAX], later[UB_H5_NAME_MAX], full[UB_H5_NAME_MAX];
        int32_t width = v->plan->column[i].width;
        (void)snprintf(path, sizeof path, "%s", v->plan->column[i].path);
        if (l->next != NULL && strncmp(path, l->obs, len) == 0 &&
            (path[len] == '/' || path[len] == '\0')) {
            UB_TRY(ub_h5_join(l->next, path + len + (path[len] == '/'), later));
            UB_TRY(ub_h5_join(v->first, later, full));
            if (ub_h5_look(v->file, full) == UB_H5_DATASET)
                (void)snprintf(path, sizeof path, "%s", later);
        }
        UB_TRY(ub_plan_add(v->file, v->plan, path, width, 0, UB_TAKE_LAST));
    }
    return add_task(v, "final");
}

/* Does the first episode have a dataset or, if it has a group, an attribute of this name? */
static bool has_value(const survey *v, const char *name)
{
    char full[UB_H5_NAME_MAX];
    if (ub_h5_join(v->first, name, full) != UB_OK)
        return false;
    return ub_h5_look(v->file, full) == UB_H5_DATASET ||
           (v->plan->range == NULL && H5Aexists_by_name(v->file, v->first, name, H5P_DEFAULT) > 0);
}

static ub_status missing(const survey *v, const char *name, const char *why)
{
    char text[512];
    held(v, text, sizeof text);
    return ub_format_refuse(v->file, "there is no task variable '%s' (%s) in '%s', which holds %s",
                            name, why, v->first, text);
}

static ub_status plan_success(const survey *v)
{
    const char *const *name = v->layout->success;
    for (int i = 0; i < UB_RAGGED_SUCCESS && name[i] != NULL; i++)
        if (has_value(v, name[i])) {
            UB_TRY(ub_plan_add(v->file, v->plan, name[i], 1, 0, UB_TAKE_ANY));
            return add_task(v, "success");
        }
    return missing(v, name[0], "corpus.tasks is success");
}

static ub_status plan_return(const survey *v)
{
    ub_h5_rows r = {0};
    if (!has_value(v, v->layout->rewards))
        return missing(v, v->layout->rewards, "corpus.tasks is return");
    UB_TRY(measure(v, v->layout->rewards, &r));
    if (r.width != 1)
        return ub_format_refuse(v->file, "dataset '%s' has %lld columns: a return needs one",
                                r.name, (long long)r.width);
    UB_TRY(ub_plan_add(v->file, v->plan, v->layout->rewards, 1, 0, UB_TAKE_SUM));
    return add_task(v, "return");
}

/* A named dataset or attribute of each episode; among shared datasets, the episode's last row. */
static ub_status plan_dataset(const survey *v, const char *name)
{
    ub_h5_rows r = {.rows = 1, .width = 1};
    char       full[UB_H5_NAME_MAX];
    bool       flat = v->plan->range != NULL;
    if (!has_value(v, name))
        return missing(v, name, "corpus.task");
    UB_TRY(ub_h5_join(v->first, name, full));
    if (ub_h5_look(v->file, full) == UB_H5_DATASET)
        UB_TRY(measure(v, name, &r));
    UB_TRY(ub_plan_add(v->file, v->plan, name, flat ? r.width : r.rows * r.width,
                       v->plan->head.tasks, flat ? UB_TAKE_LAST : UB_TAKE_WHOLE));
    return add_task(v, name);
}

static ub_status plan_datasets(const survey *v)
{
    ub_names  asked = {0};
    char      text[512];
    ub_status st = UB_OK;
    UB_TRY_OUT(ub_names_split(&asked, v->settings->corpus.task));
    if (asked.count == 0) {
        held(v, text, sizeof text);
        st = ub_format_refuse(v->file,
                              "corpus.tasks is dataset: name them in corpus.task; '%s' "
                              "holds %s",
                              v->first, text);
        goto out;
    }
    for (int64_t i = 0; i < asked.count; i++)
        UB_TRY_OUT(plan_dataset(v, asked.at[i]));
out:
    ub_names_release(&asked);
    return st;
}

static ub_status plan_tasks(const survey *v)
{
    switch (v->settings->corpus.tasks) {
    case UB_TASKS_DATASET:
        return plan_datasets(v);
    case UB_TASKS_SUCCESS:
        return plan_success(v);
    case UB_TASKS_RETURN:
        return plan_return(v);
    default:
        return plan_final(v);
    }
}

static const char *without_root(const char *path)
{
    return path + strspn(path, "/");
}

/* Is the last row of some states a task variable?  As a step it would belong to the task by
 * construction. */
static bool last_is_task(const ub_plan *p)
{
    for (int64_t i = 0; i < p->head.columns; i++)
        for (int64_t k = 0; p->column[i].take == UB_TAKE_LAST && k < p->head.columns; k++)
            if (p->column[k].task < 0 &&
                strcmp(without_root(p->column[k].path), without_root(p->column[i].path)) == 0)
                return true;
    return false;
}

ub_status ub_ragged_survey(hid_t file, const ub_ragged *layout, const ub_settings *s, ub_plan *plan)
{
    survey  v = {.file = file, .layout = layout, .settings = s, .plan = plan};
    int64_t length = s->segment.length > 0 ? s->segment.length : SEGMENT;
    if (length * s->segment.count > INT32_MAX)
        return UB_FAIL(UB_EINPUT, "segment.count x segment.length = %lld x %lld steps are too many",
                       (long long)s->segment.count, (long long)length);
    plan->head.segment = (int32_t)length;
    plan->head.steps = (int32_t)(length * s->segment.count);
    plan->head.extra = layout->extra;
    (void)snprintf(plan->head.group, sizeof plan->head.group, "%s", layout->group);
    (void)snprintf(plan->head.length, sizeof plan->head.length, "%s", layout->length);
    if (plan->range == NULL)
        UB_TRY(list_episodes(&v));
    else
        UB_TRY(ub_h5_join(layout->group, "", v.first));
    UB_TRY(plan_observations(&v));
    UB_TRY(plan_tasks(&v));
    plan->head.spent = layout->extra == 0 && last_is_task(plan);
    return UB_OK;
}
