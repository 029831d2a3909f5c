/* io/internal/format.h - layouts of corpus files: one interface, one file each.
 *
 * A layout is a file io/formats/NAME.c that defines `const ub_format ub_format_NAME`, plus the line
 * UB_FORMAT(NAME) in io/formats/registry.def.  Rank 0 surveys the file: names and shapes only,
 * written into a plan that all ranks get; then each rank reads its own episodes by the plan.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_FORMAT_H
#define UB_IO_INTERNAL_FORMAT_H

#include <hdf5.h>
#include <stdbool.h>

#include "core/corpus.h"
#include "core/settings.h"
#include "core/shard.h"
#include "core/status.h"
#include "io/internal/h5read.h"
#include "io/internal/names.h"

/* What becomes of the rows of a column that is a task variable. */
typedef enum ub_take {
    UB_TAKE_WHOLE, /* all values of the episode's dataset or attribute */
    UB_TAKE_LAST,  /* the last row */
    UB_TAKE_SUM,   /* the sum of all rows */
    UB_TAKE_ANY    /* 1 if any value is > 0, else 0 */
} ub_take;

/* A dataset that fills columns of the states (task -1) or of the task variables. */
typedef struct ub_column {
    char    path[UB_H5_NAME_MAX]; /* below the episode's group; aligned: below the root */
    int32_t width;
    int32_t task; /* or -1 */
    ub_take take; /* task variables only */
} ub_column;

/* What is read, and how; the same on all ranks. */
typedef struct ub_plan {
    struct {
        int64_t episodes;   /* N */
        int64_t columns;    /* of `column` */
        int64_t ranges;     /* of `range`: N or 0 */
        int32_t steps;      /* T */
        int32_t segment;    /* L */
        int32_t dim;        /* d */
        int32_t image[3];   /* height, width, channels of a state; 0: no picture */
        int32_t tasks;      /* M */
        int32_t latent_dim; /* n */
        int32_t extra;      /* rows of an episode's observations beyond its steps */
        int32_t spent;      /* last steps of an episode that are its task variable: 0 or 1 */
        bool    truth, relevant;
        char    group[64];  /* that holds the episodes' groups */
        char    length[64]; /* attribute of an episode that says its steps; or "" */
    } head;
    ub_column *column;
    ub_names   task;
    ub_names   episode;  /* names, for groups and sentences; empty if there are only ranges */
    ub_range  *range;    /* rows of each episode in datasets shared by all; NULL: a group each */
    uint8_t   *truth;    /* T x M, or NULL */
    uint8_t   *relevant; /* n x M, or NULL */
} ub_plan;

/* Attributes of the root that make states pictures: image_height, image_width, image_channels. */
extern const char *const ub_image_attribute[3];

UB_LOCAL void ub_plan_release(ub_plan *p);
/* Add a column. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_add(hid_t file, ub_plan *p, const char *path, int64_t width,
                                            int32_t task, ub_take take);
/* N after corpus.max_episodes; UB_EINPUT if there are none. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_episodes(ub_plan *p, hid_t file, const ub_settings *s,
                                                 int64_t found);
/* UB_EINPUT "FILE: " and the sentence. */
UB_LOCAL ub_status ub_format_refuse(hid_t file, const char *fmt, ...) UB_PRINTF(2, 3);
/* UB_EINPUT naming the first value that is not finite among n at x, in row `row` of `dataset`. */
UB_LOCAL UB_NODISCARD ub_status ub_format_finite(hid_t file, const char *dataset,
                                                 const char *episode, int64_t row, const double *x,
                                                 int64_t n);

typedef struct ub_format {
    const char *name;    /* the word of corpus.format; equals the file name */
    const char *summary; /* one line */
    const char *mark;    /* what a file of this layout holds, to say what was looked for */

    /* Is the file of this layout?  Looks at names and attributes only. */
    bool (*recognise)(hid_t file);
    /* Rank 0: fill a zeroed plan. */
    ub_status (*survey)(hid_t file, const ub_settings *s, ub_plan *plan);
    /* Each rank alone: fill states, targets and latents of episodes out->first ..
     * + out->count - 1, with independent reads; refuse what is not finite. */
    ub_status (*read)(hid_t file, const ub_plan *plan, ub_corpus *out);
} ub_format;

/* The i-th layout in registry order, or NULL past the end. */
UB_LOCAL const ub_format *ub_format_at(size_t i);

#endif /* UB_IO_INTERNAL_FORMAT_H */
