/* io/internal/provenance.h - where a run comes from: provenance.json.
 *
 * Not part of any digest: it holds times, hosts and rank counts.
 *
 * Layer: io, private to io.  Rank 0 alone.
 */
#ifndef UB_IO_INTERNAL_PROVENANCE_H
#define UB_IO_INTERNAL_PROVENANCE_H

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_provenance {
    const char *identity, *corpus, *corpus_path, *command;
    int         ranks;
} ub_provenance;

/* Now in UTC, "2026-01-31T12:00:00Z". */
UB_LOCAL const char *ub_utc_now(char buf[32]);
/* Write `path`, or add this start to the starts it lists. */
UB_LOCAL UB_NODISCARD ub_status ub_provenance_write(const char *path, const ub_provenance *p);
/* Add "key": value (JSON) to the last start of `path`. */
UB_LOCAL UB_NODISCARD ub_status ub_provenance_add(const char *path, const char *key,
                                                  const ub_bytes *value);

#endif /* UB_IO_INTERNAL_PROVENANCE_H */
