/* Tables made cell by cell, and the numbers of a flat JSON object. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/columns.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/numbers.h"
#include "tests/support/suite.h"

static const char *mine(const char *name)
{
    static char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", ub_test_dir(), name);
    return path;
}

/* Three rows: numbers with a hole, words, words that CSV must quote, nothing at all. */
static ub_columns some(void)
{
    ub_columns t = {.rows = 3};
    int32_t    at;
    UB_CHECK(ub_columns_put(&t, 0, "a.b", "1.5"));
    UB_CHECK(ub_columns_put(&t, 2, "a.b", "-2e3"));
    UB_CHECK(ub_columns_put(&t, 0, "word", "3"));
    UB_CHECK(ub_columns_put(&t, 1, "word", "three"));
    UB_CHECK(ub_columns_put(&t, 1, "odd", "a,\"b\"\nc"));
    UB_CHECK(ub_columns_named(&t, "empty", &at));
    CU_ASSERT_EQUAL(at, 3);
    UB_CHECK(ub_columns_put(&t, 1, "word", "drei")); /* the second takes the place of the first */
    return t;
}

static void as_csv(void)
{
    ub_columns t = some();
    ub_bytes   csv = {0};
    UB_CHECK(ub_columns_csv(&t, &csv));
    CU_ASSERT_STRING_EQUAL((const char *)csv.data,
                           "a.b,word,odd,empty\n1.5,3,,\n,drei,\"a,\"\"b\"\"\nc\",\n-2e3,,,\n");
    ub_bytes_release(&csv);
    ub_columns_release(&t);
}

static void as_hdf5(void)
{
    ub_columns t = some();
    ub_bytes   names = {0}, first = {0}, second = {0};
    hid_t      f = -1, type = H5Tcopy(H5T_C_S1);
    double     x[3] = {0};
    char       word[3][4];
    UB_CHECK(ub_columns_write(&t, mine("t.h5")));
    UB_CHECK(ub_file_read(mine("t.h5"), &first));
    UB_CHECK(ub_h5_open(mine("t.h5"), &f));
    UB_CHECK(ub_h5_get_text(f, "columns", &names));
    CU_ASSERT_STRING_EQUAL((const char *)names.data, "a.b\nword\nodd\nempty");
    UB_CHECK(ub_h5_get(f, "a.b", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(x[0] == 1.5 && isnan(x[1]) && x[2] == -2000);
    UB_CHECK(ub_h5_get(f, "empty", H5T_NATIVE_DOUBLE, 3, x));
    CU_ASSERT(isnan(x[0]) && isnan(x[1]) && isnan(x[2]));
    (void)H5Tset_size(type, sizeof word[0]);
    (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
    UB_CHECK(ub_h5_get(f, "word", type, 3, word));
    CU_ASSERT(memcmp(word[0], "3\0\0\0", 4) == 0 && memcmp(word[1], "drei", 4) == 0);
    (void)H5Tclose(type);
    UB_CHECK(ub_h5_close(&f, "t.h5"));
    UB_CHECK(ub_columns_write(&t, mine("t.h5")));
    UB_CHECK(ub_file_read(mine("t.h5"), &second));
    CU_ASSERT(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    ub_bytes_release(&names);
    ub_bytes_release(&first);
    ub_bytes_release(&second);
    ub_columns_release(&t);
}

static void whole_or_not_at_all(void)
{
    char       temp[UB_PATH_MAX], path[UB_PATH_MAX];
    ub_columns t = some();
    UB_CHECK(ub_columns_put(&t, 0, "a.b/c", "1")); /* below a dataset nothing can be */
    (void)snprintf(path, sizeof path, "%s", mine("none.h5"));
    UB_CHECK(ub_file_temp(path, temp));
    UB_CHECK_FAILS(ub_columns_write(&t, path), UB_EIO, "'a.b/c': cannot be made");
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

UB_SUITE("columns", {"a table as CSV, quoted where it must be", as_csv},
         {"as HDF5: numbers, words, holes; the same bytes again", as_hdf5},
         {"a table that cannot be written leaves nothing", whole_or_not_at_all},
         {"the numbers of a JSON object, and of nothing else", numbers_by_name})
