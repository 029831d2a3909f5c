#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t ub_suite_left;

int ub_test_ok(ub_status st, const char *what, const char *file, int line)
{
    if (st == UB_OK)
        return 1;
    (void)printf("\n%s:%d: %s\n  %s\n", file, line, what, ub_err_report());
    return 0;
}

int ub_test_fails(ub_status st, ub_status want, const char *part, const char *what,
                  const char *file, int line)
{
    if (st == want && strstr(ub_err_message(), part) != NULL)
        return 1;
    (void)printf("\n%s:%d: %s\n  gave %s '%s', wanted %s with '%s'\n", file, line, what,
                 ub_status_name(st), st == UB_OK ? "" : ub_err_message(), ub_status_name(want),
                 part);
    return 0;
}

int ub_test_close(double a, double b, double tolerance, const char *file, int line)
{
    double scale = fmax(1.0, fmax(fabs(a), fabs(b)));
    if (fabs(a - b) <= tolerance * scale)
        return 1;
    (void)printf("\n%s:%d: %.17g is not %.17g (difference %.3g, allowed %.3g)\n", file, line, a, b,
                 fabs(a - b), tolerance * scale);
    return 0;
}

const char *ub_test_shared(const char *relative)
{
    static char path[4096];
    const char *root = getenv("UB_SHARED");
    (void)snprintf(path, sizeof path, "%s/%s", root != NULL ? root : UB_SHARED_DEFAULT, relative);
    if (access(path, R_OK) == 0)
        return path;
    (void)printf("\n  skipped: %s is not here (set UB_SHARED to the reference material)\n", path);
    return NULL;
}

/* The numbers of a line into x, x + stride, ...; are they so many? */
static int read_line(char *line, int columns, int64_t stride, double *x)
{
    int   found = 0;
    char *end = line;
    for (char *at = line; found < columns; found++, at = end + 1) {
        double v = strtod(at, &end);
        if (end == at || *end != (found < columns - 1 ? ',' : '\n'))
            break;
        x[found * stride] = v;
    }
    return found == columns;
}

double *ub_test_table(const char *relative, int64_t n, int columns)
{
    const char *path = ub_test_shared(relative);
    FILE       *f = path == NULL ? NULL : fopen(path, "r");
    double     *x = NULL;
    int64_t     rows = 0;
    char        line[4096];
    if (f == NULL)
        return NULL;
    UB_CHECK(UB_ALLOC(x, n * columns));
    int good = fgets(line, sizeof line, f) != NULL; /* the header */
    while (good && rows < n && fgets(line, sizeof line, f) != NULL)
        good = read_line(line, columns, n, x + rows++);
    CU_ASSERT(good && rows == n && fgets(line, sizeof line, f) == NULL);
    (void)fclose(f);
    return x;
}

const char *ub_test_dir(void)
{
    static char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s", UB_TEST_DIR);
    (void)mkdir(dir, 0777);
    return dir;
}
