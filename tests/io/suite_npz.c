/* Archives for numpy, read back with libzip and taken apart by the rules of the format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/npz.h"
#include "tests/support/suite.h"

static const char *mine(const char *name)
{
    static char path[4][UB_PATH_MAX];
    static int  next;
    char       *p = path[next++ % 4];
    (void)snprintf(p, UB_PATH_MAX, "%s/%s", ub_test_dir(), name);
    return p;
}

/* One entry's content; the dictionary of its header goes to `says`; returns its data. */
static const unsigned char *take(zip_t *zip, const char *name, unsigned char *buf, size_t cap,
                                 char says[256], size_t *bytes)
{
    zip_stat_t  info;
    zip_file_t *f = zip_fopen(zip, name, 0);
    CU_ASSERT_PTR_NOT_NULL(f);
    CU_ASSERT(zip_stat(zip, name, 0, &info) == 0 && info.comp_method == ZIP_CM_STORE);
    if (f == NULL || info.size > cap)
        return NULL;
    CU_ASSERT_EQUAL(zip_fread(f, buf, info.size), (zip_int64_t)info.size);
    (void)zip_fclose(f);
    CU_ASSERT_EQUAL(memcmp(buf, "\x93NUMPY\x01\x00", 8), 0);
    size_t length = buf[8] + 256U * buf[9];
    CU_ASSERT((10 + length) % 64 == 0 && buf[9 + length] == '\n');
    (void)snprintf(says, 256, "%.*s", (int)length - 1, (const char *)buf + 10);
    for (size_t n = strlen(says); n > 0 && says[n - 1] == ' ';)
        says[--n] = '\0';
    *bytes = info.size - 10 - length;
    return buf + 10 + length;
}

static void expect(const char *path, const char *name, const char *dictionary, const void *data,
                   size_t size)
{
    static unsigned char buf[4096];
    char                 says[256] = "";
    size_t               bytes = 0;
    int                  code = 0;
    zip_t               *zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
    CU_ASSERT_PTR_NOT_NULL(zip);
    if (zip == NULL)
        return;
    const unsigned char *got = take(zip, name, buf, sizeof buf, says, &bytes);
    CU_ASSERT_STRING_EQUAL(says, dictionary);
    CU_ASSERT(got != NULL && bytes == size && memcmp(got, data, size) == 0);
    zip_discard(zip);
}

static const double  real[6] = {1, -2, 0.5, 1e300, 0, 3};
static const int32_t whole[2] = {7, -9};
static const uint8_t flags[3] = {1, 0, 1};

static ub_status write_some(const char *path)
{
    ub_npz *z = NULL;
    UB_TRY(ub_npz_begin(path, &z));
    ub_status st = ub_npz_put(z, "a/b", 'f', 8, 2, (int64_t[]){2, 3}, real);
    if (st == UB_OK)
        st = ub_npz_put(z, "one", 'i', 4, 1, (int64_t[]){2}, whole);
    if (st == UB_OK)
        st = ub_npz_put(z, "cube", 'u', 1, 3, (int64_t[]){1, 3, 1}, flags);
    if (st == UB_OK)
        st = ub_npz_put(z, "word", 'S', 5, 0, NULL, "hello");
    if (st == UB_OK)
        st = ub_npz_put(z, "none", 'f', 8, 2, (int64_t[]){0, 4}, real);
    return ub_npz_finish(&z, st);
}

/* Dictionaries as numpy.save writes them on a little-endian machine. */
static void arrays_come_back(void)
{
    const char *path = mine("some.npz");
    UB_CHECK(write_some(path));
    expect(path, "a/b.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", real,
           sizeof real);
    expect(path, "one.npy", "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", whole,
           sizeof whole);
    expect(path, "cube.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 1), }",
           flags, sizeof flags);
    expect(path, "word.npy", "{'descr': '|S5', 'fortran_order': False, 'shape': (), }", "hello", 5);
    expect(path, "none.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }", "", 0);
}

static void the_same_bytes(void)
{
    const char *a = mine("a.npz"), *b = mine("b.npz");
    ub_bytes    x = {0}, y = {0};
    UB_CHECK(write_some(a));
    (void)sleep(3); /* MS-DOS counts two seconds */
    CU_ASSERT_EQUAL(setenv("TZ", "Asia/Tokyo", 1), 0);
    UB_CHECK(write_some(b));
    CU_ASSERT_EQUAL(unsetenv("TZ"), 0);
    UB_CHECK(ub_file_read(a, &x));
    UB_CHECK(ub_file_read(b, &y));
    CU_ASSERT(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
    ub_bytes_release(&x);
    ub_bytes_release(&y);
}

static void hdf5_becomes_arrays(void)
{
    const char   *h5 = mine("x.h5"), *path = mine("x.npz");
    hid_t         f = -1;
    const hsize_t dims[] = {2, 3};
    int64_t       seven = 7;
    UB_CHECK(ub_h5_create(h5, &f));
    UB_CHECK(ub_h5_put_text(f, "said", "caf\xc3\xa9"));
    UB_CHECK(ub_h5_put_text(f, "silent", ""));
    UB_CHECK(ub_h5_put_int(f, "seven", seven));
    UB_CHECK(ub_h5_put(f, "layers/one.0/weight", H5T_NATIVE_DOUBLE, 2, dims, real));
    UB_CHECK(ub_h5_put(f, "layers/one.0/flags", H5T_NATIVE_UINT8, 1, dims + 1, flags));
    UB_CHECK(ub_h5_put(f, "value", H5T_NATIVE_DOUBLE, 0, NULL, real));
    UB_CHECK(ub_h5_close(&f, h5));
    UB_CHECK(ub_npz_from_h5(h5, path));
    expect(path, "layers/one.0/weight.npy",
           "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", real, sizeof real);
    expect(path, "layers/one.0/flags.npy",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", flags, sizeof flags);
    expect(path, "value.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", real, 8);
    expect(path, "seven.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", &seven, 8);
    expect(path, "said.npy", "{'descr': '|S5', 'fortran_order': False, 'shape': (), }",
           "caf\xc3\xa9", 5);
    expect(path, "silent.npy", "{'descr': '|S1', 'fortran_order': False, 'shape': (), }", "", 1);
}

static void failures_leave_nothing(void)
{
    const char *h5 = mine("y.h5");
    hid_t       f = -1;
    hsize_t     one = 1;
    hid_t       odd = H5Tcreate(H5T_OPAQUE, 3);
    UB_CHECK_FAILS(ub_npz_from_h5(mine("absent.h5"), mine("y.npz")), UB_ENOENT, "absent.h5");
    UB_CHECK(ub_h5_create(h5, &f));
    UB_CHECK(ub_h5_put(f, "odd", odd, 1, &one, "abc"));
    UB_CHECK(ub_h5_close(&f, h5));
    (void)H5Tclose(odd);
    UB_CHECK_FAILS(ub_npz_from_h5(h5, mine("y.npz")), UB_EFORMAT,
                   "dataset 'odd' is of no kind that numpy has");
    CU_ASSERT(!ub_file_exists(mine("y.npz")) && !ub_file_exists(mine(".y.npz.new")));
    UB_CHECK_FAILS(write_some("/nowhere/z.npz"), UB_EIO, "/nowhere/z.npz");
}

UB_SUITE("npz", {"arrays come back, headers as numpy writes them", arrays_come_back},
         {"the same arrays are the same bytes, at any time and in any zone", the_same_bytes},
         {"datasets and attributes of an HDF5 file become arrays", hdf5_becomes_arrays},
         {"a failure leaves no file", failures_leave_nothing})
