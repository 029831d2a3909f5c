/* Pairing by brute force, and scores of latents by hand. */
#include <math.h>
#include <string.h>

#include "core/assign.h"
#include "core/latent_score.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { MOST = 7 };

/* Largest sum over all ways to give rows r .. rows - 1 different columns (or none). */
static double best_of(int32_t rows, int32_t columns, const double *value, int32_t r, unsigned taken,
                      int32_t left)
{
    if (left == 0 || r == rows)
        return left == 0 ? 0 : -INFINITY;
    double best = best_of(rows, columns, value, r + 1, taken, left);
    for (int32_t c = 0; c < columns; c++)
        if ((taken >> c & 1U) == 0)
            best = fmax(best, value[r * columns + c] +
                                  best_of(rows, columns, value, r + 1, taken | 1U << c, left - 1));
    return best;
}

static void pairing_is_the_best(void)
{
    ub_rng r = ub_rng_make(3, UB_RNG_TEST, 0);
    for (int round = 0; round < 200; round++) {
        int32_t  rows = 1 + round % MOST, columns = 1 + round / MOST % 6, pairs = 0, at[MOST];
        double   value[MOST * MOST], sum = 0;
        unsigned taken = 0;
        for (int i = 0; i < rows * columns; i++) /* whole numbers: many ties */
            value[i] = round % 2 ? ub_rng_normal(&r) : floor(3 * ub_rng_normal(&r));
        UB_CHECK(ub_assign(rows, columns, value, at));
        for (int32_t k = 0; k < rows; k++) {
            if (at[k] < 0)
                continue;
            CU_ASSERT(at[k] < columns && (taken >> at[k] & 1U) == 0);
            taken |= 1U << at[k];
            sum += value[k * columns + at[k]];
            pairs++;
        }
        int32_t few = rows < columns ? rows : columns;
        CU_ASSERT_EQUAL(pairs, few);
        UB_CHECK_CLOSE(sum, best_of(rows, columns, value, 0, 0, few), 1e-12);
    }
}

static void pairing_edges(void)
{
    int32_t at[3] = {9, 9, 9};
    UB_CHECK(ub_assign(3, 0, NULL, at));
    CU_ASSERT(at[0] == -1 && at[1] == -1 && at[2] == -1);
    UB_CHECK(ub_assign(0, 3, NULL, at));
    UB_CHECK(ub_assign(2, 2, (double[]){1, 1, 1, 1}, at));
    CU_ASSERT(at[0] + at[1] == 1);
    UB_CHECK_FAILS(ub_assign(1, 2, (double[]){0, NAN}, at), UB_ENUMERIC, "value 1");
}

static void means(void)
{
    const double  r2[] = {.9, .1, .7, .3};
    const uint8_t flag[] = {1, 0, 0, 0, 1, 0, 0, 0};
    UB_CHECK_CLOSE(ub_latent_mean(4, r2, flag, 2, 1), .8, 1e-15);
    UB_CHECK_CLOSE(ub_latent_mean(4, r2, flag, 2, 0), .2, 1e-15);
    CU_ASSERT(isnan(ub_latent_mean(4, r2, flag + 1, 2, 1)));
}

/* Truths 0 and 1 are mixed in latents 2 and 0, truth 2 is latent 1, latent 3 is noise. */
static const double alone[4][3] = {{.5, .45, 0}, {0, .01, .98}, {.48, .5, .02}, {.01, .02, .05}};

static void matching(void)
{
    int32_t match[4];
    UB_CHECK(ub_latent_match(4, 3, alone[0], match));
    CU_ASSERT(match[0] == 0 && match[1] == 2 && match[2] == 1 && match[3] == -1);
    /* What is left over is no match. */
    UB_CHECK(ub_latent_match(2, 2, (double[]){.9, .02, .8, .05}, match));
    CU_ASSERT(match[0] == 0 && match[1] == -1);
}

static void sets(void)
{
    static const struct {
        uint8_t keeps[4], needs[3];
        bool    number, set;
    } table[] = {
        {{1, 0, 1, 0}, {1, 1, 0}, true, true},   /* the mixture counts as the group */
        {{1, 1, 0, 0}, {1, 1, 0}, true, false},  /* the right number of others */
        {{1, 0, 0, 1}, {1, 1, 0}, true, false},  /* one of them matches nothing */
        {{1, 0, 1, 1}, {1, 1, 0}, false, false}, /* one too many */
        {{1, 0, 0, 0}, {1, 1, 0}, false, false},
        {{0, 1, 0, 0}, {0, 0, 1}, true, true},
        {{0}, {0}, true, true},
    };
    int32_t match[4];
    UB_CHECK(ub_latent_match(4, 3, alone[0], match));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ub_latent_score s = {.r2_floor = 5};
        ub_latent_compare(4, table[i].keeps, 3, table[i].needs, 1, match, &s);
        CU_ASSERT_EQUAL(s.right_number, table[i].number);
        CU_ASSERT_EQUAL(s.right_set, table[i].set);
        CU_ASSERT_EQUAL(s.r2_floor, 5);
    }
}

UB_SUITE("latent_score", {"the pairing is the best of all", pairing_is_the_best},
         {"a pairing of nothing, of ties, of no numbers", pairing_edges},
         {"means are over the flagged and over the others", means},
         {"latents are matched with truths, noise with none", matching},
         {"number and set of a task are compared", sets})
