#include "io/npz.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/h5read.h"

enum { ALIGN = 64, DAY_ONE = 1 << 5 | 1 }; /* of the .npy header; 1980-01-01 as MS-DOS has it */

/* An entry: name and content, which libzip reads when the archive is closed. */
typedef struct entry {
    char     name[UB_H5_NAME_MAX + 8];
    ub_bytes content;
} entry;

struct ub_npz {
    char   path[UB_PATH_MAX];
    entry *entry;
    size_t count, room;
};

ub_status ub_npz_begin(const char *path, ub_npz **out)
{
    ub_npz *z;
    UB_TRY(UB_ALLOC(z, 1));
    (void)snprintf(z->path, sizeof z->path, "%s", path);
    *out = z;
    return UB_OK;
}

static void release(ub_npz **z)
{
    for (size_t i = 0; i < (*z)->count; i++)
        ub_bytes_release(&(*z)->entry[i].content);
    ub_free((*z)->entry);
    ub_free(*z);
    *z = NULL;
}

static ub_status new_entry(ub_npz *z, entry **out)
{
    if (z->count == z->room) {
        entry *more;
        size_t room = z->room == 0 ? 64 : 2 * z->room;
        UB_TRY(UB_ALLOC(more, room));
        if (z->count > 0)
            memcpy(more, z->entry, z->count * sizeof *more);
        ub_free(z->entry);
        z->entry = more;
        z->room = room;
    }
    *out = &z->entry[z->count++];
    return UB_OK;
}

/* Format version 1.0: magic, length of the text, the text of a Python dictionary padded so that
 * the data begins at a multiple of 64 (numpy.lib.format). */
static ub_status put_npy_header(ub_bytes *out, char kind, size_t size, int rank,
                                const int64_t *dims)
{
    const uint16_t one = 1;
    bool           little = *(const unsigned char *)&one == 1;
    char           order = size == 1 || kind == 'S' ? '|' : little ? '<' : '>';
    UB_TRY(ub_bytes_put(out, "\x93NUMPY\x01\x00\0\0", 10));
    UB_TRY(ub_bytes_printf(out, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (", order,
                           kind, size));
    for (int i = 0; i < rank; i++)
        UB_TRY(ub_bytes_printf(out, "%s%lld%s", i > 0 ? " " : "", (long long)dims[i],
                               i + 1 < rank || rank == 1 ? "," : ""));
    UB_TRY(ub_bytes_printf(out, "), }"));
    while (out->len % ALIGN != ALIGN - 1)
        UB_TRY(ub_bytes_printf(out, " "));
    UB_TRY(ub_bytes_printf(out, "\n"));
    size_t text = out->len - 10;
    out->data[8] = (unsigned char)(text & 255);
    out->data[9] = (unsigned char)(text >> 8);
    return UB_OK;
}

ub_status ub_npz_put(ub_npz *z, const char *name, char kind, size_t size, int rank,
                     const int64_t *dims, const void *data)
{
    entry *e = NULL;
    size_t bytes = size;
    UB_TRY(new_entry(z, &e));
    (void)snprintf(e->name, sizeof e->name, "%s.npy", name);
    UB_TRY(put_npy_header(&e->content, kind, size, rank, dims));
    for (int i = 0; i < rank; i++)
        bytes *= (size_t)dims[i];
    return ub_bytes_put(&e->content, data, bytes);
}

static ub_status zip_failed(const ub_npz *z, zip_t *zip)
{
    return UB_FAIL(UB_EIO, "%s: cannot be written: %s", z->path, zip_strerror(zip));
}

static ub_status add_entry(const ub_npz *z, zip_t *zip, const entry *e)
{
    zip_source_t *source = zip_source_buffer(zip, e->content.data, e->content.len, 0);
    if (source == NULL)
        return zip_failed(z, zip);
    zip_int64_t at = zip_file_add(zip, e->name, source, ZIP_FL_ENC_UTF_8);
    if (at < 0) {
        zip_source_free(source);
        return zip_failed(z, zip);
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)at, 0, DAY_ONE, 0) != 0)
        return zip_failed(z, zip);
    return UB_OK;
}

static ub_status write_zip(const ub_npz *z, const char *temp)
{
    int         code;
    zip_t      *zip = zip_open(temp, ZIP_CREATE | ZIP_TRUNCATE, &code);
    zip_error_t error;
    if (zip == NULL) {
        zip_error_init_with_code(&error, code);
        ub_status st =
            UB_FAIL(UB_EIO, "%s: cannot be written: %s", z->path, zip_error_strerror(&error));
        zip_error_fini(&error);
        return st;
    }
    ub_status st = UB_OK;
    for (size_t i = 0; i < z->count && st == UB_OK; i++)
        st = add_entry(z, zip, &z->entry[i]);
    if (st == UB_OK && zip_close(zip) == 0)
        return UB_OK;
    if (st == UB_OK)
        st = zip_failed(z, zip);
    zip_discard(zip);
    return st;
}

ub_status ub_npz_finish(ub_npz **z, ub_status st)
{
    char temp[UB_PATH_MAX];
    if (*z == NULL)
        return st;
    if (st == UB_OK)
        st = ub_file_temp((*z)->path, temp);
    if (st == UB_OK) {
        st = write_zip(*z, temp);
        if (st == UB_OK)
            st = ub_file_commit(temp, (*z)->path);
        else
            (void)unlink(temp);
    }
    release(z);
    return st;
}

/* ---- an HDF5 file as such an archive ---- */

/* numpy's kind of an HDF5 type, and the type to read it as; 0 = it has none. */
static char kind_of(hid_t stored, hid_t *memory)
{
    H5T_class_t class = H5Tget_class(stored);
    if (class == H5T_STRING && H5Tis_variable_str(stored) <= 0) {
        *memory = H5Tcopy(stored);
        return 'S';
    }
    if (class != H5T_INTEGER && class != H5T_FLOAT)
        return 0;
    *memory = H5Tget_native_type(stored, H5T_DIR_ASCEND);
    if (class == H5T_FLOAT)
        return 'f';
    return H5Tget_sign(stored) == H5T_SGN_NONE ? 'u' : 'i';
}

static ub_status read_set(hid_t set, const char *path, const char *name, ub_npz *z)
{
    hsize_t dims[8] = {0};
    int64_t shape[8] = {0}, values = 1;
    hid_t   space = H5Dget_space(set), stored = H5Dget_type(set), memory = H5I_INVALID_HID;
    char    kind = kind_of(stored, &memory);
    int     rank = H5Sget_simple_extent_ndims(space);
    void   *data = NULL;
    bool    known = kind != 0 && rank >= 0 && rank <= 8;
    size_t  size = known ? H5Tget_size(memory) : 1;
    if (known)
        (void)H5Sget_simple_extent_dims(space, dims, NULL);
    for (int i = 0; known && i < rank; i++)
        values *= shape[i] = (int64_t)dims[i];
    ub_status st =
        known ? ub_mem_check(data = ub_alloc((size_t)values, size), (size_t)values, size, name)
              : UB_FAIL(UB_EFORMAT, "%s: dataset '%s' is of no kind that numpy has", path, name);
    if (st == UB_OK && values > 0 && H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        st = ub_h5_fail(UB_EFORMAT, path, name, "cannot be read");
    if (st == UB_OK)
        st = ub_npz_put(z, name, kind, size, rank, shape, data);
    ub_free(data);
    if (memory >= 0)
        (void)H5Tclose(memory);
    (void)H5Tclose(stored);
    (void)H5Sclose(space);
    return st;
}

static ub_status put_set(hid_t file, const char *path, const char *name, ub_npz *z)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        return ub_h5_fail(UB_EFORMAT, path, name, "cannot be opened");
    ub_status st = read_set(set, path, name, z);
    (void)H5Dclose(set);
    return st;
}

/* The i-th attribute of the root, by name: a number or a text. */
static ub_status put_attribute(hid_t file, hsize_t i, ub_npz *z)
{
    char     name[128];
    int64_t  number;
    ub_bytes text = {0};
    hid_t    a = H5Aopen_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    hid_t    type = H5Aget_type(a);
    bool     is_text = H5Tget_class(type) == H5T_STRING;
    (void)H5Aget_name(a, sizeof name, name);
    (void)H5Tclose(type);
    (void)H5Aclose(a);
    if (!is_text) {
        UB_TRY(ub_h5_get_int(file, name, &number));
        return ub_npz_put(z, name, 'i', sizeof number, 0, NULL, &number);
    }
    ub_status st = ub_h5_get_text(file, name, &text);
    if (st == UB_OK) /* numpy has no empty text */
        st = text.len > 0 ? ub_npz_put(z, name, 'S', text.len, 0, NULL, text.data)
                          : ub_npz_put(z, name, 'S', 1, 0, NULL, "");
    ub_bytes_release(&text);
    return st;
}

static ub_status put_all(hid_t file, const char *path, ub_npz *z)
{
    ub_names   sets = {0};
    H5O_info_t root;
    ub_status  st = UB_OK;
    if (H5Oget_info1(file, &root) < 0)
        return ub_h5_fail(UB_EFORMAT, path, NULL, "cannot be read");
    for (hsize_t i = 0; i < root.num_attrs; i++)
        UB_TRY(put_attribute(file, i, z));
    UB_TRY_OUT(ub_h5_leaves(file, "/", "", &sets));
    UB_TRY_OUT(ub_names_index(&sets));
    for (int64_t i = 0; i < sets.count; i++)
        UB_TRY_OUT(put_set(file, path, sets.at[i], z));
out:
    ub_names_release(&sets);
    return st;
}

ub_status ub_npz_from_h5(const char *h5, const char *path)
{
    hid_t   file = H5I_INVALID_HID;
    ub_npz *z = NULL;
    UB_TRY(ub_npz_begin(path, &z));
    ub_status st = ub_h5_open(h5, &file);
    if (st == UB_OK) {
        st = put_all(file, h5, z);
        ub_status closed = ub_h5_close(&file, h5);
        st = st == UB_OK ? closed : st;
    }
    return ub_npz_finish(&z, st);
}
