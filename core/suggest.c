#include "core/suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

ub_suggest ub_suggest_begin(const char *typed)
{
    return (ub_suggest){.typed = typed, .distance = SIZE_MAX};
}

static size_t distance(const char *a, const char *b)
{
    size_t row[UB_WORD_MAX], n = strlen(b);
    if (n + 1 > UB_WORD_MAX)
        return UB_WORD_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t shorter = (row[j] < diagonal ? row[j] : diagonal) + 1;
            row[j + 1] = change < shorter ? change : shorter;
        }
    }
    return row[n];
}

void ub_suggest_consider(ub_suggest *s, const char *candidate)
{
    size_t d = distance(s->typed, candidate);
    if (d >= s->distance)
        return;
    s->distance = d;
    (void)snprintf(s->nearest, sizeof s->nearest, "%s", candidate);
}

bool ub_suggest_found(const ub_suggest *s)
{
    return s->distance <= 2 + strlen(s->typed) / 4;
}
