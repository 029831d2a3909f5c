/* gauss_copula - the linear test on normal scores of ranks.
 *
 * Every column becomes phi^-1(rank / (n + 1)), ranks 1 .. n, ties sharing their mean rank (van der
 * Waerden 1952); on these scores it is fisher_z.  If the columns are increasing functions of
 * jointly Gaussian ones (a Gaussian copula, the "nonparanormal"), it is fisher_z on the Gaussian
 * ones up to O(n^-1/2), whatever the functions (Liu, Lafferty, Wasserman 2009; Harris, Drton
 * 2013).  Outliers and heavy tails cannot decide a test. */
#include "core/ci_test.h"

#include "core/internal/scores.h"

extern const ub_ci_test ub_ci_fisher_z;

/* The data it is opened with are scores already. */
static ub_status open_scores(const ub_ci_data *data, const struct ub_settings *settings,
                             void **state)
{
    return ub_ci_fisher_z.open(data, settings, state);
}

static ub_status eval(void *state, const ub_ci_query *q, ub_ci_result *out)
{
    return ub_ci_fisher_z.eval(state, q, out);
}

static ub_status eval_each(void *state, const ub_ci_query *q, int32_t m, const int32_t *extra,
                           const int32_t *offset, ub_ci_result *out)
{
    return ub_ci_fisher_z.eval_each(state, q, m, extra, offset, out);
}

static void close_scores(void *state)
{
    ub_ci_fisher_z.close(state);
}

const ub_ci_test ub_ci_gauss_copula = {
    .name = "gauss_copula",
    .summary = "fisher_z on normal scores of ranks: monotone distortions and outliers do no harm",
    .cost = "as fisher_z, after O(n log n) a column",
    .reference = "van der Waerden 1952; Liu, Lafferty, Wasserman 2009; Harris, Drton 2013",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_MOMENTS,
    .transform = ub_normal_scores,
    .open = open_scores,
    .eval = eval,
    .eval_each = eval_each,
    .close = close_scores,
};
