/* Tables by column name: text as programs write it, and HDF5. */
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "io/internal/h5.h"
#include "io/table.h"
#include "tests/support/suite.h"

static const char *path_of(const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", ub_test_dir(), name);
    return path;
}

static ub_status read_text(const char *text, const char *x, const char *y, ub_table *t)
{
    const char *path = path_of("t.csv"), *lists[] = {x, y};
    UB_TRY(ub_file_write(path, text, strlen(text)));
    return ub_table_read(path, lists, 2, t);
}

static int holds(const ub_table *t, int64_t rows, int32_t columns, const double *x)
{
    int good = t->rows == rows && t->columns == columns && t->x != NULL;
    for (int64_t i = 0; good && i < rows * columns; i++)
        good = t->x[i] == x[i] || (isnan(t->x[i]) && isnan(x[i]));
    return good;
}

static void texts(void)
{
    static const struct {
        const char *text, *x, *y;
        double      columns[6];
    } table[] = {
        {"a,b,c\n1,2,3\n4,5,6\n", "c", "a", {3, 6, 1, 4}},
        {"a,b,c\n1,2,3\n4,5,6", "b", "c", {2, 5, 3, 6}},
        {"\xEF\xBB\xBF"
         "a, b\t,c\r\n 1 ,2,x\r\n\r\n4,5e-1,y\r\n\n",
         "b",
         "a",
         {2, .5, 1, 4}},
        {"\"a\"\"q\",\"b\n2\"\n\"1\",2\n-3,\"4.5\"\n", "a\"q", "b\n2", {1, -3, 2, 4.5}},
        {"\n\na,b\nnan,-inf\n1e400,0x10\n", "a", "b", {NAN, INFINITY, -INFINITY, 16}},
        {",v.1,v.0,w\n0,1,2,3\n1,4,5,6\n", "v", "w", {2, 5, 1, 4, 3, 6}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ub_table t = {0};
        UB_CHECK(read_text(table[i].text, table[i].x, table[i].y, &t));
        CU_ASSERT(holds(&t, 2, i == 5 ? 3 : 2, table[i].columns));
        CU_ASSERT(t.end[0] == (i == 5 ? 2 : 1) && t.end[1] == t.columns);
        ub_table_release(&t);
    }
}

static void bad_texts(void)
{
    static const struct {
        const char *text, *x, *part;
    } table[] = {
        {"", "a", "t.csv is empty"},
        {" \n\n", "a", "t.csv is empty"},
        {"a,b\n", "a", "no line of numbers"},
        {"a,b\n1,2\n3,\n", "b", "line 3, column 2 ('b'): '' is not a number"},
        {"a,b\n1,2\n\n3,4 5\n", "b", "line 4, column 2 ('b'): '4 5' is not a number"},
        {"\"a\nb\",c\n1,NA\n", "c", "line 3, column 2 ('c'): 'NA' is not a number"},
        {"a,b\n1,2,3\n", "a", "line 2 has 3 cells, the line of names has 2"},
        {"a,b\n1\n", "a", "line 2 has 1 cells"},
        {"a,b\n\"1,2\n3,4\n", "a", "a quote opened in line 2 is not closed"},
        {"a,a\n1,2\n", "a", "two columns are called 'a'"},
        {"alpha,beta\n1,2\n", "alfa", "there is no column 'alfa'; did you mean 'alpha'?"},
        {"alpha,beta\n1,2\n", "gamma_rays", "there are: alpha, beta"},
        {"a,b\n1,2\n", "a,b,a", "column 'a' is asked for twice"},
    };
    ub_table t = {0};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        UB_CHECK_FAILS(read_text(table[i].text, table[i].x, NULL, &t), UB_EINPUT, table[i].part);
    UB_CHECK_FAILS(read_text("a,b\n1,2\n", "a", "a", &t), UB_EINPUT, "asked for twice");
    UB_CHECK_FAILS(ub_table_read(path_of("absent.csv"), &(const char *){"a"}, 1, &t), UB_ENOENT,
                   "absent.csv");
    CU_ASSERT_PTR_NULL(t.x);
}

static void hdf5(void)
{
    const double  a[] = {1, 2, 3}, b[] = {10, 11, 20, 21, 30, 31}, five[5] = {0};
    const int     k[] = {7, 8, 9};
    double        cube[12];
    const hsize_t one[] = {3}, two[] = {3, 2}, three[] = {3, 2, 2}, longer[] = {5};
    const char   *path = path_of("t.h5");
    hid_t         file = -1;
    ub_table      t = {0};
    for (int i = 0; i < 12; i++)
        cube[i] = 100 + i;
    UB_CHECK(ub_h5_create(path, &file));
    UB_CHECK(ub_h5_put(file, "a", H5T_NATIVE_DOUBLE, 1, one, a));
    UB_CHECK(ub_h5_put(file, "b", H5T_NATIVE_DOUBLE, 2, two, b));
    UB_CHECK(ub_h5_put(file, "group/k", H5T_NATIVE_INT, 1, one, k));
    UB_CHECK(ub_h5_put(file, "cube", H5T_NATIVE_DOUBLE, 3, three, cube));
    UB_CHECK(ub_h5_put(file, "longer", H5T_NATIVE_DOUBLE, 1, longer, five));
    UB_CHECK(ub_h5_put_text(file, "note", "an attribute"));
    UB_CHECK(ub_h5_close(&file, path));
    UB_CHECK(ub_table_read(path, (const char *[]){"b", "group/k,a", "cube.1,b.0"}, 2, &t));
    CU_ASSERT(holds(&t, 3, 4, (double[]){10, 20, 30, 11, 21, 31, 7, 8, 9, 1, 2, 3}));
    CU_ASSERT(t.end[0] == 2 && t.end[1] == 4);
    ub_table_release(&t);
    UB_CHECK(ub_table_read(path, (const char *[]){"b.1", "", "cube.1"}, 3, &t));
    CU_ASSERT(holds(&t, 3, 3, (double[]){11, 21, 31, 102, 106, 110, 103, 107, 111}));
    CU_ASSERT(t.end[0] == 1 && t.end[1] == 1 && t.end[2] == 3);
    ub_table_release(&t);
    UB_CHECK_FAILS(ub_table_read(path, (const char *[]){"a,longer"}, 1, &t), UB_EINPUT,
                   "'longer' has 5 rows, 'a' has 3");
    UB_CHECK_FAILS(ub_table_read(path, (const char *[]){"b.2"}, 1, &t), UB_EINPUT,
                   "did you mean 'b.0'?");
}

UB_SUITE("table", {"columns of a text, in the order they are asked for", texts},
         {"what is wrong with a text, with line and column", bad_texts},
         {"datasets of one, two and three dimensions are columns", hdf5})
