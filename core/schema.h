/* core/schema.h - configuration tables: one entry per key, everything from it.
 *
 * A section is a table of fields; a field knows its key, type, place in the
 * settings struct, default, range, choices, unit and help.  From the tables
 * come YAML reading, --set, --help, range checks with "did you mean",
 * configs/reference.yaml and the resolved configuration of a run.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_SCHEMA_H
#define UB_CORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/status.h"

enum { UB_TEXT_MAX = 1024 }; /* bytes of a text field, with its final zero */

typedef enum ub_field_type {
    UB_FIELD_INT,    /* int64_t */
    UB_FIELD_REAL,   /* double */
    UB_FIELD_BOOL,   /* bool */
    UB_FIELD_CHOICE, /* int: index into the choices */
    UB_FIELD_TEXT    /* char[UB_TEXT_MAX] */
} ub_field_type;

/* A free field cannot change a result (paths, logging, farm policy): it is left
 * out of the identity of a study, so a run may be resumed with another value. */
enum { UB_FIELD_FREE = 1u };

typedef struct ub_field {
    const char   *key;
    ub_field_type type;
    size_t        offset;   /* into the settings struct */
    const char   *preset;   /* default, as the user would write it */
    double        min, max; /* inclusive; both 0: no range.  INT and REAL only */
    const char   *choices;  /* CHOICE: "a|b|c" in the order of the indices, or NULL and: */
    const char *(*choice_at)(size_t i); /* the i-th name of a registry, NULL past the end */
    const char *unit;                   /* "" if none */
    unsigned    flags;
    const char *help; /* one line */
} ub_field;

typedef struct ub_section {
    const char     *name;
    const char     *help;
    const ub_field *fields;
    size_t          count;
} ub_section;

typedef struct ub_schema {
    const ub_section *sections;
    size_t            count;
} ub_schema;

/* Set every field to its default. */
UB_NODISCARD ub_status ub_schema_defaults(const ub_schema *s, void *settings);

/* Find "section.key"; NULL if there is none. */
const ub_field *ub_schema_find(const ub_schema *s, const char *path);

/* Set one field from text.
 *   path   "section.key"
 *   where  prefix of the error sentence: "file:line:column" or "--set"
 * Errors: UB_ENOENT (unknown section or key, with the nearest name), UB_ERANGE,
 * UB_EARG (not a number, not a choice: all choices listed). */
UB_NODISCARD ub_status ub_schema_set(const ub_schema *s, void *settings, const char *path,
                                     const char *text, const char *where);

/* Value of a field as YAML text that reads back to the same value (reals with
 * %.17g or shorter, texts quoted when needed). */
UB_NODISCARD ub_status ub_schema_format(const ub_field *f, const void *settings, ub_bytes *out);

/* Has the field of that section the same value in both?  If not UB_EINPUT: `what` (where the old
 * value stands: "run folder X was made", say), both values, and what to do. */
UB_NODISCARD ub_status ub_schema_unchanged(const ub_field *f, const char *what, const char *section,
                                           const void *then, const void *now);

/* Value of a field as people write it (texts without quotes), appended. */
UB_NODISCARD ub_status ub_schema_value(const ub_field *f, const void *settings, ub_bytes *out);

/* The i-th choice of a CHOICE field copied to buf; false past the end. */
bool ub_schema_choice(const ub_field *f, size_t i, char *buf, size_t cap);

/* Append the settings as YAML: the named sections ("a b c", NULL: all).
 * `identity` leaves out free fields: equal text means equal results. */
UB_NODISCARD ub_status ub_schema_print(const ub_schema *s, const void *settings,
                                       const char *sections, bool identity, ub_bytes *out);
/* Append the commented reference: every key with help, type, range, default. */
UB_NODISCARD ub_status ub_schema_reference(const ub_schema *s, ub_bytes *out);
/* What a field accepts, cut off at cap bytes: "whole number 1 .. 8, episodes". */
void ub_schema_describe(const ub_field *f, char *buf, size_t cap);
/* Append --help text for the named sections ("a b c"). */
UB_NODISCARD ub_status ub_schema_help(const ub_schema *s, const char *sections, ub_bytes *out);

/* Does the space separated list contain the word? */
bool ub_schema_listed(const char *list, const char *word);

#endif /* UB_CORE_SCHEMA_H */
