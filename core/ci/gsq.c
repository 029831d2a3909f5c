/* gsq - likelihood-ratio test of conditional independence in contingency tables.
 *
 * With n_xyz the counts of the joint values of X, Y and Z (several columns are one variable whose
 * values are their combinations),
 *     G^2 = 2 sum n_xyz log(n_xyz n_z / (n_xz n_yz))
 * against chi-square (Wilks 1938; Edwards, "Introduction to Graphical Modelling", 2000).  The
 * degrees of freedom are counted stratum by stratum, sum_z (r_z - 1)(c_z - 1) with r_z and c_z the
 * values of X and Y that occur in stratum z: an empty row or column is taken for impossible, any
 * other empty cell for chance (Tsamardinos, Borboudakis 2010; bnlearn calls it "mi-adf").
 *
 * In small counts G^2 is larger than chi-square says.  Given the margins of a stratum, a count is
 * hypergeometric under independence, so that the mean of G^2 is known exactly; with ci.correction:
 * mean, the p-value is that of G^2 dof / mean (a Bartlett correction; Williams 1976 has the first
 * term of the mean in 1 / n, which is far too large where a margin is 1 or 2).
 *
 * The approximation needs counts: with fewer than ci.cell_samples samples a cell on average, over
 * the r_z c_z cells of all strata that occur, the verdict is too_few. */
#include "core/ci_test.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal/sampled.h"
#include "core/mem.h"
#include "core/settings.h"
#include "core/special.h"

typedef struct state {
    const double *samples;
    int64_t       n, most_strata;
    int32_t       most_levels;
    double        cell_samples;
    bool          correct;
    int32_t      *levels;        /* of each column: distinct values; 0 if not finite */
    int32_t      *code[3];       /* n: values of X, Y and Z by number */
    int64_t      *order, *start; /* n: samples by stratum; most_strata + 1: where one begins */
    int64_t       slots;         /* a power of two above n */
    int64_t      *key;           /* slots; -1: free */
    int32_t      *number;        /* slots */
    int64_t      *cell, *row, *column; /* counts of one stratum; zero between strata */
    int64_t      *of_row, *of_column;  /* its margins, one after another */
    int64_t       cells;               /* room in cell */
} state;

/* Sums over the strata. */
typedef struct tally {
    double  g, mean; /* mean: of g given the margins */
    int64_t dof, cells;
} tally;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Values become 0, 1, ... in their order. */
static ub_status number_values(int64_t n, double *column)
{
    double *value;
    int64_t distinct = 1;
    bool    finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(column[i]);
    for (int64_t i = 0; i < n && !finite; i++)
        column[i] = NAN;
    if (!finite)
        return UB_OK;
    UB_TRY(UB_ALLOC(value, n));
    memcpy(value, column, (size_t)n * sizeof *value);
    qsort(value, (size_t)n, sizeof *value, by_value);
    for (int64_t i = 1; i < n; i++)
        if (value[i] != value[distinct - 1])
            value[distinct++] = value[i];
    for (int64_t i = 0; i < n; i++) {
        const double *at = bsearch(&column[i], value, (size_t)distinct, sizeof *value, by_value);
        column[i] = at == NULL ? NAN : (double)(at - value);
    }
    ub_free(value);
    return UB_OK;
}

static void close_state(void *self)
{
    state *s = self;
    if (s == NULL)
        return;
    for (int side = 0; side < 3; side++)
        ub_free(s->code[side]);
    ub_free(s->levels);
    ub_free(s->order);
    ub_free(s->start);
    ub_free(s->key);
    ub_free(s->number);
    ub_free(s->cell);
    ub_free(s->row);
    ub_free(s->column);
    ub_free(s->of_row);
    ub_free(s->of_column);
    ub_free(s);
}

static void count_levels(state *s, int32_t columns)
{
    for (int64_t c = 0; c < columns; c++) {
        double most = 0;
        for (int64_t i = 0; i < s->n; i++) {
            double v = s->samples[c * s->n + i];
            most = v <= most ? most : v; /* NaN wins and stays */
        }
        s->levels[c] = isnan(most) ? 0 : 1 + (int32_t)most;
    }
}

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings, void **out)
{
    state    *s = NULL;
    ub_status st = UB_OK;
    int64_t   n = data->moments->n;
    if (n > INT32_MAX)
        return UB_FAIL(UB_EINPUT, "gsq takes at most %d samples; there are %" PRId64, INT32_MAX, n);
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->samples = data->samples;
    s->n = n;
    s->most_levels = (int32_t)settings->ci.max_levels;
    s->cell_samples = settings->ci.cell_samples;
    s->correct = settings->ci.correction == UB_CORRECTION_MEAN;
    s->most_strata = s->cell_samples > 1 ? (int64_t)((double)n / s->cell_samples) : n;
    for (s->slots = 2; s->slots < 2 * n;)
        s->slots *= 2;
    UB_TRY_OUT(UB_ALLOC(s->levels, data->moments->columns));
    for (int side = 0; side < 3; side++)
        UB_TRY_OUT(UB_ALLOC(s->code[side], n));
    UB_TRY_OUT(UB_ALLOC(s->order, n));
    UB_TRY_OUT(UB_ALLOC(s->start, n + 1));
    UB_TRY_OUT(UB_ALLOC(s->key, s->slots));
    UB_TRY_OUT(UB_ALLOC(s->number, s->slots));
    UB_TRY_OUT(UB_ALLOC(s->row, s->most_levels));
    UB_TRY_OUT(UB_ALLOC(s->column, s->most_levels));
    UB_TRY_OUT(UB_ALLOC(s->of_row, s->most_levels));
    UB_TRY_OUT(UB_ALLOC(s->of_column, s->most_levels));
    count_levels(s, data->moments->columns);
    *out = s;
    return UB_OK;
out:
    close_state(s);
    return st;
}

/* Tell samples apart by one more column: combinations of code and value, in the order in which they
 * first occur, become the new code.  Returns how many there are. */
static int32_t refine(state *s, int32_t c, int32_t *code)
{
    const double *v = s->samples + (int64_t)c * s->n;
    int32_t       known = 0;
    memset(s->key, 0xff, (size_t)s->slots * sizeof *s->key);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t  key = (int64_t)code[i] * s->levels[c] + (int64_t)v[i];
        uint64_t at = (uint64_t)key * 0x9E3779B97F4A7C15u >> 20; /* Knuth's multiplicative hash */
        for (at &= (uint64_t)s->slots - 1; s->key[at] != -1 && s->key[at] != key;)
            at = (at + 1) & ((uint64_t)s->slots - 1);
        if (s->key[at] == -1) {
            s->key[at] = key;
            s->number[at] = known++;
        }
        code[i] = s->number[at];
    }
    return known;
}

/* Number the joint values of some columns; stops, with a number above `most`, once there are more.
 */
static int32_t join(state *s, const int32_t *columns, int32_t count, int64_t most, int32_t *code)
{
    int32_t known = 1;
    memset(code, 0, (size_t)s->n * sizeof *code);
    for (int32_t i = 0; i < count && known <= most; i++)
        known = refine(s, columns[i], code);
    return known;
}

static void sort_strata(state *s, int32_t strata)
{
    memset(s->start, 0, ((size_t)strata + 1) * sizeof *s->start);
    for (int64_t i = 0; i < s->n; i++)
        s->start[s->code[2][i] + 1]++;
    for (int32_t z = 0; z < strata; z++)
        s->start[z + 1] += s->start[z];
    for (int64_t i = s->n - 1; i >= 0; i--) /* afterwards stratum z begins at start[z + 1] */
        s->order[--s->start[s->code[2][i] + 1]] = i;
}

static double k_log_k(double k)
{
    return k > 0 ? k * log(k) : 0;
}

/* Mean of k log k, k the samples of a row with r and a column with c of n samples if these are
 * independent: hypergeometric, summed from its mode to both sides until nothing is added. */
static double mean_k_log_k(double n, double r, double c)
{
    double least = fmax(0, r + c - n), most = fmin(r, c);
    double mode = fmin(fmax(floor((r + 1) * (c + 1) / (n + 2)), least), most);
    double total = 1, sum = k_log_k(mode), weight = 1;
    for (double k = mode; k < most && weight > 1e-17; k++) {
        weight *= (r - k) * (c - k) / ((k + 1) * (n - r - c + k + 1));
        total += weight;
        sum += weight * k_log_k(k + 1);
    }
    weight = 1;
    for (double k = mode; k > least && weight > 1e-17; k--) {
        weight *= k * (n - r - c + k) / ((r - k + 1) * (c - k + 1));
        total += weight;
        sum += weight * k_log_k(k - 1);
    }
    return sum / total;
}

/* Mean of G^2 of a stratum of n samples, given its margins. */
static double mean_g(const state *s, int64_t n, int64_t rows, int64_t columns)
{
    double sum = k_log_k((double)n);
    if (rows < 2 || columns < 2)
        return 0;
    for (int64_t i = 0; i < rows; i++)
        sum -= k_log_k((double)s->of_row[i]);
    for (int64_t j = 0; j < columns; j++)
        sum -= k_log_k((double)s->of_column[j]);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            sum += mean_k_log_k((double)n, (double)s->of_row[i], (double)s->of_column[j]);
    return 2 * sum;
}

/* Samples order[from .. to) are one stratum. */
static void add_stratum(state *s, int64_t from, int64_t to, int32_t width, tally *t)
{
    const int32_t *x = s->code[0], *y = s->code[1];
    int64_t        rows = 0, columns = 0;
    for (int64_t i = from; i < to; i++) {
        int64_t e = s->order[i];
        rows += s->row[x[e]]++ == 0;
        columns += s->column[y[e]]++ == 0;
        s->cell[(int64_t)x[e] * width + y[e]]++;
    }
    t->cells += rows * columns;
    t->dof += (rows - 1) * (columns - 1);
    for (int64_t i = from; i < to; i++) {
        int64_t  e = s->order[i];
        int64_t *cell = &s->cell[(int64_t)x[e] * width + y[e]];
        double   count = (double)*cell, expected = (double)s->row[x[e]] * (double)s->column[y[e]];
        if (*cell > 0)
            t->g += 2 * count * log(count * (double)(to - from) / expected);
        *cell = 0;
    }
    rows = columns = 0;
    for (int64_t i = from; i < to; i++) {
        int64_t *row = &s->row[x[s->order[i]]], *column = &s->column[y[s->order[i]]];
        if (*row > 0)
            s->of_row[rows++] = *row;
        if (*column > 0)
            s->of_column[columns++] = *column;
        *row = *column = 0;
    }
    if (s->correct)
        t->mean += mean_g(s, to - from, rows, columns);
}

/* Smallest and largest number of values among some columns. */
static void span(const state *s, const int32_t *c, int32_t count, int32_t *least, int32_t *most)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t levels = s->levels[c[i]];
        *least = levels < *least ? levels : *least;
        *most = levels > *most ? levels : *most;
    }
}

/* What can be said before counting. */
static ub_ci_verdict check(const state *s, const ub_ci_query *q)
{
    int32_t least = INT32_MAX, x = 0, y = 0, z = 0;
    span(s, q->x, q->nx, &least, &x);
    span(s, q->y, q->ny, &least, &y);
    span(s, q->z, q->nz, &least, &z);
    return least == 0                                                       ? UB_CI_NONFINITE
           : x < 2 || y < 2                                                 ? UB_CI_CONSTANT
           : x > s->most_levels || y > s->most_levels || z > s->most_levels ? UB_CI_TOO_MANY
                                                                            : UB_CI_OK;
}

static ub_status count(state *s, const ub_ci_query *q, tally *t, ub_ci_verdict *verdict)
{
    int32_t x = join(s, q->x, q->nx, s->most_levels, s->code[0]);
    int32_t y = join(s, q->y, q->ny, s->most_levels, s->code[1]);
    *verdict = x > s->most_levels || y > s->most_levels ? UB_CI_TOO_MANY : UB_CI_OK;
    if (*verdict != UB_CI_OK)
        return UB_OK;
    int32_t strata = join(s, q->z, q->nz, s->most_strata, s->code[2]);
    *verdict = strata > s->most_strata ? UB_CI_TOO_FEW : UB_CI_OK;
    if (*verdict != UB_CI_OK)
        return UB_OK;
    if ((int64_t)x * y > s->cells) {
        ub_free(s->cell);
        s->cells = 0;
        UB_TRY(UB_ALLOC(s->cell, (int64_t)x * y));
        s->cells = (int64_t)x * y;
    }
    sort_strata(s, strata);
    for (int32_t z = 0; z < strata; z++)
        add_stratum(s, s->start[z + 1], z + 1 < strata ? s->start[z + 2] : s->n, y, t);
    *verdict = (double)t->cells * s->cell_samples > (double)s->n ? UB_CI_TOO_FEW
               : t->dof == 0                                     ? UB_CI_COLLINEAR
                                                                 : UB_CI_OK;
    return UB_OK;
}

/* X and Y in one order, so that exchanging them changes no bit. */
static ub_status eval(void *self, const ub_ci_query *query, ub_ci_result *out)
{
    state            *s = self;
    tally             t = {0};
    const ub_ci_query q = ub_sampled_ordered(query);
    ub_ci_verdict     verdict = check(s, &q);
    if (verdict == UB_CI_OK)
        UB_TRY(count(s, &q, &t, &verdict));
    if (verdict != UB_CI_OK) {
        *out = (ub_ci_result){.p_value = 1, .verdict = verdict};
        return UB_OK;
    }
    double g = fmax(t.g, 0), dof = (double)t.dof, mean = t.mean > 0 ? t.mean : dof;
    double log_p = ub_chi2_log_tail(g * dof / mean, dof);
    *out = (ub_ci_result){g, fmin(exp(log_p), 1), ub_evidence_of_log_p(log_p), dof, s->n, UB_CI_OK};
    return UB_OK;
}

const ub_ci_test ub_ci_gsq = {
    .name = "gsq",
    .summary = "G^2 in contingency tables, for discrete variables",
    .cost = "O(n (|X| + |Y| + |Z|)) a test",
    .reference = "Wilks 1938; Edwards 2000; degrees of freedom Tsamardinos, Borboudakis 2010; "
                 "correction after Williams 1976",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES | UB_CI_DISCRETE,
    .settings = "ci.max_levels ci.cell_samples ci.correction",
    .transform = number_values,
    .open = open_state,
    .eval = eval,
    .close = close_state,
};
