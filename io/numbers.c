/* JSON is YAML enough for the parser at hand. */
#include "io/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

static ub_status visit_all(yaml_document_t *doc, const yaml_node_t *map, ub_number_visit visit,
                           void *self)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(doc, p->key);
        const yaml_node_t *v = yaml_document_get_node(doc, p->value);
        if (k == NULL || v == NULL || k->type != YAML_SCALAR_NODE || v->type != YAML_SCALAR_NODE ||
            v->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
            continue;
        const char *text = (const char *)v->data.scalar.value;
        char       *end;
        double      x = strtod(text, &end);
        if (strcmp(text, "null") == 0)
            UB_TRY(visit(self, (const char *)k->data.scalar.value, (double)NAN, ""));
        else if (end != text && *end == '\0')
            UB_TRY(visit(self, (const char *)k->data.scalar.value, x, text));
    }
    return UB_OK;
}

ub_status ub_numbers_each(const ub_bytes *json, const char *file, ub_number_visit visit, void *self)
{
    yaml_parser_t   parser;
    yaml_document_t doc;
    if (yaml_parser_initialize(&parser) == 0)
        return UB_FAIL(UB_ENOMEM, "no memory for the parser of %s", file);
    yaml_parser_set_input_string(&parser, json->data, json->len);
    ub_status st = UB_OK;
    if (yaml_parser_load(&parser, &doc) == 0) {
        st = UB_FAIL(UB_EFORMAT, "%s is damaged: it is no JSON", file);
    } else {
        const yaml_node_t *root = yaml_document_get_root_node(&doc);
        st = root == NULL || root->type != YAML_MAPPING_NODE
                 ? UB_FAIL(UB_EFORMAT, "%s is damaged: it is no JSON object", file)
                 : visit_all(&doc, root, visit, self);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return st;
}
