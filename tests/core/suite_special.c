/* Tails and quantiles against 60-digit references (mpmath). */
#include <float.h>
#include <math.h>

#include "core/special.h"
#include "tests/support/suite.h"

static int near(double a, double b, double relative)
{
    double scale = fabs(b) > 1e-300 ? fabs(b) : 1;
    return ub_test_close(a / scale, b / scale, relative, __FILE__, __LINE__) &&
           fabs(a - b) <= relative * scale;
}

static void normal_tails(void)
{
    static const double table[][2] = {
        {-8.0, -6.2209605742717860585e-16}, {-3.0, -0.0013508099647481937988},
        {-0.5, -0.36894641528865639307},    {0.0, -0.69314718055994530942},
        {0.001, -0.69394538346696517879},   {1.0, -1.8410216450092635058},
        {5.0, -15.064998393988725736},      {19.5, -194.01696577749749941},
        {20.5, -214.06672896326380017},     {30.0, -454.32124395634319711},
        {37.5, -707.66898931750719107},     {50.0, -1254.8313611394199013},
        {1000.0, -500007.82669481218431},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        CU_ASSERT(near(ub_normal_log_tail(table[i][0]), table[i][1], 1e-14));
    CU_ASSERT(near(ub_normal_tail(1.0), exp(-1.8410216450092635058), 1e-14));
    CU_ASSERT(near(ub_normal_two_sided(-5.0), 2 * exp(-15.064998393988725736), 1e-14));
}

static void chi2_tails(void)
{
    static const double table[][3] = {
        {0.5, 1.0, -0.73501112983708440303},
        {3.841458820694124, 1.0, -2.9957322735539898447},
        {1500.0, 1.0, -753.88306710538242928},
        {0.1, 2.0, -0.050000000000000002776},
        {10.0, 2.0, -5.0},
        {1.5, 3.0, -0.38232932088389482165},
        {7.5, 4.0, -2.1918553819534501588},
        {40.0, 4.0, -16.955477562276577003},
        {3.0, 9.0, -0.03635804291391167447},
        {9.0, 9.0, -0.82719484605582208908},
        {30.0, 9.0, -7.7316451249019924656},
        {2000.0, 9.0, -978.27309047262126269},
        {120.0, 144.0, -0.074648802727984641264},
        {144.0, 144.0, -0.72499519644808944026},
        {250.0, 144.0, -16.074425558713669116},
        {0.001, 5.0, -1.6814877203843280192e-9},
        {2.5, 2.5, -0.96371984918015545629},
        {900.0, 1000.0, -0.010775081338570532947},
        {1100.0, 1000.0, -4.225747378926617681},
        {5000.0, 16.0, -2453.754036483131431},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        CU_ASSERT(near(ub_chi2_log_tail(table[i][0], table[i][1]), table[i][2], 1e-12));
    CU_ASSERT_EQUAL(ub_chi2_tail(0, 3), 1);
    CU_ASSERT_EQUAL(ub_chi2_tail(1e6, 3), 0);
}

static void quantiles(void)
{
    /* log p, z with upper tail p, chi-square(1) quantile with upper tail p */
    static const double table[][3] = {
        {-1e-06, -4.7534244098670247366, 1.570794756000308445e-12},
        {-0.1, -1.3096177994584931321, 0.014292870043494757866},
        {-0.5, -0.27028802073873585392, 0.26525795980050742926},
        {-0.6931471805599453, 0, 0.45493642311957272733},
        {-1, 0.33747496376420245528, 0.81081487879173915318},
        {-2.995732273553991, 1.6448536269514726474, 3.841458820694125725},
        {-3.1, 1.6948788536010079624, 4.0167966089995340022},
        {-10, 3.9139462405318930773, 16.631121359721999365},
        {-46.051701859880914, 9.2623400897984076579, 87.161733426909824337},
        {-690.7755278982137, 37.047096299361198598, 1373.8726312223940898},
        {-744.44, 38.467403748734559278, 1481.1265110095149319},
        {-5000, 99.944748174841092478, 9990.3388433620507394},
        {-1000000.0, 1414.207782991017327, 1999985.0397660363251},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        UB_CHECK_CLOSE(ub_normal_tail_quantile(table[i][0]), table[i][1], 1e-12);
        UB_CHECK_CLOSE(ub_evidence_of_log_p(table[i][0]), table[i][2], 1e-12);
    }
    UB_CHECK_CLOSE(ub_normal_quantile(0.975), 1.959963984540054, 1e-13);
    UB_CHECK_CLOSE(ub_normal_quantile(1e-300), -37.047096299361198598, 1e-13);
    CU_ASSERT_EQUAL(ub_normal_quantile(0.5), -ub_normal_quantile(0.5));
    CU_ASSERT(isinf(ub_normal_quantile(0)) && isinf(ub_normal_quantile(1)));
}

static void evidence_is_finite(void)
{
    CU_ASSERT(near(ub_evidence_of_p(1e-300), 1373.8726312223940898, 1e-12));
    CU_ASSERT(isfinite(ub_evidence_of_p(0)));
    CU_ASSERT(ub_evidence_of_p(0) > 1400);
    CU_ASSERT(ub_evidence_of_p(DBL_TRUE_MIN) <= ub_evidence_of_p(0));
    CU_ASSERT_EQUAL(ub_evidence_of_p(1), 0);
    CU_ASSERT(isfinite(ub_evidence_of_log_p(-1e6)));
}

/* The quantile undoes the tail, over the whole range and with every step size of the table. */
static void there_and_back(void)
{
    for (double z = -6; z < 60; z += 0.37)
        UB_CHECK_CLOSE(ub_normal_tail_quantile(ub_normal_log_tail(z)), z, z < -4 ? 1e-6 : 1e-12);
    for (double x = 0.05; x < 3000; x *= 1.7)
        UB_CHECK_CLOSE(ub_evidence_of_log_p(ub_chi2_log_tail(x, 1)), x, 1e-12);
    /* Q(1, x/2) = exp(-x/2) and Q(2, x/2) = exp(-x/2)(1 + x/2), on both branches */
    for (double x = 0.05; x < 3000; x *= 1.7) {
        UB_CHECK_CLOSE(ub_chi2_log_tail(x, 2), -x / 2, 1e-12);
        UB_CHECK_CLOSE(ub_chi2_log_tail(x, 4), -x / 2 + log1p(x / 2), 1e-12);
    }
}

UB_SUITE("special", {"normal tails match 60-digit references", normal_tails},
         {"chi-square tails match 60-digit references", chi2_tails},
         {"quantiles match 60-digit references", quantiles},
         {"evidence of an underflowed p-value is finite", evidence_is_finite},
         {"quantiles undo tails, tails meet closed forms", there_and_back})
