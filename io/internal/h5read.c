#include "io/internal/h5read.h"

#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "io/internal/h5.h"

/* MPI counts bytes in an int, and a piece bounds what HDF5 and MPI-IO buffer. */
enum { PIECE = 64 << 20 };

ub_status ub_h5_join(const char *group, const char *name, char full[UB_H5_NAME_MAX])
{
    size_t len = strlen(group);
    bool   slash = len > 0 && group[len - 1] != '/' && name[0] != '\0';
    int    n = snprintf(full, UB_H5_NAME_MAX, "%s%s%s", group, slash ? "/" : "", name);
    if (n >= UB_H5_NAME_MAX)
        return UB_FAIL(UB_EINPUT, "name of %d bytes in the file is too long: %.60s...", n, full);
    return UB_OK;
}

/* UB_EINPUT with file and dataset. */
static ub_status refuse(hid_t at, const char *name, const char *what)
{
    char file[UB_PATH_MAX];
    return UB_FAIL(UB_EINPUT, "%s: dataset '%s' %s", ub_h5_file_name(at, file, sizeof file), name,
                   what);
}

/* The library's words on what just failed, with file and dataset. */
static ub_status broken(hid_t at, const char *name, const char *what)
{
    char        file[UB_PATH_MAX];
    ub_status   st = ub_h5_fail(UB_EINPUT, "", name, what);
    const char *sentence = ub_err_message();
    char        keep[1024];
    (void)snprintf(keep, sizeof keep, "%s", sentence);
    return UB_FAIL(st, "%s%s", ub_h5_file_name(at, file, sizeof file), keep);
}

ub_h5_object ub_h5_look(hid_t file, const char *name)
{
    H5O_info_t info;
    if (!ub_h5_has(file, name) || H5Oget_info_by_name(file, name, &info, H5P_DEFAULT) < 0)
        return UB_H5_NOTHING;
    return info.type == H5O_TYPE_GROUP     ? UB_H5_GROUP
           : info.type == H5O_TYPE_DATASET ? UB_H5_DATASET
                                           : UB_H5_NOTHING;
}

/* Type and shape of the dataset that was just opened. */
static ub_status measure(ub_h5_rows *r)
{
    hid_t       type = H5Dget_type(r->set), space = H5Dget_space(r->set);
    H5T_class_t kind = H5Tget_class(type);
    bool        numbers = kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM;
    H5S_class_t shape = H5Sget_simple_extent_type(space);
    r->rank = H5Sget_simple_extent_ndims(space);
    bool fits = shape != H5S_NULL && r->rank >= 0 && r->rank <= 8 &&
                H5Sget_simple_extent_dims(space, r->dims, NULL) == r->rank;
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    if (!numbers) {
        char what[80];
        (void)snprintf(what, sizeof what, "holds %s, not numbers", ub_h5_kind(kind));
        return refuse(r->set, r->name, what);
    }
    if (!fits)
        return refuse(r->set, r->name, "has a shape that cannot be used");
    r->rows = r->rank == 0 ? 1 : (int64_t)r->dims[0];
    r->width = 1;
    for (int i = 1; i < r->rank; i++)
        r->width *= (int64_t)r->dims[i];
    return UB_OK;
}

ub_status ub_h5_rows_open(hid_t file, const char *name, ub_h5_rows *r)
{
    if (r->set > 0 && strcmp(r->name, name) == 0)
        return UB_OK;
    ub_h5_rows_close(r);
    UB_TRY(ub_h5_join("", name, r->name));
    ub_h5_object found = ub_h5_look(file, name);
    if (found != UB_H5_DATASET)
        return refuse(file, name, found == UB_H5_GROUP ? "is a group" : "is missing");
    r->set = H5Dopen2(file, name, H5P_DEFAULT);
    if (r->set < 0) {
        r->set = 0;
        return broken(file, name, "cannot be opened");
    }
    ub_status st = measure(r);
    if (st != UB_OK)
        ub_h5_rows_close(r);
    return st;
}

void ub_h5_rows_close(ub_h5_rows *r)
{
    if (r->set > 0)
        (void)H5Dclose(r->set);
    r->set = 0;
}

static ub_status get_piece(const ub_h5_rows *r, int64_t first, int64_t count, double *out)
{
    hsize_t start[8] = {(hsize_t)first}, extent[8] = {(hsize_t)count};
    hsize_t n = (hsize_t)(count * r->width);
    for (int i = 1; i < r->rank; i++)
        extent[i] = r->dims[i];
    hid_t  space = H5Dget_space(r->set), memory = H5Screate_simple(1, &n, NULL);
    herr_t rc = 0;
    if (r->rank > 0)
        rc = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL);
    if (rc >= 0)
        rc = H5Dread(r->set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, out);
    ub_status st = rc < 0 ? broken(r->set, r->name, "cannot be read") : UB_OK;
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    return st;
}

ub_status ub_h5_rows_get(const ub_h5_rows *r, int64_t first, int64_t count, double *out)
{
    if (first < 0 || count < 0 || first > r->rows - count)
        return refuse(r->set, r->name, "ends before the rows that are wanted");
    int64_t most = PIECE / (int64_t)sizeof(double) / (r->width > 0 ? r->width : 1);
    int64_t step = most > 0 ? most : 1;
    for (int64_t at = 0; at < count && r->width > 0; at += step) {
        int64_t n = count - at < step ? count - at : step;
        UB_TRY(get_piece(r, first + at, n, out + at * r->width));
    }
    return UB_OK;
}

ub_status ub_h5_number(hid_t file, const char *object, const char *name, bool *found, double *value)
{
    *found = H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0;
    if (!*found)
        return UB_OK;
    hid_t       a = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    hid_t       type = a < 0 ? -1 : H5Aget_type(a), space = a < 0 ? -1 : H5Aget_space(a);
    H5T_class_t kind = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    bool        one = (kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM) &&
               H5Sget_simple_extent_npoints(space) == 1;
    herr_t rc = one ? H5Aread(a, H5T_NATIVE_DOUBLE, value) : -1;
    if (space >= 0)
        (void)H5Sclose(space);
    if (type >= 0)
        (void)H5Tclose(type);
    if (a >= 0)
        (void)H5Aclose(a);
    char path[UB_PATH_MAX];
    if (rc < 0)
        return UB_FAIL(UB_EINPUT, "%s: attribute '%s' of '%s' is not one number",
                       ub_h5_file_name(file, path, sizeof path), name, object);
    return UB_OK;
}

bool ub_h5_says(hid_t file, const char *name, const char *text)
{
    ub_bytes b = {0};
    if (H5Aexists(file, name) <= 0)
        return false;
    ub_status st = ub_h5_get_text(file, name, &b);
    bool      same = st == UB_OK && b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
    if (st != UB_OK)
        ub_err_clear();
    ub_bytes_release(&b);
    return same;
}

typedef struct walk {
    ub_names *names;
    ub_status st;
} walk;

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *self)
{
    walk *w = self;
    (void)group;
    (void)info;
    w->st = ub_names_add(w->names, name, strlen(name));
    return w->st == UB_OK ? 0 : -1;
}

ub_status ub_h5_links(hid_t file, const char *group, ub_names *n)
{
    walk    w = {.names = n};
    hsize_t at = 0;
    if (H5Literate_by_name(file, group, H5_INDEX_NAME, H5_ITER_INC, &at, add_link, &w,
                           H5P_DEFAULT) < 0) {
        UB_TRY(w.st);
        return broken(file, group, "cannot be listed");
    }
    return ub_names_index(n);
}

ub_status ub_h5_leaves(hid_t file, const char *group, const char *under, ub_names *n)
{
    char      full[UB_H5_NAME_MAX], child[UB_H5_NAME_MAX];
    ub_names  links = {0};
    ub_status st = UB_OK;
    UB_TRY(ub_h5_join(group, under, full));
    ub_h5_object found = ub_h5_look(file, full);
    if (found == UB_H5_DATASET)
        return ub_names_add(n, under, strlen(under));
    if (found == UB_H5_NOTHING)
        return UB_OK;
    UB_TRY_OUT(ub_h5_links(file, full, &links));
    for (int64_t i = 0; i < links.count; i++) {
        UB_TRY_OUT(ub_h5_join(under, links.at[i], child));
        UB_TRY_OUT(ub_h5_leaves(file, group, child, n));
    }
out:
    ub_names_release(&links);
    return st;
}
