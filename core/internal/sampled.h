/* core/internal/sampled.h - what tests that need the samples begin with.
 *
 * They leave to fisher_z what second moments tell: constant, collinear and non-finite columns, too
 * few samples.  And they fix which side of a question is X, so that exchanging the sides changes
 * no bit.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SAMPLED_H
#define UB_CORE_INTERNAL_SAMPLED_H

#include "core/ci_test.h"
#include "core/settings.h"

typedef struct ub_sampled {
    const ub_ci_data  *data; /* borrowed, as set */
    const ub_settings *set;
    const ub_ci_test  *linear; /* fisher_z */
    void              *linear_state;
} ub_sampled;

/* Zero-initialised *out; to be closed in every case.  Errors: UB_EINPUT (no samples: `test` is
 * named), UB_ENOMEM. */
UB_NODISCARD ub_status ub_sampled_open(const char *test, const ub_ci_data *data,
                                       const ub_settings *settings, ub_sampled *out);
void                   ub_sampled_close(ub_sampled *s);

/* One as the whole state of a test: what its `open` does, and its `close`. */
UB_NODISCARD ub_status ub_sampled_create(const char *test, const ub_ci_data *data,
                                         const ub_settings *settings, void **out);
void                   ub_sampled_destroy(void *self);

/* What second moments say of the question; a verdict other than UB_CI_OK ends it. */
UB_NODISCARD ub_status ub_sampled_screen(const ub_sampled *s, const ub_ci_query *q,
                                         ub_ci_result *out);

/* X is the side with fewer columns, with as many the one whose first column comes first. */
ub_ci_query ub_sampled_ordered(const ub_ci_query *q);

#endif /* UB_CORE_INTERNAL_SAMPLED_H */
