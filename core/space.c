#include "core/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compare.h"
#include "core/internal/words.h"
#include "core/mem.h"

enum { PARAMETERS, CONSTRAINTS };
enum { WHERE = 64 };

/* Words ----------------------------------------------------------------------------------------*/

/* Comma separated words of `text`, in place. */
static ub_status list(char *text, const char *where, const char *words[UB_SPACE_CHOICES],
                      int32_t *count)
{
    *count = 0;
    for (char *next = text; next != NULL;) {
        char *word = next;
        next = ub_word_cut(word, ",");
        if (*count == UB_SPACE_CHOICES)
            return UB_FAIL(UB_ERANGE, "%s: more than %d values; use a range", where,
                           UB_SPACE_CHOICES);
        words[*count] = ub_word_trim(word);
        if (words[(*count)++][0] == '\0')
            return UB_FAIL(UB_EINPUT, "%s: a value is missing; write KEY = A, B, C", where);
    }
    return UB_OK;
}

/* Reading --------------------------------------------------------------------------------------*/

/* Equal as numbers, or as words. */
static bool equal(const char *a, const char *b)
{
    double x, y;
    return strcmp(a, b) == 0 || (ub_word_number(a, &x) && ub_word_number(b, &y) && x == y);
}

/* Can parameter p have this value? */
static bool takes(const ub_parameter *p, const char *value)
{
    double x;
    if (p->range)
        return ub_word_number(value, &x) && x >= p->low && x <= p->high;
    for (int32_t k = 0; k < p->choices; k++)
        if (equal(p->choice[k], value))
            return true;
    return false;
}

static ub_status read_when(ub_space *s, ub_parameter *p, char *text, const char *where)
{
    char *values = ub_word_cut(text, "=");
    char *key = ub_word_trim(text);
    if (values == NULL)
        return UB_FAIL(UB_EINPUT, "%s: 'when %s' wants a value: when KEY = A, B", where, key);
    for (int32_t i = 0; i < s->count; i++)
        if (strcmp(s->parameter[i].key, key) == 0)
            p->when = i;
    if (p->when < 0)
        return UB_FAIL(UB_EINPUT, "%s: 'when %s': no line above varies %s", where, key, key);
    UB_TRY(list(values, where, p->when_value, &p->whens));
    for (int32_t k = 0; k < p->whens; k++)
        if (!takes(&s->parameter[p->when], p->when_value[k]))
            return UB_FAIL(UB_EINPUT, "%s: 'when %s': %s is never '%s'", where, key, key,
                           p->when_value[k]);
    return UB_OK;
}

/* "LOW .. HIGH [log] [in N]"; `high` points behind the dots. */
static ub_status read_range(ub_parameter *p, char *low, char *high, const char *where)
{
    char *levels = ub_word_cut(high, " in "), *log = ub_word_cut(high, " log");
    p->range = true;
    p->log = log != NULL;
    if (log != NULL && *ub_word_trim(log) != '\0')
        return UB_FAIL(UB_EINPUT, "%s: '%s' behind 'log'; write LOW .. HIGH log in 5", where,
                       ub_word_trim(log));
    if (p->field->type != UB_FIELD_INT && p->field->type != UB_FIELD_REAL)
        return UB_FAIL(UB_EINPUT, "%s: %s is no number; list its values: %s = A, B", where, p->key,
                       p->key);
    if (!ub_word_number(ub_word_trim(low), &p->low) ||
        !ub_word_number(ub_word_trim(high), &p->high))
        return UB_FAIL(UB_EINPUT, "%s: '%s .. %s' is no range of numbers", where, ub_word_trim(low),
                       ub_word_trim(high));
    if (!(p->low < p->high) || (p->log && p->low <= 0))
        return UB_FAIL(UB_ERANGE, "%s: the range %g .. %g must rise%s", where, p->low, p->high,
                       p->log ? " and begin above 0, as it is logarithmic" : "");
    if (p->field->type == UB_FIELD_INT && (p->low != floor(p->low) || p->high != floor(p->high)))
        return UB_FAIL(UB_EINPUT, "%s: %s is a whole number, %g .. %g is not", where, p->key,
                       p->low, p->high);
    double count = 0;
    if (levels != NULL && (!ub_word_number(ub_word_trim(levels), &count) || count < 2 ||
                           count > 1e6 || count != floor(count)))
        return UB_FAIL(UB_EINPUT, "%s: 'in %s': wants a whole number from 2 on", where,
                       ub_word_trim(levels));
    p->levels = (int64_t)count;
    return UB_OK;
}

static ub_status read_parameter(ub_space *s, char *line, const char *where)
{
    ub_parameter *p = &s->parameter[s->count];
    char *rest = ub_word_cut(line, "="), *when = rest == NULL ? NULL : ub_word_cut(rest, " when ");
    *p = (ub_parameter){.when = -1};
    p->key = ub_word_trim(line);
    p->field = ub_schema_find(s->schema, p->key);
    if (rest == NULL)
        return UB_FAIL(UB_EINPUT, "%s: '%s' is no parameter; write KEY = A, B or KEY = LOW .. HIGH",
                       where, p->key);
    for (int32_t i = 0; i < s->count; i++)
        if (strcmp(s->parameter[i].key, p->key) == 0)
            return UB_FAIL(UB_EINPUT, "%s: %s is given twice", where, p->key);
    /* An unknown key falls through to ub_schema_set, which knows what is near it. */
    char *high = p->field == NULL ? NULL : ub_word_cut(rest, " .. ");
    if (high != NULL)
        UB_TRY(read_range(p, rest, high, where));
    else
        UB_TRY(list(rest, where, p->choice, &p->choices));
    if (when != NULL)
        UB_TRY(read_when(s, p, when, where));
    s->count++;
    return UB_OK;
}

/* Every line that says something. */
static ub_status read_lines(ub_space *s, char *text, int what)
{
    int  n = 0;
    char where[WHERE];
    for (char *next = text; next != NULL;) {
        char *line = next;
        next = ub_word_cut(line, "\n");
        char *comment = strchr(line, '#');
        if (comment != NULL)
            *comment = '\0';
        line = ub_word_trim(line);
        n++;
        if (*line == '\0')
            continue;
        (void)snprintf(where, sizeof where, "sweep.%s, line %d",
                       what == PARAMETERS ? "parameters" : "constraints", n);
        int most = what == PARAMETERS ? UB_SPACE_PARAMETERS : UB_SPACE_CONSTRAINTS;
        if ((what == PARAMETERS ? s->count : s->constraints) == most)
            return UB_FAIL(UB_ERANGE, "%s: more than %d lines", where, most);
        if (what == PARAMETERS)
            UB_TRY(read_parameter(s, line, where));
        else
            s->constraint[s->constraints++] = line;
    }
    return UB_OK;
}

/* Try every value where the schema would say no. */
static ub_status try_values(const ub_space *s, void *settings)
{
    char text[UB_WORD_MAX], where[WHERE + UB_WORD_MAX];
    for (int32_t i = 0; i < s->count; i++) {
        const ub_parameter *p = &s->parameter[i];
        (void)snprintf(where, sizeof where, "sweep.parameters, %.*s", UB_WORD_MAX - 1, p->key);
        for (int32_t k = 0; k < p->choices; k++)
            UB_TRY(ub_schema_set(s->schema, settings, p->key, p->choice[k], where));
        for (int end = 0; end < 2 && p->range; end++) {
            (void)snprintf(text, sizeof text, "%.15g", end == 0 ? p->low : p->high);
            UB_TRY(ub_schema_set(s->schema, settings, p->key, text, where));
        }
    }
    bool meets;
    return ub_space_meets(s, settings, &meets);
}

ub_status ub_space_parse(const ub_schema *schema, const void *base, size_t size,
                         const char *parameters, const char *constraints, ub_space *out)
{
    ub_space  s = {.schema = schema};
    char     *settings = NULL;
    size_t    first = strlen(parameters) + 1, second = strlen(constraints) + 1;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s.text, first + second));
    UB_TRY_OUT(UB_ALLOC(s.parameter, UB_SPACE_PARAMETERS));
    UB_TRY_OUT(UB_ALLOC(settings, size));
    memcpy(s.text, parameters, first);
    memcpy(s.text + first, constraints, second);
    memcpy(settings, base, size);
    UB_TRY_OUT(read_lines(&s, s.text, PARAMETERS));
    UB_TRY_OUT(read_lines(&s, s.text + first, CONSTRAINTS));
    if (s.count == 0)
        UB_TRY_OUT(UB_FAIL(UB_EINPUT, "sweep.parameters is empty: nothing varies; write lines like "
                                      "'disentangle.lambda = 0.05 .. 0.5 log'"));
    UB_TRY_OUT(try_values(&s, settings));
    *out = s;
    s = (ub_space){0};
out:
    ub_free(settings);
    ub_space_release(&s);
    return st;
}

void ub_space_release(ub_space *s)
{
    ub_free(s->text);
    ub_free(s->parameter);
    *s = (ub_space){0};
}

/* Values ---------------------------------------------------------------------------------------*/

ub_status ub_space_levels(const ub_space *s, int32_t p, int64_t *levels)
{
    const ub_parameter *q = &s->parameter[p];
    if (!q->range)
        *levels = q->choices;
    else if (q->levels > 0)
        *levels = q->levels;
    else if (q->field->type == UB_FIELD_INT && q->high - q->low < 1e6)
        *levels = (int64_t)(q->high - q->low) + 1;
    else
        return UB_FAIL(UB_EINPUT,
                       "sweep.parameters: the grid does not know how many values %s = %g .. %g "
                       "should take; add 'in 5', list the values, or use another sweep.method",
                       q->key, q->low, q->high);
    return UB_OK;
}

/* A whole number of the range counts for one unit of it. */
static double width_of(const ub_parameter *p)
{
    double more = p->field->type == UB_FIELD_INT ? 1 : 0;
    return p->log ? log((p->high + more) / p->low) : p->high + more - p->low;
}

double ub_space_level(const ub_space *s, int32_t p, int64_t level, int64_t levels)
{
    const ub_parameter *q = &s->parameter[p];
    double              part = levels > 1 ? (double)level / (double)(levels - 1) : 0;
    if (!q->range)
        return ((double)level + 0.5) / (double)levels;
    if (q->field->type != UB_FIELD_INT)
        return fmin(part, 1 - 1e-15);
    bool   every = (double)levels == q->high - q->low + 1; /* then each once, log or not */
    double value = q->log && !every ? q->low * pow(q->high / q->low, part)
                                    : q->low + part * (q->high - q->low);
    value = floor(value + 0.5); /* the middle of the value's own stretch */
    return q->log ? log((value + 0.5) / q->low) / width_of(q)
                  : (value - q->low + 0.5) / width_of(q);
}

/* The value at coordinate u, as text. */
static void value_at(const ub_parameter *p, double u, char *text, size_t cap)
{
    if (!p->range) {
        int32_t k = (int32_t)(u * p->choices);
        (void)snprintf(text, cap, "%s", p->choice[k < p->choices ? k : p->choices - 1]);
        return;
    }
    double x = p->log ? p->low * exp(u * width_of(p)) : p->low + u * width_of(p);
    if (p->field->type == UB_FIELD_INT)
        x = floor(x);
    x = fmin(fmax(x, p->low), p->high);
    (void)snprintf(text, cap, p->field->type == UB_FIELD_INT ? "%.15g" : "%.6g", x);
    double rounded = strtod(text, NULL); /* six digits may leave the range by a hair */
    if (rounded < p->low || rounded > p->high)
        (void)snprintf(text, cap, "%.15g", x);
}

/* Has parameter p, in these settings, one of the values? */
static ub_status has_value(const ub_parameter *p, const void *settings, int32_t count,
                           const char *const *values, bool *has)
{
    ub_bytes  text = {0};
    ub_status st = ub_schema_value(p->field, settings, &text);
    *has = false;
    for (int32_t k = 0; k < count && st == UB_OK; k++)
        *has = *has || equal((const char *)text.data, values[k]);
    ub_bytes_release(&text);
    return st;
}

ub_status ub_space_set(const ub_space *s, const double *u, void *settings, unsigned char *active)
{
    char          text[UB_TEXT_MAX];
    unsigned char on[UB_SPACE_PARAMETERS];
    for (int32_t i = 0; i < s->count; i++) {
        const ub_parameter *p = &s->parameter[i];
        bool                yes = true;
        if (p->when >= 0)
            UB_TRY(has_value(&s->parameter[p->when], settings, p->whens, p->when_value, &yes));
        on[i] = yes && (p->when < 0 || on[p->when]);
        if (active != NULL)
            active[i] = on[i];
        if (!on[i])
            continue;
        value_at(p, u[i], text, sizeof text);
        UB_TRY(ub_schema_set(s->schema, settings, p->key, text, "sweep.parameters"));
    }
    return UB_OK;
}

ub_status ub_space_meets(const ub_space *s, const void *settings, bool *meets)
{
    *meets = true;
    for (int32_t k = 0; k < s->constraints; k++) {
        bool yes;
        UB_TRY(ub_compare(s->schema, settings, "sweep.constraints", s->constraint[k], &yes));
        *meets = *meets && yes;
    }
    return UB_OK;
}
