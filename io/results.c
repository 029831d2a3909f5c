#include "io/results.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"

static const char graph_format[] = "unbraid structure", model_format[] = "unbraid model";

enum { VERSION = 1, FIELDS = 16, VECTOR = -1 };

/* One array of a result and its dataset: the same list serves writing and reading. */
typedef struct field {
    const char *name;
    hid_t       type;          /* in memory */
    int64_t     rows, columns; /* columns VECTOR: one dimension */
    void       *data;          /* NULL: not there */
} field;

static int dims_of(const field *f, hsize_t dims[2])
{
    dims[0] = (hsize_t)f->rows;
    dims[1] = f->columns == VECTOR ? 1 : (hsize_t)f->columns;
    return f->columns == VECTOR ? 1 : 2;
}

static ub_status put_field(hid_t file, const field *f)
{
    hsize_t dims[2];
    int     rank = dims_of(f, dims);
    return f->data == NULL ? UB_OK : ub_h5_put(file, f->name, f->type, rank, dims, f->data);
}

static ub_status get_field(hid_t file, const char *path, const field *f)
{
    int     rank, want;
    hsize_t dims[8], wanted[2];
    if (f->data == NULL)
        return UB_OK;
    want = dims_of(f, wanted);
    UB_TRY(ub_h5_shape(file, f->name, &rank, dims));
    if (rank != want || dims[0] != wanted[0] || (rank == 2 && dims[1] != wanted[1]))
        return UB_FAIL(UB_ESHAPE, "%s: dataset '%s' does not have the shape %lld x %lld", path,
                       f->name, (long long)wanted[0], (long long)wanted[1]);
    return ub_h5_get(file, f->name, f->type, wanted[0] * wanted[1], f->data);
}

static hid_t name_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(type, UB_NAME_MAX);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static ub_status put_names(hid_t file, char (*name)[UB_NAME_MAX], int32_t count)
{
    hid_t     type = name_type();
    hsize_t   n = (hsize_t)count;
    ub_status st = ub_h5_put(file, "task_name", type, 1, &n, name);
    (void)H5Tclose(type);
    return st;
}

static ub_status get_names(hid_t file, char (*name)[UB_NAME_MAX], int32_t count)
{
    hid_t     type = name_type();
    ub_status st = ub_h5_get(file, "task_name", type, (hsize_t)count, name);
    (void)H5Tclose(type);
    return st;
}

/* An attribute that is a size: 0 .. INT32_MAX. */
static ub_status get_size(hid_t file, const char *path, const char *name, int32_t *out)
{
    int64_t v;
    UB_TRY(ub_h5_get_int(file, name, &v));
    if (v < 0 || v > INT32_MAX)
        return UB_FAIL(UB_EFORMAT, "%s: attribute '%s' = %lld is not a size", path, name,
                       (long long)v);
    *out = (int32_t)v;
    return UB_OK;
}

/* Opening and closing ------------------------------------------------------------------------- */

static ub_status put_origin(hid_t file, const char *format, const ub_origin *o)
{
    UB_TRY(ub_h5_put_text(file, "format", format));
    UB_TRY(ub_h5_put_int(file, "format_version", VERSION));
    UB_TRY(ub_h5_put_text(file, "identity", o->identity));
    UB_TRY(ub_h5_put_text(file, "corpus", o->corpus));
    UB_TRY(ub_h5_put_text(file, "config", o->config));
    return ub_h5_put_text(file, "version", o->version);
}

static ub_status put_digest(hid_t file)
{
    unsigned char digest[UB_SHA256_BYTES];
    char          hex[UB_SHA256_HEX];
    UB_TRY(ub_h5_digest(file, digest));
    ub_sha256_hex(digest, hex);
    return ub_h5_put_text(file, UB_H5_DIGEST, hex);
}

/* Close a file whose content was written with status st, verify it and give it its name; whatever
 * fails, nothing stays. */
static ub_status finish(hid_t *file, const char *temp, const char *path, ub_status st)
{
    char hex[UB_SHA256_HEX];
    if (st == UB_OK)
        st = put_digest(*file);
    ub_status closed = ub_h5_close(file, temp);
    if (st == UB_OK)
        st = closed;
    if (st == UB_OK)
        st = ub_results_verify(temp, hex);
    if (st == UB_OK)
        return ub_file_commit(temp, path);
    (void)unlink(temp);
    return st;
}

static ub_status check_digest(hid_t file, const char *path, char hex[UB_SHA256_HEX])
{
    unsigned char digest[UB_SHA256_BYTES];
    ub_bytes      said = {0};
    ub_status     st = ub_h5_get_text(file, UB_H5_DIGEST, &said);
    if (st == UB_OK)
        st = ub_h5_digest(file, digest);
    if (st == UB_OK) {
        ub_sha256_hex(digest, hex);
        if (strcmp((const char *)said.data, hex) != 0)
            st = UB_FAIL(UB_EFORMAT,
                         "%s: the content is damaged or was changed: its digest is %.12s..., the "
                         "file says %.12s...",
                         path, hex, (const char *)said.data);
    }
    ub_bytes_release(&said);
    return st == UB_ENOENT ? UB_FAIL(UB_EFORMAT, "%s: this is not a result of unbraid (no %s)",
                                     path, UB_H5_DIGEST)
                           : st;
}

static ub_status check_format(hid_t file, const char *path, const char *format)
{
    ub_bytes  said = {0};
    int64_t   version = 0;
    ub_status st = ub_h5_get_text(file, "format", &said);
    if (st == UB_OK)
        st = ub_h5_get_int(file, "format_version", &version);
    if (st == UB_OK && strcmp((const char *)said.data, format) != 0)
        st = UB_FAIL(UB_EFORMAT, "%s: this file holds '%s', not '%s'", path,
                     (const char *)said.data, format);
    if (st == UB_OK && version != VERSION)
        st = UB_FAIL(UB_EFORMAT, "%s: version %lld of the layout; this program knows version %d",
                     path, (long long)version, VERSION);
    ub_bytes_release(&said);
    return st;
}

/* Open a result for reading: whole, undamaged and of that format. */
static ub_status open_result(const char *path, const char *format, hid_t *file)
{
    char hex[UB_SHA256_HEX];
    UB_TRY(ub_h5_open(path, file));
    ub_status st = check_digest(*file, path, hex);
    if (st == UB_OK)
        st = check_format(*file, path, format);
    if (st != UB_OK) {
        ub_status closed = ub_h5_close(file, path);
        (void)closed;
    }
    return st;
}

ub_status ub_results_verify(const char *path, char hex[UB_SHA256_HEX])
{
    hid_t file = H5I_INVALID_HID;
    char  found[UB_SHA256_HEX];
    UB_TRY(ub_h5_open(path, &file));
    ub_status st = check_digest(file, path, found);
    ub_status closed = ub_h5_close(&file, path);
    UB_TRY(st);
    UB_TRY(closed);
    memcpy(hex, found, sizeof found);
    return UB_OK;
}

ub_status ub_results_origin(const char *path, const char *name, ub_bytes *out)
{
    hid_t file = H5I_INVALID_HID;
    UB_TRY(ub_h5_open(path, &file));
    ub_status st = ub_h5_get_text(file, name, out);
    ub_status closed = ub_h5_close(&file, path);
    UB_TRY(st);
    return closed;
}

bool ub_results_belongs(const char *path, const char *identity)
{
    char     hex[UB_SHA256_HEX];
    ub_bytes said = {0};
    bool     ours = ub_results_verify(path, hex) == UB_OK &&
                ub_results_origin(path, "identity", &said) == UB_OK &&
                strcmp((const char *)said.data, identity) == 0;
    ub_err_clear();
    ub_bytes_release(&said);
    return ours;
}

/* Task graph ---------------------------------------------------------------------------------- */

static int graph_fields(const ub_task_graph *g, field out[FIELDS])
{
    int64_t     k = g->segments, m = g->tasks, p = g->pairs;
    const hid_t real = H5T_NATIVE_DOUBLE, byte = H5T_NATIVE_UINT8;
    const field list[] = {
        {"member", byte, k, m, g->member},
        {"score", real, k, m, g->score},
        {"p_value", real, k, m, g->p_value},
        {"confidence", real, k, m, g->confidence},
        {"pairs/statistic", real, m, p, g->pair_stat},
        {"pairs/p_value", real, m, p, g->pair_p},
        {"pairs/llr", real, m, p, g->pair_llr},
        {"pairs/verdict", byte, m, p, g->pair_verdict},
        {"marginal/p_value", real, p, VECTOR, g->marginal_p},
        {"marginal/llr", real, p, VECTOR, g->marginal_llr},
        {"direct/statistic", real, k, m, g->direct_stat},
        {"direct/p_value", real, k, m, g->direct_p},
        {"direct/llr", real, k, m, g->direct_llr},
        {"direct/verdict", byte, k, m, g->direct_verdict},
    };
    memcpy(out, list, sizeof list);
    return sizeof list / sizeof list[0];
}

static ub_status put_graph(hid_t file, const ub_task_graph *g, const uint8_t *truth,
                           const ub_origin *origin)
{
    field   list[FIELDS];
    hsize_t dims[2] = {(hsize_t)g->segments * (hsize_t)g->length, (hsize_t)g->tasks};
    UB_TRY(put_origin(file, graph_format, origin));
    UB_TRY(ub_h5_put_int(file, "segments", g->segments));
    UB_TRY(ub_h5_put_int(file, "length", g->length));
    UB_TRY(ub_h5_put_int(file, "tasks", g->tasks));
    UB_TRY(ub_h5_put_int(file, "tests", g->tests));
    UB_TRY(ub_h5_put_int(file, "untestable", g->untestable));
    UB_TRY(ub_h5_put_int(file, "undecided", g->undecided));
    UB_TRY(ub_h5_put_int(file, "contrasted", g->contrasted));
    UB_TRY(put_names(file, g->task_name, g->tasks));
    int n = graph_fields(g, list);
    for (int i = 0; i < n; i++)
        UB_TRY(put_field(file, &list[i]));
    if (truth == NULL)
        return UB_OK;
    return ub_h5_put(file, "truth", H5T_NATIVE_UINT8, 2, dims, truth);
}

ub_status ub_results_write_graph(const char *path, const ub_task_graph *g, const uint8_t *truth,
                                 const ub_origin *origin)
{
    char  temp[UB_PATH_MAX];
    hid_t file = H5I_INVALID_HID;
    UB_TRY(ub_file_temp(path, temp));
    UB_TRY(ub_h5_create(temp, &file));
    return finish(&file, temp, path, put_graph(file, g, truth, origin));
}

static ub_status get_graph(hid_t file, const char *path, ub_task_graph *g, uint8_t **truth)
{
    field list[FIELDS];
    UB_TRY(get_size(file, path, "segments", &g->segments));
    UB_TRY(get_size(file, path, "length", &g->length));
    UB_TRY(get_size(file, path, "tasks", &g->tasks));
    UB_TRY(ub_task_graph_alloc(g, ub_h5_has(file, "pairs"), ub_h5_has(file, "direct")));
    if (ub_h5_has(file, "marginal")) {
        UB_TRY(UB_ALLOC(g->marginal_p, g->pairs));
        UB_TRY(UB_ALLOC(g->marginal_llr, g->pairs));
    }
    UB_TRY(ub_h5_get_int(file, "tests", &g->tests));
    UB_TRY(ub_h5_get_int(file, "untestable", &g->untestable));
    UB_TRY(ub_h5_get_int(file, "undecided", &g->undecided));
    UB_TRY(ub_h5_get_int(file, "contrasted", &g->contrasted));
    UB_TRY(get_names(file, g->task_name, g->tasks));
    int n = graph_fields(g, list);
    for (int i = 0; i < n; i++)
        UB_TRY(get_field(file, path, &list[i]));
    if (truth == NULL || !ub_h5_has(file, "truth"))
        return UB_OK;
    int64_t steps = (int64_t)g->segments * g->length;
    UB_TRY(UB_ALLOC(*truth, steps * g->tasks));
    return get_field(file, path, &(field){"truth", H5T_NATIVE_UINT8, steps, g->tasks, *truth});
}

ub_status ub_results_read_graph(const char *path, ub_task_graph *g, uint8_t **truth)
{
    hid_t         file = H5I_INVALID_HID;
    ub_task_graph made = {0};
    uint8_t      *labels = NULL;
    UB_TRY(open_result(path, graph_format, &file));
    ub_status st = get_graph(file, path, &made, truth == NULL ? NULL : &labels);
    ub_status closed = ub_h5_close(&file, path);
    if (st == UB_OK)
        st = closed;
    if (st != UB_OK) {
        ub_task_graph_release(&made);
        ub_free(labels);
        return st;
    }
    *g = made;
    if (truth != NULL)
        *truth = labels;
    return UB_OK;
}

/* Model --------------------------------------------------------------------------------------- */

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
    {"tasks", offsetof(ub_model_shape, tasks)},
    {"targets", offsetof(ub_model_shape, targets)},
};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static int model_fields(const ub_model *m, field out[FIELDS])
{
    const ub_model_shape *s = &m->shape;
    const field           list[] = {
                  {"task_offset", H5T_NATIVE_INT32, (int64_t)s->tasks + 1, VECTOR, m->task_offset},
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
        field f = {name, H5T_NATIVE_DOUBLE, l->out, bias ? VECTOR : l->in, at};
        st = put ? put_field(file, &f) : get_field(file, path, &f);
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
};

static hid_t column_type(size_t c)
{
    return c < 2 ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE; /* eight bytes both */
}

static ub_status put_log(hid_t file, const ub_trainer_row *log, int64_t rows)
{
    unsigned char *column;
    ub_status      st = UB_OK;
    hsize_t        n = (hsize_t)rows;
    UB_TRY(UB_ALLOC(column, rows * 8));
    for (size_t c = 0; c < sizeof columns / sizeof columns[0] && st == UB_OK; c++) {
        for (int64_t r = 0; r < rows; r++)
            memcpy(column + 8 * r, (const char *)&log[r] + columns[c].offset, 8);
        st = ub_h5_put(file, columns[c].name, column_type(c), 1, &n, column);
    }
    ub_free(column);
    return st;
}

static ub_status put_model(hid_t file, const ub_model *m, const ub_trainer_row *log, int64_t rows,
                           const ub_origin *origin)
{
    field list[FIELDS];
    UB_TRY(put_origin(file, model_format, origin));
    for (int i = 0; i < SIZES; i++) {
        int32_t v;
        memcpy(&v, (const char *)&m->shape + sizes[i].offset, sizeof v);
        UB_TRY(ub_h5_put_int(file, sizes[i].name, v));
    }
    UB_TRY(ub_h5_put(file, "objective", H5T_NATIVE_DOUBLE, 0, NULL, &m->objective));
    int n = model_fields(m, list);
    for (int i = 0; i < n; i++)
        UB_TRY(put_field(file, &list[i]));
    UB_TRY(each_layer(file, "", m, true));
    return put_log(file, log, rows);
}

ub_status ub_results_write_model(const char *path, const ub_model *m, const ub_trainer_row *log,
                                 int64_t rows, const ub_origin *origin)
{
    char  temp[UB_PATH_MAX];
    hid_t file = H5I_INVALID_HID;
    UB_TRY(ub_file_temp(path, temp));
    UB_TRY(ub_h5_create(temp, &file));
    return finish(&file, temp, path, put_model(file, m, log, rows, origin));
}

static ub_status get_model(hid_t file, const char *path, ub_model *m)
{
    field          list[FIELDS];
    ub_model_shape shape;
    int32_t       *offset;
    for (int i = 0; i < SIZES; i++) {
        int32_t v = 0;
        UB_TRY(get_size(file, path, sizes[i].name, &v));
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
        UB_TRY(get_field(file, path, &list[i]));
    return each_layer(file, path, m, false);
}

ub_status ub_results_read_model(const char *path, ub_model *m)
{
    hid_t    file = H5I_INVALID_HID;
    ub_model made = {0};
    UB_TRY(open_result(path, model_format, &file));
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

static ub_status get_log(hid_t file, ub_trainer_row **log, int64_t *rows)
{
    int            rank;
    hsize_t        dims[8];
    unsigned char *column = NULL;
    ub_status      st = UB_OK;
    UB_TRY(ub_h5_shape(file, columns[0].name, &rank, dims));
    hsize_t n = rank == 1 ? dims[0] : 0;
    UB_TRY_OUT(UB_ALLOC(column, n * 8));
    UB_TRY_OUT(UB_ALLOC(*log, n));
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        UB_TRY_OUT(ub_h5_get(file, columns[c].name, column_type(c), n, column));
        for (hsize_t r = 0; r < n; r++)
            memcpy((char *)&(*log)[r] + columns[c].offset, column + 8 * r, 8);
    }
    *rows = (int64_t)n;
out:
    ub_free(column);
    return st;
}

ub_status ub_results_read_log(const char *path, ub_trainer_row **log, int64_t *rows)
{
    hid_t           file = H5I_INVALID_HID;
    ub_trainer_row *made = NULL;
    int64_t         count = 0;
    UB_TRY(open_result(path, model_format, &file));
    ub_status st = get_log(file, &made, &count);
    ub_status closed = ub_h5_close(&file, path);
    if (st == UB_OK)
        st = closed;
    if (st != UB_OK) {
        ub_free(made);
        return st;
    }
    *log = made;
    *rows = count;
    return UB_OK;
}
