/* One tensor: /states N x T x d, task variables /tasks/NAME N x q; docs/formats/corpus.md. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/internal/format.h"
#include "io/internal/h5.h"

enum { VERSION = 1, SEGMENT = 2 };

static bool recognise(hid_t file)
{
    int     rank = 0;
    hsize_t dims[8];
    if (ub_h5_says(file, "format", "unbraid-aligned"))
        return true;
    return ub_h5_look(file, "states") == UB_H5_DATASET &&
           ub_h5_shape(file, "states", &rank, dims) == UB_OK && rank == 3;
}

/* Open a dataset of `rank` dimensions; want[i] < 0: any. */
static ub_status open_shaped(hid_t file, const char *name, int rank, const int64_t *want,
                             ub_h5_rows *r)
{
    UB_TRY(ub_h5_rows_open(file, name, r));
    if (r->rank != rank)
        return ub_format_refuse(file, "dataset '%s' has %d dimensions, not %d", name, r->rank,
                                rank);
    for (int i = 0; i < rank; i++)
        if (want[i] >= 0 && want[i] != (int64_t)r->dims[i])
            return ub_format_refuse(file, "dimension %d of dataset '%s' is %lld, not %lld", i + 1,
                                    name, (long long)r->dims[i], (long long)want[i]);
    return UB_OK;
}

/* T, d and L. */
static ub_status survey_steps(hid_t file, const ub_settings *s, const ub_h5_rows *states,
                              ub_plan *plan)
{
    bool   found;
    double version = VERSION, length = SEGMENT;
    UB_TRY(ub_h5_number(file, "/", "version", &found, &version));
    if (version > VERSION)
        return ub_format_refuse(file,
                                "version %g of the layout is newer than version %d, which "
                                "this program reads",
                                version, VERSION);
    UB_TRY(ub_h5_number(file, "/", "segment_length", &found, &length));
    int64_t segment = s->segment.length > 0 ? s->segment.length : (int64_t)length;
    if (states->dims[1] == 0 || states->width > INT32_MAX)
        return ub_format_refuse(file,
                                "dataset 'states' has %llu steps of %llu columns, which "
                                "cannot be used",
                                (unsigned long long)states->dims[1],
                                (unsigned long long)states->dims[2]);
    if (segment < 1 || (int64_t)states->dims[1] % segment != 0)
        return ub_format_refuse(file,
                                "%llu steps cannot be cut into segments of %lld: set "
                                "segment.length to a divisor",
                                (unsigned long long)states->dims[1], (long long)segment);
    plan->head.steps = (int32_t)states->dims[1];
    plan->head.dim = (int32_t)states->dims[2];
    plan->head.segment = (int32_t)segment;
    return UB_OK;
}

/* Pictures: height x width x channels columns. */
static ub_status survey_image(hid_t file, ub_plan *plan)
{
    double size[3] = {0};
    bool   found = false;
    for (int i = 0; i < 3; i++)
        UB_TRY(ub_h5_number(file, "/", ub_image_attribute[i], &found, &size[i]));
    if (size[0] == 0 && size[1] == 0 && size[2] == 0)
        return UB_OK;
    int64_t values = 1;
    for (int i = 0; i < 3; i++) {
        bool whole = size[i] >= 1 && size[i] <= plan->head.dim && size[i] == floor(size[i]);
        plan->head.image[i] = whole ? (int32_t)size[i] : 0;
        values *= plan->head.image[i];
    }
    if (values != plan->head.dim || plan->head.image[2] == 2 || plan->head.image[2] > 3)
        return ub_format_refuse(file,
                                "attributes image_height, image_width, image_channels: %g x %g "
                                "pixels of %g values (1: grey, 3: colour) are not the %d columns "
                                "of 'states'",
                                size[0], size[1], size[2], (int)plan->head.dim);
    return UB_OK;
}

/* Names of the file's task variables in the order of their attribute `index`, else of the names. */
static ub_status list_tasks(hid_t file, ub_names *out)
{
    ub_names  links = {0};
    double   *index = NULL;
    int64_t  *order = NULL;
    ub_status st = UB_OK;
    if (ub_h5_look(file, "tasks") == UB_H5_GROUP)
        UB_TRY_OUT(ub_h5_links(file, "tasks", &links));
    UB_TRY_OUT(UB_ALLOC(index, links.count));
    UB_TRY_OUT(UB_ALLOC(order, links.count));
    for (int64_t i = 0; i < links.count; i++) {
        bool found;
        char full[UB_H5_NAME_MAX];
        index[i] = (double)i;
        UB_TRY_OUT(ub_h5_join("tasks", links.at[i], full));
        UB_TRY_OUT(ub_h5_number(file, full, "index", &found, &index[i]));
        int64_t at = i;
        for (; at > 0 && index[order[at - 1]] > index[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int64_t i = 0; i < links.count; i++)
        UB_TRY_OUT(ub_names_add(out, links.at[order[i]], strlen(links.at[order[i]])));
    UB_TRY_OUT(ub_names_index(out));
out:
    ub_free(order);
    ub_free(index);
    ub_names_release(&links);
    return st;
}

/* Add a task variable that the file holds; *number is its place in the file's order. */
static ub_status add_task(hid_t file, int64_t episodes, const ub_names *have, const char *name,
                          ub_plan *plan, int32_t *number)
{
    char       full[UB_H5_NAME_MAX], list[256];
    ub_h5_rows r = {0};
    int64_t    i = 0;
    while (i < have->count && strcmp(have->at[i], name) != 0)
        i++;
    ub_names_text(have, list, sizeof list);
    if (i == have->count)
        return ub_format_refuse(file, "there is no task variable '%s' in 'tasks', which holds %s",
                                name, list);
    UB_TRY(ub_h5_join("tasks", name, full));
    UB_TRY(ub_h5_rows_open(file, full, &r));
    ub_h5_rows_close(&r);
    if (r.rows != episodes || r.rank < 1 || r.rank > 2)
        return ub_format_refuse(file,
                                "dataset '%s' has %lld rows in %d dimensions, not a row for "
                                "each of %lld episodes",
                                full, (long long)r.rows, r.rank, (long long)episodes);
    UB_TRY(ub_plan_add(file, plan, full, r.width, plan->head.tasks, UB_TAKE_WHOLE));
    UB_TRY(ub_names_add(&plan->task, name, strlen(name)));
    *number = (int32_t)i;
    plan->head.tasks++;
    return UB_OK;
}

static ub_status survey_final(hid_t file, ub_plan *plan)
{
    UB_TRY(ub_plan_add(file, plan, "states", plan->head.dim, 0, UB_TAKE_LAST));
    UB_TRY(ub_names_add(&plan->task, "final", 5));
    plan->head.tasks = 1;
    return UB_OK;
}

/* Truth of the chosen tasks: row r of the file's table, column number[i], becomes [r][i]. */
static ub_status read_flags(hid_t file, const char *name, int64_t rows, int64_t tasks,
                            const int32_t *number, int32_t chosen, uint8_t **out)
{
    int64_t    shape[] = {rows, tasks};
    ub_h5_rows r = {0};
    double    *x = NULL;
    uint8_t   *flag = NULL;
    ub_status  st = UB_OK;
    UB_TRY_OUT(open_shaped(file, name, 2, shape, &r));
    UB_TRY_OUT(UB_ALLOC(x, r.rows * tasks));
    UB_TRY_OUT(UB_ALLOC(flag, r.rows * chosen));
    UB_TRY_OUT(ub_h5_rows_get(&r, 0, r.rows, x));
    for (int64_t i = 0; i < r.rows * chosen; i++)
        flag[i] = x[i / chosen * tasks + number[i % chosen]] > 0;
    *out = flag;
    flag = NULL;
out:
    ub_free(flag);
    ub_free(x);
    ub_h5_rows_close(&r);
    return st;
}

static ub_status survey_truth(hid_t file, int64_t episodes, int64_t tasks, const int32_t *number,
                              ub_plan *plan)
{
    int64_t    shape[] = {episodes, plan->head.steps, -1};
    ub_h5_rows r = {0};
    if (ub_h5_has(file, "truth/membership"))
        UB_TRY(read_flags(file, "truth/membership", plan->head.steps, tasks, number,
                          plan->head.tasks, &plan->truth));
    if (!ub_h5_has(file, "truth/latents"))
        return UB_OK;
    ub_status st = open_shaped(file, "truth/latents", 3, shape, &r);
    ub_h5_rows_close(&r);
    UB_TRY(st);
    plan->head.latent_dim = (int32_t)r.dims[2];
    if (ub_h5_has(file, "truth/latent_relevant"))
        UB_TRY(read_flags(file, "truth/latent_relevant", plan->head.latent_dim, tasks, number,
                          plan->head.tasks, &plan->relevant));
    return UB_OK;
}

static ub_status survey_tasks(hid_t file, const ub_settings *s, int64_t episodes, ub_plan *plan)
{
    ub_names  have = {0}, asked = {0};
    int32_t  *number = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(list_tasks(file, &have));
    if (s->corpus.tasks == UB_TASKS_SUCCESS || s->corpus.tasks == UB_TASKS_RETURN) {
        st = ub_format_refuse(file, "the aligned layout has neither rewards nor success: set "
                                    "corpus.tasks to auto, dataset or final");
        goto out;
    }
    if (s->corpus.tasks == UB_TASKS_FINAL ||
        (s->corpus.tasks == UB_TASKS_AUTO && have.count == 0)) {
        st = survey_final(file, plan);
        goto out;
    }
    UB_TRY_OUT(ub_names_split(&asked, s->corpus.tasks == UB_TASKS_DATASET ? s->corpus.task : ""));
    const ub_names *use = asked.count > 0 ? &asked : &have;
    if (use->count == 0) {
        st = ub_format_refuse(file, "corpus.tasks is dataset, but there is no group 'tasks'");
        goto out;
    }
    UB_TRY_OUT(UB_ALLOC(number, use->count));
    for (int64_t i = 0; i < use->count; i++)
        UB_TRY_OUT(add_task(file, episodes, &have, use->at[i], plan, &number[i]));
    UB_TRY_OUT(survey_truth(file, episodes, have.count, number, plan));
out:
    ub_free(number);
    ub_names_release(&asked);
    ub_names_release(&have);
    return st;
}

static ub_status survey(hid_t file, const ub_settings *s, ub_plan *plan)
{
    static const int64_t any[] = {-1, -1, -1};
    ub_h5_rows           states = {0};
    ub_status            st = open_shaped(file, "states", 3, any, &states);
    ub_h5_rows_close(&states);
    UB_TRY(st);
    UB_TRY(ub_plan_episodes(plan, file, s, states.rows));
    UB_TRY(survey_steps(file, s, &states, plan));
    UB_TRY(survey_image(file, plan));
    UB_TRY(ub_plan_add(file, plan, "states", plan->head.dim, -1, UB_TAKE_WHOLE));
    return survey_tasks(file, s, states.rows, plan);
}

/* Rows of this rank's episodes, `width` doubles each, spread to `stride` doubles an episode. */
static ub_status read_rows(hid_t file, const char *name, const ub_corpus *c, double *out,
                           int64_t stride)
{
    ub_h5_rows r = {0};
    double    *piece = NULL;
    ub_status  st = UB_OK;
    UB_TRY_OUT(ub_h5_rows_open(file, name, &r));
    if (r.width == stride) {
        st = ub_h5_rows_get(&r, c->first, c->count, out);
        goto out;
    }
    UB_TRY_OUT(UB_ALLOC(piece, c->count * r.width));
    UB_TRY_OUT(ub_h5_rows_get(&r, c->first, c->count, piece));
    for (int64_t e = 0; e < c->count; e++)
        memcpy(out + e * stride, piece + e * r.width, (size_t)r.width * sizeof *out);
out:
    ub_free(piece);
    ub_h5_rows_close(&r);
    return st;
}

static ub_status check_rows(hid_t file, const char *name, const ub_corpus *c, const double *x,
                            int64_t rows, int64_t width, int64_t stride)
{
    for (int64_t e = 0; e < c->count; e++)
        for (int64_t t = 0; t < rows; t++) {
            char episode[32];
            (void)snprintf(episode, sizeof episode, "%lld", (long long)(c->first + e));
            UB_TRY(ub_format_finite(file, name, episode, t, x + e * stride + t * width, width));
        }
    return UB_OK;
}

static ub_status read(hid_t file, const ub_plan *plan, ub_corpus *out)
{
    int64_t steps = out->steps, dim = out->dim, all = out->task_offset[out->tasks];
    UB_TRY(read_rows(file, "states", out, out->states, steps * dim));
    UB_TRY(check_rows(file, "states", out, out->states, steps, dim, steps * dim));
    for (int64_t i = 0; i < plan->head.columns; i++) {
        const ub_column *k = &plan->column[i];
        if (k->task < 0)
            continue;
        double *target = out->targets + out->task_offset[k->task];
        if (k->take == UB_TAKE_WHOLE) {
            UB_TRY(read_rows(file, k->path, out, target, all));
            UB_TRY(check_rows(file, k->path, out, target, 1, k->width, all));
        } else {
            for (int64_t e = 0; e < out->count; e++)
                memcpy(target + e * all, out->states + ((e + 1) * steps - 1) * dim,
                       (size_t)dim * sizeof *target);
        }
    }
    if (out->latents == NULL)
        return UB_OK;
    int64_t latents = out->latent_dim;
    UB_TRY(read_rows(file, "truth/latents", out, out->latents, steps * latents));
    return check_rows(file, "truth/latents", out, out->latents, steps, latents, steps * latents);
}

const ub_format ub_format_aligned = {
    .name = "aligned",
    .summary = "one tensor of episodes x steps x columns, written by unbraid synth",
    .mark = "attribute format = unbraid-aligned, or a dataset states of three dimensions",
    .recognise = recognise,
    .survey = survey,
    .read = read,
};
