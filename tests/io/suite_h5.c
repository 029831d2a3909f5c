/* The one door to HDF5. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/shard.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

/* A path of this rank alone. */
static const char *mine(const char *name)
{
    static char path[4][UB_PATH_MAX];
    static int  next;
    char       *p = path[next++ % 4];
    (void)snprintf(p, UB_PATH_MAX, "%s/%d-%s", ub_test_dir(), ub_log_rank(), name);
    return p;
}

static const double table[6] = {1.5, -2, 3, 1e300, 0, 6};

/* A small file: a table, bytes in a group, two attributes. */
static void small_file(const char *path, double change, int backwards)
{
    hid_t   f = -1;
    hsize_t dims[2] = {2, 3}, five = 5;
    double  x[6];
    uint8_t bytes[5] = {1, 0, 1, 1, 7};
    memcpy(x, table, sizeof x);
    x[5] += change;
    UB_CHECK(ub_h5_create(path, &f));
    for (int i = 0; i < 2; i++)
        if (i == backwards) {
            UB_CHECK(ub_h5_put(f, "table", H5T_NATIVE_DOUBLE, 2, dims, x));
        } else {
            UB_CHECK(ub_h5_put(f, "a/b/bytes", H5T_NATIVE_UINT8, 1, &five, bytes));
        }
    UB_CHECK(ub_h5_put_text(f, backwards ? "text" : "empty", backwards ? "f\xc3\xbcnf" : ""));
    UB_CHECK(ub_h5_put_text(f, backwards ? "empty" : "text", backwards ? "" : "f\xc3\xbcnf"));
    UB_CHECK(ub_h5_put_int(f, "count", INT64_MIN));
    UB_CHECK(ub_h5_close(&f, path));
    CU_ASSERT(f < 0);
    UB_CHECK(ub_h5_close(&f, path));
}

static void comes_back(void)
{
    const char *path = mine("a.h5");
    hid_t       f = -1;
    double      x[6] = {0};
    uint8_t     bytes[5] = {0};
    hsize_t     dims[8];
    int         rank = 0;
    int64_t     count = 0;
    ub_bytes    text = {0};
    small_file(path, 0, 0);
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_get(f, "table", H5T_NATIVE_DOUBLE, 6, x));
    CU_ASSERT_EQUAL(memcmp(x, table, sizeof x), 0);
    UB_CHECK(ub_h5_get(f, "a/b/bytes", H5T_NATIVE_UINT8, 5, bytes));
    CU_ASSERT_EQUAL(bytes[4], 7);
    UB_CHECK(ub_h5_shape(f, "table", &rank, dims));
    CU_ASSERT(rank == 2 && dims[0] == 2 && dims[1] == 3);
    UB_CHECK(ub_h5_get_int(f, "count", &count));
    CU_ASSERT_EQUAL(count, INT64_MIN);
    UB_CHECK(ub_h5_get_text(f, "text", &text));
    CU_ASSERT_STRING_EQUAL((char *)text.data, "f\xc3\xbcnf");
    ub_bytes_clear(&text);
    UB_CHECK(ub_h5_get_text(f, "empty", &text));
    CU_ASSERT_EQUAL(text.len, 0);
    ub_bytes_release(&text);
    CU_ASSERT(ub_h5_has(f, "a/b/bytes"));
    CU_ASSERT(ub_h5_has(f, "/a/b"));
    CU_ASSERT(!ub_h5_has(f, "a/c/bytes"));
    CU_ASSERT(!ub_h5_has(f, "table/x"));
    UB_CHECK(ub_h5_close(&f, path));
}

static void refuses_wrong_requests(void)
{
    const char *path = mine("b.h5");
    hid_t       f = -1;
    double      x[6];
    int         n[6];
    int64_t     count;
    ub_bytes    text = {0};
    small_file(path, 0, 0);
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK_FAILS(ub_h5_get(f, "table", H5T_NATIVE_DOUBLE, 5, x), UB_ESHAPE,
                   "b.h5: dataset 'table' holds 6 values where 5 are wanted");
    UB_CHECK_FAILS(ub_h5_get(f, "tables", H5T_NATIVE_DOUBLE, 6, x), UB_ENOENT,
                   "b.h5: there is no dataset 'tables'");
    UB_CHECK_FAILS(ub_h5_get(f, "a/b", H5T_NATIVE_DOUBLE, 6, x), UB_EFORMAT, "dataset 'a/b'");
    UB_CHECK_FAILS(ub_h5_get(f, "table", H5T_NATIVE_INT, 6, n), UB_EFORMAT, "real numbers");
    UB_CHECK_FAILS(ub_h5_get_int(f, "counts", &count), UB_ENOENT, "attribute 'counts' is missing");
    UB_CHECK_FAILS(ub_h5_get_int(f, "text", &count), UB_EFORMAT, "not a whole number");
    UB_CHECK_FAILS(ub_h5_get_text(f, "count", &text), UB_EFORMAT, "is not text");
    ub_bytes_release(&text);
    UB_CHECK(ub_h5_close(&f, path));
}

/* numpy stores bool as an enumeration over int8, h5py texts with variable length. */
static void reads_what_numpy_writes(void)
{
    const char *path = mine("np.h5");
    const char *word = "minari";
    hid_t       f = -1;
    hsize_t     three = 3;
    int8_t      no = 0, yes = 1, flags[3] = {1, 0, 1};
    int         n[3] = {9, 9, 9};
    double      x[3] = {9, 9, 9};
    ub_bytes    text = {0};
    hid_t       boolean = H5Tenum_create(H5T_NATIVE_INT8);
    CU_ASSERT(H5Tenum_insert(boolean, "FALSE", &no) >= 0);
    CU_ASSERT(H5Tenum_insert(boolean, "TRUE", &yes) >= 0);
    UB_CHECK(ub_h5_create(path, &f));
    UB_CHECK(ub_h5_put(f, "success", boolean, 1, &three, flags));
    hid_t variable = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    CU_ASSERT(H5Tset_size(variable, H5T_VARIABLE) >= 0);
    hid_t a = H5Acreate2(f, "kind", variable, space, H5P_DEFAULT, H5P_DEFAULT);
    CU_ASSERT(H5Awrite(a, variable, &word) >= 0);
    (void)H5Aclose(a);
    (void)H5Sclose(space);
    (void)H5Tclose(variable);
    (void)H5Tclose(boolean);
    UB_CHECK(ub_h5_close(&f, path));
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_get(f, "success", H5T_NATIVE_INT, 3, n));
    CU_ASSERT(n[0] == 1 && n[1] == 0 && n[2] == 1);
    UB_CHECK(ub_h5_get(f, "success", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(x[0] == 1 && x[1] == 0 && x[2] == 1);
    UB_CHECK(ub_h5_get_text(f, "kind", &text));
    CU_ASSERT_STRING_EQUAL((char *)text.data, "minari");
    ub_bytes_release(&text);
    UB_CHECK(ub_h5_close(&f, path));
}

static void names_what_is_wrong_with_a_file(void)
{
    const char *path = mine("c.h5");
    hid_t       f = -1;
    UB_CHECK_FAILS(ub_h5_open(mine("none.h5"), &f), UB_ENOENT, "there is no such file");
    UB_CHECK(ub_file_write(mine("text.h5"), "no HDF5 at all", 14));
    UB_CHECK_FAILS(ub_h5_open(mine("text.h5"), &f), UB_EFORMAT, "not an HDF5 file");
    small_file(path, 0, 0);
    CU_ASSERT_EQUAL(truncate(path, 1000), 0);
    UB_CHECK_FAILS(ub_h5_open(path, &f), UB_EFORMAT, "c.h5: the file is truncated (HDF5: ");
    UB_CHECK_FAILS(ub_h5_create(mine("none/x.h5"), &f), UB_EIO, "cannot create the file");
    CU_ASSERT(f < 0);
}

static void digest_of(const char *path, unsigned char digest[UB_SHA256_BYTES])
{
    hid_t f = -1;
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_digest(f, digest));
    UB_CHECK(ub_h5_close(&f, path));
}

static void digests(void)
{
    unsigned char a[UB_SHA256_BYTES], b[UB_SHA256_BYTES];
    const char   *one = mine("d1.h5"), *two = mine("d2.h5");
    hid_t         f = -1;
    small_file(one, 0, 0);
    small_file(two, 0, 1);
    digest_of(one, a);
    digest_of(two, b);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    UB_CHECK(ub_h5_create(two, &f));
    CU_ASSERT(f >= 0);
    UB_CHECK(ub_h5_close(&f, two));
    digest_of(two, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    small_file(two, 1e-15, 0);
    digest_of(two, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    small_file(two, 0, 0);
    f = H5Fopen(two, H5F_ACC_RDWR, H5P_DEFAULT);
    UB_CHECK(ub_h5_put_text(f, UB_H5_DIGEST, "left out"));
    UB_CHECK(ub_h5_digest(f, b));
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    UB_CHECK(ub_h5_put_text(f, "more", "counts"));
    UB_CHECK(ub_h5_digest(f, b));
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    UB_CHECK(ub_h5_close(&f, two));
}

/* One flipped bit of an attribute's type: its number begins 512 bits behind its first.  HDF5 reads
 * what happens to lie there, so the digest was another each time, and sometimes the right one. */
static void digest_refuses_a_number_outside_of_its_bytes(void)
{
    enum { NAME = 16, PROPERTIES = 8 }; /* the name with its padding; the type's head */
    const char   *path = mine("outside.h5");
    unsigned char digest[UB_SHA256_BYTES];
    ub_bytes      bytes = {0};
    hid_t         f = -1;
    size_t        at = 0;
    UB_CHECK(ub_h5_create(path, &f));
    UB_CHECK(ub_h5_put_int(f, "undecided", 0));
    UB_CHECK(ub_h5_close(&f, path));
    UB_CHECK(ub_file_read(path, &bytes));
    while (at + 10 < bytes.len && memcmp(bytes.data + at, "undecided", 10) != 0)
        at++;
    CU_ASSERT(at + NAME + PROPERTIES + 1 < bytes.len);
    if (at + NAME + PROPERTIES + 1 < bytes.len)
        bytes.data[at + NAME + PROPERTIES + 1] = 2;
    UB_CHECK(ub_file_write(path, bytes.data, bytes.len));
    ub_bytes_release(&bytes);
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK_FAILS(ub_h5_digest(f, digest), UB_EFORMAT, "lie outside");
    UB_CHECK(ub_h5_close(&f, path));
}

/* Datasets beyond the 8 MiB piece are read in several; the digest must not depend on it. */
static void digest_of_a_large_dataset(void)
{
    enum { ROWS = 3, COLUMNS = 700001 };
    const char   *path = mine("large.h5");
    unsigned char a[UB_SHA256_BYTES], b[UB_SHA256_BYTES];
    hsize_t       dims[2] = {ROWS, COLUMNS};
    hid_t         f = -1;
    double       *x;
    UB_CHECK(UB_ALLOC(x, ROWS * COLUMNS));
    for (int i = 0; i < 2; i++) {
        x[2 * COLUMNS] = i;
        UB_CHECK(ub_h5_create(path, &f));
        UB_CHECK(ub_h5_put(f, "x", H5T_NATIVE_DOUBLE, 2, dims, x));
        UB_CHECK(ub_h5_close(&f, path));
        digest_of(path, i == 0 ? a : b);
    }
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    /* By hand, as the format page says: two objects, one dataset. */
    ub_sha256 s;
    uint64_t  head[5] = {H5T_FLOAT, 8, 2, ROWS, COLUMNS};
    ub_sha256_init(&s);
    ub_sha256_update(&s, "dx\0", 4);
    ub_sha256_update(&s, head, sizeof head);
    ub_sha256_update(&s, x, sizeof(double) * ROWS * COLUMNS);
    ub_sha256_final(&s, a);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    ub_free(x);
    CU_ASSERT_EQUAL(unlink(path), 0);
}

static void parallel_file(void)
{
    enum { ROWS = 7, COLUMNS = 5 };
    char     path[UB_PATH_MAX];
    hid_t    f = -1;
    hsize_t  dims[2] = {ROWS, COLUMNS};
    double   x[ROWS * COLUMNS], back[ROWS * COLUMNS] = {0};
    ub_range own = ub_part(ROWS, ub_world->size, ub_world->rank);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = i + 0.25;
    (void)snprintf(path, sizeof path, "%s/parallel.h5", ub_test_dir());
    UB_CHECK(ub_h5_create_parallel(ub_world, path, &f));
    hid_t   set = ub_h5_make(f, "g/x", H5T_NATIVE_DOUBLE, 2, dims);
    hid_t   space = H5Dget_space(set), plist = H5Pcreate(H5P_DATASET_XFER);
    hsize_t start[2] = {(hsize_t)own.first, 0}, count[2] = {(hsize_t)own.count, COLUMNS};
    hid_t   memory = H5Screate_simple(2, count, NULL);
    CU_ASSERT(H5Pset_dxpl_mpio(plist, H5FD_MPIO_COLLECTIVE) >= 0);
    CU_ASSERT(own.count == 0
                  ? H5Sselect_none(space) >= 0 && H5Sselect_none(memory) >= 0
                  : H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0);
    CU_ASSERT(H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, plist, x + own.first * COLUMNS) >= 0);
    (void)H5Sclose(memory);
    (void)H5Pclose(plist);
    (void)H5Sclose(space);
    (void)H5Dclose(set);
    UB_CHECK(ub_h5_close(&f, path));
    UB_CHECK(ub_h5_open_parallel(ub_world, path, &f));
    UB_CHECK(ub_h5_get(f, "g/x", H5T_NATIVE_DOUBLE, ROWS * COLUMNS, back));
    CU_ASSERT_EQUAL(memcmp(x, back, sizeof x), 0);
    UB_CHECK(ub_h5_close(&f, path));
}

static void parallel_errors_agree(void)
{
    char  path[UB_PATH_MAX];
    hid_t f = -1;
    (void)snprintf(path, sizeof path, "%s/nowhere/x.h5", ub_test_dir());
    UB_CHECK_FAILS(ub_h5_create_parallel(ub_world, path, &f), UB_EIO, "cannot create");
    UB_CHECK_FAILS(ub_h5_open_parallel(ub_world, path, &f), UB_ENOENT, "no such file");
    (void)snprintf(path, sizeof path, "%s/text-all.h5", ub_test_dir());
    if (ub_world->rank == 0)
        UB_CHECK(ub_file_write(path, "no HDF5 at all", 14));
    (void)MPI_Barrier(ub_world->mpi);
    UB_CHECK_FAILS(ub_h5_open_parallel(ub_world, path, &f), UB_EFORMAT, "not an HDF5 file");
    CU_ASSERT(f < 0);
}

/* A disk fails the last rank alone, inside a collective call: the others never hear of it.  So
 * nothing here may wait for them: the rank calls it alone. */
static void failing_together(void)
{
    bool      last = ub_world->rank == ub_world->size - 1;
    ub_status want = ub_world->size > 1 ? UB_EMPI : UB_EIO;
    UB_CHECK(ub_h5_together(ub_world, UB_OK));
    if (last)
        UB_CHECK_FAILS(ub_h5_together(ub_world, UB_FAIL(UB_EIO, "x.h5: cannot write: %s", "full")),
                       want, "x.h5: cannot write: full");
}

UB_SUITE("h5", {"datasets and attributes come back", comes_back},
         {"wrong counts, names and types are refused with a sentence", refuses_wrong_requests},
         {"booleans and texts of numpy are read", reads_what_numpy_writes},
         {"missing, foreign and truncated files are told apart", names_what_is_wrong_with_a_file},
         {"the digest depends on content and not on the order of writing", digests},
         {"the digest refuses a number whose bits lie outside of its bytes",
          digest_refuses_a_number_outside_of_its_bytes},
         {"the digest of a large dataset is the one computed by hand", digest_of_a_large_dataset},
         {"all ranks write one file and read it", parallel_file},
         {"errors of parallel files are the same on all ranks", parallel_errors_agree},
         {"a failure of one rank in a collective call ends the job, alone it is its own",
          failing_together})
