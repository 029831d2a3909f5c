#include "io/internal/result.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/sha256.h"
#include "io/file.h"

enum { VERSION = 1 };

static int dims_of(const ub_result_field *f, hsize_t dims[2])
{
    dims[0] = (hsize_t)f->rows;
    dims[1] = f->columns == UB_RESULT_VECTOR ? 1 : (hsize_t)f->columns;
    return f->columns == UB_RESULT_VECTOR ? 1 : 2;
}

ub_status ub_result_put(hid_t file, const ub_result_field *f)
{
    hsize_t dims[2];
    int     rank = dims_of(f, dims);
    return f->data == NULL ? UB_OK : ub_h5_put(file, f->name, f->type, rank, dims, f->data);
}

ub_status ub_result_get(hid_t file, const char *path, const ub_result_field *f)
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

ub_status ub_result_put_names(hid_t file, char (*name)[UB_NAME_MAX], int32_t count)
{
    hid_t     type = name_type();
    hsize_t   n = (hsize_t)count;
    ub_status st = ub_h5_put(file, "task_name", type, 1, &n, name);
    (void)H5Tclose(type);
    return st;
}

ub_status ub_result_get_names(hid_t file, char (*name)[UB_NAME_MAX], int32_t count)
{
    hid_t     type = name_type();
    ub_status st = ub_h5_get(file, "task_name", type, (hsize_t)count, name);
    (void)H5Tclose(type);
    return st;
}

/* An attribute that is a size: 0 .. INT32_MAX. */
ub_status ub_result_get_size(hid_t file, const char *path, const char *name, int32_t *out)
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

ub_status ub_result_put_origin(hid_t file, const char *format, const ub_origin *o)
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
    enum {
        MOST = 60000
    }; /* HDF5 takes attributes of 64 KiB; without the list no part can be named */
    unsigned char digest[UB_SHA256_BYTES];
    char          hex[UB_SHA256_HEX];
    ub_bytes      parts = {0};
    ub_status     st = ub_h5_digest_parts(file, digest, &parts);
    if (st == UB_OK) {
        ub_sha256_hex(digest, hex);
        st = ub_h5_put_text(file, UB_H5_DIGEST, hex);
    }
    if (st == UB_OK && parts.len < MOST)
        st = ub_h5_put_text(file, UB_H5_PARTS, (const char *)parts.data);
    ub_bytes_release(&parts);
    return st;
}

/* Close a file whose content was written with status st, verify it and give it its name; whatever
 * fails, nothing stays. */
ub_status ub_result_finish(hid_t *file, const char *temp, const char *path, ub_status st)
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

/* The first object whose line is not as the file says, into name; false: none, or it says nothing.
 */
static bool find_damage(hid_t file, char name[UB_PATH_MAX])
{
    unsigned char digest[UB_SHA256_BYTES];
    ub_bytes      said = {0}, is = {0};
    bool          found = false;
    if (ub_h5_get_text(file, UB_H5_PARTS, &said) == UB_OK &&
        ub_h5_digest_parts(file, digest, &is) == UB_OK)
        for (const char *p = (const char *)is.data; *p != '\0' && !found;) {
            size_t      n = strcspn(p, "\n") + 1;
            const char *at = memmem(said.data, said.len, p, n);
            found = at == NULL || (at != (const char *)said.data && at[-1] != '\n');
            if (found && n > 10)
                (void)snprintf(name, UB_PATH_MAX, "%.*s", (int)(n - 10), p + 9);
            p += n;
        }
    ub_bytes_release(&said);
    ub_bytes_release(&is);
    return found;
}

static ub_status say_damage(hid_t file, const char *path, const char *is, const char *said)
{
    char name[UB_PATH_MAX] = "";
    if (!find_damage(file, name))
        return UB_FAIL(UB_EFORMAT,
                       "%s: the content is damaged or was changed: its digest is %.12s..., the "
                       "file says %.12s...",
                       path, is, said);
    if (strcmp(name, ".") == 0)
        return UB_FAIL(
            UB_EFORMAT,
            "%s: an attribute of the file is damaged or was changed: their checksum does "
            "not hold",
            path);
    return UB_FAIL(UB_EFORMAT,
                   "%s: dataset '%s' is damaged or was changed: its checksum does not hold", path,
                   name);
}

ub_status ub_result_check(hid_t file, const char *path, char hex[UB_SHA256_HEX])
{
    unsigned char digest[UB_SHA256_BYTES];
    ub_bytes      said = {0};
    ub_status     st = ub_h5_get_text(file, UB_H5_DIGEST, &said);
    if (st == UB_OK)
        st = ub_h5_digest(file, digest);
    if (st == UB_OK) {
        ub_sha256_hex(digest, hex);
        if (strcmp((const char *)said.data, hex) != 0)
            st = say_damage(file, path, hex, (const char *)said.data);
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
ub_status ub_result_open(const char *path, const char *format, hid_t *file)
{
    char hex[UB_SHA256_HEX];
    UB_TRY(ub_h5_open(path, file));
    ub_status st = ub_result_check(*file, path, hex);
    if (st == UB_OK)
        st = check_format(*file, path, format);
    if (st != UB_OK) {
        ub_status closed = ub_h5_close(file, path);
        (void)closed;
    }
    return st;
}
