#include "io/results.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/result.h"

static const char graph_format[] = "unbraid structure";

ub_status ub_results_verify(const char *path, char hex[UB_SHA256_HEX])
{
    hid_t file = H5I_INVALID_HID;
    char  found[UB_SHA256_HEX];
    UB_TRY(ub_h5_open(path, &file));
    ub_status st = ub_result_check(file, path, found);
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

static int graph_fields(const ub_task_graph *g, ub_result_field out[UB_RESULT_FIELDS])
{
    int64_t               k = g->segments, m = g->tasks, p = g->pairs;
    const hid_t           real = H5T_NATIVE_DOUBLE, byte = H5T_NATIVE_UINT8;
    const ub_result_field list[] = {
        {"member", byte, k, m, g->member},
        {"score", real, k, m, g->score},
        {"p_value", real, k, m, g->p_value},
        {"confidence", real, k, m, g->confidence},
        {"pairs/statistic", real, m, p, g->pair_stat},
        {"pairs/p_value", real, m, p, g->pair_p},
        {"pairs/llr", real, m, p, g->pair_llr},
        {"pairs/verdict", byte, m, p, g->pair_verdict},
        {"marginal/p_value", real, p, UB_RESULT_VECTOR, g->marginal_p},
        {"marginal/llr", real, p, UB_RESULT_VECTOR, g->marginal_llr},
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
    ub_result_field list[UB_RESULT_FIELDS];
    hsize_t         dims[2] = {(hsize_t)g->segments * (hsize_t)g->length, (hsize_t)g->tasks};
    UB_TRY(ub_result_put_origin(file, graph_format, origin));
    UB_TRY(ub_h5_put_int(file, "segments", g->segments));
    UB_TRY(ub_h5_put_int(file, "length", g->length));
    UB_TRY(ub_h5_put_int(file, "tasks", g->tasks));
    UB_TRY(ub_h5_put_int(file, "tests", g->tests));
    UB_TRY(ub_h5_put_int(file, "untestable", g->untestable));
    UB_TRY(ub_h5_put_int(file, "undecided", g->undecided));
    UB_TRY(ub_h5_put_int(file, "contrasted", g->contrasted));
    UB_TRY(ub_result_put_names(file, g->task_name, g->tasks));
    int n = graph_fields(g, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_put(file, &list[i]));
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
    return ub_result_finish(&file, temp, path, put_graph(file, g, truth, origin));
}

static ub_status get_graph(hid_t file, const char *path, ub_task_graph *g, uint8_t **truth)
{
    ub_result_field list[UB_RESULT_FIELDS];
    UB_TRY(ub_result_get_size(file, path, "segments", &g->segments));
    UB_TRY(ub_result_get_size(file, path, "length", &g->length));
    UB_TRY(ub_result_get_size(file, path, "tasks", &g->tasks));
    UB_TRY(ub_task_graph_alloc(g, ub_h5_has(file, "pairs"), ub_h5_has(file, "direct")));
    if (ub_h5_has(file, "marginal")) {
        UB_TRY(UB_ALLOC(g->marginal_p, g->pairs));
        UB_TRY(UB_ALLOC(g->marginal_llr, g->pairs));
    }
    UB_TRY(ub_h5_get_int(file, "tests", &g->tests));
    UB_TRY(ub_h5_get_int(file, "untestable", &g->untestable));
    UB_TRY(ub_h5_get_int(file, "undecided", &g->undecided));
    UB_TRY(ub_h5_get_int(file, "contrasted", &g->contrasted));
    UB_TRY(ub_result_get_names(file, g->task_name, g->tasks));
    int n = graph_fields(g, list);
    for (int i = 0; i < n; i++)
        UB_TRY(ub_result_get(file, path, &list[i]));
    if (truth == NULL || !ub_h5_has(file, "truth"))
        return UB_OK;
    int64_t steps = (int64_t)g->segments * g->length;
    UB_TRY(UB_ALLOC(*truth, steps * g->tasks));
    return ub_result_get(file, path,
                         &(ub_result_field){"truth", H5T_NATIVE_UINT8, steps, g->tasks, *truth});
}

ub_status ub_results_read_graph(const char *path, ub_task_graph *g, uint8_t **truth)
{
    hid_t         file = H5I_INVALID_HID;
    ub_task_graph made = {0};
    uint8_t      *labels = NULL;
    UB_TRY(ub_result_open(path, graph_format, &file));
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
