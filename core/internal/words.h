/* core/internal/words.h - cutting lines that people wrote into words, in place.
 *
 * Layer: core.
 */
#ifndef UB_CORE_INTERNAL_WORDS_H
#define UB_CORE_INTERNAL_WORDS_H

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { UB_WORD_MAX = 128 };

/* Without blanks at both ends; in place. */
static inline char *ub_word_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (size_t n = strlen(text); n > 0 && isspace((unsigned char)text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

/* Cut `text` at the first `mark`; what follows it, or NULL. */
static inline char *ub_word_cut(char *text, const char *mark)
{
    char *at = strstr(text, mark);
    if (at == NULL)
        return NULL;
    *at = '\0';
    return at + strlen(mark);
}

/* Is all of `text` a finite number? */
static inline bool ub_word_number(const char *text, double *x)
{
    char *end;
    *x = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*x);
}

#endif /* UB_CORE_INTERNAL_WORDS_H */
