#include "core/internal/sampler.h"

#include <math.h>
#include <string.h>

#include "core/internal/vector.h"
#include "core/mem.h"
#include "core/rng.h"

static int32_t targets_of(const ub_sampler *p)
{
    return p->targets->offset[p->targets->tasks];
}

ub_range ub_sampler_episodes(const ub_sampler *p, int64_t s, int held)
{
    ub_range all = ub_part(p->corpus->episodes, p->shards, s);
    int64_t  last = ub_held_out(all.count, p->holdout);
    return held ? (ub_range){all.first + all.count - last, last}
                : (ub_range){all.first, all.count - last};
}

static ub_status check(const ub_sampler *p)
{
    if (p->batch < p->shards)
        return UB_FAIL(UB_EINPUT,
                       "disentangle.batch is %lld, fewer than the %lld shards; use a larger batch "
                       "or set disentangle.shards lower",
                       (long long)p->batch, (long long)p->shards);
    if (p->corpus->episodes < p->shards)
        return UB_FAIL(UB_EINPUT,
                       "the corpus has %lld episodes, fewer than the %lld shards; set "
                       "disentangle.shards lower",
                       (long long)p->corpus->episodes, (long long)p->shards);
    if (p->held == 0)
        return UB_FAIL(
            UB_EINPUT,
            "no episode can be held out: %lld episodes in %lld shards, and a shard needs "
            "two; use more episodes or set disentangle.shards lower",
            (long long)p->corpus->episodes, (long long)p->shards);
    return UB_OK;
}

static ub_status alloc(ub_sampler *p, const uint8_t *use, const double *norm, int32_t latents)
{
    const ub_corpus *c = p->corpus;
    int64_t          columns = 2 * ((int64_t)c->dim + targets_of(p));
    int64_t          cells = (int64_t)c->steps * c->tasks;
    UB_TRY(UB_ALLOC(p->norm, columns));
    memcpy(p->norm, norm, (size_t)columns * sizeof *norm);
    for (int64_t k = columns / 2; k < columns; k++)
        p->norm[k] = norm[k] > 0 ? 1.0 / norm[k] : 0.0;
    UB_TRY(UB_ALLOC(p->use, cells));
    for (int64_t k = 0; k < cells; k++)
        p->use[k] = use == NULL || use[k] != 0 ? 1 : 0;
    UB_TRY(UB_ALLOC(p->epoch, p->own.count));
    UB_TRY(UB_ALLOC(p->order, p->own.count));
    for (int64_t k = 0; k < p->own.count; k++) {
        p->epoch[k] = -1;
        UB_TRY(UB_ALLOC(p->order[k], ub_sampler_episodes(p, p->own.first + k, 0).count * c->steps));
    }
    int64_t rows = p->rows * p->own.count;
    UB_TRY(UB_ALLOC(p->obs, rows * c->dim));
    UB_TRY(UB_ALLOC(p->target, rows * targets_of(p)));
    UB_TRY(UB_ALLOC(p->row_use, rows * c->tasks));
    UB_TRY(UB_ALLOC(p->noise, rows * latents));
    return UB_OK;
}

ub_status ub_sampler_init(const ub_corpus *corpus, const ub_targets *targets, ub_range own,
                          const uint8_t *use, const double *norm, const ub_settings *settings,
                          int32_t latents, ub_sampler *out)
{
    ub_sampler p = {.corpus = corpus,
                    .targets = targets,
                    .own = own,
                    .shards = settings->disentangle.shards,
                    .batch = settings->disentangle.batch,
                    .jacobian = settings->disentangle.jacobian_samples,
                    .seed = (uint64_t)settings->run.seed,
                    .holdout = settings->disentangle.holdout};
    for (int64_t s = 0; s < p.shards; s++) {
        int64_t rows = ub_part(p.batch, p.shards, s).count;
        p.train += ub_sampler_episodes(&p, s, 0).count * corpus->steps;
        p.held += ub_sampler_episodes(&p, s, 1).count * corpus->steps;
        p.rows = rows > p.rows ? rows : p.rows;
    }
    UB_TRY(check(&p));
    ub_status st = alloc(&p, use, norm, latents);
    if (st != UB_OK) {
        ub_sampler_release(&p);
        return st;
    }
    *out = p;
    return UB_OK;
}

void ub_sampler_release(ub_sampler *p)
{
    for (int64_t k = 0; k < p->own.count && p->order != NULL; k++)
        ub_free(p->order[k]);
    ub_free(p->order);
    ub_free(p->epoch);
    ub_free(p->norm);
    ub_free(p->use);
    ub_free(p->obs);
    ub_free(p->target);
    ub_free(p->row_use);
    ub_free(p->noise);
    *p = (ub_sampler){0};
}

/* As ub_standardise, without a division a number. */
static void scale(int32_t n, const double *restrict x, const double *restrict mean,
                  const double *restrict inverse, ub_real *restrict out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = (ub_real)((x[i] - mean[i]) * inverse[i]);
}

/* An episode's columns g: numbers standardised, labels one-hot. */
static void put_targets(const ub_sampler *p, const double *g, ub_real *out)
{
    const ub_targets *t = p->targets;
    const double *mean = p->norm + p->corpus->dim, *inverse = mean + p->corpus->dim + targets_of(p);
    for (int32_t i = 0; i < t->tasks; i++) {
        int32_t       at = t->offset[i], width = t->offset[i + 1] - at;
        const double *own = g + p->corpus->task_offset[i];
        if (t->classes[i] == 0)
            scale(width, own, mean + at, inverse + at, out + at);
        else
            for (int32_t k = 0; k < width; k++)
                out[at + k] = *own == (double)k ? 1 : 0;
    }
}

/* Sample number `sample` of the episodes from `first` on becomes row r. */
static void put_row(ub_sampler *p, int64_t first, int64_t sample, int64_t r)
{
    const ub_corpus *c = p->corpus;
    int32_t          targets = targets_of(p);
    int64_t          local = first - c->first + sample / c->steps, step = sample % c->steps;
    const double    *mean = p->norm, *inverse = p->norm + c->dim + targets;
    scale(c->dim, c->states + (local * c->steps + step) * c->dim, mean, inverse,
          p->obs + r * c->dim);
    put_targets(p, c->targets + local * c->task_offset[c->tasks], p->target + r * targets);
    memcpy(p->row_use + r * c->tasks, p->use + step * c->tasks, (size_t)c->tasks * sizeof *p->use);
}

/* The batch whose rows begin with row `first`. */
static ub_batch batch_of(const ub_sampler *p, int64_t first, int64_t n, int64_t jacobian,
                         const ub_real *noise)
{
    return (ub_batch){.n = n,
                      .jacobian = jacobian < n ? jacobian : n,
                      .obs = p->obs + first * p->corpus->dim,
                      .target = p->target + first * targets_of(p),
                      .use = p->row_use + first * p->corpus->tasks,
                      .noise = noise};
}

ub_batch ub_sampler_train(ub_sampler *p, int64_t s, int64_t epoch, int64_t step, int64_t phase,
                          int32_t latents)
{
    int64_t  k = s - p->own.first, n = ub_part(p->batch, p->shards, s).count;
    ub_range episodes = ub_sampler_episodes(p, s, 0);
    int64_t  samples = episodes.count * p->corpus->steps, first = k * p->rows;
    ub_real *drawn = p->noise + first * latents;
    if (p->epoch[k] != epoch) {
        ub_rng r = ub_rng_make(p->seed, UB_RNG_SHUFFLE, (uint64_t)(epoch * p->shards + s));
        ub_rng_permutation(&r, samples, p->order[k]);
        p->epoch[k] = epoch;
    }
    for (int64_t r = 0; r < n; r++)
        put_row(p, episodes.first, p->order[k][(step * n + r) % samples], first + r);
    /* One stream a phase and shard: a sample that comes twice in a batch gets fresh noise. */
    ub_rng noise = ub_rng_make(p->seed, UB_RNG_LATENT_NOISE, (uint64_t)(phase * p->shards + s));
    ub_vector_normal(noise, n * latents, drawn);
    return batch_of(p, first, n, ub_part(p->jacobian, p->shards, s).count, drawn);
}

ub_batch ub_sampler_held(ub_sampler *p, int64_t s, int64_t at)
{
    ub_range episodes = ub_sampler_episodes(p, s, 1);
    int64_t  left = episodes.count * p->corpus->steps - at, n = left < p->rows ? left : p->rows;
    int64_t  first = (s - p->own.first) * p->rows;
    for (int64_t r = 0; r < n; r++)
        put_row(p, episodes.first, at + r, first + r);
    return batch_of(p, first, n, n, NULL);
}
