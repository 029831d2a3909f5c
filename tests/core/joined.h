/* tests/core/joined.h - passes of several batches against batches one by one, in the precision of
 * core/real.h; included by a suite for each of the two. */
#ifndef UB_TESTS_CORE_JOINED_H
#define UB_TESTS_CORE_JOINED_H

#include <cblas.h>
#include <stdbool.h>
#include <string.h>

#include "core/objective.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { DIM = 12, LATENTS = 6, TASKS = 2, TARGETS = 8, MOST = 4 };

/* Batches of a pass: their rows, 0 after the last. */
typedef struct layout {
    int32_t hidden;
    int64_t rows[MOST + 1];
} layout;

/* Widths that are whole tiles and some that are not; rows that are, that are not, and so few that
 * the library has ways of their own for them. */
static const layout layouts[] = {
    {64, {32, 32, 32, 32}}, {64, {8, 8, 8}},     {96, {7, 8, 7, 8}},
    {64, {1, 33, 64, 2}},   {304, {4, 5, 4, 5}}, {300, {5, 4}},
    {320, {40, 41}},        {64, {21}},          {288, {32, 33, 32}},
};

typedef struct made {
    ub_objective o;
    int64_t      count, all, capacity; /* batches; rows of all, of the largest */
    ub_real     *obs, *target, *use, *noise, *w;
    ub_batch     batch[MOST];
    ub_weighting weighting[MOST];
} made;

static ub_real *numbers(uint64_t item, int64_t n)
{
    ub_real *x;
    ub_rng   r = ub_rng_make(17, UB_RNG_TEST, item);
    UB_CHECK(UB_ALLOC(x, n));
    for (int64_t i = 0; i < n; i++)
        x[i] = (ub_real)ub_rng_normal(&r);
    return x;
}

static void make(const layout *as, int64_t slots, made *m)
{
    static const int32_t offset[] = {0, 4, 8};
    ub_model_shape       shape = {.dim = DIM,
                                  .latents = LATENTS,
                                  .hidden = as->hidden,
                                  .layers = 2,
                                  .head_hidden = as->hidden / 2,
                                  .tasks = TASKS,
                                  .targets = TARGETS};
    ub_settings          s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    *m = (made){.count = 0};
    for (; as->rows[m->count] > 0; m->count++) {
        m->all += as->rows[m->count];
        m->capacity = as->rows[m->count] > m->capacity ? as->rows[m->count] : m->capacity;
    }
    UB_CHECK(ub_objective_init(&shape, offset, NULL, &s, m->capacity, slots, &m->o));
    m->obs = numbers(1, m->all * DIM);
    m->target = numbers(2, m->all * TARGETS);
    m->use = numbers(3, m->all * TASKS);
    for (int64_t i = 0; i < m->all * TASKS; i++)
        m->use[i] = m->use[i] > -1;
    m->noise = numbers(4, m->all * LATENTS);
    UB_CHECK(UB_ALLOC(m->w, m->o.parameters));
    ub_objective_start(&m->o, 5, 0, m->w);
    for (int64_t k = 0, at = 0; k < m->count; at += as->rows[k++]) {
        m->batch[k] = (ub_batch){as->rows[k],         (as->rows[k] + 1) / 2,
                                 m->obs + at * DIM,   m->target + at * TARGETS,
                                 m->use + at * TASKS, m->noise + at * LATENTS};
        m->weighting[k] = (ub_weighting){1.0 / (double)m->all, 1.0 / (double)m->count, 0.3};
    }
}

static void discard(made *m)
{
    ub_objective_release(&m->o);
    ub_free(m->obs);
    ub_free(m->target);
    ub_free(m->use);
    ub_free(m->noise);
    ub_free(m->w);
}

/* The pass at hand of m, of its first `count` batches: terms and gradients of each are those of the
 * batch alone; added, they are those with one addition. */
static void as_alone(made *m, const layout *as, int64_t count, const double *terms)
{
    made     alone;
    ub_real *want, *got = NULL, *start = numbers(6, m->o.parameters);
    make(as, 1, &alone);
    UB_CHECK(UB_ALLOC(want, m->o.parameters));
    UB_CHECK(UB_ALLOC(got, m->o.parameters));
    size_t bytes = (size_t)m->o.parameters * sizeof *want;
    for (int64_t s = 0; s < count; s++) {
        double term[UB_TERMS];
        ub_objective_batch(&alone.o, m->w, &m->batch[s], &m->weighting[s], term, want);
        for (int k = 0; k < UB_TERMS; k++)
            CU_ASSERT_EQUAL(term[k], terms[s * UB_TERMS + k]);
        CU_ASSERT_EQUAL(memcmp(ub_objective_mu(&alone.o, 0), ub_objective_mu(&m->o, s),
                               (size_t)(m->batch[s].n * 2 * LATENTS) * sizeof *want),
                        0);
        for (int32_t k = 0; k < m->o.ranges; k++)
            ub_objective_gradient(&m->o, s, k, got + m->o.at[k], false);
        CU_ASSERT_EQUAL(memcmp(got, want, bytes), 0);
        memcpy(got, start, bytes);
        for (int32_t k = 0; k < m->o.ranges; k++)
            ub_objective_gradient(&m->o, s, k, got + m->o.at[k], true);
        for (int64_t i = 0; i < m->o.parameters; i++)
            want[i] = start[i] + want[i];
        CU_ASSERT_EQUAL(memcmp(got, want, bytes), 0);
    }
    ub_free(start);
    ub_free(want);
    ub_free(got);
    discard(&alone);
}

static void try_pass(made *m, const layout *as, int64_t count)
{
    double terms[MOST * UB_TERMS];
    ub_objective_pass(&m->o, m->w, count, m->batch, m->weighting, terms);
    as_alone(m, as, count, terms);
}

/* With products of all rows where they are found to give the same bits; and, before that is asked,
 * with those of every batch. */
static void passes_are_batches(void)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        made m;
        make(&layouts[i], MOST, &m);
        try_pass(&m, &layouts[i], m.count);
        ub_objective_join(&m.o, m.count, layouts[i].rows);
        try_pass(&m, &layouts[i], m.count);
        discard(&m);
    }
}

/* Prepared for four batches, the pass has two; and the other way round. */
static void other_passes(void)
{
    made m;
    make(&layouts[0], MOST, &m);
    ub_objective_join(&m.o, m.count, layouts[0].rows);
    try_pass(&m, &layouts[0], 2);
    try_pass(&m, &layouts[0], m.count);
    ub_objective_join(&m.o, 2, layouts[0].rows);
    try_pass(&m, &layouts[0], m.count);
    discard(&m);
}

/* Does the library make the same of four batches of 32 rows, 64 wide, and of all rows at once? */
static bool rows_are_alike(void)
{
    enum { WIDE = 64, EACH = 32, ALL = 4 * EACH };
    ub_real *w = numbers(7, WIDE * WIDE), *x = numbers(8, ALL * WIDE), *y, *z;
    UB_CHECK(UB_ALLOC(y, ALL * WIDE));
    UB_CHECK(UB_ALLOC(z, ALL * WIDE));
    ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, ALL, WIDE, WIDE, 1, x, WIDE, w, WIDE, 0,
                 y, WIDE);
    for (int r = 0; r < ALL; r += EACH)
        ub_real_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, EACH, WIDE, WIDE, 1, x + r * WIDE,
                     WIDE, w, WIDE, 0, z + r * WIDE, WIDE);
    bool alike = true;
    for (int i = 0; i < ALL * WIDE; i++)
        alike = alike && y[i] == z[i];
    ub_free(w);
    ub_free(x);
    ub_free(y);
    ub_free(z);
    return alike;
}

/* Without this the passes above might go one way only: layers in the middle are joined if the
 * library lets them. */
static void default_is_joined(void)
{
    made m;
    int  joined = 0, adds = 0;
    make(&layouts[0], MOST, &m);
    for (int32_t l = 0; l < m.o.layers; l++)
        CU_ASSERT_EQUAL(m.o.joins[l], 0);
    ub_objective_join(&m.o, m.count, layouts[0].rows);
    for (int32_t l = 0; l < m.o.layers; l++)
        joined += m.o.joins[l] != 0;
    for (int32_t k = 0; k < m.o.ranges; k++)
        adds += m.o.adds[k];
    CU_ASSERT(joined == 2 || !rows_are_alike());
    CU_ASSERT_EQUAL(adds, 2);
    discard(&m);
}

#endif /* UB_TESTS_CORE_JOINED_H */
