#include "io/config.h"

#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "io/file.h"

enum { WHERE = UB_PATH_MAX + 48 };

/* A section or field that was given, and where. */
typedef struct given {
    const void *what;
    size_t      line;
} given;

typedef struct reader {
    yaml_parser_t    yaml;
    const char      *name; /* of the text, for sentences */
    const ub_schema *schema;
    void            *settings;
    ub_bytes         seen; /* given[] */
} reader;

static const char *where(const reader *r, yaml_mark_t at, char buf[WHERE])
{
    (void)snprintf(buf, WHERE, "%s:%zu:%zu", r->name, at.line + 1, at.column + 1);
    return buf;
}

static ub_status complain(const reader *r, yaml_mark_t at, const char *what)
{
    char buf[WHERE];
    return UB_FAIL(UB_EFORMAT, "%s: %s", where(r, at, buf), what);
}

/* The parser's words; its reader (bytes that are not UTF-8) knows an offset only. */
static ub_status not_yaml(const reader *r)
{
    char                 buf[WHERE];
    const yaml_parser_t *p = &r->yaml;
    const char          *problem = p->problem == NULL ? "no reason given" : p->problem;
    if (p->error == YAML_MEMORY_ERROR)
        return UB_FAIL(UB_ENOMEM, "%s: no memory for the YAML parser", r->name);
    if (p->error == YAML_READER_ERROR)
        return UB_FAIL(UB_EFORMAT, "%s: byte %zu: not YAML: %s", r->name, p->problem_offset + 1,
                       problem);
    return UB_FAIL(UB_EFORMAT, "%s: not YAML: %s%s%s", where(r, p->problem_mark, buf), problem,
                   p->context == NULL ? "" : " ", p->context == NULL ? "" : p->context);
}

static ub_status check_scalar(const reader *r, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    if (e->data.scalar.anchor != NULL)
        return complain(r, e->start_mark, "anchors (&name) are not accepted; write the value out");
    if (e->data.scalar.tag != NULL)
        return complain(r, e->start_mark, "tags (!name) are not accepted; write the plain value");
    if (strlen(text) != e->data.scalar.length)
        return complain(r, e->start_mark, "a value holds a zero byte");
    return UB_OK;
}

/* The next event, refusing what no place of a configuration accepts.  Delete it unless this
 * fails. */
static ub_status next(reader *r, yaml_event_t *e)
{
    ub_status st = UB_OK;
    if (!yaml_parser_parse(&r->yaml, e))
        return not_yaml(r);
    if (e->type == YAML_ALIAS_EVENT)
        st = complain(r, e->start_mark, "aliases (*name) are not accepted; write the value out");
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        st = complain(r, e->start_mark, "a list stands where one value or a mapping is wanted");
    else if (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor != NULL)
        st = complain(r, e->start_mark, "anchors (&name) are not accepted; write the values out");
    else if (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.tag != NULL)
        st = complain(r, e->start_mark, "tags (!name) are not accepted");
    else if (e->type == YAML_SCALAR_EVENT)
        st = check_scalar(r, e);
    if (st != UB_OK)
        yaml_event_delete(e);
    return st;
}

/* YAML's null: nothing, ~ or null, not in quotes. */
static bool is_null(const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
            strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0);
}

/* Refuse a section or field that was given before. */
static ub_status give_once(reader *r, const void *what, const char *kind, const char *name,
                           yaml_mark_t at)
{
    char         buf[WHERE];
    const given *seen = (const given *)(const void *)r->seen.data;
    for (size_t i = 0; i < r->seen.len / sizeof *seen; i++)
        if (seen[i].what == what)
            return UB_FAIL(UB_EFORMAT, "%s: %s '%s' is given twice, first on line %zu",
                           where(r, at, buf), kind, name, seen[i].line);
    given now = {.what = what, .line = at.line + 1};
    return ub_bytes_put(&r->seen, &now, sizeof now);
}

static ub_status set_value(reader *r, const char *path, yaml_mark_t key_at, const yaml_event_t *e)
{
    char            buf[WHERE];
    const ub_field *f = ub_schema_find(r->schema, path);
    if (f == NULL) /* says so, with the nearest name */
        return ub_schema_set(r->schema, r->settings, path, "", where(r, key_at, buf));
    UB_TRY(give_once(r, f, "key", path, key_at));
    if (e->type != YAML_SCALAR_EVENT)
        return UB_FAIL(UB_EFORMAT, "%s: %s wants one value, not a mapping",
                       where(r, e->start_mark, buf), path);
    if (is_null(e))
        return UB_FAIL(UB_EFORMAT,
                       "%s: %s has no value; write one (\"\" for an empty text) or leave the key "
                       "out",
                       where(r, e->start_mark, buf), path);
    return ub_schema_set(r->schema, r->settings, path, (const char *)e->data.scalar.value,
                         where(r, e->start_mark, buf));
}

/* key: value lines up to the end of the section's mapping. */
static ub_status read_section(reader *r, const ub_section *section)
{
    for (;;) {
        yaml_event_t key, value;
        char         path[UB_TEXT_MAX];
        UB_TRY(next(r, &key));
        yaml_mark_t at = key.start_mark;
        bool        end = key.type == YAML_MAPPING_END_EVENT;
        bool        scalar = key.type == YAML_SCALAR_EVENT;
        if (scalar)
            (void)snprintf(path, sizeof path, "%s.%s", section->name,
                           (const char *)key.data.scalar.value);
        yaml_event_delete(&key);
        if (end)
            return UB_OK;
        if (!scalar)
            return complain(r, at, "a key must be one word");
        UB_TRY(next(r, &value));
        ub_status st = set_value(r, path, at, &value);
        yaml_event_delete(&value);
        UB_TRY(st);
    }
}

static ub_status find_section(const reader *r, const char *name, yaml_mark_t at,
                              const ub_section **out)
{
    char buf[WHERE];
    for (size_t i = 0; i < r->schema->count; i++)
        if (strcmp(r->schema->sections[i].name, name) == 0) {
            *out = &r->schema->sections[i];
            return UB_OK;
        }
    const char *dot = strchr(name, '.');
    if (dot != NULL)
        return UB_FAIL(UB_ENOENT, "%s: '%s' is not a section; write '%s' below a line '%.*s:'",
                       where(r, at, buf), name, dot + 1, (int)(dot - name), name);
    return ub_schema_set(r->schema, r->settings, name, "", where(r, at, buf));
}

/* section: mapping, for the name just read. */
static ub_status read_named(reader *r, const yaml_event_t *name)
{
    char              buf[WHERE];
    const ub_section *section = NULL;
    const char       *text = (const char *)name->data.scalar.value;
    yaml_event_t      value;
    if (name->type != YAML_SCALAR_EVENT)
        return complain(r, name->start_mark, "the name of a section must be one word");
    UB_TRY(find_section(r, text, name->start_mark, &section));
    UB_TRY(give_once(r, section, "section", text, name->start_mark));
    UB_TRY(next(r, &value));
    bool        mapping = value.type == YAML_MAPPING_START_EVENT, empty = is_null(&value);
    yaml_mark_t at = value.start_mark;
    yaml_event_delete(&value);
    if (mapping)
        return read_section(r, section);
    if (!empty)
        return UB_FAIL(UB_EFORMAT, "%s: section '%s' must hold lines 'key: value', not one value",
                       where(r, at, buf), text);
    return UB_OK;
}

static ub_status read_top(reader *r, const yaml_event_t *top)
{
    if (is_null(top))
        return UB_OK;
    if (top->type != YAML_MAPPING_START_EVENT)
        return complain(r, top->start_mark, "a configuration must be a mapping of sections");
    for (;;) {
        yaml_event_t name;
        UB_TRY(next(r, &name));
        bool      end = name.type == YAML_MAPPING_END_EVENT;
        ub_status st = end ? UB_OK : read_named(r, &name);
        yaml_event_delete(&name);
        if (end || st != UB_OK)
            return st;
    }
}

static ub_status read_stream(reader *r)
{
    yaml_event_t e;
    int          documents = 0;
    for (yaml_event_type_t type = YAML_NO_EVENT; type != YAML_STREAM_END_EVENT;) {
        UB_TRY(next(r, &e));
        ub_status st = UB_OK;
        type = e.type;
        if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            st = complain(r, e.start_mark, "a second document (---) is not accepted");
        else if (type == YAML_MAPPING_START_EVENT || type == YAML_SCALAR_EVENT)
            st = read_top(r, &e);
        yaml_event_delete(&e);
        UB_TRY(st);
    }
    return UB_OK;
}

ub_status ub_config_parse(const ub_schema *schema, void *settings, const char *text, size_t len,
                          const char *name)
{
    reader r = {.name = name, .schema = schema, .settings = settings};
    if (!yaml_parser_initialize(&r.yaml))
        return UB_FAIL(UB_ENOMEM, "%s: no memory for the YAML parser", name);
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, len);
    ub_status st = read_stream(&r);
    yaml_parser_delete(&r.yaml);
    ub_bytes_release(&r.seen);
    return st;
}

ub_status ub_config_load(const ub_schema *schema, void *settings, const char *path)
{
    ub_bytes  text = {0};
    ub_status st = ub_file_read(path, &text);
    if (st == UB_OK)
        st = ub_config_parse(schema, settings, (const char *)text.data, text.len, path);
    ub_bytes_release(&text);
    return st;
}
