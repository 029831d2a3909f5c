#include "core/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

/* Room for `n` more bytes and a final zero. */
static ub_status reserve(ub_bytes *b, size_t n)
{
    if (n >= SIZE_MAX / 2 - b->len)
        return UB_FAIL(UB_ENOMEM, "buffer of %zu bytes cannot grow by %zu", b->len, n);
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return UB_OK;
    size_t         cap = need > 2 * b->cap ? need : 2 * b->cap;
    unsigned char *data;
    UB_TRY(UB_ALLOC(data, cap));
    if (b->len > 0)
        memcpy(data, b->data, b->len);
    ub_free(b->data);
    b->data = data;
    b->cap = cap;
    return UB_OK;
}

ub_status ub_bytes_put(ub_bytes *b, const void *src, size_t n)
{
    UB_TRY(reserve(b, n));
    if (n > 0)
        memcpy(b->data + b->len, src, n);
    b->len += n;
    b->data[b->len] = 0;
    return UB_OK;
}

ub_status ub_bytes_printf(ub_bytes *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return UB_FAIL(UB_EBUG, "format '%s' cannot be printed", fmt);
    UB_TRY(reserve(b, (size_t)n));
    va_start(ap, fmt);
    (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return UB_OK;
}

ub_status ub_bytes_put_json(ub_bytes *b, const char *key, const char *text, const char *after)
{
    UB_TRY(ub_bytes_printf(b, "\"%s\": \"", key));
    for (const char *p = text; *p != '\0'; p++)
        if (*p == '"' || *p == '\\')
            UB_TRY(ub_bytes_printf(b, "\\%c", *p));
        else if ((unsigned char)*p < 0x20)
            UB_TRY(ub_bytes_printf(b, "\\u%04x", (unsigned)*p));
        else
            UB_TRY(ub_bytes_put(b, p, 1));
    return ub_bytes_printf(b, "\"%s", after);
}

void ub_bytes_clear(ub_bytes *b)
{
    b->len = 0;
}

void ub_bytes_release(ub_bytes *b)
{
    if (b == NULL)
        return;
    ub_free(b->data);
    *b = (ub_bytes){0};
}

ub_status ub_bytes_take(const unsigned char *data, size_t len, size_t *at, void *dst, size_t n)
{
    if (n > len - *at || *at > len)
        return UB_FAIL(UB_EFORMAT, "message of %zu bytes ends before byte %zu", len, *at + n);
    if (n > 0)
        memcpy(dst, data + *at, n);
    *at += n;
    return UB_OK;
}
