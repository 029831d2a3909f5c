/* core/bytes.h - a growable byte buffer, and reading it back in order.
 *
 * Values are stored in the machine's own byte order (one build, one kind of
 * machine; files say so where it matters).
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_BYTES_H
#define UB_CORE_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct ub_bytes {
    unsigned char *data; /* owned */
    size_t         len, cap;
} ub_bytes;

/* Append n bytes; the buffer grows geometrically.  Zero-initialise before use. */
UB_NODISCARD ub_status ub_bytes_put(ub_bytes *b, const void *src, size_t n);
/* Append text made by a printf format (without the final zero; data stays
 * zero-terminated one past len, so it can be read as a string). */
UB_NODISCARD ub_status ub_bytes_printf(ub_bytes *b, const char *fmt, ...) UB_PRINTF(2, 3);
/* Append "key": "text" as JSON, escaped, then `after`. */
UB_NODISCARD ub_status ub_bytes_put_json(ub_bytes *b, const char *key, const char *text,
                                         const char *after);
/* Empty it and keep the memory. */
void ub_bytes_clear(ub_bytes *b);
/* Release the memory; NULL and zeroed are fine. */
void ub_bytes_release(ub_bytes *b);

/* Copy the next n bytes at *at into dst and advance; UB_EFORMAT past the end. */
UB_NODISCARD ub_status ub_bytes_take(const unsigned char *data, size_t len, size_t *at, void *dst,
                                     size_t n);

#endif /* UB_CORE_BYTES_H */
