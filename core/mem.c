#include "core/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

static atomic_llong live;

/* A block of a page of 2 MiB or more lies on one and asks for them: a page fault for 512, and fewer
 * misses when rows of a matrix are read across.  A wish, no more: where there are none, nothing
 * changes. */
static void *block(size_t bytes)
{
    bool  large = bytes >= HUGE_PAGE;
    void *p = NULL;
    if (posix_memalign(&p, large ? HUGE_PAGE : ALIGNMENT, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (large)
        (void)madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p;
}

static void *take(size_t n, size_t size, bool zeroed)
{
    if (size != 0 && n > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    size_t bytes = n * size;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes == 0)
        bytes = ALIGNMENT;
    void *p = block(bytes);
    if (p == NULL)
        return NULL;
    if (zeroed)
        memset(p, 0, bytes);
    atomic_fetch_add(&live, 1);
    return p;
}

void *ub_alloc(size_t n, size_t size)
{
    return take(n, size, true);
}

void *ub_alloc_raw(size_t n, size_t size)
{
    return take(n, size, false);
}

char *ub_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    char  *copy = ub_alloc(len, 1);
    if (copy != NULL)
        memcpy(copy, s, len);
    return copy;
}

void ub_free(void *p)
{
    if (p != NULL)
        atomic_fetch_sub(&live, 1);
    free(p);
}

int64_t ub_mem_live(void)
{
    return (int64_t)atomic_load(&live);
}

void ub_mem_fail(size_t n, size_t size, const char *what)
{
    (void)UB_FAIL(UB_ENOMEM,
                  "no memory for %zu x %zu bytes (%s); use more nodes or a smaller corpus", n, size,
                  what);
}
