#include "core/internal/cosine.h"

#include <math.h>

#include "core/internal/simd.h"

UB_SIMD void ub_cosine_turns(int64_t n, double *t)
{
    /* Adding and subtracting it rounds to an integer: there are no bits left for a fraction. */
    const double whole = 6755399441055744.0; /* 1.5 * 2^52 */
    /* (2 pi)^(2k+1) / (2k+1)! with alternating signs: the series of sin(2 pi g), |g| <= 1/4, whose
     * first omitted term is at most (pi/2)^21 / 21! = 2.6e-16. */
    const double c1 = 6.283185307179586477, c3 = -41.34170224039976023, c5 = 81.60524927607505420,
                 c7 = -76.70585975306138584, c9 = 42.05869394489765315, c11 = -15.09464257682299039,
                 c13 = 3.819952584848282128, c15 = -0.7181223017785005122,
                 c17 = 0.1042291622081398411, c19 = -0.01203158594212062723;
    for (int64_t i = 0; i < n; i++) {
        double f = t[i] - ((t[i] + whole) - whole); /* in [-1/2, 1/2] */
        double g = 0.25 - fabs(f), u = g * g;       /* cos(2 pi f) = sin(2 pi g) */
        double s = c17 + u * c19;
        s = c15 + u * s;
        s = c13 + u * s;
        s = c11 + u * s;
        s = c9 + u * s;
        s = c7 + u * s;
        s = c5 + u * s;
        s = c3 + u * s;
        s = c1 + u * s;
        t[i] = g * s;
    }
}
