#include "io/internal/pen.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

void ub_pen_begin(ub_pen *p, ub_bytes *out)
{
    *p = (ub_pen){.out = out, .start = out->len, .st = UB_OK};
    p->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (p->c == (locale_t)0)
        p->st = UB_FAIL(UB_ENOMEM, "the C locale cannot be made");
    else
        p->before = uselocale(p->c);
}

ub_status ub_pen_end(ub_pen *p)
{
    if (p->c != (locale_t)0) {
        (void)uselocale(p->before);
        freelocale(p->c);
        p->c = (locale_t)0;
    }
    if (p->st != UB_OK) {
        p->out->len = p->start;
        if (p->out->data != NULL)
            p->out->data[p->start] = 0;
    }
    return p->st;
}

void ub_pen_note(ub_pen *p, ub_status st)
{
    if (p->st == UB_OK)
        p->st = st;
}

static void put(ub_pen *p, const void *src, size_t n)
{
    if (p->st == UB_OK)
        p->st = ub_bytes_put(p->out, src, n);
}

void ub_pen_put(ub_pen *p, const char *text)
{
    put(p, text, strlen(text));
}

void ub_pen_printf(ub_pen *p, const char *fmt, ...)
{
    char    text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text) /* long texts go through ub_pen_put */
        ub_pen_note(p, UB_FAIL(UB_EBUG, "a line made by '%.40s' has %d characters", fmt, n));
    else
        put(p, text, (size_t)n);
}

void ub_pen_number(ub_pen *p, double v)
{
    char text[40];
    int  n = 0;
    if (isnan(v)) {
        ub_pen_put(p, "nan"); /* never "-nan" */
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    put(p, text, (size_t)n);
}

/* Length of the character at s (1..4) with its code, or 1 with code U+FFFD for a byte that does
 * not start a valid one (RFC 3629: no overlong forms, no surrogates). */
static size_t next_char(const char *s, uint32_t *code)
{
    const unsigned char  *u = (const unsigned char *)s;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t   n = u[0] < 0x80 ? 1 : u[0] >= 0xf0 && u[0] < 0xf8 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    uint32_t c = n == 1 ? u[0] : u[0] & (0x7fu >> n);
    *code = 0xfffd;
    if ((u[0] >= 0x80 && u[0] < 0xc0) || u[0] >= 0xf8)
        return 1;
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (u[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 1;
    *code = c;
    return n;
}

static size_t count_chars(const char *s)
{
    size_t   n = 0;
    uint32_t code;
    for (; *s != 0; s += next_char(s, &code))
        n++;
    return n;
}

static void put_escaped(ub_pen *p, const char *text, size_t n, uint32_t code)
{
    if (code == '&')
        ub_pen_put(p, "&amp;");
    else if (code == '<')
        ub_pen_put(p, "&lt;");
    else if (code == '>')
        ub_pen_put(p, "&gt;");
    else if (code == '"')
        ub_pen_put(p, "&quot;");
    else if (code == '\'')
        ub_pen_put(p, "&#39;");
    else if ((code < 0x20 && code != '\n' && code != '\t') || code == 0x7f ||
             (code >= 0xfffd && code <= 0xffff))
        ub_pen_put(p, "\xef\xbf\xbd");
    else
        put(p, text, n);
}

void ub_pen_escape(ub_pen *p, const char *text, size_t most)
{
    size_t   count = most > 0 ? count_chars(text) : 0, n;
    size_t   gap = count > most ? most / 2 : SIZE_MAX; /* characters before the ellipsis */
    size_t   resume = count - (most - most / 2 - 1);   /* the first character after it */
    uint32_t code;
    for (size_t at = 0; *text != 0; text += n, at++) {
        n = next_char(text, &code);
        if (at == gap)
            ub_pen_put(p, "\xe2\x80\xa6");
        if (gap == SIZE_MAX || at < gap || at >= resume)
            put_escaped(p, text, n, code);
    }
}

void ub_pen_column(ub_pen *p, const char *text, size_t width)
{
    bool     cut = count_chars(text) > width;
    size_t   done = 0, n;
    uint32_t code;
    for (; *text != 0 && (!cut || done + 3 < width); text += n, done++) {
        n = next_char(text, &code);
        if (code < 0x20 || code == 0x7f || code == 0xfffd)
            ub_pen_put(p, "\xef\xbf\xbd");
        else
            put(p, text, n);
    }
    for (; cut && done < width; done++)
        ub_pen_put(p, ".");
    for (; done < width; done++)
        ub_pen_put(p, " ");
}

void ub_pen_ranges(ub_pen *p, int64_t count, const uint8_t *flag, int64_t stride, int64_t scale,
                   const char *dash, size_t budget)
{
    size_t  start = p->out->len;
    int64_t written = 0, left = 0;
    for (int64_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && !flag[end * stride] == !flag[i * stride];)
            end++;
        if (!flag[i * stride])
            continue;
        if (left > 0 || p->out->len - start > budget) {
            left++;
            continue;
        }
        int64_t first = i * scale, last = end * scale - 1;
        ub_pen_printf(p, "%s%lld", written++ > 0 ? ", " : "", (long long)first);
        if (last > first)
            ub_pen_printf(p, "%s%lld", dash, (long long)last);
    }
    if (left > 0)
        ub_pen_printf(p, " and %lld more", (long long)left);
    if (written == 0)
        ub_pen_put(p, "none");
}

const char *ub_task_label(char (*names)[UB_NAME_MAX], int32_t i, char buf[UB_NAME_MAX])
{
    if (names != NULL && names[i][0] != 0)
        return names[i];
    (void)snprintf(buf, UB_NAME_MAX, "task %d", (int)i);
    return buf;
}
