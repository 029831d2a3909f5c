#include "jobs/trajectories.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "io/png.h"

typedef struct row {
    int     from;   /* of recipe.episode */
    int32_t latent; /* moved by itself; -1: all that are moved go towards the other episode */
} row;

typedef struct work {
    const ub_generator *g;
    const ub_recipe    *recipe;
    row                *row;
    int64_t             rows;
    double             *seen;   /* 2 x T x d: the episodes as observed */
    double             *z;      /* 2 x T x n: as encoded */
    double             *target; /* T x widest task */
    double             *to;     /* T x n */
    uint8_t            *one;    /* n: a single latent */
    ub_corpus           made;
} work;

static void work_release(work *w)
{
    ub_free(w->row);
    ub_free(w->seen);
    ub_free(w->z);
    ub_free(w->target);
    ub_free(w->to);
    ub_free(w->one);
    ub_corpus_release(&w->made);
}

static ub_status list_rows(work *w)
{
    const ub_recipe *r = w->recipe;
    int32_t          n = w->g->model.shape.latents;
    UB_TRY(UB_ALLOC(w->row, n + 2));
    if (r->mode == UB_GENERATE_SWAP) {
        w->row[w->rows++] = (row){0, -1};
        w->row[w->rows++] = (row){1, -1};
    } else if (r->mode == UB_GENERATE_INTERPOLATE && r->episodes == 2) {
        w->row[w->rows++] = (row){0, -1};
    } else {
        for (int32_t j = 0; j < n; j++)
            if (r->moved[j])
                w->row[w->rows++] = (row){0, j};
    }
    return UB_OK;
}

/* The corpus to be: rank 0 holds all of it, the others nothing. */
static ub_status make_corpus(const ub_comm *c, work *w)
{
    const ub_corpus *from = &w->g->corpus;
    const ub_model  *m = &w->g->model;
    ub_corpus       *x = &w->made;
    int32_t          n = m->shape.latents;
    x->episodes = w->rows * w->recipe->frames;
    x->first = c->rank == 0 ? 0 : x->episodes;
    x->count = c->rank == 0 ? x->episodes : 0;
    x->steps = from->steps;
    x->dim = from->dim;
    x->tasks = from->tasks;
    x->segment = from->segment;
    memcpy(x->image, from->image, sizeof x->image);
    UB_TRY(UB_ALLOC(x->task_offset, x->tasks + 1));
    memcpy(x->task_offset, from->task_offset, (size_t)(x->tasks + 1) * sizeof *x->task_offset);
    UB_TRY(UB_ALLOC(x->task_name, x->tasks));
    memcpy(x->task_name, from->task_name, (size_t)x->tasks * sizeof *x->task_name);
    UB_TRY(ub_corpus_alloc(x));
    x->latent_dim = n;
    UB_TRY(UB_ALLOC(x->latents, x->count * x->steps * n));
    UB_TRY(UB_ALLOC(x->latent_relevant, (int64_t)n * x->tasks));
    for (int32_t i = 0; i < x->tasks; i++)
        for (int32_t j = 0; j < n; j++)
            x->latent_relevant[j * x->tasks + i] = m->relevant[i * n + j];
    if (w->g->use == NULL)
        return UB_OK;
    UB_TRY(UB_ALLOC(x->truth, (int64_t)x->steps * x->tasks));
    memcpy(x->truth, w->g->use, (size_t)x->steps * (size_t)x->tasks);
    return UB_OK;
}

/* Both episodes on all ranks; rank 0 encodes them. */
static ub_status read_episodes(const ub_comm *c, work *w)
{
    const ub_corpus *x = &w->g->corpus;
    int64_t          steps = x->steps, count = w->recipe->episodes * steps, *cell = NULL;
    ub_status        st = UB_ALLOC(cell, count);
    UB_TRY_OUT(ub_comm_agree(c, st));
    for (int64_t i = 0; i < count; i++)
        cell[i] = w->recipe->episode[i / steps] * steps + i % steps;
    UB_TRY_OUT(ub_generator_gather(c, w->g, count, cell, w->seen, NULL));
    UB_TRY_OUT(ub_comm_agree(c, c->rank == 0 ? ub_model_encode(&w->g->model, count, w->seen, w->z)
                                             : UB_OK));
out:
    ub_free(cell);
    return st;
}

/* The value a latent gets in frame f of a row of its own. */
static double value_at(const work *w, int32_t latent, int64_t f)
{
    const ub_recipe *r = w->recipe;
    if (r->mode == UB_GENERATE_SET)
        return w->g->mean[latent] + r->value[f] * w->g->sd[latent];
    double t = r->frames > 1 ? (double)f / (double)(r->frames - 1) : 0.5;
    return w->g->low[latent] + t * (w->g->high[latent] - w->g->low[latent]);
}

static void make_frame(work *w, const row *at, int64_t f, double *out)
{
    const ub_recipe *r = w->recipe;
    int64_t          steps = w->made.steps;
    int32_t          n = w->made.latent_dim;
    const double    *from = w->z + at->from * steps * n, *other = w->z + (1 - at->from) * steps * n;
    if (at->latent < 0) {
        double t = r->frames > 1 ? (double)f / (double)(r->frames - 1) : 0;
        ub_generate_blend(steps, n, r->moved, from, other, t, out);
        return;
    }
    memset(w->one, 0, (size_t)n);
    w->one[at->latent] = 1;
    for (int64_t s = 0; s < steps; s++)
        w->to[s * n + at->latent] = value_at(w, at->latent, f);
    ub_generate_blend(steps, n, w->one, from, w->to, 1, out);
}

/* What the heads say of an episode: means over the steps where each task counts. */
static ub_status predict(work *w, const double *z, double *targets)
{
    const ub_corpus *x = &w->made;
    for (int32_t i = 0; i < x->tasks; i++) {
        int32_t first = x->task_offset[i], width = x->task_offset[i + 1] - first;
        int64_t counted = 0;
        UB_TRY(ub_model_predict(&w->g->model, i, x->steps, z, w->target));
        for (int64_t s = 0; s < x->steps; s++)
            counted += w->g->use == NULL || w->g->use[s * x->tasks + i];
        for (int64_t s = 0; s < x->steps; s++)
            if (counted == 0 || w->g->use == NULL || w->g->use[s * x->tasks + i])
                for (int32_t j = 0; j < width; j++)
                    targets[first + j] +=
                        w->target[s * width + j] / (double)(counted > 0 ? counted : x->steps);
    }
    return UB_OK;
}

/* Rank 0. */
static ub_status fill(work *w)
{
    ub_corpus *x = &w->made;
    int64_t    frames = w->recipe->frames, block = (int64_t)x->steps * x->latent_dim;
    for (int64_t e = 0; e < x->count; e++) {
        make_frame(w, &w->row[e / frames], e % frames, x->latents + e * block);
        UB_TRY(predict(w, x->latents + e * block, x->targets + e * x->task_offset[x->tasks]));
    }
    return ub_model_decode(&w->g->model, x->count * x->steps, x->latents, x->states);
}

/* ---- files beside the corpus ---- */

static ub_status write_table(const work *w, const char *dir)
{
    char             path[UB_PATH_MAX];
    const ub_recipe *r = w->recipe;
    ub_bytes         b = {0};
    ub_status        st = ub_bytes_printf(&b, "episode,row,frame,source,towards,latent,value\n");
    for (int64_t e = 0; e < w->made.episodes && st == UB_OK; e++) {
        const row *at = &w->row[e / r->frames];
        int64_t    f = e % r->frames;
        st = ub_bytes_printf(&b, "%lld,%lld,%lld,%lld,", (long long)e, (long long)(e / r->frames),
                             (long long)f, (long long)r->episode[at->from]);
        if (st == UB_OK && at->latent < 0)
            st = ub_bytes_printf(&b, "%lld,,%.6g\n", (long long)r->episode[1 - at->from],
                                 (double)f / (double)(r->frames - 1));
        else if (st == UB_OK)
            st = ub_bytes_printf(&b, ",%d,%.6g\n", at->latent, value_at(w, at->latent, f));
    }
    (void)snprintf(path, sizeof path, "%s/frames.csv", dir);
    if (st == UB_OK)
        st = ub_file_write(path, b.data, b.len);
    ub_bytes_release(&b);
    return st;
}

static ub_status write_grid(const work *w, const char *dir)
{
    char             path[UB_PATH_MAX];
    const ub_corpus *x = &w->made;
    int64_t          frames = w->recipe->frames, lines = w->rows * x->steps;
    const double   **tile = NULL;
    ub_status        st = UB_ALLOC(tile, lines * (frames + 1));
    for (int64_t i = 0; i < lines && st == UB_OK; i++) {
        int64_t r = i / x->steps, s = i % x->steps;
        tile[i * (frames + 1)] = w->seen + (w->row[r].from * x->steps + s) * x->dim;
        for (int64_t f = 0; f < frames; f++)
            tile[i * (frames + 1) + 1 + f] = x->states + ((r * frames + f) * x->steps + s) * x->dim;
    }
    (void)snprintf(path, sizeof path, "%s/grid.png", dir);
    if (st == UB_OK)
        st = ub_png_grid(path, x->image, lines, frames + 1, 1, tile);
    ub_free(tile);
    return st;
}

static ub_status make_all(const ub_comm *c, work *w)
{
    const ub_corpus *x = &w->g->corpus;
    int64_t          steps = x->steps, n = w->g->model.shape.latents;
    ub_status        st = list_rows(w);
    if (st == UB_OK)
        st = make_corpus(c, w);
    if (st == UB_OK)
        st = UB_ALLOC(w->seen, 2 * steps * x->dim);
    if (st == UB_OK)
        st = UB_ALLOC(w->z, 2 * steps * n);
    if (st == UB_OK)
        st = UB_ALLOC(w->target, steps * x->task_offset[x->tasks]);
    if (st == UB_OK)
        st = UB_ALLOC(w->to, steps * n);
    if (st == UB_OK)
        st = UB_ALLOC(w->one, n);
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(read_episodes(c, w));
    return ub_comm_agree(c, c->rank == 0 ? fill(w) : UB_OK);
}

ub_status ub_trajectories_write(const ub_comm *c, const ub_generator *g, const ub_recipe *recipe,
                                const char *dir, const char *origin, int64_t *rows)
{
    char      path[UB_PATH_MAX];
    work      w = {.g = g, .recipe = recipe};
    ub_status st;
    UB_TRY_OUT(make_all(c, &w));
    UB_TRY_OUT(ub_comm_agree(c, c->rank == 0 ? ub_dir_make(dir) : UB_OK));
    (void)snprintf(path, sizeof path, "%s/generated.h5", dir);
    UB_TRY_OUT(ub_corpus_write(c, path, &w.made, 0, origin));
    if (c->rank == 0) {
        st = write_table(&w, dir);
        if (st == UB_OK && w.made.image[0] > 0)
            st = write_grid(&w, dir);
    }
    UB_TRY_OUT(ub_comm_agree(c, st));
    *rows = w.rows;
out:
    work_release(&w);
    return st;
}
