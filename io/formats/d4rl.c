/* D4RL: all episodes one after another in /observations, /actions, /rewards, with ends marked by
 * /terminals and, in newer files, /timeouts; docs/formats/corpus.md. */
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/internal/ragged.h"

enum { PIECE = 1 << 20 }; /* flags read at a time */

static const ub_ragged layout = {
    .group = "/",
    .prefix = "",
    .obs = "observations",
    .next = "next_observations",
    .rewards = "rewards",
    .success = {"infos/success", "infos/goal_achieved", "infos/is_success"},
    .length = "",
    .hint = "",
};

static bool recognise(hid_t file)
{
    return ub_h5_look(file, "observations") == UB_H5_DATASET &&
           ub_h5_look(file, "terminals") == UB_H5_DATASET;
}

/* Open a dataset of flags, one for each of n rows. */
static ub_status open_flags(hid_t file, const char *name, int64_t n, ub_h5_rows *r)
{
    UB_TRY(ub_h5_rows_open(file, name, r));
    if (r->rows != n || r->width != 1)
        return ub_format_refuse(file,
                                "dataset '%s' has %lld rows of %lld values, not one for "
                                "each of %lld observations",
                                name, (long long)r->rows, (long long)r->width, (long long)n);
    return UB_OK;
}

/* Take down the episode that ends before row `end`; room grows by doubling. */
static ub_status add_range(ub_plan *p, int64_t end, int64_t *start)
{
    int64_t n = p->head.ranges;
    if ((n & (n - 1)) == 0) {
        ub_range *more = NULL;
        UB_TRY(UB_ALLOC(more, n > 0 ? 2 * n : 1));
        if (n > 0)
            memcpy(more, p->range, (size_t)n * sizeof *more);
        ub_free(p->range);
        p->range = more;
    }
    p->range[p->head.ranges++] = (ub_range){*start, end - *start};
    *start = end;
    return UB_OK;
}

/* Episodes from the flags, read in pieces: rank 0 never holds them all. */
static ub_status find_ends(hid_t file, int64_t n, ub_plan *plan)
{
    ub_h5_rows terminals = {0}, timeouts = {0};
    double    *flag = NULL;
    int64_t    start = 0;
    ub_status  st = UB_OK;
    bool       recent = ub_h5_look(file, "timeouts") == UB_H5_DATASET;
    UB_TRY_OUT(UB_ALLOC(flag, 2 * (int64_t)PIECE));
    UB_TRY_OUT(open_flags(file, "terminals", n, &terminals));
    if (recent)
        UB_TRY_OUT(open_flags(file, "timeouts", n, &timeouts));
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t count = n - at < PIECE ? n - at : PIECE;
        UB_TRY_OUT(ub_h5_rows_get(&terminals, at, count, flag));
        if (recent)
            UB_TRY_OUT(ub_h5_rows_get(&timeouts, at, count, flag + PIECE));
        for (int64_t i = 0; i < count; i++)
            if (flag[i] > 0 || (recent && flag[PIECE + i] > 0))
                UB_TRY_OUT(add_range(plan, at + i + 1, &start));
    }
    /* Without timeouts the end of the data is one; with them, rows after the last flag are the
     * beginning of an episode that was never finished. */
    if (start < n && !recent)
        UB_TRY_OUT(add_range(plan, n, &start));
    if (start < n)
        ub_log0_warn("corpus-unfinished", "rows=%lld: after the last terminal or timeout, left out",
                     (long long)(n - start));
out:
    ub_h5_rows_close(&timeouts);
    ub_h5_rows_close(&terminals);
    ub_free(flag);
    return st;
}

/* Datasets that are read row by row must be as long as the observations. */
static ub_status check_rows(hid_t file, const ub_plan *plan, int64_t n)
{
    for (int64_t i = 0; i < plan->head.columns; i++) {
        ub_h5_rows r = {0};
        UB_TRY(ub_h5_rows_open(file, plan->column[i].path, &r));
        ub_h5_rows_close(&r);
        if (r.rows != n)
            return ub_format_refuse(file, "dataset '%s' has %lld rows, 'observations' %lld", r.name,
                                    (long long)r.rows, (long long)n);
    }
    return UB_OK;
}

static ub_status survey(hid_t file, const ub_settings *s, ub_plan *plan)
{
    ub_h5_rows r = {0};
    UB_TRY(ub_h5_rows_open(file, layout.obs, &r));
    ub_h5_rows_close(&r);
    UB_TRY(find_ends(file, r.rows, plan));
    UB_TRY(ub_plan_episodes(plan, file, s, plan->head.ranges));
    plan->head.ranges = plan->head.episodes;
    UB_TRY(ub_ragged_survey(file, &layout, s, plan));
    return check_rows(file, plan, r.rows);
}

const ub_format ub_format_d4rl = {
    .name = "d4rl",
    .summary = "D4RL: flat arrays, episodes end at terminals and timeouts",
    .mark = "datasets observations and terminals",
    .recognise = recognise,
    .survey = survey,
    .read = ub_ragged_read,
};
