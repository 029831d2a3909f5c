#include "core/schema.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/suggest.h"

enum { NAME = UB_WORD_MAX };

static void *place(const ub_field *f, void *settings)
{
    return (char *)settings + f->offset;
}

static const void *place_const(const ub_field *f, const void *settings)
{
    return (const char *)settings + f->offset;
}

static const ub_section *find_section(const ub_schema *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->sections[i].name) == len && strncmp(s->sections[i].name, name, len) == 0)
            return &s->sections[i];
    return NULL;
}

static const ub_field *find_field(const ub_section *section, const char *key)
{
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->fields[i].key, key) == 0)
            return &section->fields[i];
    return NULL;
}

const ub_field *ub_schema_find(const ub_schema *s, const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL)
        return NULL;
    const ub_section *section = find_section(s, path, (size_t)(dot - path));
    return section == NULL ? NULL : find_field(section, dot + 1);
}

/* "; did you mean 'x'?" when something is near, else what there is. */
static void hint(const ub_suggest *best, char *out, size_t cap)
{
    if (ub_suggest_found(best))
        (void)snprintf(out, cap, "; did you mean '%s'?", best->nearest);
    else
        (void)snprintf(out, cap, "; 'unbraid config reference' lists all keys");
}

/* The right key in another section. */
static void elsewhere(const ub_schema *s, const char *key, ub_suggest *best)
{
    for (size_t j = 0; j < s->count; j++)
        if (find_field(&s->sections[j], key) != NULL) {
            (void)snprintf(best->nearest, sizeof best->nearest, "%s.%s", s->sections[j].name, key);
            best->distance = 0;
        }
}

static ub_status unknown(const ub_schema *s, const char *path, const char *where)
{
    char              tip[2 * NAME], name[NAME];
    const char       *dot = strchr(path, '.');
    size_t            len = dot == NULL ? strlen(path) : (size_t)(dot - path);
    const ub_section *section = find_section(s, path, len);
    if (section == NULL) {
        (void)snprintf(name, sizeof name, "%.*s", (int)(len < NAME ? len : NAME - 1), path);
        ub_suggest best = ub_suggest_begin(name);
        for (size_t i = 0; i < s->count; i++)
            ub_suggest_consider(&best, s->sections[i].name);
        if (dot == NULL) /* perhaps a key without its section */
            elsewhere(s, path, &best);
        hint(&best, tip, sizeof tip);
        return UB_FAIL(UB_ENOENT, "%s: unknown section '%s'%s", where, name, tip);
    }
    const char *key = dot == NULL ? "" : dot + 1;
    ub_suggest  best = ub_suggest_begin(key);
    for (size_t i = 0; i < section->count; i++)
        ub_suggest_consider(&best, section->fields[i].key);
    elsewhere(s, key, &best);
    hint(&best, tip, sizeof tip);
    return UB_FAIL(UB_ENOENT, "%s: unknown key '%s' in section '%s'%s", where, key, section->name,
                   tip);
}

ub_status ub_schema_value(const ub_field *f, const void *settings, ub_bytes *out)
{
    if (f->type == UB_FIELD_TEXT)
        return ub_bytes_printf(out, "%s", (const char *)settings + f->offset);
    return ub_schema_format(f, settings, out);
}

bool ub_schema_choice(const ub_field *f, size_t i, char *buf, size_t cap)
{
    if (f->choices == NULL) {
        const char *name = f->choice_at == NULL ? NULL : f->choice_at(i);
        if (name != NULL)
            (void)snprintf(buf, cap, "%s", name);
        return name != NULL;
    }
    const char *at = f->choices;
    for (; i > 0; i--) {
        at = strchr(at, '|');
        if (at == NULL)
            return false;
        at++;
    }
    (void)snprintf(buf, cap, "%.*s", (int)strcspn(at, "|"), at);
    return true;
}

/* All choices, comma separated, for sentences. */
static void choice_list(const ub_field *f, char *buf, size_t cap)
{
    char   name[NAME];
    size_t len = 0;
    buf[0] = '\0';
    for (size_t i = 0; ub_schema_choice(f, i, name, sizeof name) && len < cap; i++)
        len += (size_t)snprintf(buf + len, cap - len, "%s%s", i > 0 ? ", " : "", name);
}

static ub_status out_of_range(const ub_field *f, const char *path, const char *text,
                              const char *where)
{
    return UB_FAIL(UB_ERANGE, "%s: %s = %s is outside %.10g .. %.10g%s%s", where, path, text,
                   f->min, f->max, f->unit[0] != '\0' ? " " : "", f->unit);
}

static bool in_range(const ub_field *f, double x)
{
    return (f->min == 0 && f->max == 0) || (x >= f->min && x <= f->max);
}

static ub_status set_int(const ub_field *f, int64_t *to, const char *path, const char *text,
                         const char *where)
{
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    if (end == text || *end != '\0')
        return UB_FAIL(UB_EARG, "%s: %s = '%s' is not a whole number", where, path, text);
    if (errno != 0)
        return UB_FAIL(UB_ERANGE, "%s: %s = %s does not fit in 64 bits", where, path, text);
    if (!in_range(f, (double)x))
        return out_of_range(f, path, text, where);
    *to = x;
    return UB_OK;
}

static ub_status set_real(const ub_field *f, double *to, const char *path, const char *text,
                          const char *where)
{
    char  *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(x))
        return UB_FAIL(UB_EARG, "%s: %s = '%s' is not a number", where, path, text);
    if (!in_range(f, x))
        return out_of_range(f, path, text, where);
    *to = x;
    return UB_OK;
}

static ub_status set_bool(bool *to, const char *path, const char *text, const char *where)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0;
    if (!yes && !no)
        return UB_FAIL(UB_EARG, "%s: %s = '%s' is neither true nor false", where, path, text);
    *to = yes;
    return UB_OK;
}

static ub_status choose(const ub_field *f, const char *path, const char *text, const char *where,
                        int *index)
{
    char       name[NAME], list[UB_TEXT_MAX];
    ub_suggest best = ub_suggest_begin(text);
    for (size_t i = 0; ub_schema_choice(f, i, name, sizeof name); i++) {
        if (strcmp(name, text) == 0) {
            *index = (int)i;
            return UB_OK;
        }
        ub_suggest_consider(&best, name);
    }
    choice_list(f, list, sizeof list);
    if (ub_suggest_found(&best))
        return UB_FAIL(UB_EARG, "%s: %s = '%s' is none of: %s; did you mean '%s'?", where, path,
                       text, list, best.nearest);
    return UB_FAIL(UB_EARG, "%s: %s = '%s' is none of: %s", where, path, text, list);
}

/* Is the text UTF-8?  (Lengths and continuation bytes; enough for YAML to read it back.) */
static bool is_utf8(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
        int more = *p < 0x80                 ? 0
                   : *p >= 0xc2 && *p < 0xe0 ? 1
                   : *p >= 0xe0 && *p < 0xf0 ? 2
                   : *p >= 0xf0 && *p < 0xf5 ? 3
                                             : -1;
        if (more < 0)
            return false;
        for (; more > 0; more--)
            if ((*++p & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static ub_status set_text(const ub_field *f, char *to, const char *path, const char *text,
                          const char *where)
{
    int index;
    if (f->choice_at != NULL) /* a name from a registry */
        UB_TRY(choose(f, path, text, where, &index));
    if (!is_utf8(text))
        return UB_FAIL(UB_EARG,
                       "%s: %s is not UTF-8 text; rename the file or re-code the "
                       "configuration",
                       where, path);
    if (strlen(text) >= UB_TEXT_MAX)
        return UB_FAIL(UB_ERANGE, "%s: %s is longer than %d bytes", where, path, UB_TEXT_MAX - 1);
    (void)snprintf(to, UB_TEXT_MAX, "%s", text);
    return UB_OK;
}

static ub_status set_field(const ub_field *f, void *settings, const char *path, const char *text,
                           const char *where)
{
    void *to = place(f, settings);
    switch (f->type) {
    case UB_FIELD_INT:
        return set_int(f, to, path, text, where);
    case UB_FIELD_REAL:
        return set_real(f, to, path, text, where);
    case UB_FIELD_BOOL:
        return set_bool(to, path, text, where);
    case UB_FIELD_CHOICE:
        return choose(f, path, text, where, to);
    case UB_FIELD_TEXT:
        return set_text(f, to, path, text, where);
    }
    return UB_FAIL(UB_EBUG, "field '%s' has no type", path);
}

ub_status ub_schema_set(const ub_schema *s, void *settings, const char *path, const char *text,
                        const char *where)
{
    const ub_field *f = ub_schema_find(s, path);
    if (f == NULL)
        return unknown(s, path, where);
    return set_field(f, settings, path, text, where);
}

ub_status ub_schema_defaults(const ub_schema *s, void *settings)
{
    for (size_t i = 0; i < s->count; i++)
        for (size_t j = 0; j < s->sections[i].count; j++) {
            const ub_field *f = &s->sections[i].fields[j];
            UB_TRY(set_field(f, settings, f->key, f->preset, "default"));
        }
    return UB_OK;
}

/* The shortest of %.15g, %.16g, %.17g that reads back to the same double. */
static void print_real(double x, char *buf, size_t cap)
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(buf, cap, "%.*g", digits, x);
        if (strtod(buf, NULL) == x)
            return;
    }
}

/* A YAML double-quoted scalar. */
static ub_status print_quoted(const char *text, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "\""));
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            UB_TRY(ub_bytes_printf(out, "\\%c", *p));
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            UB_TRY(ub_bytes_printf(out, "\\x%02x", (unsigned)*p));
        else
            UB_TRY(ub_bytes_put(out, p, 1));
    }
    return ub_bytes_printf(out, "\"");
}

ub_status ub_schema_format(const ub_field *f, const void *settings, ub_bytes *out)
{
    const void *from = place_const(f, settings);
    char        buf[NAME];
    switch (f->type) {
    case UB_FIELD_INT:
        return ub_bytes_printf(out, "%lld", (long long)*(const int64_t *)from);
    case UB_FIELD_REAL:
        print_real(*(const double *)from, buf, sizeof buf);
        return ub_bytes_printf(out, "%s", buf);
    case UB_FIELD_BOOL:
        return ub_bytes_printf(out, "%s", *(const bool *)from ? "true" : "false");
    case UB_FIELD_CHOICE:
        (void)ub_schema_choice(f, (size_t) * (const int *)from, buf, sizeof buf);
        return ub_bytes_printf(out, "%s", buf);
    case UB_FIELD_TEXT:
        return print_quoted(from, out);
    }
    return UB_FAIL(UB_EBUG, "field '%s' has no type", f->key);
}

ub_status ub_schema_unchanged(const ub_field *f, const char *what, const char *section,
                              const void *then, const void *now)
{
    ub_bytes  a = {0}, b = {0};
    ub_status st = ub_schema_format(f, then, &a);
    if (st == UB_OK)
        st = ub_schema_format(f, now, &b);
    if (st == UB_OK && strcmp((const char *)a.data, (const char *)b.data) != 0)
        st = UB_FAIL(UB_EINPUT, "%s with %s.%s = %s, now %s; use another --out or the old setting",
                     what, section, f->key, (const char *)a.data, (const char *)b.data);
    ub_bytes_release(&a);
    ub_bytes_release(&b);
    return st;
}

bool ub_schema_listed(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; len > 0 && (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

ub_status ub_schema_print(const ub_schema *s, const void *settings, const char *sections,
                          bool identity, ub_bytes *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const ub_section *section = &s->sections[i];
        if (sections != NULL && !ub_schema_listed(sections, section->name))
            continue;
        UB_TRY(ub_bytes_printf(out, "%s:\n", section->name));
        for (size_t j = 0; j < section->count; j++) {
            const ub_field *f = &section->fields[j];
            if (identity && (f->flags & UB_FIELD_FREE) != 0)
                continue;
            UB_TRY(ub_bytes_printf(out, "  %s: ", f->key));
            UB_TRY(ub_schema_format(f, settings, out));
            UB_TRY(ub_bytes_printf(out, "\n"));
        }
    }
    return UB_OK;
}

void ub_schema_describe(const ub_field *f, char *buf, size_t cap)
{
    static const char *const names[] = {"whole number", "number", "true or false", "one of",
                                        "text"};
    size_t                   len = (size_t)snprintf(buf, cap, "%s", names[f->type]);
    if (f->type == UB_FIELD_CHOICE || f->choice_at != NULL) {
        char list[UB_TEXT_MAX];
        choice_list(f, list, sizeof list);
        len = (size_t)snprintf(buf, cap, "one of: %s", list);
    }
    if ((f->min != 0 || f->max != 0) && len < cap)
        len += (size_t)snprintf(buf + len, cap - len, " %.10g .. %.10g", f->min, f->max);
    if (f->unit[0] != '\0' && len < cap)
        (void)snprintf(buf + len, cap - len, ", %s", f->unit);
}

ub_status ub_schema_reference(const ub_schema *s, ub_bytes *out)
{
    char kind[2 * UB_TEXT_MAX];
    for (size_t i = 0; i < s->count; i++) {
        const ub_section *section = &s->sections[i];
        UB_TRY(
            ub_bytes_printf(out, "%s# %s\n%s:\n", i > 0 ? "\n" : "", section->help, section->name));
        for (size_t j = 0; j < section->count; j++) {
            const ub_field *f = &section->fields[j];
            ub_schema_describe(f, kind, sizeof kind);
            UB_TRY(ub_bytes_printf(out, "  # %s\n  # %s%s\n", f->help, kind,
                                   (f->flags & UB_FIELD_FREE) != 0 ? "; does not change the results"
                                                                   : ""));
            bool quote = f->type == UB_FIELD_TEXT;
            UB_TRY(ub_bytes_printf(out, "  %s: %s%s%s\n", f->key, quote ? "\"" : "", f->preset,
                                   quote ? "\"" : ""));
        }
    }
    return UB_OK;
}

ub_status ub_schema_help(const ub_schema *s, const char *sections, ub_bytes *out)
{
    char kind[2 * UB_TEXT_MAX], name[NAME];
    for (size_t i = 0; i < s->count; i++) {
        const ub_section *section = &s->sections[i];
        if (!ub_schema_listed(sections, section->name))
            continue;
        UB_TRY(ub_bytes_printf(out, "\n%s: %s\n", section->name, section->help));
        for (size_t j = 0; j < section->count; j++) {
            const ub_field *f = &section->fields[j];
            ub_schema_describe(f, kind, sizeof kind);
            (void)snprintf(name, sizeof name, "%s.%s", section->name, f->key);
            UB_TRY(ub_bytes_printf(out, "  %-30s %s\n  %-30s   [%s] (%s)\n", name, f->help, "",
                                   f->preset, kind));
        }
    }
    return UB_OK;
}
