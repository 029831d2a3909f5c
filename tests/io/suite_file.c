/* Small files, whole or not at all. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "io/file.h"
#include "tests/support/suite.h"

/* A path of this rank alone. */
static const char *mine(const char *name)
{
    static char path[8][UB_PATH_MAX];
    static int  next;
    char       *p = path[next++ % 8];
    (void)snprintf(p, UB_PATH_MAX, "%s/%d-%s", ub_test_dir(), ub_log_rank(), name);
    return p;
}

static int holds(const char *path, const char *text)
{
    ub_bytes b = {0};
    int      same = ub_file_read(path, &b) == UB_OK && b.len == strlen(text) &&
               memcmp(b.data, text, b.len) == 0;
    ub_bytes_release(&b);
    return same;
}

static void replaces(void)
{
    const char *path = mine("a.txt");
    char        temp[UB_PATH_MAX];
    UB_CHECK(ub_file_write(path, "one", 3));
    CU_ASSERT(holds(path, "one"));
    UB_CHECK(ub_file_write(path, "three", 5));
    CU_ASSERT(holds(path, "three"));
    UB_CHECK(ub_file_write(path, "", 0));
    CU_ASSERT(holds(path, ""));
    UB_CHECK(ub_file_temp(path, temp));
    CU_ASSERT(!ub_file_exists(temp));
}

static void large_file(void)
{
    const char *path = mine("large.bin");
    enum { N = 300001 };
    unsigned char *x;
    ub_bytes       b = {0};
    UB_CHECK(UB_ALLOC(x, N));
    for (int i = 0; i < N; i++)
        x[i] = (unsigned char)(i * 31 >> 3);
    UB_CHECK(ub_file_write(path, x, N));
    UB_CHECK(ub_bytes_put(&b, "head", 4));
    UB_CHECK(ub_file_read(path, &b));
    CU_ASSERT_EQUAL(b.len, N + 4);
    CU_ASSERT(b.len == N + 4 && memcmp(b.data + 4, x, N) == 0);
    ub_bytes_release(&b);
    ub_free(x);
}

/* The disk says no: a limit on file sizes stands for a full disk. */
static void full_disk(void)
{
    const char   *path = mine("full.txt");
    char          temp[UB_PATH_MAX];
    struct rlimit old, small;
    static char   data[100000];
    UB_CHECK(ub_file_write(path, "old", 3));
    UB_CHECK(ub_file_temp(path, temp));
    (void)fflush(NULL);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    ub_status st = ub_file_write(path, data, sizeof data);
    (void)setrlimit(RLIMIT_FSIZE, &old);
    (void)signal(SIGXFSZ, before);
    UB_CHECK_FAILS(st, UB_EIO, "full.txt: cannot write: File too large");
    CU_ASSERT(holds(path, "old"));
    CU_ASSERT(!ub_file_exists(temp));
}

static void sentences(void)
{
    ub_bytes b = {0};
    UB_CHECK_FAILS(ub_file_read(mine("none.txt"), &b), UB_ENOENT, "there is no such file");
    UB_CHECK_FAILS(ub_file_read(ub_test_dir(), &b), UB_EIO, "directory");
    UB_CHECK_FAILS(ub_file_write(mine("none/x.txt"), "x", 1), UB_EIO, "none/x.txt: cannot create");
    CU_ASSERT_EQUAL(b.len, 0);
    ub_bytes_release(&b);
}

static void folders(void)
{
    char deep[UB_PATH_MAX], inner[UB_PATH_MAX];
    (void)snprintf(deep, sizeof deep, "%s/b//c/", mine("deep"));
    UB_CHECK(ub_dir_make(deep));
    UB_CHECK(ub_dir_make(deep));
    CU_ASSERT(ub_file_exists(deep));
    UB_CHECK(ub_dir_sync(deep));
    UB_CHECK(ub_file_write(mine("plain"), "x", 1));
    (void)snprintf(inner, sizeof inner, "%s/sub", mine("plain"));
    UB_CHECK_FAILS(ub_dir_make(inner), UB_EIO, "plain: cannot make the folder");
    UB_CHECK_FAILS(ub_dir_make(""), UB_EIO, "cannot be a folder");
}

/* A commit that cannot rename leaves no temporary file behind. */
static void failed_commit(void)
{
    const char *folder = mine("folder");
    char        temp[UB_PATH_MAX];
    UB_CHECK(ub_dir_make(folder));
    UB_CHECK(ub_file_temp(folder, temp));
    UB_CHECK(ub_file_touch(temp));
    CU_ASSERT(ub_file_exists(temp));
    UB_CHECK_FAILS(ub_file_commit(temp, folder), UB_EIO, "rename");
    CU_ASSERT(!ub_file_exists(temp));
}

UB_SUITE("file", {"a file is replaced and no temporary one stays", replaces},
         {"a file larger than a block comes back behind what was there", large_file},
         {"a full disk leaves the old file and no temporary one", full_disk},
         {"errors name the file and the reason", sentences},
         {"folders are made with their parents, twice is fine", folders},
         {"a commit that fails removes the temporary file", failed_commit})
