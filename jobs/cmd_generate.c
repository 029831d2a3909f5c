/* Change what chosen tasks need, decode, and say what leaks. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/suggest.h"
#include "io/draw_leakage.h"
#include "io/file.h"
#include "io/rundir.h"
#include "jobs/command.h"
#include "jobs/trajectories.h"

enum { MOST_VALUES = 1000 };

static const char *const modes[] = {"set", "interpolate", "swap"};

/* What was asked for, checked against the model. */
typedef struct request {
    ub_recipe recipe;
    uint8_t  *chosen, *moved; /* tasks, latents */
    double   *value;
    int64_t   rows; /* out */
} request;

static bool writes(const ub_context *ctx)
{
    return ctx->out[0] != '\0' && !ctx->dry_run;
}

static void request_release(request *q)
{
    ub_free(q->chosen);
    ub_free(q->moved);
    ub_free(q->value);
}

/* The next word of a comma separated list into word; false at its end. */
static bool next_word(const char **list, char word[UB_NAME_MAX])
{
    *list += strspn(*list, ", ");
    if (**list == '\0')
        return false;
    size_t len = strcspn(*list, ",");
    (void)snprintf(word, UB_NAME_MAX, "%.*s", (int)len, *list);
    *list += len;
    for (size_t n = strlen(word); n > 0 && word[n - 1] == ' '; n--)
        word[n - 1] = '\0';
    return true;
}

static ub_status choose_tasks(const char *list, const ub_corpus *c, uint8_t *chosen)
{
    char word[UB_NAME_MAX];
    memset(chosen, list == NULL ? 1 : 0, (size_t)c->tasks);
    while (list != NULL && next_word(&list, word)) {
        ub_suggest best = ub_suggest_begin(word);
        int32_t    i = 0;
        while (i < c->tasks && strcmp(c->task_name[i], word) != 0)
            ub_suggest_consider(&best, c->task_name[i++]);
        if (i < c->tasks)
            chosen[i] = 1;
        else if (ub_suggest_found(&best))
            return UB_FAIL(UB_EINPUT, "--task: there is no task '%s'; did you mean '%s'?", word,
                           best.nearest);
        else
            return UB_FAIL(UB_EINPUT,
                           "--task: there is no task '%s' among the %d, of which the first is '%s'",
                           word, (int)c->tasks, c->task_name[0]);
    }
    return memchr(chosen, 1, (size_t)c->tasks) != NULL ? UB_OK
                                                       : UB_FAIL(UB_EARG, "--task names no task");
}

static ub_status parse_number(const char *option, const char *word, double *out)
{
    char *end;
    *out = strtod(word, &end);
    if (*end != '\0' || end == word || !isfinite(*out))
        return UB_FAIL(UB_EARG, "%s: '%s' is not a number", option, word);
    return UB_OK;
}

static ub_status parse_whole(const char *option, const char *word, int64_t least, int64_t most,
                             const char *what, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(word, &end, 10);
    if (*end != '\0' || end == word)
        return UB_FAIL(UB_EARG, "%s: '%s' is not a whole number", option, word);
    bool out_of_range = errno != 0 || v < least || v > most;
    if (out_of_range && what == NULL)
        return UB_FAIL(UB_EARG, "%s: %s; %lld to %lld are possible", option, word, (long long)least,
                       (long long)most);
    if (out_of_range)
        return UB_FAIL(UB_EINPUT, "%s: there is no %s %s; they go from %lld to %lld", option, what,
                       word, (long long)least, (long long)most);
    *out = v;
    return UB_OK;
}

/* kept, own, or numbers. */
static ub_status choose_latents(const char *list, const ub_model *m, request *q)
{
    int32_t n = m->shape.latents, count = 0;
    char    word[UB_NAME_MAX];
    if (list == NULL || strcmp(list, "kept") == 0 || strcmp(list, "own") == 0) {
        count = ub_generate_moved(m, q->chosen, list != NULL && list[0] == 'o', q->moved);
        if (count == 0)
            return UB_FAIL(UB_EINPUT, "the chosen tasks %s latent: nothing could be changed",
                           list != NULL && list[0] == 'o' ? "share every" : "keep no");
        return UB_OK;
    }
    while (next_word(&list, word)) {
        int64_t j;
        UB_TRY(parse_whole("--latent", word, 0, n - 1, "latent", &j));
        q->moved[j] = 1;
        count++;
    }
    return count > 0 ? UB_OK : UB_FAIL(UB_EARG, "--latent wants kept, own, or numbers");
}

/* One or two; by default the first that are held out. */
static ub_status choose_episodes(const char *list, const ub_generator *g, ub_recipe *r)
{
    char word[UB_NAME_MAX];
    int  want = r->mode == UB_GENERATE_SET ? 1 : 2;
    if (list == NULL) {
        r->episodes = want;
        r->episode[0] = g->held_out[0];
        r->episode[1] = g->held_out[1];
        return UB_OK;
    }
    while (next_word(&list, word)) {
        if (r->episodes == want)
            return UB_FAIL(UB_EARG, "--episode: --mode %s takes %s", modes[r->mode],
                           want == 1 ? "one" : "two at most");
        UB_TRY(parse_whole("--episode", word, 0, g->corpus.episodes - 1, "episode",
                           &r->episode[r->episodes++]));
    }
    if (r->episodes == 0 || (r->mode == UB_GENERATE_SWAP && r->episodes != 2))
        return UB_FAIL(UB_EARG, "--episode: --mode %s wants %s", modes[r->mode],
                       r->mode == UB_GENERATE_SWAP ? "two, A,B" : "one");
    return UB_OK;
}

/* Frames of a row, and the values of a set. */
static ub_status choose_frames(const ub_context *ctx, request *q)
{
    const char *values = ub_context_option(ctx, "value"),
               *frames = ub_context_option(ctx, "frames");
    char       word[UB_NAME_MAX];
    ub_recipe *r = &q->recipe;
    if (values != NULL && r->mode != UB_GENERATE_SET)
        return UB_FAIL(UB_EARG, "--value belongs to --mode set");
    if (frames != NULL && r->mode != UB_GENERATE_INTERPOLATE)
        return UB_FAIL(UB_EARG, "--frames belongs to --mode interpolate");
    r->frames = r->mode == UB_GENERATE_SWAP ? 2 : 9;
    if (frames != NULL)
        UB_TRY(parse_whole("--frames", frames, 2, MOST_VALUES, NULL, &r->frames));
    if (r->mode != UB_GENERATE_SET)
        return UB_OK;
    UB_TRY(UB_ALLOC(q->value, MOST_VALUES));
    r->value = q->value;
    r->frames = 0;
    for (const char *list = values == NULL ? "-2,-1,0,1,2" : values; next_word(&list, word);) {
        if (r->frames == MOST_VALUES)
            return UB_FAIL(UB_EARG, "--value: more than %d", MOST_VALUES);
        UB_TRY(parse_number("--value", word, &q->value[r->frames++]));
    }
    return r->frames > 0 ? UB_OK : UB_FAIL(UB_EARG, "--value wants numbers");
}

static ub_status find_mode(const char *name, ub_recipe *r)
{
    ub_suggest best = ub_suggest_begin(name == NULL ? "" : name);
    r->mode = UB_GENERATE_INTERPOLATE;
    for (int i = 0; name != NULL && i < 3; i++) {
        ub_suggest_consider(&best, modes[i]);
        if (strcmp(modes[i], name) == 0) {
            r->mode = (ub_generate_mode)i;
            return UB_OK;
        }
    }
    if (name == NULL)
        return UB_OK;
    if (ub_suggest_found(&best))
        return UB_FAIL(UB_EARG, "--mode: there is no '%s'; did you mean '%s'?", name, best.nearest);
    return UB_FAIL(UB_EARG, "--mode: '%s' is none of set, interpolate, swap", name);
}

static ub_status understand(const ub_context *ctx, const ub_generator *g, request *q)
{
    UB_TRY(UB_ALLOC(q->chosen, g->corpus.tasks));
    UB_TRY(UB_ALLOC(q->moved, g->model.shape.latents));
    q->recipe.moved = q->moved;
    UB_TRY(find_mode(ub_context_option(ctx, "mode"), &q->recipe));
    UB_TRY(choose_tasks(ub_context_option(ctx, "task"), &g->corpus, q->chosen));
    UB_TRY(choose_latents(ub_context_option(ctx, "latent"), &g->model, q));
    UB_TRY(choose_episodes(ub_context_option(ctx, "episode"), g, &q->recipe));
    return choose_frames(ctx, q);
}

/* ---- what is printed ---- */

static ub_status put_value(ub_bytes *b, const char *key, double v)
{
    return isnan(v) ? ub_bytes_printf(b, "\"%s\": null", key)
                    : ub_bytes_printf(b, "\"%s\": %.6f", key, v);
}

static ub_status put_task(const ub_generator *g, int32_t i, ub_bytes *b)
{
    const ub_leak *l = &g->leakage.task[i];
    UB_TRY(ub_bytes_printf(b, i > 0 ? ", {" : "{"));
    UB_TRY(ub_bytes_put_json(b, "task", g->corpus.task_name[i], ", "));
    UB_TRY(ub_bytes_printf(b, "\"own\": %d, \"swapped\": %d, ", l->own, l->moved));
    UB_TRY(put_value(b, "effect", l->effect));
    UB_TRY(ub_bytes_printf(b, ", "));
    UB_TRY(put_value(b, "into_tasks", l->into_tasks));
    UB_TRY(ub_bytes_printf(b, ", "));
    UB_TRY(put_value(b, "into_factors", l->into_factors));
    UB_TRY(ub_bytes_printf(b, ", "));
    UB_TRY(put_value(b, "leakage", l->leakage));
    return ub_bytes_printf(b, "}");
}

static ub_status put_json(const ub_context *ctx, const ub_generator *g, const ub_generator *other,
                          const request *q, ub_bytes *b)
{
    bool first = true;
    UB_TRY(ub_bytes_printf(b, "{"));
    UB_TRY(ub_bytes_put_json(b, "run", ctx->word[0], ", "));
    if (writes(ctx)) {
        UB_TRY(ub_bytes_put_json(b, "out", ctx->out, ", "));
        UB_TRY(ub_bytes_printf(b, "\"mode\": \"%s\", \"rows\": %lld, \"frames\": %lld, ",
                               modes[q->recipe.mode], (long long)q->rows,
                               (long long)q->recipe.frames));
    }
    UB_TRY(ub_bytes_printf(b, "\"moved\": ["));
    for (int32_t j = 0; j < g->model.shape.latents; j++)
        if (q->moved[j]) {
            UB_TRY(ub_bytes_printf(b, first ? "%d" : ", %d", j));
            first = false;
        }
    UB_TRY(ub_bytes_printf(b, "], \"factor_r2\": ["));
    for (int32_t f = 0; f < g->leakage.factors; f++)
        UB_TRY(ub_bytes_printf(b, f > 0 ? ", %.6f" : "%.6f", g->leakage.r2[f]));
    UB_TRY(ub_bytes_printf(b, "], \"per_task\": ["));
    for (int32_t i = 0; i < g->model.shape.tasks; i++)
        UB_TRY(put_task(g, i, b));
    UB_TRY(ub_bytes_printf(b, "], \"pairs\": %lld, ", (long long)g->pairs));
    if (other != NULL) {
        UB_TRY(put_value(b, "against", other->leakage.overall));
        UB_TRY(ub_bytes_printf(b, ", "));
    }
    UB_TRY(put_value(b, "leakage", g->leakage.overall));
    return ub_bytes_printf(b, "}\n");
}

static ub_status put_table(const ub_generator *g, const char *name, ub_bytes *b)
{
    UB_TRY(ub_bytes_printf(b, "%-24s own  effect  into tasks  into factors  leakage\n", name));
    for (int32_t i = 0; i < g->model.shape.tasks; i++) {
        const ub_leak   *l = &g->leakage.task[i];
        double           v[] = {l->effect, l->into_tasks, l->into_factors, l->leakage};
        static const int width[] = {7, 11, 13, 8};
        UB_TRY(ub_bytes_printf(b, "%-24.24s %3d", g->corpus.task_name[i], l->own));
        for (int k = 0; k < 4; k++)
            UB_TRY(isnan(v[k]) ? ub_bytes_printf(b, " %*s", width[k], "-")
                               : ub_bytes_printf(b, " %*.4f", width[k], v[k]));
        UB_TRY(ub_bytes_printf(b, "\n"));
    }
    if (isnan(g->leakage.overall))
        return ub_bytes_printf(b, "no task can be changed by itself, or there is nothing to leak "
                                  "into: no leakage\n\n");
    return ub_bytes_printf(b,
                           "leakage %.4f of the wanted change, over %lld pairs of held-out "
                           "samples\n\n",
                           g->leakage.overall, (long long)g->pairs);
}

static ub_status put_plain(const ub_context *ctx, const ub_generator *g, const ub_generator *other,
                           const request *q, ub_bytes *b)
{
    UB_TRY(put_table(g, "task", b));
    if (other != NULL)
        UB_TRY(put_table(other, "against", b));
    if (!writes(ctx))
        return UB_OK;
    UB_TRY(ub_bytes_printf(b, "moved:   latents"));
    for (int32_t j = 0; j < g->model.shape.latents; j++)
        if (q->moved[j])
            UB_TRY(ub_bytes_printf(b, " %d", j));
    bool alone = q->recipe.mode == UB_GENERATE_SET || q->recipe.episodes == 1;
    UB_TRY(ub_bytes_printf(b, "%s\n", alone ? ", a row each, top to bottom" : ""));
    return ub_bytes_printf(b,
                           "written: %s: generated.h5 (%lld x %lld episodes), frames.csv, "
                           "leakage.svg%s\n",
                           ctx->out, (long long)q->rows, (long long)q->recipe.frames,
                           g->corpus.image[0] > 0 ? ", grid.png" : "");
}

/* Rank 0: the drawing, then what is printed. */
static ub_status report(const ub_context *ctx, const ub_generator *g, const ub_generator *other,
                        const request *q)
{
    char             path[UB_PATH_MAX];
    const char      *second = ub_context_option(ctx, "against");
    ub_bytes         b = {0};
    ub_leakage_panel panel[] = {{ctx->word[0], &g->leakage},
                                {second, other == NULL ? NULL : &other->leakage}};
    ub_status        st = UB_OK;
    (void)snprintf(path, sizeof path, "%s/leakage.svg", ctx->out);
    if (writes(ctx)) {
        UB_TRY_OUT(ub_draw_leakage(panel, other == NULL ? 1 : 2, g->corpus.task_name,
                                   g->corpus.latent_relevant, &b));
        UB_TRY_OUT(ub_file_write(path, b.data, b.len));
        ub_bytes_clear(&b);
    }
    UB_TRY_OUT(ctx->json ? put_json(ctx, g, other, q, &b) : put_plain(ctx, g, other, q, &b));
    (void)fputs((const char *)b.data, stdout);
out:
    ub_bytes_release(&b);
    return st;
}

static ub_status describe(const ub_context *ctx, const request *q, ub_bytes *b)
{
    UB_TRY(ub_bytes_printf(b, "made by unbraid generate from %s\nmode: %s\nepisode: %lld",
                           ctx->word[0], modes[q->recipe.mode], (long long)q->recipe.episode[0]));
    if (q->recipe.episodes == 2)
        UB_TRY(ub_bytes_printf(b, ", %lld", (long long)q->recipe.episode[1]));
    return ub_bytes_printf(b, "\nframes of a row: %lld\n", (long long)q->recipe.frames);
}

/* A run's model and corpus; `made` is filled with its settings. */
static ub_status open_run(const ub_context *ctx, const char *folder, ub_settings *made,
                          ub_generator *g)
{
    UB_TRY(ub_rundir_settings(&ctx->world, folder, made));
    if (ctx->settings.corpus.path[0] != '\0')
        memcpy(made->corpus.path, ctx->settings.corpus.path, sizeof made->corpus.path);
    return ub_generator_open(&ctx->world, folder, made, g);
}

/* The run to compare with. */
static ub_status measure_other(const ub_context *ctx, const char *folder, const ub_generator *g,
                               ub_generator *other)
{
    static ub_settings made; /* too large for some stacks */
    UB_TRY(open_run(ctx, folder, &made, other));
    if (memcmp(other->corpus.digest, g->corpus.digest, sizeof g->corpus.digest) != 0)
        return UB_FAIL(UB_EINPUT, "--against: %s was made from another corpus than %s", folder,
                       ctx->word[0]);
    return ub_generator_measure(&ctx->world, &made, &ctx->settings, other);
}

static ub_status run(ub_context *ctx)
{
    static ub_settings made; /* too large for some stacks */
    const ub_comm     *c = &ctx->world;
    const char        *against = ub_context_option(ctx, "against");
    ub_generator       g = {0}, other = {0};
    request            q = {0};
    ub_bytes           origin = {0};
    ub_status          st;
    UB_TRY_OUT(open_run(ctx, ctx->word[0], &made, &g));
    st = understand(ctx, &g, &q);
    if (st == UB_OK)
        st = describe(ctx, &q, &origin);
    UB_TRY_OUT(ub_comm_agree(c, st));
    if (against != NULL)
        UB_TRY_OUT(measure_other(ctx, against, &g, &other));
    UB_TRY_OUT(ub_generator_measure(c, &made, &ctx->settings, &g));
    if (writes(ctx))
        UB_TRY_OUT(
            ub_trajectories_write(c, &g, &q.recipe, ctx->out, (const char *)origin.data, &q.rows));
    st = c->rank == 0 ? report(ctx, &g, against == NULL ? NULL : &other, &q) : UB_OK;
    UB_TRY_OUT(ub_comm_agree(c, st));
out:
    ub_generator_release(&g);
    ub_generator_release(&other);
    request_release(&q);
    ub_bytes_release(&origin);
    return st;
}

const ub_command ub_cmd_generate = {
    .name = "generate",
    .usage = "RUN [--task NAMES] [--mode set|interpolate|swap] [--episode A[,B]] [--value LIST] "
             "[--frames N] [--latent kept|own|NUMBERS] [--against RUN] [--out DIR] [--json] "
             "[--set eval.key=value]...",
    .summary = "Change only what some tasks need, decode, and measure what leaks",
    .sections = "eval",
    .options = "task mode episode value frames latent against",
    .details =
        "Leakage: what else changes when a task's own latents are swapped between held-out\n"
        "episodes, relative to the wanted change: 0 nothing, 1 as much. Other tasks' predictions,\n"
        "and true factors that the task does not need, read from decoded observations by the "
        "judge\n"
        "of 'eval', where the corpus knows them (core/generate.h has the formula). A task's own\n"
        "latents matter to it at least twice as much as to any other task. --against RUN: the "
        "same\n"
        "of another run on that corpus.\n\n"
        "--out DIR: changed episodes as a corpus, generated.h5, with frames.csv (what is what),\n"
        "leakage.svg and, where observations are pictures, grid.png (the observed one first).\n\n"
        "--task NAMES: comma separated; default: all. --latent: which of the latents move: those\n"
        "the tasks keep, those that are theirs alone, or some numbers.\n\n"
        "--mode interpolate (default): from episode A to B in N frames (9); with one episode, "
        "each\n"
        "latent by itself along the middle 95 % of its range. set: each latent by itself to each\n"
        "value, in standard deviations from its mean (-2,-1,0,1,2). swap: exchanged between A and\n"
        "B. Episodes are numbered from 0; default: the first that were held out.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
