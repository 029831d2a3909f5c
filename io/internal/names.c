#include "io/internal/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { SHOWN = 12 };

ub_status ub_names_add(ub_names *n, const char *name, size_t len)
{
    UB_TRY(ub_bytes_put(&n->text, name, len));
    UB_TRY(ub_bytes_put(&n->text, "", 1));
    n->count++;
    return UB_OK;
}

void ub_names_release(ub_names *n)
{
    ub_free(n->at);
    ub_bytes_release(&n->text);
    *n = (ub_names){0};
}

ub_status ub_names_index(ub_names *n)
{
    ub_free(n->at);
    n->at = NULL;
    UB_TRY(UB_ALLOC(n->at, n->count));
    const char *p = (const char *)n->text.data;
    for (int64_t i = 0; i < n->count; i++) {
        n->at[i] = p;
        p += strlen(p) + 1;
    }
    return UB_OK;
}

/* Length of the run of digits at p without its leading zeros, which *p passes. */
static size_t digits(const char **p)
{
    while (**p == '0' && isdigit((unsigned char)(*p)[1]))
        (*p)++;
    return strspn(*p, "0123456789");
}

static int natural(const void *left, const void *right)
{
    const char *const *l = left, *const *r = right;
    const char        *a = *l, *b = *r;
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t la = digits(&a), lb = digits(&b);
            int    order = la != lb ? (la < lb ? -1 : 1) : strncmp(a, b, la);
            if (order != 0)
                return order;
            a += la;
            b += lb;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    int order = (unsigned char)*a - (unsigned char)*b;
    return order != 0 ? order : strcmp(*l, *r);
}

ub_status ub_names_sort(ub_names *n)
{
    ub_names  sorted = {0};
    ub_status st = UB_OK;
    UB_TRY(ub_names_index(n));
    if (n->count > 1)
        qsort(n->at, (size_t)n->count, sizeof *n->at, natural);
    for (int64_t i = 0; i < n->count; i++)
        UB_TRY_OUT(ub_names_add(&sorted, n->at[i], strlen(n->at[i])));
    UB_TRY_OUT(ub_names_index(&sorted));
    ub_names_release(n);
    *n = sorted;
    return UB_OK;
out:
    ub_names_release(&sorted);
    return st;
}

ub_status ub_names_split(ub_names *n, const char *list)
{
    for (const char *p = list; *p != '\0'; p += *p == ',') {
        p += strspn(p, " \t");
        size_t len = strcspn(p, ","), word = len;
        while (word > 0 && (p[word - 1] == ' ' || p[word - 1] == '\t'))
            word--;
        if (word > 0)
            UB_TRY(ub_names_add(n, p, word));
        p += len;
    }
    return ub_names_index(n);
}

void ub_names_text(const ub_names *n, char *text, size_t cap)
{
    const char *p = (const char *)n->text.data;
    size_t      at = 0;
    (void)snprintf(text, cap, "nothing");
    for (int64_t i = 0; i < n->count && at < cap; i++) {
        if (i == SHOWN) {
            (void)snprintf(text + at, cap - at, " and %lld more", (long long)(n->count - i));
            return;
        }
        at += (size_t)snprintf(text + at, cap - at, "%s%s", i > 0 ? ", " : "", p);
        p += strlen(p) + 1;
    }
}

ub_status ub_names_share(const ub_comm *c, ub_names *n)
{
    UB_TRY(ub_comm_share(c, &n->text));
    UB_TRY(ub_comm_bcast(c, &n->count, sizeof n->count));
    return ub_comm_agree(c, ub_names_index(n));
}

void ub_name_link(char *name)
{
    for (char *p = name; *p != '\0'; p++)
        if (*p == '/')
            *p = '.';
}

static int by_link(const void *left, const void *right)
{
    char a[UB_NAME_MAX], b[UB_NAME_MAX];
    (void)snprintf(a, sizeof a, "%s", *(const char *const *)left);
    (void)snprintf(b, sizeof b, "%s", *(const char *const *)right);
    ub_name_link(a);
    ub_name_link(b);
    return strcmp(a, b);
}

ub_status ub_names_differ(int32_t tasks, char (*name)[UB_NAME_MAX])
{
    const char **at, *first, *second;
    char         link[UB_NAME_MAX];
    ub_status    st = UB_ALLOC(at, tasks);
    UB_TRY(st);
    for (int32_t i = 0; i < tasks; i++)
        at[i] = name[i];
    if (tasks > 1)
        qsort(at, (size_t)tasks, sizeof *at, by_link);
    for (int32_t i = 1; i < tasks && st == UB_OK; i++)
        if (by_link(&at[i - 1], &at[i]) == 0) {
            first = at[i - 1] < at[i] ? at[i - 1] : at[i];
            second = at[i - 1] < at[i] ? at[i] : at[i - 1];
            (void)snprintf(link, sizeof link, "%s", first);
            ub_name_link(link);
            st = UB_FAIL(UB_EINPUT,
                         "the tasks '%s' and '%s' would both be '%s' in a file; rename one", first,
                         second, link);
        }
    ub_free(at);
    return st;
}
