#include <string.h>

#include <zlib.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"

enum { PIECE = 8 << 20 }; /* bytes of a dataset in memory at a time, at least one row */

typedef struct walk {
    ub_sha256    *hash;
    unsigned long crc;    /* of the object at hand */
    ub_bytes     *parts;  /* or NULL */
    const char   *object; /* name of the object whose attributes are visited */
    hid_t         file;
    ub_status     st;
} walk;

static void feed(walk *w, const void *data, size_t n)
{
    ub_sha256_update(w->hash, data, n);
    if (w->parts != NULL)
        w->crc = crc32_z(w->crc, data, n);
}

/* Name, type class, size of a value, shape: what must agree before bytes mean the same. */
static ub_status hash_head(walk *w, char mark, const char *object, const char *attribute,
                           hid_t type, hid_t space)
{
    char        file[UB_PATH_MAX];
    hsize_t     dims[H5S_MAX_RANK];
    int         rank = H5Sget_simple_extent_dims(space, dims, NULL);
    H5T_class_t kind = H5Tget_class(type);
    if (rank < 0 || H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tis_variable_str(type) > 0)
        return UB_FAIL(UB_EFORMAT, "%s: '%s' %s is of variable length and has no digest",
                       ub_h5_file_name(w->file, file, sizeof file), object, attribute);
    uint64_t head[3] = {(uint64_t)kind, H5Tget_size(type), (uint64_t)rank};
    feed(w, &mark, 1);
    feed(w, object, strlen(object) + 1);
    feed(w, attribute, strlen(attribute) + 1);
    feed(w, head, sizeof head);
    for (int i = 0; i < rank; i++) {
        uint64_t dim = dims[i];
        feed(w, &dim, sizeof dim);
    }
    return UB_OK;
}

/* Do the bits of a number lie inside its bytes?  HDF5 (1.10.8) does not ask: with a damaged offset
 * it converts whatever lies behind the value in memory, and what comes out differs from time to
 * time. */
static ub_status check_type(const walk *w, hid_t type, const char *object)
{
    char        file[UB_PATH_MAX];
    H5T_class_t kind = H5Tget_class(type);
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_BITFIELD)
        return UB_OK;
    int offset = H5Tget_offset(type);
    if (offset >= 0 && (size_t)offset + H5Tget_precision(type) <= 8 * H5Tget_size(type))
        return UB_OK;
    return UB_FAIL(UB_EFORMAT, "%s: '%s' is damaged: the bits of its numbers lie outside of them",
                   ub_h5_file_name(w->file, file, sizeof file), object);
}

static ub_status hash_attribute_of(walk *w, hid_t a, const char *name)
{
    ub_status st = UB_OK;
    char      file[UB_PATH_MAX];
    void     *value = NULL;
    hid_t     own = H5Aget_type(a), type = H5Tget_native_type(own, H5T_DIR_ASCEND);
    hid_t     space = H5Aget_space(a);
    size_t    n = H5Tget_size(type) * (size_t)H5Sget_simple_extent_npoints(space);
    UB_TRY_OUT(check_type(w, own, name));
    UB_TRY_OUT(hash_head(w, 'a', w->object, name, type, space));
    UB_TRY_OUT(ub_mem_check(value = ub_alloc(n, 1), n, 1, "attribute"));
    if (H5Aread(a, type, value) < 0)
        UB_TRY_OUT(ub_h5_fail(UB_EFORMAT, ub_h5_file_name(w->file, file, sizeof file), w->object,
                              "an attribute cannot be read"));
    feed(w, value, n);
out:
    ub_free(value);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    (void)H5Tclose(own);
    return st;
}

static herr_t hash_attribute(hid_t at, const char *name, const H5A_info_t *info, void *self)
{
    walk *w = self;
    (void)info;
    if (strcmp(w->object, ".") == 0 &&
        (strcmp(name, UB_H5_DIGEST) == 0 || strcmp(name, UB_H5_PARTS) == 0))
        return 0;
    hid_t a = H5Aopen(at, name, H5P_DEFAULT);
    w->st = hash_attribute_of(w, a, name);
    (void)H5Aclose(a);
    return w->st == UB_OK ? 0 : -1;
}

/* Rows first .. first + count - 1 of a dataset of at least one dimension. */
static herr_t read_rows(hid_t set, hid_t space, hid_t type, hsize_t first, hsize_t count,
                        hsize_t *dims, int rank, void *to)
{
    hsize_t start[H5S_MAX_RANK] = {first}, whole = dims[0];
    dims[0] = count;
    hid_t  memory = H5Screate_simple(rank, dims, NULL);
    herr_t rc = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, dims, NULL);
    dims[0] = whole;
    if (rc >= 0)
        rc = H5Dread(set, type, memory, space, H5P_DEFAULT, to);
    (void)H5Sclose(memory);
    return rc;
}

static ub_status hash_values(walk *w, hid_t set, hid_t type, hid_t space, const char *name)
{
    char     file[UB_PATH_MAX];
    hsize_t  dims[H5S_MAX_RANK];
    hssize_t points = H5Sget_simple_extent_npoints(space);
    int      rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (points <= 0)
        return UB_OK;
    hsize_t rows = rank == 0 ? 1 : dims[0];
    size_t  row = H5Tget_size(type) * (size_t)points / rows;
    hsize_t step = row >= PIECE ? 1 : PIECE / row;
    step = step < rows ? step : rows;
    unsigned char *buffer;
    UB_TRY(UB_ALLOC(buffer, (size_t)step * row));
    ub_status st = UB_OK;
    for (hsize_t at = 0; at < rows && st == UB_OK; at += step) {
        hsize_t n = rows - at < step ? rows - at : step;
        herr_t  rc = rank == 0 ? H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer)
                               : read_rows(set, space, type, at, n, dims, rank, buffer);
        if (rc < 0)
            st = ub_h5_fail(UB_EFORMAT, ub_h5_file_name(w->file, file, sizeof file), name,
                            "cannot be read");
        else
            feed(w, buffer, (size_t)n * row);
    }
    ub_free(buffer);
    return st;
}

static ub_status hash_dataset(walk *w, hid_t set, const char *name)
{
    hid_t own = H5Dget_type(set), type = H5Tget_native_type(own, H5T_DIR_ASCEND);
    hid_t space = H5Dget_space(set);

    ub_status st = check_type(w, own, name);
    if (st == UB_OK)
        st = hash_head(w, 'd', name, "", type, space);
    if (st == UB_OK)
        st = hash_values(w, set, type, space, name);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    (void)H5Tclose(own);
    return st;
}

static herr_t hash_object(hid_t at, const char *name, const H5O_info_t *info, void *self)
{
    walk *w = self;
    hid_t object = H5Oopen(at, name, H5P_DEFAULT);
    if (object < 0) {
        char file[UB_PATH_MAX];
        w->st = ub_h5_fail(UB_EFORMAT, ub_h5_file_name(w->file, file, sizeof file), name,
                           "cannot be opened");
        return -1;
    }
    w->object = name;
    w->crc = 0;
    w->st = info->type == H5O_TYPE_DATASET ? hash_dataset(w, object, name) : UB_OK;
    herr_t rc = w->st == UB_OK ? 0 : -1;
    if (rc == 0)
        rc = H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, hash_attribute, w);
    if (rc == 0 && w->parts != NULL)
        w->st = ub_bytes_printf(w->parts, "%08lx %s\n", w->crc, name);
    if (w->st != UB_OK)
        rc = -1;
    (void)H5Oclose(object);
    return rc;
}

ub_status ub_h5_digest(hid_t file, unsigned char digest[UB_SHA256_BYTES])
{
    return ub_h5_digest_parts(file, digest, NULL);
}

ub_status ub_h5_digest_parts(hid_t file, unsigned char digest[UB_SHA256_BYTES], ub_bytes *parts)
{
    char      name[UB_PATH_MAX];
    ub_sha256 hash;
    walk      w = {.hash = &hash, .parts = parts, .file = file, .st = UB_OK};
    ub_sha256_init(&hash);
    if (H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, hash_object, &w) < 0) {
        if (w.st != UB_OK)
            return w.st;
        return ub_h5_fail(UB_EFORMAT, ub_h5_file_name(file, name, sizeof name), NULL,
                          "its content cannot be walked through");
    }
    ub_sha256_final(&hash, digest);
    return UB_OK;
}
