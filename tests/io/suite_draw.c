/* Drawings: what they show, and that they are sound at every size. */
#include "io/draw_leakage.h"
#include "io/internal/svg.h"
#include "tests/io/export_fixture.h"

static void the_checker_checks(void)
{
    CU_ASSERT(well_formed("<a><b c='1' d=\"&lt;\"/>x &amp; y</a>\n"));
    CU_ASSERT(!well_formed("<a><b></a></b>"));
    CU_ASSERT(!well_formed("<a>"));
    CU_ASSERT(!well_formed("<a>x & y</a>"));
    CU_ASSERT(!well_formed("<a b=c/>"));
    CU_ASSERT(!well_formed("<a b='1' b='2'/>"));
    CU_ASSERT(!well_formed("<a/><b/>"));
    CU_ASSERT(!well_formed("<a>\x01</a>"));
    CU_ASSERT(!well_formed("<a b='<'/>"));
}

static void colors(void)
{
    char a[8], b[8];
    ub_svg_color(0, a);
    CU_ASSERT_STRING_EQUAL(a, "#0072b2");
    for (int32_t i = 0; i < 64; i++)
        for (int32_t j = 0; j < i; j++) {
            ub_svg_color(i, a);
            ub_svg_color(j, b);
            CU_ASSERT_STRING_NOT_EQUAL(a, b);
        }
    CU_ASSERT_EQUAL(ub_svg_tick(20, 20, 1), 1);
    CU_ASSERT_EQUAL(ub_svg_tick(48, 20, 1), 5);
    CU_ASSERT_EQUAL(ub_svg_tick(8000, 20, 1), 500);
    CU_ASSERT_EQUAL(ub_svg_tick(3, 20, 1), 1);
    UB_CHECK_CLOSE(ub_svg_tick(.7, 7, 0), .1, 1e-12);
}

/* --- pictures ---------------------------------------------------------------------------- */

static void time_line(void)
{
    ub_task_graph g = make_graph(6, 2, 0);
    uint8_t      *truth = make_truth(&g);
    ub_bytes      b = {0};
    UB_CHECK(ub_draw_timeline(&g, truth, &b));
    CU_ASSERT(well_formed(text(&b)));
    /* one wrong member and one missed one, and each once more in the legend */
    CU_ASSERT_EQUAL(count(text(&b), "<rect class='extra'"), 2);
    CU_ASSERT_EQUAL(count(text(&b), "<rect class='miss'"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "not in the truth (1)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "missed (1)"));
    /* three blocks a lane and four shades in the legend; .6 is the palest */
    CU_ASSERT_EQUAL(count(text(&b), "<rect fill="), 3 + 3 + 4);
    CU_ASSERT_EQUAL(count(text(&b), "fill-opacity='0.25'"), 1 + 1);
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_timeline(&g, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "class='truth'"), 0);
    CU_ASSERT_EQUAL(count(text(&b), "class='extra'"), 0);
    ub_bytes_release(&b);
    ub_free(truth);
    ub_task_graph_release(&g);
}

/* Equal neighbours become one block: six members in a row are one rectangle. */
static void runs_are_merged(void)
{
    ub_task_graph g = make_graph(6, 1, 0);
    ub_bytes      b = {0};
    for (int k = 0; k < 6; k++) {
        g.member[k] = 1;
        g.confidence[k] = .95;
    }
    UB_CHECK(ub_draw_timeline(&g, NULL, &b));
    CU_ASSERT_EQUAL(count(text(&b), "<rect fill="), 1 + 4);
    ub_bytes_release(&b);
    ub_task_graph_release(&g);
}

static void pair_matrix(void)
{
    ub_task_graph g = make_graph(5, 2, 1), none = make_graph(5, 2, 0), one = make_graph(1, 1, 1);
    ub_bytes      b = {0};
    UB_CHECK(ub_draw_pairs(&g, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "<g transform"), 1 + 2);
    /* task 0: pairs 0-2, 0-4, 2-4 in both triangles; task 1: 1-3; combined: both */
    CU_ASSERT_EQUAL(count(text(&b), "d='M2 0h1v1h-1zM4 0h1v1h-1zM0 2h1v1h-1zM4 2h1v1h-1zM0 "
                                    "4h1v1h-1zM2 4h1v1h-1z'"),
                    2);
    CU_ASSERT_EQUAL(count(text(&b), "d='M3 1h1v1h-1zM1 3h1v1h-1z'"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "largest: 4;"));
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_pairs(&none, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "no pairs were tested"));
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_pairs(&one, &b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "one segment"));
    ub_bytes_release(&b);
    ub_task_graph_release(&one);
    ub_task_graph_release(&none);
    ub_task_graph_release(&g);
}

static void curves(void)
{
    static made_log log;
    ub_bytes        b = {0};
    make_log(&log);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "restart 1: -0.5 (lowest)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "restart 0: 0.5<"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "Parts of restart 1<")); /* negative: no log scale */
    /* objectives, parts, gradients, support of two tasks */
    CU_ASSERT_EQUAL(count(text(&b), "<circle"), 2 + 5 + 2 + 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "restart 1 (sparsity 0.475)<"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "</title>task 1</text>"));
    log.past.rows = 20;
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "Parts of restart 0 (log scale)"));
    log.row[3].task = NAN;
    log.row[4].objective = INFINITY;
    log.past.support = NULL; /* of an older run */
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "nan"), 0);
    CU_ASSERT_EQUAL(count(text(&b), "inf"), 0);
    CU_ASSERT_EQUAL(count(text(&b), "sparsity"), 0);
    log.past.support = log.support;
    log.past.rows = 1;
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "nan"), 0);
    log.past.rows = 20; /* an objective that rounding alone moves */
    for (int i = 0; i < 20; i++)
        log.row[i].objective = i % 2 == 0 ? 1 : nextafter(1, 2);
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT(b.len < 50000);
    log.past.rows = 0;
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_training(&log.past, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), "no epoch is finished"));
    ub_bytes_release(&b);
}

static void latents(void)
{
    ub_model m = make_model(2, 4);
    ub_bytes b = {0};
    UB_CHECK(ub_draw_latents(&m, NULL, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "class='keep'"), 2);
    CU_ASSERT_EQUAL(count(text(&b), ">1.00<"), 2);
    CU_ASSERT_EQUAL(count(text(&b), ">0.12<"), 6); /* .5 of 4 */
    CU_ASSERT_PTR_NOT_NULL(strstr(text(&b), ">task 1<"));
    ub_evidence e = make_evidence(&m);
    CU_ASSERT_EQUAL(count(text(&b), "confirmed by"), 0);
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_latents(&m, &e, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "confirmed by 50% of"), 2);
    ub_evidence_release(&e);
    ub_bytes_clear(&b);
    memset(m.strength, 0, 8 * sizeof *m.strength);
    m.strength[0] = NAN;
    UB_CHECK(ub_draw_latents(&m, NULL, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "nan"), 0);
    ub_bytes_release(&b);
    ub_model_release(&m);
}

/* Shapes at both ends: pictures stay well-formed, of bounded size, and finite. */
static void extremes(void)
{
    static const struct {
        int32_t segments, tasks;
        size_t  most;
    } shapes[] = {
        {1, 1, 50000}, {2, 1, 50000}, {1, 70, 200000}, {300, 20, 1500000}, {1100, 3, 1500000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ub_task_graph g = make_graph(shapes[i].segments, shapes[i].tasks, 1);
        ub_model      m = make_model(shapes[i].tasks, shapes[i].segments < 200 ? 1 : 200);
        uint8_t      *truth = make_truth(&g);
        ub_bytes      b = {0};
        ub_report     r = {.graph = &g, .truth = truth, .model = &m};
        UB_CHECK(ub_export_html(&r, &b));
        CU_ASSERT(well_formed(text(&b)));
        CU_ASSERT_EQUAL(count(text(&b), "nan"), 0);
        CU_ASSERT_EQUAL(count(text(&b), "='inf"), 0);
        CU_ASSERT(b.len < shapes[i].most);
        ub_bytes_release(&b);
        ub_free(truth);
        ub_model_release(&m);
        ub_task_graph_release(&g);
    }
}

/* Two tasks and three factors, two models: what is meant to move is framed, the rest is not. */
static void leakages(void)
{
    static char          names[2][UB_NAME_MAX] = {"first <&>", "second"};
    static const uint8_t needed[] = {1, 0, 1, 1, 0, 0};
    double               change[] = {.5, .1, 1, .2, 0, .01, .7, .03, .9, 1.2};
    ub_leak              task[2] = {{.leakage = .1}, {.leakage = .3}};
    ub_leakage           l = {2, 3, task, change, NULL, .2}, none = l;
    ub_leakage_panel     panel[] = {{"with 'it'", &l}, {"without", &none}};
    ub_bytes             b = {0};
    none.overall = NAN;
    UB_CHECK(ub_draw_leakage(panel, 1, names, needed, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "class='keep'"), 2 + 3);     /* predictions, needed factors */
    CU_ASSERT_EQUAL(count(text(&b), "<rect fill='#0072b2'"), 5); /* blue: they move */
    CU_ASSERT_EQUAL(count(text(&b), "fill-opacity='1.000'"), 2); /* 1 and 1.2 */
    CU_ASSERT_EQUAL(count(text(&b), "leakage 0.200"), 1);
    CU_ASSERT(count(text(&b), "first &lt;&amp;&gt;") >= 2); /* a row and a column */
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_leakage(panel, 2, names, needed, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "class='keep'"), 10);
    CU_ASSERT_EQUAL(count(text(&b), "leakage 0.200"), 1); /* the other has none */
    l.factors = none.factors = 0;
    ub_bytes_clear(&b);
    UB_CHECK(ub_draw_leakage(panel, 2, names, NULL, &b));
    CU_ASSERT(well_formed(text(&b)));
    CU_ASSERT_EQUAL(count(text(&b), "true factor"), 0);
    ub_bytes_release(&b);
}

UB_SUITE("draw", {"the XML checker finds what is wrong", the_checker_checks},
         {"colours differ and ticks are round", colors},
         {"the time line marks what is wrong against the truth", time_line},
         {"equal neighbours become one block", runs_are_merged},
         {"the pair matrix is symmetric and shaded by evidence", pair_matrix},
         {"curves survive one row, no row and numbers that are none", curves},
         {"latents are relative to the task's largest, kept ones framed", latents},
         {"very small and very large results are drawn", extremes},
         {"leakage is drawn with what is meant to move framed", leakages})
