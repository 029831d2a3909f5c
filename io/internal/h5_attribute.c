#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"

/* As ub_h5_fail, for the attribute of an object. */
static ub_status fail_at(ub_status st, hid_t at, const char *name, const char *what)
{
    char file[UB_PATH_MAX];
    return UB_FAIL(st, "%s: attribute '%s' %s", ub_h5_file_name(at, file, sizeof file), name, what);
}

static ub_status put(hid_t at, const char *name, hid_t stored, hid_t memory, const void *value)
{
    hid_t  space = H5Screate(H5S_SCALAR);
    hid_t  a = H5Acreate2(at, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t rc = a < 0 ? -1 : H5Awrite(a, memory, value);
    if (a >= 0 && H5Aclose(a) < 0)
        rc = -1;
    (void)H5Sclose(space);
    return rc < 0 ? fail_at(UB_EIO, at, name, "cannot be written") : UB_OK;
}

ub_status ub_h5_put_text(hid_t at, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(type, strlen(text) + 1);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    ub_status st = put(at, name, type, type, text);
    (void)H5Tclose(type);
    return st;
}

ub_status ub_h5_put_int(hid_t at, const char *name, int64_t value)
{
    return put(at, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

/* Open an attribute that must hold one value. */
static ub_status open_one(hid_t at, const char *name, hid_t *attribute)
{
    if (H5Aexists(at, name) <= 0)
        return fail_at(UB_ENOENT, at, name, "is missing");
    hid_t a = H5Aopen(at, name, H5P_DEFAULT);
    if (a < 0)
        return fail_at(UB_EFORMAT, at, name, "cannot be opened");
    hid_t    space = H5Aget_space(a);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    (void)H5Sclose(space);
    if (count != 1) {
        (void)H5Aclose(a);
        return fail_at(UB_EFORMAT, at, name, "does not hold exactly one value");
    }
    *attribute = a;
    return UB_OK;
}

/* Text of the variable length that h5py writes. */
static ub_status read_variable(hid_t a, hid_t type, ub_bytes *out)
{
    char *text = NULL;
    if (H5Aread(a, type, &text) < 0)
        return UB_FAIL(UB_EFORMAT, "cannot be read");
    ub_status st = ub_bytes_printf(out, "%s", text == NULL ? "" : text);
    (void)H5free_memory(text);
    return st;
}

static ub_status read_fixed(hid_t a, hid_t type, ub_bytes *out)
{
    size_t n = H5Tget_size(type);
    char  *text;
    UB_TRY(UB_ALLOC(text, n + 1));
    ub_status st = H5Aread(a, type, text) < 0 ? UB_FAIL(UB_EFORMAT, "cannot be read")
                                              : ub_bytes_printf(out, "%s", text);
    ub_free(text);
    return st;
}

ub_status ub_h5_get_text(hid_t at, const char *name, ub_bytes *out)
{
    hid_t a;
    UB_TRY(open_one(at, name, &a));
    hid_t     type = H5Aget_type(a);
    ub_status st;
    if (H5Tget_class(type) != H5T_STRING)
        st = UB_FAIL(UB_EFORMAT, "is not text");
    else
        st = H5Tis_variable_str(type) > 0 ? read_variable(a, type, out) : read_fixed(a, type, out);
    (void)H5Tclose(type);
    (void)H5Aclose(a);
    if (st == UB_EFORMAT)
        return fail_at(st, at, name, "is not text or cannot be read");
    return st;
}

ub_status ub_h5_get_int(hid_t at, const char *name, int64_t *value)
{
    hid_t   a;
    int64_t v = 0;
    UB_TRY(open_one(at, name, &a));
    hid_t  type = H5Aget_type(a);
    bool   fits = H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_ENUM;
    herr_t rc = fits ? H5Aread(a, H5T_NATIVE_INT64, &v) : -1;
    (void)H5Tclose(type);
    (void)H5Aclose(a);
    if (rc < 0)
        return fail_at(UB_EFORMAT, at, name, "is not a whole number");
    *value = v;
    return UB_OK;
}
