/* Independence tests on data published with p-values: the colour worlds of SelTask (Qiu, Zheng,
 * Zhang, NeurIPS 2024).  s: state, a: action, g: selection; s1, a1, g1: one step later. */
#include <hdf5.h>
#include <stdio.h>

#include "core/ci_test.h"
#include "core/settings.h"
#include "io/internal/h5.h"
#include "tests/support/suite.h"

enum { STEPS = 300, PAIRS = STEPS - 1, S = 0, A, G, S1, A1, G1, COLUMNS };

/* Fisher's z by causal-learn, printed digits.  Where it prints 0 or 2.2e-16 its 1 - cdf has
 * underflowed; ours must be below that.
 *
 * g = s + a by construction, so s and a determine g but for the rounding of the stored single
 * precision (2.6e-15 of its variance).  The 0.99999858 and 0.99999870 published for s1 against
 * g given s and a are rounding noise of an inverse (r of about 2e-7, another one for every order of
 * the same sums): we must say that Z determines Y, with p = 1, and give no such number. */
typedef struct golden {
    int32_t       x, y, z[2], nz;
    double        p, tolerance;
    ub_ci_verdict verdict;
} golden;

static void load(hid_t file, const char *episode, double *x)
{
    static const char *const names[] = {"obs", "actions", "labels"};
    for (int c = 0; c < 3; c++) {
        char   name[128];
        double v[STEPS] = {0};
        (void)snprintf(name, sizeof name, "episodes/%s/%s", episode, names[c]);
        UB_CHECK(ub_h5_get(file, name, H5T_NATIVE_DOUBLE, STEPS, v));
        for (int t = 0; t < PAIRS; t++) {
            x[c * PAIRS + t] = v[t];
            x[(c + 3) * PAIRS + t] = v[t + 1];
        }
    }
}

static void agree_with(const char *episode, const golden *row, int rows)
{
    const char       *path = ub_test_shared("data/seltask/seltask_color.h5");
    const ub_ci_test *test = ub_ci_find("fisher_z");
    ub_settings       settings;
    ub_moments        m = {0};
    hid_t             file = -1;
    void             *state = NULL;
    double            x[COLUMNS * PAIRS];
    if (path == NULL)
        return;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    UB_CHECK(ub_h5_open(path, &file));
    load(file, episode, x);
    UB_CHECK(ub_h5_close(&file, path));
    UB_CHECK(ub_moments_of_columns(PAIRS, COLUMNS, x, &m));
    ub_ci_data data = {.moments = &m, .samples = x};
    UB_CHECK(test->open(&data, &settings, &state));
    for (int i = 0; state != NULL && i < rows; i++) {
        const golden *g = &row[i];
        ub_ci_query   q = {.x = &g->x, .y = &g->y, .z = g->z, .nx = 1, .ny = 1, .nz = g->nz};
        ub_ci_result  r = {0};
        UB_CHECK(test->eval(state, &q, &r));
        CU_ASSERT_EQUAL(r.verdict, g->verdict);
        CU_ASSERT(r.verdict != UB_CI_OK || r.n_used == PAIRS);
        if (!(r.p_value >= g->p - g->tolerance && r.p_value <= g->p + g->tolerance)) {
            (void)printf("\n%s, row %d: p = %.9g, published %.9g\n", episode, i, r.p_value, g->p);
            CU_FAIL("p-value");
        }
    }
    test->close(state);
    ub_moments_release(&m);
}

static void color_3(void)
{
    static const golden rows[] = {{S1, G, {S, A}, 2, 1, 0, UB_CI_COLLINEAR},
                                  {S1, G, {A}, 1, 0, 1e-15, UB_CI_OK},
                                  {S, A, {0}, 0, 0, 2.3e-16, UB_CI_OK},
                                  {S, A, {G}, 1, 0, 1e-15, UB_CI_OK},
                                  {G, A1, {G1}, 1, 0, 1e-15, UB_CI_OK}};
    agree_with("color_3_noise", rows, 5);
}

static void color_10(void)
{
    static const golden rows[] = {{S1, G, {S, A}, 2, 1, 0, UB_CI_COLLINEAR},
                                  {S1, G, {A}, 1, 0, 1e-15, UB_CI_OK},
                                  {S, A, {0}, 0, 2.35e-12, 0.006e-12, UB_CI_OK},
                                  {S, A, {G}, 1, 0, 1e-15, UB_CI_OK},
                                  {G, A1, {G1}, 1, 0, 1e-15, UB_CI_OK}};
    agree_with("color_10_noise", rows, 5);
}

UB_SUITE("seltask", {"colour world of 3 steps: the published p-values", color_3},
         {"colour world of 10 steps: the published p-values", color_10})
