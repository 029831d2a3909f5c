#include "io/columns.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/result.h"

static ub_status copy_text(const char *text, char **out)
{
    size_t n = strlen(text) + 1;
    UB_TRY(UB_ALLOC(*out, n));
    memcpy(*out, text, n);
    return UB_OK;
}

static ub_status add(ub_columns *t, const char *name)
{
    char  **names = NULL;
    char ***cells = NULL;
    size_t  old = (size_t)t->count;
    UB_TRY(UB_ALLOC(names, t->count + 1));
    ub_status st = UB_ALLOC(cells, t->count + 1);
    if (st == UB_OK)
        st = copy_text(name, &names[old]);
    if (st == UB_OK)
        st = UB_ALLOC(cells[old], t->rows + 1);
    if (st != UB_OK) {
        if (names != NULL)
            ub_free(names[old]);
        ub_free(names);
        ub_free(cells);
        return st;
    }
    if (old > 0) {
        memcpy(names, t->name, old * sizeof *names);
        memcpy(cells, t->cell, old * sizeof *cells);
    }
    ub_free(t->name);
    ub_free(t->cell);
    t->name = names;
    t->cell = cells;
    t->count++;
    return UB_OK;
}

ub_status ub_columns_named(ub_columns *t, const char *name, int32_t *column)
{
    for (*column = 0; *column < t->count; (*column)++)
        if (strcmp(t->name[*column], name) == 0)
            return UB_OK;
    return add(t, name);
}

ub_status ub_columns_put(ub_columns *t, int64_t row, const char *name, const char *text)
{
    int32_t c;
    UB_TRY(ub_columns_named(t, name, &c));
    ub_free(t->cell[c][row]);
    t->cell[c][row] = NULL;
    return copy_text(text, &t->cell[c][row]);
}

void ub_columns_release(ub_columns *t)
{
    for (int32_t c = 0; c < t->count; c++) {
        for (int64_t r = 0; r < t->rows; r++)
            ub_free(t->cell[c][r]);
        ub_free(t->cell[c]);
        ub_free(t->name[c]);
    }
    ub_free(t->name);
    ub_free(t->cell);
    *t = (ub_columns){0};
}

static const char *text_at(const ub_columns *t, int32_t c, int64_t r)
{
    return t->cell[c][r] == NULL ? "" : t->cell[c][r];
}

static ub_status put_cell(const char *text, const char *after, ub_bytes *out)
{
    if (text[strcspn(text, ",\"\n\r")] == '\0')
        return ub_bytes_printf(out, "%s%s", text, after);
    UB_TRY(ub_bytes_printf(out, "\""));
    for (const char *p = text; *p != '\0'; p++)
        UB_TRY(ub_bytes_printf(out, *p == '"' ? "\"\"" : "%c", *p));
    return ub_bytes_printf(out, "\"%s", after);
}

ub_status ub_columns_csv(const ub_columns *t, ub_bytes *out)
{
    for (int64_t r = -1; r < t->rows; r++)
        for (int32_t c = 0; c < t->count; c++)
            UB_TRY(put_cell(r < 0 ? t->name[c] : text_at(t, c, r), c + 1 < t->count ? "," : "\n",
                            out));
    return UB_OK;
}

/* The column as reals; false if a cell is no number. */
static bool reals_of(const ub_columns *t, int32_t c, double *x)
{
    for (int64_t r = 0; r < t->rows; r++) {
        const char *text = text_at(t, c, r);
        char       *end;
        x[r] = *text == '\0' ? (double)NAN : strtod(text, &end);
        if (*text != '\0' && (end == text || *end != '\0'))
            return false;
    }
    return true;
}

static ub_status put_texts(const ub_columns *t, int32_t c, hid_t file)
{
    size_t    width = 1;
    char     *flat = NULL;
    hsize_t   rows = (hsize_t)t->rows;
    hid_t     type = H5Tcopy(H5T_C_S1);
    ub_status st = type < 0 ? UB_FAIL(UB_ENOMEM, "HDF5 has no room for a type") : UB_OK;
    for (int64_t r = 0; r < t->rows; r++)
        if (strlen(text_at(t, c, r)) > width)
            width = strlen(text_at(t, c, r));
    if (st == UB_OK)
        st = UB_ALLOC(flat, (size_t)t->rows * width + 1);
    if (st == UB_OK) {
        for (int64_t r = 0; r < t->rows; r++)
            memcpy(flat + (size_t)r * width, text_at(t, c, r), strlen(text_at(t, c, r)));
        (void)H5Tset_size(type, width);
        (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
        st = ub_h5_put(file, t->name[c], type, 1, &rows, flat);
    }
    ub_free(flat);
    (void)H5Tclose(type);
    return st;
}

static ub_status put_columns(const ub_columns *t, hid_t file)
{
    ub_bytes  names = {0};
    double   *x = NULL;
    hsize_t   rows = (hsize_t)t->rows;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(x, t->rows + 1));
    for (int32_t c = 0; c < t->count; c++) {
        UB_TRY_OUT(ub_bytes_printf(&names, "%s%s", c > 0 ? "\n" : "", t->name[c]));
        if (reals_of(t, c, x))
            UB_TRY_OUT(ub_h5_put(file, t->name[c], H5T_NATIVE_DOUBLE, 1, &rows, x));
        else
            UB_TRY_OUT(put_texts(t, c, file));
    }
    UB_TRY_OUT(ub_h5_put_text(file, "columns", (const char *)names.data));
out:
    ub_bytes_release(&names);
    ub_free(x);
    return st;
}

ub_status ub_columns_write(const ub_columns *t, const char *path)
{
    char  temp[UB_PATH_MAX];
    hid_t file = -1;
    UB_TRY(ub_file_temp(path, temp));
    UB_TRY(ub_h5_create(temp, &file));
    return ub_result_finish(&file, temp, path, put_columns(t, file));
}
