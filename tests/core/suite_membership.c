/* The decision rules: adjustments against published numbers, the clique against brute force. */
#include <math.h>
#include <string.h>

#include "core/membership.h"
#include "core/rng.h"
#include "core/task_graph.h"
#include "tests/support/suite.h"

enum { MOST = 200, MOST_PAIRS = MOST * (MOST - 1) / 2 };

/* The objective, from its definition. */
static double value_of(int32_t k, const double *pair, const double *direct, const uint8_t *in)
{
    double  sum = 0, sets = 1;
    int32_t members = 0;
    for (int32_t a = 0; a < k; a++)
        members += in[a];
    members = members < k / 2 ? members : k / 2;
    for (int32_t a = 0; a < members; a++) /* k choose members */
        sets *= (double)(k - a) / (a + 1);
    sum -= log(sets);
    for (int32_t a = 0; a < k; a++) {
        if (in[a] && direct != NULL)
            sum += direct[a];
        for (int32_t b = a + 1; b < k; b++)
            if (in[a] && in[b])
                sum += pair[ub_pair_index(k, a, b)];
    }
    return sum;
}

static double brute_force(int32_t k, const double *pair, const double *direct)
{
    double best = 0;
    for (uint32_t set = 0; set < UINT32_C(1) << k; set++) {
        uint8_t in[MOST];
        for (int32_t a = 0; a < k; a++)
            in[a] = set >> a & 1;
        best = fmax(best, value_of(k, pair, direct, in));
    }
    return best;
}

/* Random weights of several kinds: balanced, mostly negative, heavy tailed. */
static void random_instance(int item, int32_t k, double *pair, double *direct)
{
    ub_rng r = ub_rng_make(7, UB_RNG_TEST, (uint64_t)item);
    double shift = -1.0 + 0.25 * (item % 5);
    for (int32_t i = 0; i < k * (k - 1) / 2; i++) {
        double z = ub_rng_normal(&r);
        pair[i] = item % 3 == 0 ? z * fabs(z) * z + shift : z + shift;
    }
    for (int32_t i = 0; i < k; i++)
        direct[i] = 2 * ub_rng_normal(&r);
}

static void search_is_exhaustive(void)
{
    static double pair[MOST_PAIRS], direct[MOST];
    uint8_t       member[MOST];
    for (int item = 0; item < 400; item++) {
        int32_t       k = 2 + item % 13; /* up to 14 */
        const double *h = item % 2 ? direct : NULL;
        double        value, best, gain[MOST];
        if (k > 11 && item % 4 > 1)
            continue; /* brute force is the slow part */
        random_instance(item, k, pair, direct);
        best = brute_force(k, pair, h);
        UB_CHECK(ub_membership_search(k, pair, h, member, &value));
        UB_CHECK_CLOSE(value, best, 1e-10);
        UB_CHECK_CLOSE(value_of(k, pair, h, member), best, 1e-10);
        UB_CHECK(ub_membership_clique(k, pair, h, member, gain));
        UB_CHECK_CLOSE(value_of(k, pair, h, member), best, 1e-10);
    }
}

/* A planted set among noise: the search finds it, or something worth more. */
static void planted(void)
{
    static double pair[MOST_PAIRS];
    uint8_t       member[MOST], again[MOST], truth[MOST];
    for (int item = 0; item < 6; item++) {
        ub_rng  r = ub_rng_make(11, UB_RNG_TEST, (uint64_t)item);
        int32_t k = MOST, wrong = 0;
        double  gain[MOST];
        for (int32_t a = 0; a < k; a++)
            truth[a] = ub_rng_uniform(&r) < 0.05 + 0.1 * item;
        for (int32_t a = 0; a < k; a++)
            for (int32_t b = a + 1; b < k; b++)
                pair[ub_pair_index(k, a, b)] =
                    ub_rng_normal(&r) + (truth[a] && truth[b] ? 1.0 : -1.0);
        UB_CHECK(ub_membership_clique(k, pair, NULL, member, gain));
        UB_CHECK(ub_membership_clique(k, pair, NULL, again, gain));
        CU_ASSERT_EQUAL(memcmp(member, again, (size_t)k), 0);
        CU_ASSERT(value_of(k, pair, NULL, member) >= value_of(k, pair, NULL, truth) - 1e-9);
        for (int32_t a = 0; a < k; a++)
            wrong += member[a] != truth[a];
        CU_ASSERT(wrong <= 4);
    }
}

static void gains_are_differences(void)
{
    static double pair[MOST_PAIRS], direct[MOST];
    uint8_t       member[MOST];
    double        gain[MOST];
    int32_t       k = 24;
    random_instance(3, k, pair, direct);
    UB_CHECK(ub_membership_clique(k, pair, direct, member, gain));
    double value = value_of(k, pair, direct, member);
    for (int32_t a = 0; a < k; a++) {
        member[a] ^= 1;
        double other = value_of(k, pair, direct, member);
        UB_CHECK_CLOSE(gain[a], member[a] ? other - value : value - other, 1e-10);
        CU_ASSERT(other <= value + 1e-9); /* no single change helps */
        member[a] ^= 1;
    }
}

static void few_or_none(void)
{
    double  none[] = {-1, -2, -3}, one[] = {-1, 1.5, -3}, gain[3], direct[] = {-1, 2, -1};
    double  faint[] = {-1, 1, -3}, price = log(3); /* of one or two among three */
    uint8_t member[3];
    UB_CHECK(ub_membership_clique(3, none, NULL, member, gain));
    CU_ASSERT(!member[0] && !member[1] && !member[2]);
    UB_CHECK_CLOSE(gain[0], -1 - price, 1e-12); /* the best pair of each */
    UB_CHECK_CLOSE(gain[1], -1 - price, 1e-12);
    UB_CHECK_CLOSE(gain[2], -2 - price, 1e-12);
    UB_CHECK(ub_membership_clique(3, faint, NULL, member, gain));
    CU_ASSERT(!member[0] && !member[1] && !member[2]); /* the best of three is no finding */
    UB_CHECK(ub_membership_clique(3, one, NULL, member, gain));
    CU_ASSERT(member[0] && !member[1] && member[2]);
    UB_CHECK(
        ub_membership_clique(3, none, direct, member, gain)); /* one alone, by direct evidence */
    CU_ASSERT(!member[0] && member[1] && !member[2]);
    UB_CHECK(ub_membership_clique(3, NULL, direct, member, gain));
    CU_ASSERT(!member[0] && member[1] && !member[2]);
    UB_CHECK_CLOSE(gain[1], 2 - price, 1e-12);
    UB_CHECK(ub_membership_clique(1, NULL, NULL, member, gain));
    CU_ASSERT(!member[0] && gain[0] == 0);
}

/* R: p.adjust(c(.01,.02,.03,.04,.05,.5), "BH"), "BY", "bonferroni"; shuffled here. */
static void adjustments(void)
{
    static const double raw[] = {.03, .5, .01, .05, -1, .02, .04};
    static const double want[3][7] = {
        {.06, .5, .06, .06, -1, .06, .06},
        {.147, 1, .147, .147, -1, .147, .147},
        {.18, 1, .06, .3, -1, .12, .24},
    };
    static const ub_adjustment how[] = {UB_ADJUST_BH, UB_ADJUST_BY, UB_ADJUST_BONFERRONI};
    for (int a = 0; a < 3; a++) {
        double p[7];
        memcpy(p, raw, sizeof p);
        UB_CHECK(ub_membership_adjust(how[a], 7, p));
        for (int i = 0; i < 7; i++)
            UB_CHECK_CLOSE(p[i], want[a][i], 1e-12);
    }
}

/* The ratio of the two normal densities it is made of. */
static void llr_is_a_ratio(void)
{
    double n = 5000, rho = 0.1, t2 = 1 + n * rho * rho;
    ub_llr llr = ub_membership_llr(5000, rho, 60);
    for (double z = 0; z < 7; z += 0.7) {
        double dependent = exp(-z * z / (2 * t2)) / sqrt(t2), independent = exp(-z * z / 2);
        UB_CHECK_CLOSE(ub_llr_of(&llr, z * z), log(dependent / independent), 1e-12);
    }
    CU_ASSERT_EQUAL(ub_llr_of(&llr, 61), ub_llr_of(&llr, 1e9));
}

UB_SUITE("membership", {"the search finds what trying all subsets finds", search_is_exhaustive},
         {"a planted set of a large instance is found", planted},
         {"gains are differences of the objective", gains_are_differences},
         {"without positive evidence nobody is a member", few_or_none},
         {"adjusted p-values match published numbers", adjustments},
         {"the evidence is a log-likelihood ratio", llr_is_a_ratio})
