#include "core/structure.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/internal/structure.h"
#include "core/membership.h"
#include "core/mem.h"
#include "core/special.h"

static bool rule_has_llr(int rule)
{
    return rule == UB_RULE_LLR_CLIQUE || rule == UB_RULE_LLR_JOINT;
}

static ub_status check_plan(const ub_structure *s)
{
    if (s->n < 1 || s->steps < 1 || s->dim < 1 || s->tasks < 1 || s->length < 1 ||
        s->steps % s->length != 0)
        return UB_FAIL(UB_EINPUT,
                       "a study needs episodes, tasks and whole segments: there are %" PRId64
                       " episodes, %d tasks and %d steps in segments of %d",
                       s->n, s->tasks, s->steps, s->length);
    if (s->pairs && s->segments < 2 && !s->direct)
        return UB_FAIL(UB_EINPUT,
                       "%d steps in segments of %d are one segment only: there is no pair to test; "
                       "use structure.conditioning: direct or structure.rule: llr_joint",
                       s->steps, s->length);
    if (s->pairs && s->length < 2)
        return UB_FAIL(UB_EINPUT,
                       "segments of one step: neighbouring segments would be adjacent steps, which "
                       "no test can separate; set segment.length to 2 or more, or use "
                       "structure.conditioning: direct");
    if (s->contrast && (!s->pairs || !rule_has_llr(s->settings->structure.rule)))
        return UB_FAIL(UB_EINPUT, "structure.contrast: marginal corrects the evidence of pairs; it "
                                  "needs structure.conditioning: band or full and an LLR rule");
    return UB_OK;
}

static ub_status check_test(const ub_structure *s)
{
    int64_t columns = (int64_t)s->steps * s->dim + s->task_offset[s->tasks];
    int32_t widest = s->dim;
    for (int32_t i = 0; i < s->tasks; i++) {
        int32_t q = s->task_offset[i + 1] - s->task_offset[i];
        if (q < 1)
            return UB_FAIL(UB_EINPUT, "task %d '%s' has no column", i, s->task_name[i]);
        if (s->direct && q > widest)
            widest = q;
    }
    if (columns > INT32_MAX)
        return UB_FAIL(UB_EINPUT, "the corpus has %" PRId64 " columns; at most %d are possible",
                       columns, INT32_MAX);
    if (!(s->test->accepts & (widest > 1 ? UB_CI_VECTOR : UB_CI_SCALAR)))
        return UB_FAIL(
            UB_EINPUT,
            "structure.test: %s does not take sides of %d columns; see 'unbraid list ci'",
            s->test->name, widest);
    if (s->precision && s->n <= columns)
        return UB_FAIL(UB_EINPUT,
                       "structure.conditioning: full needs more episodes than columns; there are "
                       "%" PRId64 " episodes and %" PRId64 " columns; use band",
                       s->n, columns);
    return UB_OK;
}

static ub_status copy_tasks(ub_structure *s, const ub_corpus *shape)
{
    UB_TRY(UB_ALLOC(s->task_offset, s->tasks + 1));
    UB_TRY(UB_ALLOC(s->task_name, s->tasks));
    memcpy(s->task_offset, shape->task_offset, ((size_t)s->tasks + 1) * sizeof *s->task_offset);
    if (shape->task_name != NULL)
        memcpy(s->task_name, shape->task_name, (size_t)s->tasks * sizeof *s->task_name);
    return UB_OK;
}

static void count_items(ub_structure *s)
{
    int64_t pairs = (int64_t)s->segments * (s->segments - 1) / 2;
    s->tile = (int32_t)fmin((double)s->settings->structure.tile, s->segments);
    s->tiles = (s->segments + s->tile - 1) / s->tile;
    s->pair_items = s->pairs ? (int64_t)s->tiles * (s->tiles + 1) / 2 : 0;
    s->items = s->pair_items + (s->direct ? s->tiles : 0);
    if (s->pairs)
        s->tests += pairs * s->reps * s->reps * ub_structure_per_pair(s);
    if (s->direct)
        s->tests += (int64_t)s->segments * s->reps * s->tasks;
}

ub_status ub_structure_create(const ub_corpus *shape, const struct ub_settings *settings,
                              bool answers, ub_structure **out)
{
    ub_structure *s = NULL;
    ub_status     st = UB_OK;
    int           conditioning = settings->structure.conditioning;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->settings = settings;
    s->test = ub_ci_find(settings->structure.test);
    if (s->test == NULL)
        UB_TRY_OUT(UB_FAIL(UB_EINPUT,
                           "structure.test: there is no test '%s'; see 'unbraid list ci'",
                           settings->structure.test));
    s->n = shape->episodes;
    s->steps = shape->steps;
    s->dim = shape->dim;
    s->tasks = shape->tasks;
    s->length = shape->segment;
    s->segments = ub_corpus_segments(shape);
    bool last = settings->structure.representatives == UB_REP_LAST ||
                settings->structure.rule == UB_RULE_PAPER; /* as published */
    s->reps = last ? 1 : s->length;
    s->pairs = conditioning != UB_COND_DIRECT;
    s->direct = !s->pairs || settings->structure.rule == UB_RULE_LLR_JOINT;
    s->contrast = settings->structure.contrast == UB_CONTRAST_MARGINAL ||
                  (settings->structure.contrast == UB_CONTRAST_AUTO && s->pairs &&
                   rule_has_llr(settings->structure.rule));
    s->precision = conditioning == UB_COND_FULL && (s->test->accepts & UB_CI_MOMENTS) != 0;
    UB_TRY_OUT(check_plan(s));
    UB_TRY_OUT(copy_tasks(s, shape));
    UB_TRY_OUT(check_test(s));
    s->derived = (s->test->accepts & UB_CI_PARTIAL) != 0 && s->dim == 1 &&
                 s->task_offset[s->tasks] == s->tasks;
    count_items(s);
    if (answers) {
        s->answers =
            (ub_task_graph){.segments = s->segments, .length = s->length, .tasks = s->tasks};
        UB_TRY_OUT(ub_task_graph_alloc(&s->answers, s->pairs, s->direct));
        UB_TRY_OUT(UB_ALLOC(s->answered, s->items));
        UB_TRY_OUT(UB_ALLOC(s->marginal_p, s->contrast ? s->answers.pairs : 0));
        UB_TRY_OUT(UB_ALLOC(s->marginal_llr, s->contrast ? s->answers.pairs : 0));
        UB_TRY_OUT(UB_ALLOC(s->marginal_verdict, s->contrast ? s->answers.pairs : 0));
    }
    *out = s;
    return UB_OK;
out:
    ub_structure_destroy(&s);
    return st;
}

void ub_structure_destroy(ub_structure **s)
{
    if (s == NULL || *s == NULL)
        return;
    ub_task_graph_release(&(*s)->answers);
    ub_free((*s)->answered);
    ub_free((*s)->marginal_p);
    ub_free((*s)->marginal_llr);
    ub_free((*s)->marginal_verdict);
    ub_free((*s)->task_offset);
    ub_free((*s)->task_name);
    ub_free(*s);
    *s = NULL;
}

int64_t ub_structure_items(const ub_structure *s)
{
    return s->items;
}

int64_t ub_structure_tests(const ub_structure *s)
{
    return s->tests;
}

int64_t ub_structure_tests_in(const ub_structure *s, int64_t item)
{
    return ub_structure_tile(s, item).tests;
}

bool ub_structure_needs_precision(const ub_structure *s)
{
    return s->precision;
}

static int32_t tile_end(const ub_structure *s, int64_t tile)
{
    int64_t end = (tile + 1) * s->tile;
    return end < s->segments ? (int32_t)end : s->segments;
}

ub_tile ub_structure_tile(const ub_structure *s, int64_t item)
{
    ub_tile t = {0};
    if (item >= s->pair_items) { /* a direct block */
        t.r0 = (int32_t)(item - s->pair_items) * s->tile;
        t.r1 = tile_end(s, item - s->pair_items);
        t.tests = (int64_t)(t.r1 - t.r0) * s->reps * s->tasks;
        return t;
    }
    int64_t a = 0, rest = item; /* upper triangle of tiles, row by row, with the diagonal */
    while (rest >= s->tiles - a)
        rest -= s->tiles - a++;
    t.r0 = (int32_t)a * s->tile;
    t.r1 = tile_end(s, a);
    t.c0 = (int32_t)(a + rest) * s->tile;
    t.c1 = tile_end(s, a + rest);
    int64_t rows = t.r1 - t.r0, pairs = rest == 0 ? rows * (rows - 1) / 2 : rows * (t.c1 - t.c0);
    t.tests = pairs * s->reps * s->reps * ub_structure_per_pair(s);
    return t;
}

bool ub_structure_has(const ub_structure *s, int64_t item)
{
    return item >= 0 && item < s->items && s->answered != NULL && s->answered[item] != 0;
}

int64_t ub_structure_answered(const ub_structure *s)
{
    return s->answered_count;
}

/* The columns of an answer; NULL: they follow from the statistic.  Not aligned. */
typedef struct columns {
    const unsigned char *statistic, *p_value, *evidence, *verdict;
} columns;

static double number(const unsigned char *column, int64_t i)
{
    double x;
    memcpy(&x, column + (size_t)i * sizeof x, sizeof x);
    return x;
}

static ub_status open_answer(const ub_structure *s, int64_t item, const ub_tile *t,
                             const unsigned char *answer, size_t len, columns *out)
{
    int64_t of = -1;
    size_t  column = (size_t)t->tests * sizeof(double), doubles = (size_t)ub_structure_doubles(s);
    size_t  want = sizeof of + doubles * column + (size_t)t->tests;
    if (len >= sizeof of)
        memcpy(&of, answer, sizeof of);
    if (len != want || of != item)
        return UB_FAIL(UB_EFORMAT,
                       "answer of %zu bytes to item %" PRId64 ", wanted %zu bytes to item %" PRId64,
                       len, of, want, item);
    const unsigned char *at = answer + sizeof of;
    *out = (columns){.statistic = at, .verdict = at + doubles * column};
    if (!s->derived) {
        out->p_value = at + column;
        out->evidence = at + 2 * column;
    }
    return UB_OK;
}

static ub_status check_answer(int64_t item, const columns *a, int64_t tests)
{
    for (int64_t i = 0; i < tests; i++) {
        double z = number(a->statistic, i);
        double p = a->p_value == NULL ? 1 : number(a->p_value, i);
        double evidence = a->evidence == NULL ? 0 : number(a->evidence, i);
        if (!(p >= 0 && p <= 1) || !isfinite(z) || !(evidence >= 0 && isfinite(evidence)) ||
            a->verdict[i] >= UB_CI_VERDICT_COUNT)
            return UB_FAIL(UB_EFORMAT,
                           "answer to item %" PRId64 ", test %" PRId64
                           ": statistic %g, p-value %g, evidence %g, verdict %d",
                           item, i, z, p, evidence, (int)a->verdict[i]);
    }
    return UB_OK;
}

/* The tests of one hypothesis, one for each (pair of) representatives, become one: the mean of
 * their llr (0 for one without a number), the statistic of the most significant, and its p-value
 * times their number (Bonferroni).  The mean, because representatives share the noise of their
 * segments: a sum would count one fact several times in the confidence, and the maximum favours
 * dependence (on the published designs, 1,000 episodes, it cost .10 of accuracy). */
typedef struct hypothesis {
    int32_t       decided;
    double        llr, stat, p;
    ub_ci_verdict verdict; /* of the first test without a number */
} hypothesis;

/* Of tests whose p-values follow from their statistics, the larger statistic has the smaller. */
static void combine(hypothesis *h, const columns *a, int64_t i, const ub_llr *llr)
{
    if (a->verdict[i] != UB_CI_OK) {
        if (h->verdict == UB_CI_OK)
            h->verdict = (ub_ci_verdict)a->verdict[i];
        return;
    }
    double z = number(a->statistic, i), p = a->p_value == NULL ? 0 : number(a->p_value, i);
    if (h->decided == 0 || p < h->p || (p == h->p && fabs(z) > fabs(h->stat))) {
        h->p = p;
        h->stat = z;
    }
    h->llr += ub_llr_of(llr, a->evidence == NULL ? z * z : number(a->evidence, i));
    h->decided++;
}

static void settle(const hypothesis *h, const columns *a, int32_t count, double *stat, double *p,
                   double *llr, uint8_t *verdict)
{
    bool   ok = h->decided > 0;
    double smallest = a->p_value == NULL ? ub_normal_two_sided(h->stat) : h->p;
    *stat = ok ? h->stat : 0;
    *p = ok ? fmin(1, smallest * h->decided) : 1;
    *llr = h->llr / count;
    *verdict = (uint8_t)(ok ? UB_CI_OK : h->verdict);
}

static ub_llr llr_with(const ub_structure *s, double rho)
{
    return ub_membership_llr(s->n, rho, s->settings->structure.evidence_cap);
}

/* Segment k against v .. end - 1, task by task, then without any; `at`: the first of its tests. */
static void absorb_row(ub_structure *s, const columns *c, int32_t k, int32_t v, int32_t end,
                       int64_t at)
{
    ub_task_graph *a = &s->answers;
    int32_t        per_pair = ub_structure_per_pair(s), reps = s->reps * s->reps;
    int64_t        row = (int64_t)(end - v) * per_pair, pair = ub_pair_index(s->segments, k, v);
    ub_llr         llr = llr_with(s, s->settings->structure.rho_pair);
    for (; v < end; v++, pair++)
        for (int32_t i = 0; i < per_pair; i++, at++) {
            hypothesis h = {0};
            for (int32_t rep = 0; rep < reps; rep++)
                combine(&h, c, at + rep * row, &llr);
            int64_t cell = i * a->pairs + pair;
            double  stat;
            if (i < s->tasks)
                settle(&h, c, reps, &a->pair_stat[cell], &a->pair_p[cell], &a->pair_llr[cell],
                       &a->pair_verdict[cell]);
            else
                settle(&h, c, reps, &stat, &s->marginal_p[pair], &s->marginal_llr[pair],
                       &s->marginal_verdict[pair]);
        }
}

static void absorb_direct(ub_structure *s, const columns *c, int32_t k, int64_t at)
{
    ub_task_graph *a = &s->answers;
    ub_llr         llr = llr_with(s, s->settings->structure.rho_direct);
    for (int32_t i = 0; i < s->tasks; i++) {
        hypothesis h = {0};
        int64_t    cell = (int64_t)k * s->tasks + i;
        for (int32_t rep = 0; rep < s->reps; rep++)
            combine(&h, c, at + rep * s->tasks + i, &llr);
        settle(&h, c, s->reps, &a->direct_stat[cell], &a->direct_p[cell], &a->direct_llr[cell],
               &a->direct_verdict[cell]);
    }
}

ub_status ub_structure_absorb(ub_structure *s, int64_t item, const unsigned char *answer,
                              size_t len)
{
    columns c;
    if (s->answered == NULL)
        return UB_FAIL(UB_ESTATE, "this side of the study takes no answers");
    if (item < 0 || item >= s->items)
        return UB_FAIL(UB_EFORMAT, "answer to item %" PRId64 " of a study of %" PRId64 " items",
                       item, s->items);
    ub_tile t = ub_structure_tile(s, item);
    UB_TRY(open_answer(s, item, &t, answer, len, &c));
    UB_TRY(check_answer(item, &c, t.tests));
    if (s->answered[item])
        return UB_OK;
    for (int64_t i = 0; i < t.tests; i++) {
        s->untestable += c.verdict[i] == UB_CI_UNTESTABLE;
        s->undecided += c.verdict[i] != UB_CI_OK && c.verdict[i] != UB_CI_UNTESTABLE;
    }
    int64_t at = 0, of_segment = (int64_t)s->reps * s->tasks;
    int64_t of_pair = (int64_t)s->reps * s->reps * ub_structure_per_pair(s);
    for (int32_t k = t.r0; k < t.r1; k++) {
        int32_t v = t.c0 > k ? t.c0 : k + 1;
        if (item >= s->pair_items) {
            absorb_direct(s, &c, k, at);
            at += of_segment;
        } else if (v < t.c1) {
            absorb_row(s, &c, k, v, t.c1, at);
            at += (t.c1 - v) * of_pair;
        }
    }
    s->answered[item] = 1;
    s->answered_count++;
    return UB_OK;
}
