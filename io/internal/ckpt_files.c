#include "io/internal/ckpt_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "io/file.h"

ub_status ub_ckpt_path(const char *dir, int64_t step, char *buf)
{
    int n = snprintf(buf, UB_PATH_MAX, "%s/ckpt-%010lld.h5", dir, (long long)step);
    if (n < 0 || n >= UB_PATH_MAX)
        return UB_FAIL(UB_EIO, "path of %zu bytes is too long: %.80s...", strlen(dir), dir);
    return UB_OK;
}

/* The number in ckpt-NNNNNNNNNN.h5, or -1. */
static int64_t number_of(const char *name)
{
    char      again[64];
    long long step = -1;
    if (sscanf(name, "ckpt-%lld.h5", &step) != 1 || step < 0)
        return -1;
    (void)snprintf(again, sizeof again, "ckpt-%010lld.h5", step);
    return strcmp(again, name) == 0 ? step : -1;
}

static bool is_temporary(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, ".ckpt-", 6) == 0 && n > 4 && strcmp(name + n - 4, ".new") == 0;
}

static void remove_file(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        ub_log_warn("checkpoint", "%s: cannot remove: %s", path, strerror(errno));
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

ub_status ub_ckpt_list(const char *dir, ub_bytes *steps)
{
    char      path[UB_PATH_MAX];
    size_t    before = steps->len;
    ub_status st = UB_OK;
    DIR      *d = opendir(dir);
    if (d == NULL && errno == ENOENT)
        return UB_OK;
    if (d == NULL)
        return UB_FAIL(UB_EIO, "%s: cannot list the folder: %s", dir, strerror(errno));
    for (struct dirent *e = readdir(d); e != NULL && st == UB_OK; e = readdir(d)) {
        int64_t step = number_of(e->d_name);
        if (step >= 0)
            st = ub_bytes_put(steps, &step, sizeof step);
        else if (is_temporary(e->d_name) &&
                 snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
            remove_file(path);
    }
    (void)closedir(d);
    if (st == UB_OK && steps->len > before)
        qsort(steps->data + before, (steps->len - before) / sizeof(int64_t), sizeof(int64_t),
              newest_first);
    return st;
}

ub_status ub_ckpt_prune(const char *dir, int64_t step, int keep)
{
    char      path[UB_PATH_MAX];
    ub_bytes  list = {0};
    int       kept = 0;
    ub_status st = ub_ckpt_list(dir, &list);
    for (size_t at = 0; at < list.len && st == UB_OK; at += sizeof(int64_t)) {
        int64_t found;
        memcpy(&found, list.data + at, sizeof found);
        if (found <= step && kept < keep) {
            kept++;
            continue;
        }
        st = ub_ckpt_path(dir, found, path);
        if (st == UB_OK)
            remove_file(path);
    }
    ub_bytes_release(&list);
    return st;
}
