/* io/config.h - YAML to settings, with file:line:column in every complaint.
 *
 * Accepted: a mapping of sections, each a mapping of keys to scalars.  Unknown sections and
 * keys, a key given twice, lists where a scalar is wanted, empty values, anchors, aliases, tags and
 * values out of range are errors.  An empty file or section means all defaults.
 *
 * Layer: io.  Rank 0 reads; main() shares the resolved text.
 */
#ifndef UB_IO_CONFIG_H
#define UB_IO_CONFIG_H

#include "core/schema.h"
#include "mpi/comm.h"

/* Set fields from YAML text.  `name` stands for the text in error sentences (a file name).
 * Errors: UB_EFORMAT (not YAML: the parser's words; or not of this shape), else those of
 * ub_schema_set. */
UB_LOCAL UB_NODISCARD ub_status ub_config_parse(const ub_schema *schema, void *settings,
                                                const char *text, size_t len, const char *name);
/* The same from a file. */
UB_LOCAL UB_NODISCARD ub_status ub_config_load(const ub_schema *schema, void *settings,
                                               const char *path);

#endif /* UB_IO_CONFIG_H */
