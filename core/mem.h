/* core/mem.h - memory: zeroed, 64-byte aligned, overflow checked, counted.
 *
 * ub_alloc(n, size) never returns memory for n * size bytes that overflowed.
 * A request of zero bytes returns a valid block.  Every block is released with
 * ub_free().  ub_mem_live() counts live blocks, so that a test suite can demand
 * zero at its end.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_MEM_H
#define UB_CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Zeroed block of n * size bytes, or NULL.  Prefer UB_ALLOC. */
void *ub_alloc(size_t n, size_t size);
/* The same, not zeroed: for large scratch that is written before it is read.  Prefer
 * UB_ALLOC_RAW. */
void *ub_alloc_raw(size_t n, size_t size);
/* Copy of a string, or NULL when memory is exhausted. */
char *ub_strdup(const char *s);
/* Release; NULL is fine. */
void ub_free(void *p);
/* Number of blocks allocated and not yet freed in this process. */
int64_t ub_mem_live(void);

/* The sentence of ub_mem_check(). */
void ub_mem_fail(size_t n, size_t size, const char *what);
/* UB_OK if p is not NULL, else UB_ENOMEM with a sentence.  Inline, so that compilers and analyzers
 * know that after UB_OK the pointer is valid. */
UB_NODISCARD static inline ub_status ub_mem_check(const void *p, size_t n, size_t size,
                                                  const char *what)
{
    if (p != NULL)
        return UB_OK;
    ub_mem_fail(n, size, what);
    return UB_ENOMEM;
}

/* ptr = n zeroed elements of its own type; an expression of type ub_status:
 * UB_TRY(UB_ALLOC(x, n)). */
#define UB_ALLOC(ptr, n)                                                                           \
    ub_mem_check((ptr) = ub_alloc((size_t)(n), sizeof *(ptr)), (size_t)(n), sizeof *(ptr), #ptr)
#define UB_ALLOC_RAW(ptr, n)                                                                       \
    ub_mem_check((ptr) = ub_alloc_raw((size_t)(n), sizeof *(ptr)), (size_t)(n), sizeof *(ptr), #ptr)

#endif /* UB_CORE_MEM_H */
