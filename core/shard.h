/* core/shard.h - who owns which rows: fixed shards of the data, shared out to ranks.
 *
 * n rows are cut into `shards` contiguous shards that depend on n only; ranks
 * own contiguous runs of whole shards.  Sums are made per shard and added in a
 * tree over the shards (mpi/reduce.h), so that no result depends on the ranks.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_SHARD_H
#define UB_CORE_SHARD_H

#include <stdint.h>

typedef struct ub_range {
    int64_t first, count;
} ub_range;

/* Part i of `parts` nearly equal contiguous parts of n things. */
static inline ub_range ub_part(int64_t n, int64_t parts, int64_t i)
{
    /* n / parts and the remainder apart: n * i may not fit for huge corpora. */
    int64_t base = n / parts, rest = n % parts;
    int64_t first = base * i + rest * i / parts;
    int64_t last = base * (i + 1) + rest * (i + 1) / parts;
    return (ub_range){first, last - first};
}

/* Rows of the shards that `rank` of `size` ranks owns. */
static inline ub_range ub_rows_of_rank(int64_t n, int64_t shards, int size, int rank)
{
    ub_range own = ub_part(shards, size, rank);
    ub_range a = ub_part(n, shards, own.first);
    if (own.count == 0)
        return (ub_range){a.first, 0};
    ub_range b = ub_part(n, shards, own.first + own.count - 1);
    return (ub_range){a.first, b.first + b.count - a.first};
}

/* Of the rows of a shard, in order: the last so many are held out (never trained on); at least one
 * of two or more. */
static inline int64_t ub_held_out(int64_t rows, double fraction)
{
    int64_t last = (int64_t)(fraction * (double)rows + 0.5);
    if (rows < 2)
        return 0;
    return last < 1 ? 1 : last >= rows ? rows - 1 : last;
}

#endif /* UB_CORE_SHARD_H */
