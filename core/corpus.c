#include "core/corpus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

static ub_status check_shape(const ub_corpus *c)
{
    if (c->task_offset == NULL || c->steps < 1 || c->dim < 1 || c->tasks < 0 || c->count < 0 ||
        c->count > c->episodes)
        return UB_FAIL(UB_ESHAPE,
                       "a corpus of %" PRId64 " episodes (%" PRId64
                       " here), %d steps, %d state columns and %d tasks cannot be held",
                       c->episodes, c->count, c->steps, c->dim, c->tasks);
    int64_t columns = (int64_t)c->steps * c->dim + c->task_offset[c->tasks];
    if (columns > INT32_MAX)
        return UB_FAIL(UB_ESHAPE,
                       "%d steps of %d columns and the tasks make %" PRId64
                       " columns; at most %d are possible",
                       c->steps, c->dim, columns, INT32_MAX);
    return UB_OK;
}

ub_status ub_corpus_alloc(ub_corpus *c)
{
    double *states = NULL, *targets = NULL;
    char(*names)[UB_NAME_MAX] = c->task_name;
    ub_status st = UB_OK;

    UB_TRY(check_shape(c));
    UB_TRY_OUT(UB_ALLOC(states, c->count * c->steps * c->dim));
    UB_TRY_OUT(UB_ALLOC(targets, c->count * c->task_offset[c->tasks]));
    if (names == NULL) {
        UB_TRY_OUT(UB_ALLOC(names, c->tasks));
        for (int32_t i = 0; i < c->tasks; i++)
            (void)snprintf(names[i], UB_NAME_MAX, "task%d", i);
    }
    c->states = states;
    c->targets = targets;
    c->task_name = names;
    return UB_OK;
out:
    ub_free(targets);
    ub_free(states);
    return st;
}

void ub_corpus_release(ub_corpus *c)
{
    if (c == NULL)
        return;
    ub_free(c->task_offset);
    ub_free(c->task_name);
    ub_free(c->states);
    ub_free(c->targets);
    ub_free(c->truth);
    ub_free(c->latents);
    ub_free(c->latent_relevant);
    *c = (ub_corpus){0};
}

int32_t ub_corpus_segments(const ub_corpus *c)
{
    return c->segment > 0 ? c->steps / c->segment : 0;
}

void ub_corpus_digest_local(const ub_corpus *c, unsigned char digest[UB_SHA256_BYTES])
{
    size_t  state = (size_t)c->steps * (size_t)c->dim;
    size_t  target = (size_t)c->task_offset[c->tasks];
    int64_t shape[] = {c->episodes, c->steps, c->dim, c->tasks, c->segment};

    memset(digest, 0, UB_SHA256_BYTES);
    for (int64_t e = 0; e < c->count; e++) {
        unsigned char one[UB_SHA256_BYTES];
        int64_t       index = c->first + e;
        ub_sha256     s;
        ub_sha256_init(&s);
        ub_sha256_update(&s, &index, sizeof index);
        ub_sha256_update(&s, shape, sizeof shape);
        ub_sha256_update(&s, c->task_offset, ((size_t)c->tasks + 1) * sizeof *c->task_offset);
        ub_sha256_update(&s, c->states + (size_t)e * state, state * sizeof(double));
        ub_sha256_update(&s, c->targets + (size_t)e * target, target * sizeof(double));
        ub_sha256_final(&s, one);
        for (size_t i = 0; i < UB_SHA256_BYTES; i++)
            digest[i] ^= one[i];
    }
}
