#include "core/compare.h"

#include <stdio.h>

#include "core/bytes.h"
#include "core/internal/words.h"

/* What is compared, and where it was written. */
typedef struct comparison {
    const ub_schema *schema;
    const void      *settings;
    const char      *where, *line;
} comparison;

/* A term: its number, or its word if it is one factor that is no number. */
typedef struct term {
    double          value;
    bool            number;
    char            word[UB_WORD_MAX];
    const ub_field *field; /* of a key, or NULL */
} term;

static ub_status factor_of(const comparison *c, char *text, term *out)
{
    const ub_field *f = out->field = ub_schema_find(c->schema, text);
    ub_bytes        value = {0};
    if (f != NULL)
        UB_TRY(ub_schema_value(f, c->settings, &value));
    const char *word = f != NULL && value.data != NULL ? (const char *)value.data : text;
    (void)snprintf(out->word, sizeof out->word, "%s", word);
    ub_bytes_release(&value);
    out->number = ub_word_number(out->word, &out->value);
    if (f == NULL && !out->number && (strchr(text, '.') != NULL || *text == '\0'))
        return UB_FAIL(UB_EINPUT, "%s, '%s': '%s' is neither a key nor a number", c->where, c->line,
                       text);
    return UB_OK;
}

static ub_status term_of(const comparison *c, char *text, term *out)
{
    *out = (term){.value = 1, .number = true};
    for (char *next = text; next != NULL;) {
        char *factor = next;
        bool  alone = factor == text;
        next = ub_word_cut(factor, "*");
        term one;
        UB_TRY(factor_of(c, ub_word_trim(factor), &one));
        if (!one.number && (next != NULL || !alone))
            return UB_FAIL(UB_EINPUT, "%s, '%s': %s is no number to multiply", c->where, c->line,
                           one.word);
        if (next == NULL && alone)
            *out = one;
        else
            out->value *= one.value;
    }
    return UB_OK;
}

/* A word that a key with choices is compared with is one of these. */
static ub_status check_word(const comparison *c, const term *key, const term *word)
{
    char choice[UB_WORD_MAX];
    bool any = false;
    if (key->field == NULL || word->field != NULL)
        return UB_OK;
    for (size_t i = 0; ub_schema_choice(key->field, i, choice, sizeof choice); i++) {
        if (strcmp(choice, word->word) == 0)
            return UB_OK;
        any = true;
    }
    return any ? UB_FAIL(UB_EINPUT, "%s, '%s': %s is never '%s'", c->where, c->line,
                         key->field->key, word->word)
               : UB_OK;
}

ub_status ub_compare(const ub_schema *schema, const void *settings, const char *where,
                     const char *line, bool *yes)
{
    const comparison        *c = &(comparison){schema, settings, where, line};
    static const char *const operators[] = {"<=", ">=", "==", "!=", "<", ">"};
    char                     copy[UB_TEXT_MAX];
    char                    *right = NULL;
    int                      op = -1;
    term                     a, b;
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (int k = 0; k < 6 && right == NULL; k++)
        if ((right = ub_word_cut(copy, operators[k])) != NULL)
            op = k;
    if (right == NULL)
        return UB_FAIL(UB_EINPUT, "%s, '%s': no comparison; write KEY <= KEY or KEY * KEY <= 4096",
                       c->where, c->line);
    UB_TRY(term_of(c, copy, &a));
    UB_TRY(term_of(c, right, &b));
    bool same = a.number && b.number ? a.value == b.value : strcmp(a.word, b.word) == 0;
    if (op != 2 && op != 3 && !(a.number && b.number))
        return UB_FAIL(UB_EINPUT, "%s, '%s': words can only be compared by == and !=", c->where,
                       c->line);
    UB_TRY(check_word(c, &a, &b));
    UB_TRY(check_word(c, &b, &a));
    *yes = op == 0   ? a.value <= b.value
           : op == 1 ? a.value >= b.value
           : op == 2 ? same
           : op == 3 ? !same
           : op == 4 ? a.value < b.value
                     : a.value > b.value;
    return UB_OK;
}

static ub_status choose(const ub_schema *schema, const void *settings, const char *where,
                        const char *written, char *line, double *number)
{
    char  *rule = ub_word_cut(line, " when ");
    double x;
    bool   holds;
    if (rule == NULL || !ub_word_number(ub_word_trim(line), &x))
        return UB_FAIL(UB_EINPUT, "%s, '%s': write NUMBER when KEY > NUMBER", where, written);
    UB_TRY(ub_compare(schema, settings, where, ub_word_trim(rule), &holds));
    if (holds)
        *number = x;
    return UB_OK;
}

ub_status ub_compare_choose(const ub_schema *schema, const void *settings, const char *where,
                            const char *lines, double otherwise, double *number)
{
    *number = otherwise;
    while (*lines != '\0') {
        char   written[UB_TEXT_MAX], line[UB_TEXT_MAX];
        size_t length = strcspn(lines, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)length, lines);
        lines += length + (lines[length] == '\n');
        line[strcspn(line, "#")] = '\0';
        char *said = ub_word_trim(line);
        (void)snprintf(written, sizeof written, "%s", said);
        if (*said != '\0')
            UB_TRY(choose(schema, settings, where, written, said, number));
    }
    return UB_OK;
}
