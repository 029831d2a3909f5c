#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

const char *ub_test_dir(void)
{
    static char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s", UB_TEST_DIR);
    (void)mkdir(dir, 0777);
    return dir;
}
