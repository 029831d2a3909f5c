/* core/internal/cmi.h - kNN estimates of conditional mutual information, and of many surrogates.
 *
 * With eps(i) the distance from point i to its k-th nearest other point in (x, y, z), all in the
 * maximum norm, and counts of points within it, i itself included,
 *   ksg1:  psi(k) + < psi(n_z) - psi(n_xz) - psi(n_yz) >,  distances < eps(i)
 * (Frenzel and Pompe 2007, Eq. 5; without Z the first algorithm of Kraskov, Stoegbauer and
 * Grassberger 2004, Eq. 8).  With eps_x(i), eps_y(i), eps_z(i) the largest distances of the k
 * neighbours in each part, and counts without i,
 *   ksg2:  psi(k) - 2/k + < psi(n_z) - psi(n_xz) + 1/n_xz - psi(n_yz) + 1/n_yz >,  <= eps
 * (Kraskov et al., Eq. 9, carried over to Z; without Z: psi(k) - 1/k + psi(n) - <...>, Eq. 9
 * itself).  Points tied with the k-th count as neighbours.  In nats.
 *
 * How: points within a guessed radius r of i in Z are gathered once; if the k-th neighbour among
 * them is closer than r it is the k-th of all, and every point that counts is among them.  Else r
 * grows.  The guess decides the time, never the value.  A surrogate moves x only, so one gathering
 * serves eight at a time, one per lane of a vector.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_CMI_H
#define UB_CORE_INTERNAL_CMI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/knn.h"
#include "core/settings.h"
#include "core/status.h"

enum { UB_CMI_LANES = 8 }; /* surrogates evaluated together */

typedef struct ub_cmi ub_cmi;

/* n samples, columns of nx, ny >= 1 and nz >= 0 components, finite; copied.  1 <= k < n;
 * estimator: UB_ESTIMATOR_...
 * `*out` is owned by the caller.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_cmi_create(int64_t n, int32_t nx, int32_t ny, int32_t nz,
                                     const double *const *x, const double *const *y,
                                     const double *const *z, int32_t k, int estimator,
                                     ub_cmi **out);
void                   ub_cmi_destroy(ub_cmi **cmi);

/* The estimate.  false: k + 1 points coincide somewhere, so that there is none. */
bool ub_cmi_estimate(ub_cmi *cmi, double *value);

/* Places are the order in which samples are kept, neighbours in Z near each other: the m nearest
 * of a place in Z (in Y without Z), itself first; m < n. */
void ub_cmi_neighbours(ub_cmi *cmi, int64_t place, int32_t m, double *work, int32_t *near);

/* Estimates with x moved; after ub_cmi_estimate.
 *   source  groups x n x UB_CMI_LANES: the place whose x comes to a place
 *   x       scratch, groups x n x nx x UB_CMI_LANES
 *   value   groups x UB_CMI_LANES */
void ub_cmi_surrogates(ub_cmi *cmi, int32_t groups, const int32_t *source, double *x,
                       double *value);

#endif /* UB_CORE_INTERNAL_CMI_H */
