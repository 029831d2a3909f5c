/* core/suggest.h - "did you mean": the nearest of some words to what was typed.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_SUGGEST_H
#define UB_CORE_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { UB_WORD_MAX = 128 };

typedef struct ub_suggest {
    const char *typed; /* borrowed */
    char        nearest[UB_WORD_MAX];
    size_t      distance; /* edits from typed to nearest */
} ub_suggest;

ub_suggest ub_suggest_begin(const char *typed);
/* Is this candidate nearer than those before? (Levenshtein distance.) */
void ub_suggest_consider(ub_suggest *s, const char *candidate);
/* Is the nearest near enough to be meant? */
bool ub_suggest_found(const ub_suggest *s);

#endif /* UB_CORE_SUGGEST_H */
