/* Tables made cell by cell, as CSV and HDF5; the numbers of a flat JSON object. */
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/columns.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/numbers.h"
#include "io/table.h"
#include "tests/support/suite.h"

static const char *path_of(const char *name)
{
    static char path[4][UB_PATH_MAX];
    static int  next;
    char       *p = path[next++ % 4];
    (void)snprintf(p, UB_PATH_MAX, "%s/%s", ub_test_dir(), name);
    return p;
}

/* Three rows: numbers with a gap, words, both, a column that nobody fills. */
static void make(ub_columns *t)
{
    static const struct {
        int64_t     row;
        const char *name, *text;
    } cells[] = {{0, "n", "1.5"},         {0, "word", "a"},   {2, "n", "-3e2"},
                 {1, "word", "long one"}, {0, "mixed", "12"}, {1, "mixed", "x"},
                 {2, "a.dotted", "0.1"}};
    int32_t c;
    *t = (ub_columns){.rows = 3};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        UB_CHECK(ub_columns_put(t, cells[i].row, cells[i].name, cells[i].text));
    UB_CHECK(ub_columns_named(t, "empty", &c));
    CU_ASSERT(c == 4 && t->count == 5);
}

static void csv_is(const ub_columns *t, const char *want)
{
    ub_bytes b = {0};
    UB_CHECK(ub_columns_csv(t, &b));
    CU_ASSERT_STRING_EQUAL(b.data == NULL ? "" : (const char *)b.data, want);
    ub_bytes_release(&b);
}

static void columns_stand_in_the_order_they_were_first_named(void)
{
    ub_columns t;
    int32_t    c;
    make(&t);
    csv_is(&t, "n,word,mixed,a.dotted,empty\n1.5,a,12,,\n,long one,x,,\n-3e2,,,0.1,\n");
    UB_CHECK(ub_columns_named(&t, "mixed", &c));
    CU_ASSERT(c == 2 && t.count == 5);
    UB_CHECK(ub_columns_put(&t, 1, "mixed", "7"));
    UB_CHECK(ub_columns_put(&t, 0, "word", ""));
    csv_is(&t, "n,word,mixed,a.dotted,empty\n1.5,,12,,\n,long one,7,,\n-3e2,,,0.1,\n");
    ub_columns_release(&t);
    CU_ASSERT(t.count == 0 && t.cell == NULL);
    ub_columns_release(&t);
}

static void quotes_commas_and_lines_are_quoted(void)
{
    ub_columns t = {.rows = 1};
    UB_CHECK(ub_columns_put(&t, 0, "a,b", "say \"so\""));
    UB_CHECK(ub_columns_put(&t, 0, "c", "two\nlines"));
    UB_CHECK(ub_columns_put(&t, 0, "d", "car\rriage"));
    UB_CHECK(ub_columns_put(&t, 0, "e f", "plain 'text'"));
    csv_is(&t, "\"a,b\",c,d,e f\n\"say \"\"so\"\"\",\"two\nlines\",\"car\rriage\",plain 'text'\n");
    ub_columns_release(&t);
}

/* Another reader finds the same names and numbers. */
static void a_reader_of_csv_reads_it(void)
{
    const char *odd = "odd \"name\"\nof two lines", *list = "odd \"name\"\nof two lines,y";
    const char *path = path_of("t.csv");
    ub_columns  t = {.rows = 2};
    ub_table    read = {0};
    ub_bytes    b = {0};
    UB_CHECK(ub_columns_put(&t, 0, "text", "a,b"));
    UB_CHECK(ub_columns_put(&t, 1, "text", "\"\""));
    UB_CHECK(ub_columns_put(&t, 0, "y", "0.1"));
    UB_CHECK(ub_columns_put(&t, 1, "y", "nan"));
    UB_CHECK(ub_columns_put(&t, 0, odd, "1e-300"));
    UB_CHECK(ub_columns_put(&t, 1, odd, "-7"));
    UB_CHECK(ub_columns_csv(&t, &b));
    UB_CHECK(ub_file_write(path, b.data, b.len));
    UB_CHECK(ub_table_read(path, &list, 1, &read));
    CU_ASSERT(read.rows == 2 && read.columns == 2);
    if (read.x != NULL)
        CU_ASSERT(read.x[0] == 1e-300 && read.x[1] == -7 && read.x[2] == 0.1 && isnan(read.x[3]));
    ub_table_release(&read);
    ub_bytes_release(&b);
    ub_columns_release(&t);
}

static H5T_class_t class_of(hid_t file, const char *name, size_t *size)
{
    hid_t       set = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(set);
    H5T_class_t kind = H5Tget_class(type);
    *size = H5Tget_size(type);
    (void)H5Tclose(type);
    (void)H5Dclose(set);
    return kind;
}

static void texts_are(hid_t file, const char *name, size_t width, const char *want)
{
    char   flat[64] = "";
    size_t size;
    CU_ASSERT(class_of(file, name, &size) == H5T_STRING && size == width);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(set);
    CU_ASSERT(3 * size <= sizeof flat &&
              H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, flat) >= 0);
    CU_ASSERT(memcmp(flat, want, 3 * width) == 0);
    (void)H5Tclose(type);
    (void)H5Dclose(set);
}

static void numbers_become_reals_and_the_rest_text(void)
{
    const char   *path = path_of("t.h5");
    ub_columns    t;
    hid_t         file = -1;
    size_t        size;
    double        x[3] = {0};
    ub_bytes      names = {0}, digest = {0};
    unsigned char sum[UB_SHA256_BYTES];
    char          hex[UB_SHA256_HEX];
    make(&t);
    UB_CHECK(ub_columns_write(&t, path));
    ub_columns_release(&t);
    UB_CHECK(ub_h5_open(path, &file));
    CU_ASSERT(class_of(file, "n", &size) == H5T_FLOAT && size == 8);
    UB_CHECK(ub_h5_get(file, "n", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(x[0] == 1.5 && isnan(x[1]) && x[2] == -300);
    UB_CHECK(ub_h5_get(file, "a.dotted", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(isnan(x[0]) && isnan(x[1]) && x[2] == 0.1);
    UB_CHECK(ub_h5_get(file, "empty", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(isnan(x[0]) && isnan(x[1]) && isnan(x[2]));
    texts_are(file, "word", 8, "a\0\0\0\0\0\0\0long one\0\0\0\0\0\0\0\0");
    texts_are(file, "mixed", 2, "12x\0\0\0");
    UB_CHECK(ub_h5_get_text(file, "columns", &names));
    CU_ASSERT_STRING_EQUAL((const char *)names.data, "n\nword\nmixed\na.dotted\nempty");
    UB_CHECK(ub_h5_get_text(file, UB_H5_DIGEST, &digest));
    UB_CHECK(ub_h5_digest(file, sum));
    ub_sha256_hex(sum, hex);
    CU_ASSERT_STRING_EQUAL((const char *)digest.data, hex);
    UB_CHECK(ub_h5_close(&file, path));
    ub_bytes_release(&names);
    ub_bytes_release(&digest);
}

static void what_is_almost_a_number_is_text(void)
{
    static const char *const words[] = {"1x", " ", "1,5", "--1", "1 "};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *path = path_of("almost.h5");
        ub_columns  t = {.rows = 2};
        hid_t       file = -1;
        size_t      size;
        UB_CHECK(ub_columns_put(&t, 0, "c", "1"));
        UB_CHECK(ub_columns_put(&t, 1, "c", words[i]));
        UB_CHECK(ub_columns_write(&t, path));
        UB_CHECK(ub_h5_open(path, &file));
        CU_ASSERT(class_of(file, "c", &size) == H5T_STRING);
        UB_CHECK(ub_h5_close(&file, path));
        ub_columns_release(&t);
    }
}

/* However the cells came to be. */
static void equal_cells_are_equal_bytes(void)
{
    ub_columns one, two = {.rows = 3};
    ub_bytes   a = {0}, b = {0};
    make(&one);
    for (int32_t c = 0; c < one.count; c++) {
        int32_t at;
        UB_CHECK(ub_columns_named(&two, one.name[c], &at));
        for (int64_t r = 2; r >= 0; r--)
            if (one.cell[c][r] != NULL) {
                UB_CHECK(ub_columns_put(&two, r, one.name[c], "first something else, longer"));
                UB_CHECK(ub_columns_put(&two, r, one.name[c], one.cell[c][r]));
            }
    }
    UB_CHECK(ub_columns_write(&one, path_of("one.h5")));
    UB_CHECK(ub_columns_write(&two, path_of("two.h5")));
    UB_CHECK(ub_file_read(path_of("one.h5"), &a));
    UB_CHECK(ub_file_read(path_of("two.h5"), &b));
    CU_ASSERT(a.len > 0 && a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    UB_CHECK(ub_columns_put(&two, 0, "n", "1.25"));
    UB_CHECK(ub_columns_write(&two, path_of("two.h5")));
    ub_bytes_clear(&b);
    UB_CHECK(ub_file_read(path_of("two.h5"), &b));
    CU_ASSERT(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
    ub_bytes_release(&a);
    ub_bytes_release(&b);
    ub_columns_release(&one);
    ub_columns_release(&two);
}

static void a_table_without_rows_has_its_columns(void)
{
    const char *path = path_of("none.h5");
    ub_columns  t = {.rows = 0};
    hid_t       file = -1;
    int32_t     c;
    int         rank = 0;
    hsize_t     dims[8] = {9};
    UB_CHECK(ub_columns_named(&t, "a", &c));
    UB_CHECK(ub_columns_named(&t, "b", &c));
    csv_is(&t, "a,b\n");
    UB_CHECK(ub_columns_write(&t, path));
    UB_CHECK(ub_h5_open(path, &file));
    UB_CHECK(ub_h5_shape(file, "b", &rank, dims));
    CU_ASSERT(rank == 1 && dims[0] == 0);
    UB_CHECK(ub_h5_close(&file, path));
    ub_columns_release(&t);
}

static void a_file_that_cannot_be_made_is_an_error_and_leaves_the_old_one(void)
{
    const char *path = path_of("kept.h5");
    ub_columns  t = {.rows = 1}, bad = {.rows = 1};
    ub_bytes    before = {0}, after = {0};
    UB_CHECK(ub_columns_put(&t, 0, "c", "1"));
    UB_CHECK_FAILS(ub_columns_write(&t, path_of("absent/t.h5")), UB_EIO, "absent");
    UB_CHECK(ub_columns_write(&t, path));
    UB_CHECK(ub_file_read(path, &before));
    UB_CHECK(ub_columns_put(&bad, 0, "c", "2"));
    UB_CHECK(ub_columns_put(&bad, 0, "c/below", "2")); /* c is a dataset, no group */
    UB_CHECK_FAILS(ub_columns_write(&bad, path), UB_EIO, "below");
    UB_CHECK(ub_file_read(path, &after));
    CU_ASSERT(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
    ub_bytes_release(&before);
    ub_bytes_release(&after);
    ub_columns_release(&t);
    ub_columns_release(&bad);
}

static void whole_or_not_at_all(void)
{
    char       temp[UB_PATH_MAX], path[UB_PATH_MAX];
    ub_columns t;
    make(&t);
    UB_CHECK(ub_columns_put(&t, 0, "a.dotted/c", "1")); /* below a dataset nothing can be */
    (void)snprintf(path, sizeof path, "%s", path_of("never.h5"));
    UB_CHECK(ub_file_temp(path, temp));
    UB_CHECK_FAILS(ub_columns_write(&t, path), UB_EIO, "'a.dotted/c': cannot be made");
    CU_ASSERT(!ub_file_exists(path));
    CU_ASSERT(!ub_file_exists(temp));
    ub_columns_release(&t);
}

static ub_status note(void *self, const char *name, double value, const char *text)
{
    return ub_bytes_printf(self, "%s=%g(%s) ", name, value, text);
}

static void numbers_by_name(void)
{
    ub_bytes json = {0}, seen = {0};
    UB_CHECK(ub_bytes_printf(&json, "{\"a\": 1.50, \"b\": \"2\", \"c\": null, \"d\": [3], "
                                    "\"e\": {\"f\": 4}, \"g\": true, \"h\": -1e-3}\n"));
    UB_CHECK(ub_numbers_each(&json, "x.json", note, &seen));
    CU_ASSERT_STRING_EQUAL((const char *)seen.data, "a=1.5(1.50) c=nan() h=-0.001(-1e-3) ");
    ub_bytes_clear(&json);
    UB_CHECK(ub_bytes_printf(&json, "{\"a\": 1"));
    UB_CHECK_FAILS(ub_numbers_each(&json, "x.json", note, &seen), UB_EFORMAT, "x.json is damaged");
    ub_bytes_clear(&json);
    UB_CHECK_FAILS(ub_numbers_each(&json, "x.json", note, &seen), UB_EFORMAT, "x.json is damaged");
    ub_bytes_release(&json);
    ub_bytes_release(&seen);
}

UB_SUITE("columns",
         {"columns stand in the order they were first named",
          columns_stand_in_the_order_they_were_first_named},
         {"quotes, commas and line ends are quoted", quotes_commas_and_lines_are_quoted},
         {"a reader of CSV reads it", a_reader_of_csv_reads_it},
         {"numbers become reals and the rest text", numbers_become_reals_and_the_rest_text},
         {"what is almost a number is text", what_is_almost_a_number_is_text},
         {"equal cells are equal bytes", equal_cells_are_equal_bytes},
         {"a table without rows has its columns", a_table_without_rows_has_its_columns},
         {"a file that cannot be made is an error and leaves the old one",
          a_file_that_cannot_be_made_is_an_error_and_leaves_the_old_one},
         {"a table that cannot be written leaves nothing", whole_or_not_at_all},
         {"the numbers of a JSON object, and of nothing else", numbers_by_name})
