/* Reading a status file: JSON is YAML enough for the parser at hand. */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "io/beacon.h"
#include "io/file.h"

typedef enum kind { TEXT, REAL, WHOLE, LONG } kind;

#define AT(member) offsetof(ub_beacon_state, member)
#define TEXT_OF(member)                                                                            \
    {                                                                                              \
#member, TEXT, AT(member), sizeof((ub_beacon_state *)0)->member                            \
    }
#define NUMBER_OF(member, kind)                                                                    \
    {                                                                                              \
#member, kind, AT(member), 0                                                               \
    }

/* Every field there is, under its own name; all must be in the file. */
static const struct {
    const char *key;
    kind        kind;
    size_t      offset, size;
} fields[] = {
    TEXT_OF(state),           TEXT_OF(message),        TEXT_OF(command),
    TEXT_OF(folder),          TEXT_OF(host),           TEXT_OF(job),
    TEXT_OF(stage),           TEXT_OF(phase),          TEXT_OF(unit),
    NUMBER_OF(pid, LONG),     NUMBER_OF(ranks, WHOLE), NUMBER_OF(pause_s, REAL),
    NUMBER_OF(started, REAL), NUMBER_OF(time, REAL),   NUMBER_OF(ends, REAL),
    NUMBER_OF(done, REAL),    NUMBER_OF(total, REAL),  NUMBER_OF(rate, REAL),
    NUMBER_OF(moved, REAL),   NUMBER_OF(safe, REAL),   NUMBER_OF(well, WHOLE),
    NUMBER_OF(slow, WHOLE),   NUMBER_OF(dead, WHOLE),  NUMBER_OF(lead_s, REAL),
};

/* The value of this type under a key, or NULL. */
static const yaml_node_t *node_of(yaml_document_t *doc, const yaml_node_t *map, const char *key,
                                  yaml_node_type_t type)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(doc, p->key);
        const yaml_node_t *v = yaml_document_get_node(doc, p->value);
        if (k != NULL && v != NULL && k->type == YAML_SCALAR_NODE && v->type == type &&
            strcmp((const char *)k->data.scalar.value, key) == 0)
            return v;
    }
    return NULL;
}

static const char *find(yaml_document_t *doc, const yaml_node_t *map, const char *key)
{
    const yaml_node_t *v = node_of(doc, map, key, YAML_SCALAR_NODE);
    return v == NULL ? NULL : (const char *)v->data.scalar.value;
}

/* false: a field is missing or no number. */
static bool take_all(yaml_document_t *doc, ub_beacon_state *out)
{
    const yaml_node_t *root = yaml_document_get_root_node(doc);
    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return false;
    const char *format = find(doc, root, "format");
    if (format == NULL || strcmp(format, "unbraid status 1") != 0)
        return false;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *text = find(doc, root, fields[i].key);
        char       *at = (char *)out + fields[i].offset, *end;
        if (text == NULL)
            return false;
        double  v = strtod(text, &end);
        int64_t whole = v >= 0 && v < 9e15 ? (int64_t)v : 0;
        int     small = whole <= INT_MAX ? (int)whole : 0;
        if (fields[i].kind == TEXT)
            (void)snprintf(at, fields[i].size, "%s", text);
        else if (*end != '\0' || end == text || !(v >= 0 && v < 9e15))
            return false;
        else if (fields[i].kind == REAL)
            memcpy(at, &v, sizeof v);
        else if (fields[i].kind == WHOLE)
            memcpy(at, &small, sizeof small);
        else
            memcpy(at, &whole, sizeof whole);
    }
    return true;
}

static bool take_line(yaml_document_t *doc, const yaml_node_t *map, ub_rank_line *out)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE)
        return false;
    const char *rank = find(doc, map, "rank"), *speed = find(doc, map, "speed");
    const char *node = find(doc, map, "node");
    if (rank == NULL || speed == NULL || node == NULL)
        return false;
    out->rank = (int)strtol(rank, NULL, 10);
    out->speed = strtod(speed, NULL);
    (void)snprintf(out->node, sizeof out->node, "%s", node);
    return true;
}

/* false: a list holds something else.  No list: nobody is in that state. */
static bool take_lines(yaml_document_t *doc, ub_rank_lines *out, ub_status *st)
{
    static const char *const   key[] = {"slow_ranks", "dead_ranks"};
    static const ub_rank_state state[] = {UB_RANK_SLOW, UB_RANK_DEAD};
    const yaml_node_t         *list[2];
    const yaml_node_t         *root = yaml_document_get_root_node(doc);
    size_t                     n[2] = {0};
    for (int i = 0; i < 2; i++) {
        list[i] = node_of(doc, root, key[i], YAML_SEQUENCE_NODE);
        if (list[i] != NULL)
            n[i] = (size_t)(list[i]->data.sequence.items.top - list[i]->data.sequence.items.start);
    }
    *st = UB_ALLOC(out->line, n[0] + n[1]);
    for (int i = 0; i < 2 && *st == UB_OK; i++)
        for (size_t k = 0; k < n[i]; k++) {
            ub_rank_line *line = &out->line[out->count++];
            line->state = state[i];
            if (!take_line(doc, yaml_document_get_node(doc, list[i]->data.sequence.items.start[k]),
                           line))
                return false;
        }
    return true;
}

ub_status ub_beacon_read(const char *path, ub_beacon_state *out)
{
    return ub_beacon_read_ranks(path, out, NULL);
}

ub_status ub_beacon_read_ranks(const char *path, ub_beacon_state *out, ub_rank_lines *lines)
{
    ub_rank_lines   found = {0};
    ub_bytes        text = {0};
    yaml_parser_t   parser;
    yaml_document_t doc;
    bool            good = false;
    ub_beacon_state s = {.pid = 0};
    ub_status       st = ub_file_read(path, &text);
    if (st != UB_OK || !yaml_parser_initialize(&parser)) {
        ub_bytes_release(&text);
        return st != UB_OK ? st : UB_FAIL(UB_ENOMEM, "%s: no memory to parse it", path);
    }
    yaml_parser_set_input_string(&parser, text.data, text.len);
    if (yaml_parser_load(&parser, &doc)) {
        good = take_all(&doc, &s) && (lines == NULL || take_lines(&doc, &found, &st));
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    ub_bytes_release(&text);
    if (!good || st != UB_OK)
        ub_free(found.line);
    UB_TRY(st);
    if (!good)
        return UB_FAIL(UB_EFORMAT, "%s: this is not a whole status file", path);
    *out = s;
    if (lines != NULL)
        *lines = found;
    return UB_OK;
}
