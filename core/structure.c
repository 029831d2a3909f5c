#include "core/structure.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/internal/structure.h"
#include "core/membership.h"
#include "core/mem.h"

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
    count_items(s);
    if (answers) {
        s->answers =
            (ub_task_graph){.segments = s->segments, .length = s->length, .tasks = s->tasks};
        UB_TRY_OUT(ub_task_graph_alloc(&s->answers, s->pairs, s->direct));
        UB_TRY_OUT(UB_ALLOC(s->answered, s->items));
        UB_TRY_OUT(UB_ALLOC(s->marginal_p, s->contrast ? s->answers.pairs : 0));
        UB_TRY_OUT(UB_ALLOC(s->marginal_llr, s->contrast ? s->answers.pairs : 0));
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

static ub_ci_result take_record(const unsigned char *at)
{
    double x[3];
    memcpy(x, at, sizeof x);
    return (ub_ci_result){x[0], x[1], x[2], 0, 0, (ub_ci_verdict)at[sizeof x]};
}

static ub_status check_answer(const ub_structure *s, int64_t item, const unsigned char *answer,
                              size_t len)
{
    int64_t of = -1;
    if (item < 0 || item >= s->items)
        return UB_FAIL(UB_EFORMAT, "answer to item %" PRId64 " of a study of %" PRId64 " items",
                       item, s->items);
    ub_tile t = ub_structure_tile(s, item);
    size_t  want = sizeof of + (size_t)t.tests * UB_RECORD;
    if (len >= sizeof of)
        memcpy(&of, answer, sizeof of);
    if (len != want || of != item)
        return UB_FAIL(UB_EFORMAT,
                       "answer of %zu bytes to item %" PRId64 ", wanted %zu bytes to item %" PRId64,
                       len, of, want, item);
    for (int64_t i = 0; i < t.tests; i++) {
        ub_ci_result r = take_record(answer + sizeof of + (size_t)i * UB_RECORD);
        if (!(r.p_value >= 0 && r.p_value <= 1) || !isfinite(r.statistic) ||
            !(r.evidence >= 0 && isfinite(r.evidence)) || r.verdict >= UB_CI_VERDICT_COUNT)
            return UB_FAIL(UB_EFORMAT,
                           "answer to item %" PRId64 ", test %" PRId64
                           ": statistic %g, p-value %g, evidence %g, verdict %d",
                           item, i, r.statistic, r.p_value, r.evidence, (int)r.verdict);
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

static void combine(hypothesis *h, const ub_ci_result *r, double llr)
{
    if (r->verdict != UB_CI_OK) {
        if (h->verdict == UB_CI_OK)
            h->verdict = r->verdict;
        return;
    }
    if (h->decided == 0 || r->p_value < h->p ||
        (r->p_value == h->p && fabs(r->statistic) > fabs(h->stat))) {
        h->p = r->p_value;
        h->stat = r->statistic;
    }
    h->llr += llr;
    h->decided++;
}

static void settle(const hypothesis *h, int32_t count, double *stat, double *p, double *llr,
                   uint8_t *verdict)
{
    bool ok = h->decided > 0;
    *stat = ok ? h->stat : 0;
    *p = ok ? fmin(1, h->p * h->decided) : 1;
    *llr = h->llr / count;
    *verdict = (uint8_t)(ok ? UB_CI_OK : h->verdict);
}

static double llr_of(const ub_structure *s, const ub_ci_result *r, double rho)
{
    if (r->verdict != UB_CI_OK)
        return 0;
    return ub_membership_llr(r->evidence, s->n, rho, s->settings->structure.evidence_cap);
}

/* One pair of segments, task by task, then without any; `at` is its first record. */
static void absorb_pair(ub_structure *s, int64_t pair, const unsigned char *at)
{
    ub_task_graph *a = &s->answers;
    int32_t        per_pair = ub_structure_per_pair(s), reps = s->reps * s->reps;
    for (int32_t i = 0; i < per_pair; i++) {
        hypothesis h = {0};
        for (int32_t rep = 0; rep < reps; rep++) {
            ub_ci_result r =
                take_record(at + ((size_t)rep * (size_t)per_pair + (size_t)i) * UB_RECORD);
            combine(&h, &r, llr_of(s, &r, s->settings->structure.rho_pair));
        }
        int64_t cell = i * a->pairs + pair;
        double  stat;
        uint8_t verdict;
        if (i < s->tasks)
            settle(&h, reps, &a->pair_stat[cell], &a->pair_p[cell], &a->pair_llr[cell],
                   &a->pair_verdict[cell]);
        else
            settle(&h, reps, &stat, &s->marginal_p[pair], &s->marginal_llr[pair], &verdict);
    }
}

static void absorb_direct(ub_structure *s, int32_t k, const unsigned char *at)
{
    ub_task_graph *a = &s->answers;
    for (int32_t i = 0; i < s->tasks; i++) {
        hypothesis h = {0};
        int64_t    cell = (int64_t)k * s->tasks + i;
        for (int32_t rep = 0; rep < s->reps; rep++) {
            ub_ci_result r = take_record(at + (size_t)(rep * s->tasks + i) * UB_RECORD);
            combine(&h, &r, llr_of(s, &r, s->settings->structure.rho_direct));
        }
        settle(&h, s->reps, &a->direct_stat[cell], &a->direct_p[cell], &a->direct_llr[cell],
               &a->direct_verdict[cell]);
    }
}

static void count_verdict(ub_structure *s, ub_ci_verdict verdict)
{
    s->untestable += verdict == UB_CI_UNTESTABLE;
    s->undecided += verdict != UB_CI_OK && verdict != UB_CI_UNTESTABLE;
}

ub_status ub_structure_absorb(ub_structure *s, int64_t item, const unsigned char *answer,
                              size_t len)
{
    if (s->answered == NULL)
        return UB_FAIL(UB_ESTATE, "this side of the study takes no answers");
    UB_TRY(check_answer(s, item, answer, len));
    if (s->answered[item])
        return UB_OK;
    ub_tile              t = ub_structure_tile(s, item);
    const unsigned char *at = answer + sizeof(int64_t);
    for (int64_t i = 0; i < t.tests; i++)
        count_verdict(s, take_record(at + (size_t)i * UB_RECORD).verdict);
    size_t of_pair = (size_t)(s->reps * s->reps * ub_structure_per_pair(s)) * UB_RECORD;
    size_t of_segment = (size_t)(s->reps * s->tasks) * UB_RECORD;
    for (int32_t k = t.r0; k < t.r1; k++) {
        if (item >= s->pair_items) {
            absorb_direct(s, k, at);
            at += of_segment;
            continue;
        }
        for (int32_t v = t.c0 > k ? t.c0 : k + 1; v < t.c1; v++) {
            absorb_pair(s, ub_pair_index(s->segments, k, v), at);
            at += of_pair;
        }
    }
    s->answered[item] = 1;
    s->answered_count++;
    return UB_OK;
}
