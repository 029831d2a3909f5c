#include "io/internal/words.h"

#include <stdio.h>
#include <string.h>

#include "core/ci_test.h"

bool ub_truth_member(const ub_task_graph *g, const uint8_t *truth, int64_t k, int32_t i)
{
    int64_t sum = 0;
    for (int64_t t = k * g->length; t < (k + 1) * g->length; t++)
        sum += truth[t * g->tasks + i] != 0;
    return 2 * sum > g->length;
}

ub_task_view ub_task_look(const ub_task_graph *g, int32_t i)
{
    ub_task_view v = {.least = 1, .least_at = -1};
    for (int64_t k = 0; k < g->segments; k++) {
        int64_t at = k * g->tasks + i;
        if (g->direct_verdict != NULL)
            v.undecided += g->direct_verdict[at] != UB_CI_OK;
        if (!g->member[at])
            continue;
        v.members++;
        if (v.least_at < 0 || g->confidence[at] < v.least) {
            v.least = g->confidence[at];
            v.least_at = k;
        }
    }
    for (int64_t n = 0; g->pair_verdict != NULL && n < g->pairs; n++)
        v.undecided += g->pair_verdict[i * g->pairs + n] != UB_CI_OK;
    return v;
}

char (*ub_report_names(const ub_report *r))[UB_NAME_MAX]
{
    return r->task_name != NULL || r->graph == NULL ? r->task_name : r->graph->task_name;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* The value behind "key: " in lines of text: its length, 0 if there is none. */
static int find_value(const char *text, const char *key, const char **value)
{
    size_t n = strlen(key);
    for (const char *line = text; line != NULL && *line != 0;) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            *value = line + n + 1 + strspn(line + n + 1, " ");
            size_t length = strcspn(*value, "\r\n");
            return length < 20 ? (int)length : 0;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return 0;
}

static void say_shape(ub_pen *p, const ub_report *r)
{
    const ub_task_graph *g = r->graph;
    const char          *value = "";
    long long            steps = (long long)g->segments * g->length;
    int                  n = find_value(r->provenance, "episodes", &value);
    if (n == 0)
        n = find_value(r->provenance, "samples", &value);
    ub_pen_printf(p, "%d task%s, %lld step%s in %d segment%s of %d", g->tasks, plural(g->tasks),
                  steps, plural(steps), g->segments, plural(g->segments), g->length);
    if (n > 0 && strspn(value, "0123456789") == (size_t)n)
        ub_pen_printf(p, ", %.*s episodes", n, value);
    ub_pen_put(p, ".");
}

static void say_members(ub_pen *p, const ub_task_graph *g)
{
    int64_t members = 0, busy = 0;
    for (int64_t k = 0; k < g->segments; k++) {
        int64_t here = 0;
        for (int32_t i = 0; i < g->tasks; i++)
            here += g->member[k * g->tasks + i] != 0;
        members += here;
        busy += here > 0;
    }
    ub_pen_printf(p, "%lld of %lld cells are members; %lld segment%s %s to no task.",
                  (long long)members, (long long)g->segments * g->tasks,
                  (long long)(g->segments - busy), plural(g->segments - busy),
                  g->segments - busy == 1 ? "belongs" : "belong");
}

static void say_errors(ub_pen *p, const ub_task_graph *g, const uint8_t *truth)
{
    int64_t extra = 0, missed = 0;
    for (int64_t k = 0; k < g->segments; k++)
        for (int32_t i = 0; i < g->tasks; i++) {
            bool real = ub_truth_member(g, truth, k, i), member = g->member[k * g->tasks + i] != 0;
            extra += member && !real;
            missed += real && !member;
        }
    ub_pen_printf(p, "Against the truth: %lld cell%s not in it, %lld missed.", (long long)extra,
                  plural(extra), (long long)missed);
}

static void say_model(ub_pen *p, const ub_model *m)
{
    int32_t needed = 0;
    for (int32_t j = 0; j < m->shape.latents; j++) {
        int32_t tasks = 0;
        for (int32_t i = 0; i < m->shape.tasks; i++)
            tasks += m->relevant[(int64_t)i * m->shape.latents + j] != 0;
        needed += tasks > 0;
    }
    ub_pen_printf(p, "%d latent%s: %d needed by some task, %d by none; held-out objective %.5g.",
                  m->shape.latents, plural(m->shape.latents), needed, m->shape.latents - needed,
                  m->objective);
}

void ub_words(ub_pen *p, const ub_report *r, const char *open, const char *close)
{
    const ub_task_graph *g = r->graph;
    if (g == NULL && r->model == NULL)
        ub_pen_printf(p, "%sThis run has no results yet.%s", open, close);
    if (g != NULL) {
        ub_pen_put(p, open);
        say_shape(p, r);
        ub_pen_printf(p, "%s%s", close, open);
        say_members(p, g);
        ub_pen_printf(
            p, "%s%s%lld tests; %lld were of adjacent steps, %lld more without an answer.%s", close,
            open, (long long)g->tests, (long long)g->untestable, (long long)g->undecided, close);
    }
    if (g != NULL && g->contrasted > 0)
        ub_pen_printf(p,
                      "%s%lld of %lld pairs depend on each other without any task too: only what a "
                      "task adds counted.%s",
                      open, (long long)g->contrasted, (long long)g->pairs, close);
    if (g != NULL && r->truth != NULL) {
        ub_pen_put(p, open);
        say_errors(p, g, r->truth);
        ub_pen_put(p, close);
    }
    if (r->scores != NULL)
        ub_pen_printf(p, "%sAccuracy %.3f, MCC %.3f, average precision %.3f, ARI of steps %.3f.%s",
                      open, r->scores->accuracy, r->scores->mcc, r->scores->average_precision,
                      r->scores->ari, close);
    if (r->model != NULL) {
        ub_pen_put(p, open);
        say_model(p, r->model);
        ub_pen_put(p, close);
    }
}

void ub_least_sure(const ub_model *m, const ub_evidence *e, int32_t task, char *text, size_t cap)
{
    int32_t n = m->shape.latents, at = -1;
    double  least = 2;
    for (int32_t j = 0; j < n; j++) {
        double c = e->confidence[(int64_t)task * n + j];
        if (m->relevant[(int64_t)task * n + j] != 0 && c < least) {
            least = c;
            at = j;
        }
    }
    if (at < 0)
        (void)snprintf(text, cap, "-");
    else
        (void)snprintf(text, cap, "%.0f%% (%d)", 100 * least, (int)at);
}

/* A sentence in lines of at most 80 characters, the first behind `lead`, the others indented. */
static void put_wrapped(ub_pen *p, const char *lead, const char *s, size_t length)
{
    size_t column = 0;
    ub_pen_put(p, lead);
    column = strlen(lead);
    while (length > 0) {
        size_t word = 0, wide = 0;
        for (; word < length && s[word] != ' '; word++)
            wide += ((unsigned char)s[word] & 0xc0) != 0x80;
        if (column > 2 && column + 1 + wide > 80) {
            ub_pen_put(p, "\n  ");
            column = 2;
        } else if (column > 2) {
            ub_pen_put(p, " ");
            column++;
        }
        ub_pen_printf(p, "%.*s", (int)word, s);
        column += wide;
        word += word < length;
        s += word;
        length -= word;
    }
    ub_pen_put(p, "\n");
}

void ub_words_warn(ub_pen *p, const ub_evidence *e, bool terminal)
{
    const char *s = e == NULL || e->warnings.data == NULL ? "" : (const char *)e->warnings.data;
    for (size_t length; *s != 0; s += length + (s[length] == '\n')) {
        length = strcspn(s, "\n");
        if (terminal) {
            put_wrapped(p, "look out:", s, length);
            continue;
        }
        char line[1024];
        (void)snprintf(line, sizeof line, "%.*s", (int)length, s);
        ub_pen_put(p, "<li>");
        ub_pen_escape(p, line, 0);
        ub_pen_put(p, "</li>\n");
    }
}
