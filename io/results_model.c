/* The model as a file; layout: docs/formats/model.md. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/result.h"
#include "io/results.h"

static const char model_format[] = "unbraid model";

/* The sizes of a model and the attributes that hold them. */
static const struct {
    const char *name;
    size_t      offset;
} sizes[] = {
    {"dim", offsetof(ub_model_shape, dim)},
    {"latents", offsetof(ub_model_shape, latents)},
    {"hidden", offsetof(ub_model_shape, hidden)},
    {"layers", offsetof(ub_model_shape, layers)},
    {"head_hidden", offsetof(ub_model_shape, head_hidden)},
    {"activation", offsetof(ub_model_shape, activation)},
    {"tasks", offsetof(ub_model_shape, tasks)},
    {"targets", offsetof(ub_model_shape, targets)},
};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static int model_fields(const ub_model *m, ub_result_field out[UB_RESULT_FIELDS])
{
    const ub_model_shape *s = &m->shape;
    const ub_result_field list[] = {
        {"task_offset", H5T_NATIVE_INT32, (int64_t)s->tasks + 1, UB_RESULT_VECTOR, m->task_offset},
        {"norm", H5T_NATIVE_DOUBLE, 2, (int64_t)s->dim + s->targets, m->norm},
        {"strength", H5T_NATIVE_DOUBLE, s->tasks, s->latents, m->strength},
        {"relevant", H5T_NATIVE_UINT8, s->tasks, s->latents, m->relevant},
    };
    memcpy(out, list, sizeof list);
    return sizeof list / sizeof list[0];
}

/* The weights, layer by layer, by `put` or `get`. */
static ub_status each_layer(hid_t file, const char *path, const ub_model *m, bool put)
{
    ub_layer *layer;
    int32_t   count = ub_model_layers(&m->shape, m->task_offset, NULL);
    ub_status st = UB_OK;
    UB_TRY(UB_ALLOC(layer, count));
    (void)ub_model_layers(&m->shape, m->task_offset, layer);
    for (int32_t i = 0; i < 2 * count && st == UB_OK; i++) {
        const ub_layer *l = &layer[i / 2];
        char            name[64];
        bool            bias = i % 2 == 1;
        double         *at = m->w + l->at + (bias ? (int64_t)l->out * l->in : 0);
        (void)snprintf(name, sizeof name, "layers/%s/%s", l->name, bias ? "bias" : "weight");
        ub_result_field f = {name, H5T_NATIVE_DOUBLE, l->out, bias ? UB_RESULT_VECTOR : l->in, at};
        st = put ? ub_result_put(file, &f) : ub_result_get(file, path, &f);
    }
    ub_free(layer);
    return st;
}

/* The columns of the training log; the first two hold integers. */
static const struct {
    const char *name;
    size_t      offset;
} columns[] = {
    {"log/restart", offsetof(ub_trainer_row, restart)},
    {"log/epoch", offsetof(ub_trainer_row, epoch)},
    {"log/learning_rate", offsetof(ub_trainer_row, learning_rate)},
    {"log/lambda", offsetof(ub_trainer_row, lambda)},
    {"log/reconstruction", offsetof(ub_trainer_row, reconstruction)},
    {"log/kl", offsetof(ub_trainer_row, kl)},
    {"log/task", offsetof(ub_trainer_row, task)},
    {"log/penalty", offsetof(ub_trainer_row, penalty)},
    {"log/objective", offsetof(ub_trainer_row, objective)},
    {"log/gradient_norm", offsetof(ub_trainer_row, gradient_norm)},
    {"log/sparsity", offsetof(ub_trainer_row, sparsity)},
};

static hid_t column_type(size_t c)
{
    return c < 2 ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE; /* eight bytes both */
}

static ub_status put_log(hid_t file, const ub_trainer_history *log)
{
    unsigned char *column;
    ub_status      st = UB_OK;
    hsize_t        dims[2] = {(hsize_t)log->rows, (hsize_t)log->tasks};
    UB_TRY(UB_ALLOC(column, log->rows * 8));
    for (size_t c = 0; c < sizeof columns / sizeof columns[0] && st == UB_OK; c++) {
        for (int64_t r = 0; r < log->rows; r++)
            memcpy(column + 8 * r, (const char *)&log->row[r] + columns[c].offset, 8);
        st = ub_h5_put(file, columns[c].name, column_type(c), 1, dims, column);
    }
    ub_free(column);
    if (st != UB_OK || log->support == NULL)
        return st;
    return ub_h5_put(file, "log/support", H5T_NATIVE_INT32, 2, dims, log->support);
}

/* What was found out about a trained model, and the attributes and datasets that hold it. */
static int evidence_fields(const ub_evidence *e, ub_result_field out[UB_RESULT_FIELDS])
{
    int64_t               n = e->latents, m = e->tasks, r = e->restarts;
    const hid_t           real = H5T_NATIVE_DOUBLE;
    const int64_t         vector = UB_RESULT_VECTOR;
    const ub_result_field list[] = {
        {"evidence/objective", real, r, vector, e->objective},
        {"evidence/match", H5T_NATIVE_INT32, r, n, e->match},
        {"evidence/likeness", real, r, n, e->likeness},
        {"evidence/confidence", real, m, n, e->confidence},
        {"evidence/agreement", real, m, vector, e->agreement},
        {"evidence/task_r2", real, m, vector, e->task_r2},
        {"evidence/singular", real, m, n, e->singular},
        {"evidence/correlation", real, n, n, e->correlation},
        {"evidence/kl", real, n, vector, e->kl},
    };
    memcpy(out, list, sizeof list);
    return sizeof list / sizeof list[0];
}

static ub_status put_evidence(hid_t file, const ub_model *m, const ub_evidence *e)
{
    ub_result_field list[UB_RESULT_FIELDS];
    hsize_t         dims[3] = {(hsize_t)e->restarts, (hsize_t)e->tasks, (hsize_t)e->latents};
    UB_TRY(ub_h5_put_int(file, "restarts", e->restarts));
    UB_TRY(ub_h5_put_int(file, "kept", e->kept));
    UB_TRY(ub_h5_put_int(file, "samples", e->samples));
    UB_TRY(ub_result_put_names(file, e->task_name, e->tasks));
    UB_TRY(ub_h5_put_text(file, "warnings",
                          e->warnings.data == NULL ? "" : (const char *)e->warnings.data));
    int n = evidence_fields(e, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_put(file, &list[i]));
    if (m->restarts.count != e->restarts)
        return UB_OK;
    UB_TRY(ub_h5_put(file, "evidence/strength", H5T_NATIVE_DOUBLE, 3, dims, m->restarts.strength));
    return ub_h5_put(file, "evidence/relevant", H5T_NATIVE_UINT8, 3, dims, m->restarts.relevant);
}

static ub_status get_evidence(hid_t file, const char *path, ub_evidence *e)
{
    ub_result_field list[UB_RESULT_FIELDS];
    UB_TRY(ub_result_get_size(file, path, "tasks", &e->tasks));
    UB_TRY(ub_result_get_size(file, path, "latents", &e->latents));
    UB_TRY(ub_h5_get_int(file, "restarts", &e->restarts));
    UB_TRY(ub_h5_get_int(file, "kept", &e->kept));
    UB_TRY(ub_h5_get_int(file, "samples", &e->samples));
    UB_TRY(ub_evidence_alloc(e));
    UB_TRY(ub_result_get_names(file, e->task_name, e->tasks));
    UB_TRY(ub_h5_get_text(file, "warnings", &e->warnings));
    int n = evidence_fields(e, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_get(file, path, &list[i]));
    return UB_OK;
}

ub_status ub_results_read_evidence(const char *path, ub_evidence *out)
{
    hid_t       file = H5I_INVALID_HID;
    ub_evidence made = {0};
    UB_TRY(ub_result_open(path, model_format, &file));
    ub_status st = ub_h5_has(file, "evidence") ? get_evidence(file, path, &made) : UB_OK;
    ub_status closed = ub_h5_close(&file, path);
    if (st == UB_OK)
        st = closed;
    if (st == UB_OK)
        *out = made;
    else
        ub_evidence_release(&made);
    return st;
}

static ub_status put_model(hid_t file, const ub_model *m, const ub_evidence *evidence,
                           const ub_trainer_history *log, const ub_origin *origin)
{
    ub_result_field list[UB_RESULT_FIELDS];
    UB_TRY(ub_result_put_origin(file, model_format, origin));
    for (int i = 0; i < SIZES; i++) {
        int32_t v;
        memcpy(&v, (const char *)&m->shape + sizes[i].offset, sizeof v);
        UB_TRY(ub_h5_put_int(file, sizes[i].name, v));
    }
    UB_TRY(ub_h5_put(file, "objective", H5T_NATIVE_DOUBLE, 0, NULL, &m->objective));
    int n = model_fields(m, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_put(file, &list[i]));
    UB_TRY(each_layer(file, "", m, true));
    if (evidence != NULL && evidence->latents > 0)
        UB_TRY(put_evidence(file, m, evidence));
    return put_log(file, log);
}

ub_status ub_results_write_model(const char *path, const ub_model *m, const ub_evidence *evidence,
                                 const ub_trainer_history *log, const ub_origin *origin)
{
    char  temp[UB_PATH_MAX];
    hid_t file = H5I_INVALID_HID;
    UB_TRY(ub_file_temp(path, temp));
    UB_TRY(ub_h5_create(temp, &file));
    return ub_result_finish(&file, temp, path, put_model(file, m, evidence, log, origin));
}

static ub_status get_model(hid_t file, const char *path, ub_model *m)
{
    ub_result_field list[UB_RESULT_FIELDS];
    ub_model_shape  shape;
    int32_t        *offset;
    for (int i = 0; i < SIZES; i++) {
        int32_t v = 0;
        UB_TRY(ub_result_get_size(file, path, sizes[i].name, &v));
        memcpy((char *)&shape + sizes[i].offset, &v, sizeof v);
    }
    UB_TRY(UB_ALLOC(offset, (int64_t)shape.tasks + 1));
    ub_status st =
        ub_h5_get(file, "task_offset", H5T_NATIVE_INT32, (hsize_t)shape.tasks + 1, offset);
    if (st == UB_OK)
        st = ub_model_alloc(&shape, offset, m);
    ub_free(offset);
    UB_TRY(st);
    UB_TRY(ub_h5_get(file, "objective", H5T_NATIVE_DOUBLE, 1, &m->objective));
    int n = model_fields(m, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_get(file, path, &list[i]));
    return each_layer(file, path, m, false);
}

ub_status ub_results_read_model(const char *path, ub_model *m)
{
    hid_t    file = H5I_INVALID_HID;
    ub_model made = {0};
    UB_TRY(ub_result_open(path, model_format, &file));
    ub_status st = get_model(file, path, &made);
    ub_status closed = ub_h5_close(&file, path);
    if (st == UB_OK)
        st = closed;
    if (st != UB_OK) {
        ub_model_release(&made);
        return st;
    }
    *m = made;
    return UB_OK;
}

/* A column of the log; one of an older file may miss (then its values stay 0). */
static ub_status get_column(hid_t file, size_t c, ub_trainer_history *log, unsigned char *column)
{
    if (!ub_h5_has(file, columns[c].name))
        return UB_OK;
    UB_TRY(ub_h5_get(file, columns[c].name, column_type(c), (hsize_t)log->rows, column));
    for (int64_t r = 0; r < log->rows; r++)
        memcpy((char *)&log->row[r] + columns[c].offset, column + 8 * r, 8);
    return UB_OK;
}

static ub_status get_log(hid_t file, const char *path, ub_trainer_history *log)
{
    int            rank;
    hsize_t        dims[8];
    unsigned char *column = NULL;
    ub_status      st = UB_OK;
    UB_TRY(ub_h5_shape(file, columns[0].name, &rank, dims));
    log->rows = rank == 1 ? (int64_t)dims[0] : 0;
    UB_TRY(ub_result_get_size(file, path, "tasks", &log->tasks));
    UB_TRY_OUT(UB_ALLOC(column, log->rows * 8));
    UB_TRY_OUT(UB_ALLOC(log->row, log->rows));
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++)
        UB_TRY_OUT(get_column(file, c, log, column));
    if (ub_h5_has(file, "log/support")) {
        ub_result_field f = {"log/support", H5T_NATIVE_INT32, log->rows, log->tasks, NULL};
        UB_TRY_OUT(UB_ALLOC(log->support, log->rows * log->tasks));
        f.data = log->support;
        UB_TRY_OUT(ub_result_get(file, path, &f));
    }
out:
    ub_free(column);
    return st;
}

ub_status ub_results_read_log(const char *path, ub_trainer_history *out)
{
    hid_t              file = H5I_INVALID_HID;
    ub_trainer_history made = {0};
    UB_TRY(ub_result_open(path, model_format, &file));
    ub_status st = get_log(file, path, &made);
    ub_status closed = ub_h5_close(&file, path);
    if (st == UB_OK)
        st = closed;
    if (st != UB_OK) {
        ub_free(made.row);
        ub_free(made.support);
        return st;
    }
    *out = made;
    return UB_OK;
}
