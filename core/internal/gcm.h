/* core/internal/gcm.h - the generalised covariance measure, around any regression.
 *
 * If X and Y are independent given (Z, G), then E[r_f(X) r_h(Y) w(Z, G)] = 0 for all functions f, h
 * and w, r_ being what a regression on (Z, G) leaves (Shah and Peters 2020; weights: Scheidegger,
 * Hoerrmann, Buehlmann 2022).  With u_i the vector of such products of sample i, S = sum u_i and
 * A = sum u_i u_i', R = S' A^-1 S / n is the uncentred R^2 of regressing 1 on u, and
 *   T2 = (n - p) R / (1 - R),   F = T2 (n - p - k) / (k (n - p - 1))  against F(k, n - p - k),
 * Hotelling's test of mean zero, k products, p the parameters of the regression: residuals of a
 * linear smoother correlate, which makes the variance of S larger than A by about 1 / (1 - p / n).
 *
 * Form `product`: the residuals of X and Y themselves (one column a side: signed).  Form
 * `interaction`: see gcm.c and docs/ci-tests.md.
 *
 * A member of the family is a way to regress (ub_gcm_method) plus the lines
 *   static ub_status open_state(...) { return ub_gcm_open(&method, data, settings, state); }
 *   const ub_ci_test ub_ci_gcm_NAME = { ..., .transform = ub_normal_scores, .open = open_state,
 *       .eval = ub_gcm_eval, .eval_each = ub_gcm_eval_each, .close = ub_gcm_close };
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_GCM_H
#define UB_CORE_INTERNAL_GCM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ci_test.h"

/* A regression to do: each of m targets on the columns of z and g together.  All matrices by
 * columns, column c at + c * n, borrowed for the call; everything finite. */
typedef struct ub_gcm_job {
    int64_t n;
    int32_t nz, ng, m;
    /* Normal scores of the conditioning columns (ties: less variance; constant: 0). */
    const double *z;
    /* Moderators: what z leaves of the task's columns by the same regression, scaled to variance 1
     * and clipped to +-3: (z, g) says what (z, task) says.  In the first job of a query ng is 0,
     * and the moderators of all its sets are the targets, with X and Y if a set is empty. */
    const double *g;
    const double *target; /* n x m */
    /* nz + ng: numbers of these columns in the data.  Random choices are keyed by run.seed,
     * UB_RNG_REGRESSION and these or a constant, so that sets asked together or alone agree. */
    const int32_t *column;
    /* z is that of the call before, and whatever was made of it may be kept. */
    bool again;
    /* out, n x m: what a fit without sample i leaves of it; or what the fit leaves over
     * sqrt(1 - leverage), which has the variance of the errors (gcm_krr). */
    double *residual;
    /* out: what the fit used of the n degrees of freedom, if residuals of different samples come of
     * one fit (the trace of a linear smoother); 0 if of fits to other folds.  >= n / 2: too few. */
    double dof;
} ub_gcm_job;

typedef struct ub_gcm_method {
    const char *name;
    /* Scratch for n samples.  OPTIONAL.  *self is released by close. */
    ub_status (*open)(int64_t n, const struct ub_settings *settings, void **self);
    /* What is left of a target depends on the settings, n, z, g and that target only, not on the
     * other targets; the same bits with and without `again`. */
    ub_status (*residuals)(void *self, ub_gcm_job *job);
    void (*close)(void *self); /* OPTIONAL; NULL does nothing */
    /* The first job of a query has all targets: X and Y, which the later ones repeat (what z leaves
     * of them may be kept), then the moderators. */
    bool together;
} ub_gcm_method;

/* The functions of a member; see core/ci_test.h.  `method` is borrowed. */
UB_NODISCARD ub_status ub_gcm_open(const ub_gcm_method *method, const ub_ci_data *data,
                                   const struct ub_settings *settings, void **state);
UB_NODISCARD ub_status ub_gcm_eval(void *state, const ub_ci_query *q, ub_ci_result *out);
UB_NODISCARD ub_status ub_gcm_eval_each(void *state, const ub_ci_query *q, int32_t sets,
                                        const int32_t *extra, const int32_t *offset,
                                        ub_ci_result *out);
void                   ub_gcm_close(void *state);

#endif /* UB_CORE_INTERNAL_GCM_H */
