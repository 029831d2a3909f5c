/* io/beacon.h - status.json of a run folder: how far the run is, and that it is alive.
 *
 * Written by rank 0: by the caller when the run begins and ends, else by a thread of its own, after
 * a change of phase and every few seconds, so that nobody waits for it and long phases give signs
 * of life, too.  The thread takes 0.05 % of the time at most: where writing is slow, the pauses
 * grow (core/pace.h), to twelve times the wanted one at most, and not beyond twice what the last
 * file announced.  The file is replaced as a whole (a rename) but not flushed to disk: it is of use
 * to the living only.  A file that cannot be written is warned about once; the run goes on. Layout:
 * docs/formats/status.md.
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_BEACON_H
#define UB_IO_BEACON_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/schema.h"
#include "core/status.h"
#include "mpi/comm.h"

/* What is known of one rank in a stage that hands out work. */
typedef enum ub_rank_state {
    UB_RANK_UNKNOWN,
    UB_RANK_WELL,
    UB_RANK_SLOW,
    UB_RANK_DEAD
} ub_rank_state;

typedef struct ub_rank_report {
    ub_rank_state state;
    double        busy;  /* part of the stage's time at work, 0 .. 1; < 0: not known */
    int64_t       done;  /* items answered */
    double        speed; /* relative to the ranks on average; 0: not known */
} ub_rank_report;

/* The content of the file.  Times are seconds since 1970, 0: not known or never. */
typedef struct ub_beacon_state {
    char    state[16]; /* "running", "stopped", "failed", "finished" */
    char    message[UB_TEXT_MAX];
    char    command[4 * UB_TEXT_MAX]; /* as it was typed, quoted for a shell */
    char    folder[UB_TEXT_MAX];      /* where it was typed */
    char    host[256], job[64];
    int64_t pid;
    int     ranks;
    double  pause_s;             /* to the next file */
    double  started, time, ends; /* ends: of the wall time */
    double  lead_s;              /* so long before it the run will stop; 0: not measured */
    char    stage[32], phase[64], unit[16];
    double  done, total, rate; /* units, units a second since the stage began */
    double  moved;             /* when `done` last changed, or the phase began */
    double  safe;              /* when the last checkpoint was complete */
    int     well, slow, dead;  /* ranks; 0 all: not known */
} ub_beacon_state;

/* A rank that is slow or dead. */
typedef struct ub_rank_line {
    ub_rank_state state;
    int           rank;
    double        speed; /* as above; of a dead one: while it lived */
    char          node[UB_NODE_NAME];
} ub_rank_line;

/* In the order of their numbers, slow ones first.  ub_free(line). */
typedef struct ub_rank_lines {
    int           count;
    ub_rank_line *line;
} ub_rank_lines;

/* One as JSON, appended: {"rank": 3, "speed": 0.4, "node": "n7"}. */
UB_LOCAL UB_NODISCARD ub_status ub_rank_put(int rank, double speed, const char *node,
                                            ub_bytes *out);

typedef struct ub_beacon ub_beacon;

/* Begin with the file `path`.
 *   first  command, folder, job, ranks, pause_s and ends are taken from it; pause_s 0: an old file
 *          is removed and nothing is written, *out is NULL
 *   node   of each rank, copied; NULL: not known
 *   out    owned by the caller: ub_beacon_end.  All calls below do nothing with NULL. */
UB_LOCAL UB_NODISCARD ub_status ub_beacon_begin(const char *path, const ub_beacon_state *first,
                                                const ub_node_name *node, ub_beacon **out);
/* A stage begins: its items are `scale` units each.  Of the ranks the dead are remembered. */
UB_LOCAL void ub_beacon_stage(ub_beacon *b, const char *stage, const char *unit, double scale);
/* What it is doing, in a word or two ("covariance").  Costs microseconds: the file follows. */
UB_LOCAL void ub_beacon_phase(ub_beacon *b, const char *phase);
/* Items done so far, of those the stage has.  Costs less than a microsecond. */
UB_LOCAL void ub_beacon_progress(ub_beacon *b, int64_t done, int64_t total);
UB_LOCAL void ub_beacon_rank(ub_beacon *b, int rank, const ub_rank_report *report);
/* The run will stop so long before the end of its wall time. */
UB_LOCAL void ub_beacon_lead(ub_beacon *b, double seconds);
/* Everything so far is safe. */
UB_LOCAL void ub_beacon_safe(ub_beacon *b);
/* The run ends with this status and the current sentence, which stays; *b becomes NULL. */
UB_LOCAL void ub_beacon_end(ub_beacon **b, ub_status st);

/* Read a status file.  Errors: UB_ENOENT, UB_EIO, UB_EFORMAT (cut off, damaged, another file). */
UB_LOCAL UB_NODISCARD ub_status ub_beacon_read(const char *path, ub_beacon_state *out);
/* The same with the ranks that are slow or dead; lines: out, owned by the caller. */
UB_LOCAL UB_NODISCARD ub_status ub_beacon_read_ranks(const char *path, ub_beacon_state *out,
                                                     ub_rank_lines *lines);

/* Seconds since 1970. */
UB_LOCAL double ub_beacon_now(void);

#endif /* UB_IO_BEACON_H */
