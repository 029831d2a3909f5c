/* tests/io/export_fixture.h - results made by hand, and a checker of well-formed XML. */
#ifndef UB_TESTS_EXPORT_FIXTURE_H
#define UB_TESTS_EXPORT_FIXTURE_H

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/ci_test.h"
#include "io/export.h"
#include "tests/support/suite.h"

/* --- fixtures ---------------------------------------------------------------------------- */

#define AWKWARD "put \"a, b\" <in> & it's \x01\xff done"

/* K segments of 2 steps, M tasks; segment k belongs to task i where (k + i) is even; confidence
 * .95 but .6 in segment 0; pairs of members have llr 4, others -1, adjacent ones no answer. */
static inline ub_task_graph make_graph(int32_t segments, int32_t tasks, int with_pairs)
{
    ub_task_graph g = {.segments = segments, .length = 2, .tasks = tasks};
    UB_CHECK(ub_task_graph_alloc(&g, with_pairs, 0));
    for (int32_t i = 0; i < tasks; i++)
        (void)snprintf(g.task_name[i], UB_NAME_MAX, i == 1 ? AWKWARD : "task%d", i);
    for (int64_t k = 0; k < segments; k++)
        for (int32_t i = 0; i < tasks; i++) {
            int64_t at = k * tasks + i;
            g.member[at] = (k + i) % 2 == 0;
            g.score[at] = g.member[at] ? 0.1 + (double)k : -1e-300;
            g.p_value[at] = g.member[at] ? 1. / 3 : 1;
            g.confidence[at] = g.member[at] ? k == 0 ? .6 : .95 : .05;
        }
    for (int32_t i = 0; with_pairs && i < tasks; i++)
        for (int32_t k = 0; k < segments; k++)
            for (int32_t v = k + 1; v < segments; v++) {
                int64_t at = i * g.pairs + ub_pair_index(segments, k, v);
                int     both = (k + i) % 2 == 0 && (v + i) % 2 == 0;
                g.pair_verdict[at] = v == k + 1 ? UB_CI_UNTESTABLE : UB_CI_OK;
                g.pair_p[at] = v == k + 1 ? 1 : .25;
                g.pair_stat[at] = v == k + 1 ? 0 : -1.5;
                g.pair_llr[at] = v == k + 1 ? 0 : both ? 4 : -1;
                g.untestable += v == k + 1;
                g.tests++;
            }
    return g;
}

/* The graph's own decisions as truth, but segment 0 is not of task 0 (a wrong member) and
 * segment 1 is (a missed one). */
static inline uint8_t *make_truth(const ub_task_graph *g)
{
    uint8_t *truth;
    UB_CHECK(UB_ALLOC(truth, (int64_t)g->segments * 2 * g->tasks));
    for (int64_t t = 0; t < g->segments * 2; t++)
        for (int32_t i = 0; i < g->tasks; i++)
            truth[t * g->tasks + i] = g->member[t / 2 * g->tasks + i];
    truth[0] = truth[g->tasks] = 0;
    if (g->segments > 1)
        truth[2 * g->tasks] = truth[3 * g->tasks] = 1;
    return truth;
}

static inline ub_model make_model(int32_t tasks, int32_t latents)
{
    ub_model       m = {0};
    ub_model_shape shape = {.dim = 3,
                            .latents = latents,
                            .hidden = 2,
                            .layers = 1,
                            .head_hidden = 2,
                            .tasks = tasks,
                            .targets = tasks};
    int32_t       *offset;
    UB_CHECK(UB_ALLOC(offset, tasks + 1));
    for (int32_t i = 0; i <= tasks; i++)
        offset[i] = i;
    UB_CHECK(ub_model_alloc(&shape, offset, &m));
    ub_free(offset);
    for (int32_t i = 0; i < tasks; i++)
        for (int32_t j = 0; j < latents; j++) {
            m.strength[i * latents + j] = j == i % latents ? 4 : .5;
            m.relevant[i * latents + j] = j == i % latents;
        }
    m.objective = .125;
    return m;
}

/* Restart 1 ends lowest; the task term falls over four decades. */
enum { ROWS = 40 };
enum { LOG_TASKS = 2 };
typedef struct made_log {
    ub_trainer_row     row[ROWS];
    int32_t            support[ROWS * LOG_TASKS];
    ub_trainer_history past;
} made_log;
static inline void make_log(made_log *made)
{
    ub_trainer_row *log = made->row;
    made->past = (ub_trainer_history){ROWS, LOG_TASKS, log, made->support};
    for (int i = 0; i < ROWS; i++) {
        int e = i % 20;
        made->support[LOG_TASKS * i] = 4 - e / 8;
        made->support[LOG_TASKS * i + 1] = 3;
        log[i] = (ub_trainer_row){.restart = i / 20,
                                  .epoch = e,
                                  .learning_rate = .001,
                                  .lambda = .2,
                                  .reconstruction = 2,
                                  .kl = 3,
                                  .task = pow(10, -e / 5.),
                                  .penalty = .5,
                                  .objective = 10. / (1 + e) - i / 20,
                                  .gradient_norm = 1 + e,
                                  .sparsity = e / 40.};
    }
}

/* Three initialisations, the middle one kept; task i keeps latent i % latents, confirmed by
 * half of the others. */
static inline ub_evidence make_evidence(const ub_model *m)
{
    ub_evidence e = {
        .tasks = m->shape.tasks, .latents = m->shape.latents, .restarts = 3, .kept = 1};
    e.samples = 100;
    UB_CHECK(ub_evidence_alloc(&e));
    for (int32_t i = 0; i < e.tasks; i++) {
        (void)snprintf(e.task_name[i], UB_NAME_MAX, "task%d", i);
        e.confidence[i * e.latents + i % e.latents] = .5;
        e.agreement[i] = .75;
        e.task_r2[i] = i == 1 ? NAN : .875;
        e.singular[i * e.latents] = 2;
    }
    for (int32_t j = 0; j < e.latents; j++) {
        e.likeness[j] = .5;
        e.likeness[e.latents + j] = 1;
        e.likeness[2 * e.latents + j] = 1;
        e.kl[j] = .25;
    }
    UB_CHECK(ub_bytes_printf(&e.warnings, "%s%s",
                             "beware of <this> & of sentences that are much too long "
                             "for one line of a terminal, as this one is\n",
                             "and of that\n"));
    return e;
}

static inline const char *text(const ub_bytes *b)
{
    return b->data == NULL ? "" : (const char *)b->data;
}

static inline int count(const char *where, const char *what)
{
    int n = 0;
    for (; (where = strstr(where, what)) != NULL; where += strlen(what))
        n++;
    return n;
}

/* --- a small checker of well-formed XML -------------------------------------------------- */

static inline int is_entity(const char *s)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(s, known[i], strlen(known[i])) == 0)
            return 1;
    return 0;
}

/* Characters up to `stop`: no '<', entities known, no control characters; NULL if wrong. */
static inline const char *skip_text(const char *s, char stop)
{
    for (; *s != 0 && *s != stop; s++)
        if (*s == '<' || (*s == '&' && !is_entity(s)) ||
            ((unsigned char)*s < 32 && *s != '\n' && *s != '\t'))
            return NULL;
    return s;
}

/* Attributes up to '>' or '/', each a name and a quoted value, no name twice in a tag; NULL if
 * wrong. */
static inline const char *skip_attributes(const char *s)
{
    const char *names[32];
    size_t      lengths[32], n = 0;
    while (isspace((unsigned char)*s)) {
        s += strspn(s, " \n\t");
        if (*s == '>' || *s == '/' || *s == '?')
            break;
        size_t length = strcspn(s, "= >'\"");
        for (size_t i = 0; i < n; i++)
            if (lengths[i] == length && strncmp(names[i], s, length) == 0)
                return NULL;
        if (length == 0 || s[length] != '=' || n == 32)
            return NULL;
        names[n] = s;
        lengths[n++] = length;
        char quote = s[length + 1];
        if (quote != '\'' && quote != '"')
            return NULL;
        s = skip_text(s + length + 2, quote);
        if (s == NULL || *s != quote)
            return NULL;
        s++;
    }
    return s;
}

/* One element tree, perhaps after <?...?> and <!DOCTYPE ...>. */
static inline int well_formed(const char *s)
{
    const char *open[64];
    size_t      lengths[64], depth = 0, roots = 0;
    if (strncmp(s, "<?xml", 5) == 0 || strncmp(s, "<!DOCTYPE", 9) == 0)
        s = strchr(s, '>') + 1;
    while (s != NULL && (s = skip_text(s, '<')) != NULL && *s == '<') {
        int    closing = s[1] == '/';
        size_t length;
        s += 1 + closing;
        length = strcspn(s, " />\n");
        if (closing) {
            if (depth == 0 || lengths[depth - 1] != length ||
                strncmp(open[depth - 1], s, length) != 0 || s[length] != '>')
                return 0;
            depth--;
            s += length + 1;
            continue;
        }
        roots += depth == 0;
        if (depth == 64 || length == 0)
            return 0;
        open[depth] = s;
        lengths[depth++] = length;
        s = skip_attributes(s + length);
        if (s != NULL && *s == '/') {
            depth--;
            s++;
        }
        s = s != NULL && *s == '>' ? s + 1 : NULL;
    }
    return s != NULL && depth == 0 && roots == 1;
}

#endif /* UB_TESTS_EXPORT_FIXTURE_H */
