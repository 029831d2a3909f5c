#include "core/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static atomic_llong live;

void *ub_alloc(size_t n, size_t size)
{
    if (size != 0 && n > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    size_t bytes = n * size;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes == 0)
        bytes = ALIGNMENT;
    void *p = aligned_alloc(ALIGNMENT, bytes);
    if (p != NULL) {
        memset(p, 0, bytes);
        atomic_fetch_add(&live, 1);
    }
    return p;
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
