/* jobs/trajectories.h - episodes with some latents changed, decoded: as a corpus and as pictures.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_TRAJECTORIES_H
#define UB_JOBS_TRAJECTORIES_H

#include "jobs/generate.h"

typedef enum ub_generate_mode {
    UB_GENERATE_SET,         /* each moved latent by itself, to each value, in standard deviations
                                from its mean over held-out steps: a row a latent */
    UB_GENERATE_INTERPOLATE, /* all of them from one episode to another: one row; of one
                                episode, each by itself along its range: a row a latent */
    UB_GENERATE_SWAP         /* all of them exchanged between two episodes: two rows */
} ub_generate_mode;

typedef struct ub_recipe {
    ub_generate_mode mode;
    const uint8_t   *moved;      /* latents, 1/0 */
    int              episodes;   /* 1 or 2 */
    int64_t          episode[2]; /* of the corpus */
    int64_t          frames;     /* of a row; set: values; swap: 2 */
    const double    *value;      /* set: frames of them */
} ub_recipe;

/* Make the trajectories and write into folder `dir`, which is made if missing:
 *   generated.h5  a corpus of rows * frames episodes of the source's T steps: decoded observations,
 *                 the heads' predictions as tasks (the mean over the steps where a task counts),
 *                 and as truth the latents that were decoded and which of them each task keeps
 *   frames.csv    what each of its episodes is
 *   grid.png      where observations are pictures: a line for every step of a row, the observed
 *                 picture first
 *   g       measured, unless latents go from one episode to another
 *   origin  text for the corpus
 *   rows    out: how many there are */
UB_COLLECTIVE UB_NODISCARD ub_status ub_trajectories_write(const ub_comm *c, const ub_generator *g,
                                                           const ub_recipe *recipe, const char *dir,
                                                           const char *origin, int64_t *rows);

#endif /* UB_JOBS_TRAJECTORIES_H */
