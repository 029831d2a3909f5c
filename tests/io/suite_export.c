/* Exports: tables, graph, page, words, and the pen they are written with. */
#include <locale.h>
#include <stdlib.h>

#include "io/internal/pen.h"
#include "tests/io/export_fixture.h"

/* --- pen --------------------------------------------------------------------------------- */

static void numbers_read_back(void)
{
    static const double values[] = {
        0,    -0.,     .1,   1. / 3, 1e-300,  5e-324,   1.7976931348623157e308,
        1e22, 123456., -2.5, 1e-5,   .3 - .1, 1e15 + .5};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ub_bytes b = {0};
        ub_pen   p;
        ub_pen_begin(&p, &b);
        ub_pen_number(&p, values[i]);
        UB_CHECK(ub_pen_end(&p));
        CU_ASSERT_EQUAL(strtod(text(&b), NULL), values[i]);
        ub_bytes_release(&b);
    }
    ub_bytes b = {0};
    ub_pen   p;
    ub_pen_begin(&p, &b);
    ub_pen_number(&p, .1);
    ub_pen_put(&p, " ");
    ub_pen_number(&p, -(double)NAN);
    ub_pen_put(&p, " ");
    ub_pen_number(&p, -INFINITY);
    UB_CHECK(ub_pen_end(&p));
    CU_ASSERT_STRING_EQUAL(text(&b), "0.1 nan -inf");
    ub_bytes_release(&b);
}

static const char *escaped(const char *s, size_t most, ub_bytes *b)
{
    ub_pen p;
    ub_bytes_clear(b);
    ub_pen_begin(&p, b);
    ub_pen_escape(&p, s, most);
    UB_CHECK(ub_pen_end(&p));
    return text(b);
}

static void escapes(void)
{
    ub_bytes b = {0};
    CU_ASSERT_STRING_EQUAL(escaped("a<b>&\"'", 0, &b), "a&lt;b&gt;&amp;&quot;&#39;");
    CU_ASSERT_STRING_EQUAL(escaped("\x01\x7f", 0, &b), "\xef\xbf\xbd\xef\xbf\xbd");
    /* stray, overlong, surrogate, beyond Unicode, cut off at the end: a mark each byte */
    CU_ASSERT_STRING_EQUAL(escaped("x\xff", 0, &b), "x\xef\xbf\xbd");
    CU_ASSERT_EQUAL(count(escaped("\xc0\xaf", 0, &b), "\xef\xbf\xbd"), 2);
    CU_ASSERT_EQUAL(count(escaped("\xed\xa0\x80", 0, &b), "\xef\xbf\xbd"), 3);
    CU_ASSERT_EQUAL(count(escaped("\xf4\x90\x80\x80", 0, &b), "\xef\xbf\xbd"), 4);
    CU_ASSERT_EQUAL(count(escaped("\xe2\x82", 0, &b), "\xef\xbf\xbd"), 2);
    CU_ASSERT_STRING_EQUAL(escaped("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 0, &b),
                           "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    CU_ASSERT_STRING_EQUAL(escaped("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 4, &b),
                           "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc");
    CU_ASSERT_STRING_EQUAL(escaped("\xc3\xbc"
                                   "bcdefg\xc3\xa4",
                                   5, &b),
                           "\xc3\xbc"
                           "b\xe2\x80\xa6g\xc3\xa4");
    ub_bytes_release(&b);
}

static void ranges(void)
{
    static const uint8_t flags[] = {1, 0, 1, 1, 0, 1, 0, 1, 0, 1};
    ub_bytes             b = {0};
    ub_pen               p;
    ub_pen_begin(&p, &b);
    ub_pen_ranges(&p, 10, flags, 1, 1, "-", 100);
    ub_pen_put(&p, "|");
    ub_pen_ranges(&p, 10, flags, 1, 3, "-", 100);
    ub_pen_put(&p, "|");
    ub_pen_ranges(&p, 5, flags, 2, 1, "-", 100);
    ub_pen_put(&p, "|");
    ub_pen_ranges(&p, 1, flags + 1, 1, 1, "-", 100);
    ub_pen_put(&p, "|");
    ub_pen_ranges(&p, 10, flags, 1, 1, "-", 4);
    UB_CHECK(ub_pen_end(&p));
    CU_ASSERT_STRING_EQUAL(text(&b), "0, 2-3, 5, 7, 9|0-2, 6-11, 15-17, 21-23, 27-29|0-1|none|"
                                     "0, 2-3 and 3 more");
    ub_bytes_release(&b);
}

static void failures_take_back(void)
{
    ub_bytes b = {0};
    ub_pen   p;
    UB_CHECK(ub_bytes_printf(&b, "before"));
    ub_pen_begin(&p, &b);
    ub_pen_put(&p, " and after");
    ub_pen_note(&p, UB_FAIL(UB_EIO, "something else broke"));
    ub_pen_put(&p, " and more");
    UB_CHECK_FAILS(ub_pen_end(&p), UB_EIO, "something else broke");
    ub_err_clear();
    CU_ASSERT_STRING_EQUAL(text(&b), "before");
    ub_bytes_release(&b);
}

/* --- tables ------------------------------------------------------------------------------ */

/* The quoted form of AWKWARD. */
#define QUOTED "\"put \"\"a, b\"\" <in> & it's \x01\xff done\""

static void membership_table(void)
{
    ub_task_graph g = make_graph(3, 2, 1);
    uint8_t      *truth = make_truth(&g);
    ub_bytes      b = {0};
    UB_CHECK(ub_export_membership_csv(&g, truth, &b));
    CU_ASSERT_STRING_EQUAL(
        text(&b), "segment,first_step,last_step,task,member,score,p_value,confidence,truth\n"
                  "0,0,1,task0,1,0.1,0.3333333333333333,0.6,0\n"
                  "0,0,1," QUOTED ",0,-1e-300,1,0.05,0\n"
                  "1,2,3,task0,0,-1e-300,1,0.05,1\n"
                  "1,2,3," QUOTED ",1,1.1,0.3333333333333333,0.95,1\n"
                  "2,4,5,task0,1,2.1,0.3333333333333333,0.95,1\n"
                  "2,4,5," QUOTED ",0,-1e-300,1,0.05,0\n");
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_membership_csv(&g, NULL, &b));
    CU_ASSERT_PTR_NULL(strstr(text(&b), "truth"));
    CU_ASSERT_EQUAL(count(text(&b), "\n"), 7);
    double direct[6] = {0.5, 1, 2, 3, 4, 5};
    g.direct_stat = g.direct_p = g.direct_llr = direct; /* of the test, not of the graph */
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_membership_csv(&g, NULL, &b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b),
                                  "confidence,direct_statistic,direct_p_value,direct_llr\n"
                                  "0,0,1,task0,1,0.1,0.3333333333333333,0.6,0.5,0.5,0.5\n"));
    g.direct_stat = g.direct_p = g.direct_llr = NULL;
    ub_bytes_release(&b);
    ub_free(truth);
    ub_task_graph_release(&g);
}

static void steps_table(void)
{
    ub_task_graph g = make_graph(3, 2, 0);
    ub_bytes      b = {0};
    g.task_name[0][0] = 0; /* a task without a name gets one */
    UB_CHECK(ub_export_steps_csv(&g, &b));
    CU_ASSERT_STRING_EQUAL(text(&b), "step,task 0," QUOTED "\n"
                                     "0,1,0\n1,1,0\n2,0,1\n3,0,1\n4,1,0\n5,1,0\n");
    ub_bytes_release(&b);
    ub_task_graph_release(&g);
}

static void pairs_table(void)
{
    ub_task_graph g = make_graph(3, 2, 1), none = make_graph(3, 2, 0);
    ub_bytes      b = {0};
    UB_CHECK(ub_export_pairs_csv(&g, &b));
    CU_ASSERT_STRING_EQUAL(text(&b), "segment_a,segment_b,task,statistic,p_value,llr,verdict\n"
                                     "0,1,task0,0,1,0,untestable\n"
                                     "0,2,task0,-1.5,0.25,4,ok\n"
                                     "1,2,task0,0,1,0,untestable\n"
                                     "0,1," QUOTED ",0,1,0,untestable\n"
                                     "0,2," QUOTED ",-1.5,0.25,-1,ok\n"
                                     "1,2," QUOTED ",0,1,0,untestable\n");
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_pairs_csv(&none, &b));
    CU_ASSERT_EQUAL(count(text(&b), "\n"), 1);
    ub_bytes_release(&b);
    ub_task_graph_release(&none);
    ub_task_graph_release(&g);
}

static void training_table(void)
{
    static made_log log;
    ub_bytes        b = {0};
    make_log(&log);
    UB_CHECK(ub_export_training_csv(&log.past, &b));
    CU_ASSERT_EQUAL(count(text(&b), "\n"), ROWS + 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "gradient_norm,sparsity,support_0,support_1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "\n1,0,0.001,0.2,2,3,1,0.5,9,1,0,4,3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), ",11,0.25,3,3\n")); /* epoch 10 */
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_training_csv(&(ub_trainer_history){.tasks = 3}, &b));
    CU_ASSERT_EQUAL(count(text(&b), "\n"), 1);
    CU_ASSERT_EQUAL(count(text(&b), "support"), 0);
    ub_bytes_release(&b);
}

static void latents_table(void)
{
    ub_model    m = make_model(2, 2);
    ub_evidence e = make_evidence(&m);
    ub_bytes    b = {0};
    UB_CHECK(ub_export_latents_csv(&m, &e, e.task_name, &b));
    CU_ASSERT_STRING_EQUAL(text(&b),
                           "task,latent,kept,strength,relative_strength,confidence,likeness,kl\n"
                           "task0,0,1,4,1,0.5,0.75,0.25\ntask0,1,0,0.5,0.125,0,0.75,0.25\n"
                           "task1,0,0,0.5,0.125,0,0.75,0.25\ntask1,1,1,4,1,0.5,0.75,0.25\n");
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_latents_csv(&m, NULL, NULL, &b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "relative_strength\ntask 0,0,1,4,1\n"));
    ub_bytes_release(&b);
    ub_evidence_release(&e);
    ub_model_release(&m);
}

static void scores_table(void)
{
    char            names[2][UB_NAME_MAX] = {"one, two", ""};
    ub_latent_score score[2] = {{2, 3, false, false, .5, -.125, 0},
                                {1, 1, true, true, 1, NAN, NAN}};
    ub_bytes        b = {0};
    UB_CHECK(ub_export_scores_csv(names, score, 2, &b));
    CU_ASSERT_STRING_EQUAL(text(&b),
                           "task,latents_needed,latents_kept,right_number,right_set,r2_relevant,"
                           "r2_irrelevant,r2_irrelevant_floor\n"
                           "\"one, two\",2,3,0,0,0.5,-0.125,0\ntask 1,1,1,1,1,1,nan,nan\n");
    ub_bytes_release(&b);
}

static void graph_file(void)
{
    ub_task_graph g = make_graph(5, 2, 1), none = make_graph(5, 2, 0);
    ub_bytes      b = {0};
    UB_CHECK(ub_export_graphml(&g, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "<node "), 5 + 2);
    CU_ASSERT_EQUAL(count(text(&b), ">member<"), 3 + 2);
    CU_ASSERT_EQUAL(count(text(&b), ">pair<"), 3 + 1); /* pairs of members, none adjacent */
    CU_ASSERT_EQUAL(count(text(&b), "<key "), 11);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "put &quot;a, b&quot; &lt;in&gt; &amp; it&#39;s "
                                            "\xef\xbf\xbd\xef\xbf\xbd done"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "source=\"s1\" target=\"t1\""));
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_graphml(&none, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "<edge "), 3 + 2);
    ub_bytes_release(&b);
    ub_task_graph_release(&none);
    ub_task_graph_release(&g);
}

/* --- page and words ---------------------------------------------------------------------- */

static const ub_structure_scores scores = {.75, .5, .625, .25};

static ub_report make_report(const ub_task_graph *g, const uint8_t *truth, const ub_model *m,
                             const made_log *log)
{
    return (ub_report){.title = "study <7>",
                       .graph = g,
                       .truth = truth,
                       .scores = truth != NULL ? &scores : NULL,
                       .model = m,
                       .log = log != NULL ? &log->past : NULL,
                       .config = "a: 1 # <x> & y\n",
                       .provenance = "corpus: abc\nepisodes: 1234\n"};
}

static void page(void)
{
    ub_task_graph   g = make_graph(6, 2, 1);
    uint8_t        *truth = make_truth(&g);
    ub_model        m = make_model(2, 4);
    static made_log log;
    ub_bytes        b = {0}, again = {0};
    make_log(&log);
    ub_evidence e = make_evidence(&m);
    ub_report   r = make_report(&g, truth, &m, &log);
    r.evidence = &e;
    UB_CHECK(ub_export_html(&r, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<li>beware of &lt;this&gt; &amp; of "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<td class='n'>50% (0)</td><td class='n'>0.750</td>"
                                            "<td class='n'>0.875</td><td class='n'>2 to 2</td>"));
    CU_ASSERT_EQUAL(count(text(&b), "nan"), 0);
    CU_ASSERT_EQUAL(count(text(&b), "<svg "), 4);
    CU_ASSERT_EQUAL(count(text(&b), "<script"), 0);
    CU_ASSERT_EQUAL(count(text(&b), "src="), 0);
    CU_ASSERT_EQUAL(count(text(&b), "href="), 0);
    CU_ASSERT_EQUAL(count(text(&b), "http"), 4); /* the name of the SVG vocabulary */
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<h1>study &lt;7&gt;</h1>"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text(&b), "2 tasks, 12 steps in 6 segments of 2, 1234 episodes."));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "1 cell not in it, 1 missed."));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "Accuracy 0.750, MCC 0.500"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "a: 1 # &lt;x&gt; &amp; y"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b),
                                  "<td>0, 2, 4</td><td>0\xe2\x80\x93"
                                  "1, 4\xe2\x80\x93"
                                  "5, 8\xe2\x80\x93"
                                  "9</td>"
                                  "<td class='n'>segment 0: 0.6</td><td class='n'>5</td>"));
    UB_CHECK(ub_export_html(&r, &again));
    CU_ASSERT(again.len == b.len && memcmp(again.data, b.data, b.len) == 0);
    ub_bytes_release(&again);
    ub_bytes_release(&b);
    ub_evidence_release(&e);
    ub_model_release(&m);
    ub_free(truth);
    ub_task_graph_release(&g);
}

/* With a plan three columns, without one what it took. */
static void costs(void)
{
    ub_report_cost c = {.rows = 2,
                        .planned = true,
                        .row = {{"in all", "60 s", "1 min", 1.}, {"jobs", "1", "0", NAN}},
                        .note = "Planned for <2> ranks."};
    ub_report      r = {.title = "t", .cost = &c};
    ub_bytes       b = {0};
    UB_CHECK(ub_export_html(&r, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "Planned for &lt;2&gt; ranks."));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<td>in all</td><td class='n'>60 s</td>"
                                            "<td class='n'>1 min</td><td class='n'>1.00</td>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<td class='n'>0</td><td class='n'>\xe2\x80\x93</td>"));
    ub_bytes_clear(&b);
    c.planned = false;
    UB_CHECK(ub_export_html(&r, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "<td>in all</td><td class='n'>1 min</td></tr>"));
    CU_ASSERT_PTR_NULL(strstr(text(&b), "planned"));
    ub_bytes_release(&b);
}

static void parts_may_be_missing(void)
{
    ub_task_graph   g = make_graph(4, 1, 0);
    ub_model        m = make_model(3, 2);
    static made_log log;
    make_log(&log);
    ub_report reports[] = {
        {0}, make_report(&g, NULL, NULL, NULL), make_report(NULL, NULL, &m, &log)};
    static const char *const says[] = {"no results yet", "tested no pairs", "2 latents: 2 needed"};
    for (int i = 0; i < 3; i++) {
        ub_bytes b = {0};
        UB_CHECK(ub_export_html(reports + i, &b));
        CU_ASSERT(well_formed(text(&b)));
        CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), says[i]));
        ub_bytes_clear(&b);
        UB_CHECK(ub_export_summary(reports + i, &b));
        CU_ASSERT(b.len > 0);
        ub_bytes_release(&b);
    }
    ub_model_release(&m);
    ub_task_graph_release(&g);
}

/* No line of more than 80 columns (characters), no more than 40 lines. */
static void fits_a_terminal(const char *s)
{
    int lines = 0, width = 0;
    for (; *s != 0; s++) {
        width = *s == '\n' ? 0 : width + ((*s & 0xc0) != 0x80);
        lines += *s == '\n';
        CU_ASSERT(width <= 80);
    }
    CU_ASSERT(lines <= 40);
}

static void summary(void)
{
    ub_task_graph g = make_graph(6, 2, 1), big = make_graph(3000, 70, 0);
    uint8_t      *truth = make_truth(&g);
    ub_model      m = make_model(70, 40);
    ub_bytes      b = {0};
    ub_report     r = make_report(&g, truth, NULL, NULL), large = make_report(&big, NULL, &m, NULL);
    UB_CHECK(ub_export_summary(&r, &b));
    fits_a_terminal(text(&b));
    CU_ASSERT_STRING_EQUAL(
        text(&b), "study <7>\n\n"
                  "2 tasks, 12 steps in 6 segments of 2, 1234 episodes.\n"
                  "6 of 12 cells are members; 0 segments belong to no task.\n"
                  "30 tests; 10 were of adjacent steps, 0 more without an answer.\n"
                  "Against the truth: 1 cell not in it, 1 missed.\n"
                  "Accuracy 0.750, MCC 0.500, average precision 0.625, ARI of steps 0.250.\n\n"
                  "task                 segments  least sure    steps\n"
                  "task0                       3  0.6 (0)       0-1, 4-5, 8-9\n"
                  "put \"a, b\" <in> &...        3  0.95 (1)      2-3, 6-7, 10-11\n");
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_summary(&large, &b));
    fits_a_terminal(text(&b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "and 58 more tasks in membership.csv\n"));
    ub_evidence e = make_evidence(&m);
    large.evidence = &e;
    ub_bytes_clear(&b);
    UB_CHECK(ub_export_summary(&large, &b));
    fits_a_terminal(text(&b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "task0                      0.875  50% (0)     0\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "\nlook out: beware of <this> & of "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "this one is\nlook out: and of that\n"));
    ub_evidence_release(&e);
    ub_bytes_release(&b);
    ub_model_release(&m);
    ub_free(truth);
    ub_task_graph_release(&big);
    ub_task_graph_release(&g);
}

static void same_in_every_locale(void)
{
    static const char *const comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "nl_NL.UTF-8"};
    ub_task_graph            g = make_graph(4, 2, 1);
    ub_bytes                 a = {0}, b = {0};
    const char              *found = NULL;
    UB_CHECK(ub_draw_timeline(&g, NULL, &a));
    UB_CHECK(ub_export_membership_csv(&g, NULL, &a));
    for (size_t i = 0; found == NULL && i < sizeof comma / sizeof comma[0]; i++)
        found = setlocale(LC_ALL, comma[i]);
    if (found == NULL)
        (void)printf("\n  skipped: no locale with a decimal comma is installed\n");
    UB_CHECK(ub_draw_timeline(&g, NULL, &b));
    UB_CHECK(ub_export_membership_csv(&g, NULL, &b));
    (void)setlocale(LC_ALL, "C");
    CU_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    ub_bytes_release(&b);
    ub_bytes_release(&a);
    ub_task_graph_release(&g);
}

UB_SUITE("export", {"numbers are short and read back", numbers_read_back},
         {"names are escaped, bytes that are no text are marked", escapes},
         {"runs of ones become ranges", ranges},
         {"a failure sticks and takes back what was written", failures_take_back},
         {"the membership table holds every cell, quoted as RFC 4180 says", membership_table},
         {"the steps table repeats a segment for each step", steps_table},
         {"the pairs table names the verdict", pairs_table},
         {"the training table holds every epoch", training_table},
         {"the scores are a line a task", scores_table},
         {"latents are a line a task and latent", latents_table},
         {"the graph file holds nodes, members and pairs inside a task", graph_file},
         {"the page is one well-formed file, the same each time", page},
         {"the page sets what a run took beside its plan", costs},
         {"a report may lack any of its parts", parts_may_be_missing},
         {"the summary fits a terminal", summary},
         {"the locale of the program changes nothing", same_in_every_locale})
