/* io/journal.h - answers of the farm, appended as they come, read back after a crash.
 *
 * A file: a header line with the identity of the study, then records (length, CRC-32, item,
 * answer).  A torn or damaged tail is cut off at the last whole record.  Layout:
 * docs/formats/journal.md.
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_JOURNAL_H
#define UB_IO_JOURNAL_H

#include <stdint.h>

#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_journal ub_journal;

/* Receives one record on opening. */
typedef ub_status (*ub_journal_record)(void *self, int64_t item, const unsigned char *answer,
                                       size_t len);

/* Open `path` for appending; make it if missing.  Time: about a second for ten million records.
 *   identity  text of the study (64 hexadecimal digits); a journal of another study is refused
 *             with UB_EINPUT and left untouched
 *   sync_s    pause between flushes to disk
 *   take      called for every whole record found, in file order
 *   records   out: how many, may be NULL */
UB_LOCAL UB_NODISCARD ub_status ub_journal_open(const char *path, const char *identity,
                                                double sync_s, ub_journal_record take, void *self,
                                                int64_t *records, ub_journal **out);
/* From now on flush as often as `budget` (a part of the time) allows: the pause is what flushes
 * cost over the budget (core/pace.h), but sync_s at least. */
UB_LOCAL void ub_journal_budget(ub_journal *j, double budget);
/* UB_OK if every record of a journal holds, of whatever study; a last one that is cut short is no
 * damage.  Errors: UB_EFORMAT with the offset of the first damaged record, UB_EINPUT (its
 * beginning), UB_ENOENT, UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_journal_verify(const char *path);
/* How many whole records a journal holds, of whatever study; nothing is changed, and it may be in
 * use.  Errors: UB_ENOENT, UB_EIO, UB_EINPUT (not a journal). */
UB_LOCAL UB_NODISCARD ub_status ub_journal_count(const char *path, int64_t *records);
/* Append one record (buffered by the kernel; flushed if the pause is over). */
UB_LOCAL UB_NODISCARD ub_status ub_journal_put(ub_journal *j, int64_t item,
                                               const unsigned char *answer, size_t len);
/* Flush records that wait for it if the pause is over: to be called now and then, or the last of
 * them wait for the next record.  now: by ub_clock(). */
UB_LOCAL UB_NODISCARD ub_status ub_journal_tick(ub_journal *j, double now);
/* Seconds that its flushes have taken so far. */
UB_LOCAL double ub_journal_flushed(const ub_journal *j);
/* Records that no flush has seen. */
UB_LOCAL int64_t ub_journal_waiting(const ub_journal *j);
/* Flush to disk and close; *j becomes NULL in every case.  NULL is fine. */
UB_LOCAL UB_NODISCARD ub_status ub_journal_close(ub_journal **j);

#endif /* UB_IO_JOURNAL_H */
