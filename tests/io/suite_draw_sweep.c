/* The drawing of a sweep: what each panel shows, and where. */
#include "io/draw_sweep.h"
#include "tests/io/export_fixture.h"

enum { AXES = 3, JOBS = 5 };

/* Job 1 is the best, job 2 failed; parameter 1 does not apply to job 3; parameter 2 has one value.
 */
static const double at[AXES][JOBS] = {
    {0, .25, .5, 1, .75}, {0, .5, 1, NAN, 1}, {.5, .5, .5, .5, .5}};
static const double        metric[JOBS] = {.5, .9, NAN, .7, .1};
static const ub_sweep_axis axis[AXES] = {
    {"disentangle.lambda", at[0], 2, {0, 1}, {"0.01", "1"}},
    {"disentangle.penalty", at[1], 3, {0, .5, 1}, {"none", "jacobian", "mask"}},
    {"disentangle.hidden", at[2], 1, {.5}, {"64"}}};
static const ub_sweep_curve no_curve[JOBS];
static const ub_sweep_plot  sweep = {JOBS, 1, AXES, axis, "r2_relevant", metric, false, no_curve};

/* The drawing cut at its headings; a part that is not there is empty. */
typedef struct parts {
    ub_bytes all;
    char    *lines, *marks, *curves;
} parts;

static char *cut(char *at_heading)
{
    static char none[] = "";
    if (at_heading == NULL)
        return none;
    at_heading[-1] = 0;
    return at_heading;
}

static parts draw(const ub_sweep_plot *s)
{
    parts d = {0};
    UB_CHECK(ub_draw_sweep(s, &d.all));
    CU_ASSERT(well_formed(text(&d.all)));
    CU_ASSERT_EQUAL(count(text(&d.all), "nan"), 0);
    CU_ASSERT_EQUAL(count(text(&d.all), "inf"), 0);
    char *svg = (char *)d.all.data;
    d.curves = cut(strstr(svg, "Learning curves"));
    d.marks = cut(strstr(svg, "The metric against each parameter"));
    d.lines = cut(strstr(svg, "Parallel coordinates"));
    return d;
}

static int has(const char *where, const char *what)
{
    return count(where, what) == 1;
}

/* Four axes from (100, 372) to (1000, 122).  The metric's ends are .1 and .9 and a twentieth more
 * on both sides, .06 and .94: .9 is at 122 + 250 * .04 / .88. */
static void every_job_with_a_result_is_a_line_over_all_parameters(void)
{
    parts d = draw(&sweep);
    CU_ASSERT_EQUAL(count(d.lines, "class='axis'"), AXES + 1);
    CU_ASSERT(has(d.lines, "<line class='axis' x1='100' y1='122' x2='100' y2='372'/>"));
    CU_ASSERT(has(d.lines, "<line class='axis' x1='1000' y1='122' x2='1000' y2='372'/>"));
    CU_ASSERT_EQUAL(count(d.lines, "class='curve'"), 4);
    CU_ASSERT(has(d.lines, "d='M100.0 372.0L400.0 372.0L700.0 247.0L1000.0 247.0'"));
    CU_ASSERT(has(d.lines, "d='M100.0 309.5L400.0 247.0L700.0 247.0L1000.0 133.4'"));
    CU_ASSERT(has(d.lines, "d='M100.0 122.0L400.0 394.5L700.0 247.0L1000.0 190.2'"));
    CU_ASSERT(has(d.lines, "d='M100.0 184.5L400.0 122.0L700.0 247.0L1000.0 360.6'"));
    /* The best one is the last, on top, and the only thick one. */
    CU_ASSERT(has(d.lines, "stroke-width='3'"));
    char *best = strstr(d.lines, "stroke-width='3'");
    CU_ASSERT(best != NULL && has(best, "d='M100.0 309.5") && !count(best, "class='curve'"));
    /* Names below, labels beside their place: "mask" at the top, 4 units below for its height. */
    CU_ASSERT(has(d.lines, "<text class='c' x='400' y='428'><title>disentangle.penalty<"));
    CU_ASSERT(has(d.lines, "<text class='c h' x='1000' y='428'><title>r2_relevant<"));
    CU_ASSERT(has(d.lines, "<text class='m' x='405' y='126'><title>mask<"));
    CU_ASSERT(has(d.lines, "<text class='m' x='705' y='251'><title>64<"));
    /* The metric's ticks: 0.2 is .14 above the lower end, at 372 - 250 * .14 / .88. */
    CU_ASSERT(has(d.lines, "<text class='m' x='1006' y='336.227'>0.2<"));
    ub_bytes_release(&d.all);
}

/* Panels of 270 x 150 from (72, 534), 350 apart; .06 and .94 at the bottom and the top. */
static void every_job_with_a_result_is_a_mark_for_each_parameter(void)
{
    static const char *const frame[AXES] = {
        "<rect class='lane' x='72' y='534' width='270' height='150'/>",
        "<rect class='lane' x='422' y='534' width='270' height='150'/>",
        "<rect class='lane' x='772' y='534' width='270' height='150'/>"};
    static const int marks[AXES] = {4, 3, 4};
    parts            d = draw(&sweep);
    char            *panel[AXES + 1] = {NULL};
    CU_ASSERT_EQUAL(count(d.marks, "class='lane'"), AXES);
    CU_ASSERT_EQUAL(count(d.marks, "<circle"), 4 + 3 + 4);
    for (int k = AXES - 1; k >= 0; k--) {
        panel[k] = cut(strstr(d.marks, frame[k]));
        CU_ASSERT_EQUAL(count(panel[k], "<circle"), marks[k]);
        CU_ASSERT(has(panel[k], "r='6'"));
    }
    CU_ASSERT(has(panel[0], "cx='72.0' cy='609.0' r='4'"));
    CU_ASSERT(has(panel[0], "cx='139.5' cy='540.8' r='6'"));
    CU_ASSERT(has(panel[0], "cx='342.0' cy='574.9' r='4'"));
    CU_ASSERT(has(panel[0], "cx='274.5' cy='677.2' r='4'"));
    CU_ASSERT(has(panel[1], "cx='422.0' cy='609.0' r='4'"));
    CU_ASSERT(has(panel[1], "cx='557.0' cy='540.8' r='6'"));
    CU_ASSERT(has(panel[1], "cx='692.0' cy='677.2' r='4'"));
    CU_ASSERT_EQUAL(count(panel[2], "cx='907.0'"), 4);
    CU_ASSERT(has(panel[1], "<text class='c m' x='557' y='700'><title>jacobian<"));
    ub_bytes_release(&d.all);
}

/* A panel of 970 x 250 from (72, 790): epochs 0 .. 2, logarithms 0 .. 2 and a twentieth more. */
static void learning_curves_are_drawn_where_there_are_any(void)
{
    static double  fall[] = {100, 10, 1}, stop[] = {10, 0}, jump[] = {1, INFINITY, 10};
    ub_sweep_curve curve[JOBS] = {{3, fall}, {2, stop}, {0, NULL}, {3, jump}, {0, NULL}};
    ub_sweep_plot  s = sweep;
    parts          d = draw(&s);
    CU_ASSERT_STRING_EQUAL(d.curves, "");
    ub_bytes_release(&d.all);
    s.curve = curve;
    d = draw(&s);
    CU_ASSERT(has(d.curves, "<rect class='lane' x='72' y='790' width='970' height='250'/>"));
    CU_ASSERT_EQUAL(count(d.curves, "class='curve'"), 3);
    CU_ASSERT(has(d.curves, "d='M72.0 801.4L557.0 915.0L1042.0 1028.6'"));
    CU_ASSERT(has(d.curves, "stroke-width='3' d='M72.0 915.0'"));      /* no logarithm of 0 */
    CU_ASSERT(has(d.curves, "d='M72.0 1028.6M1042.0 915.0'"));         /* a gap */
    CU_ASSERT(has(d.curves, "<text class='c m' x='557' y='1057'>1<")); /* epoch 1 */
    ub_bytes_release(&d.all);
}

/* One job, one parameter; the metric's range is widened about its only value. */
static void one_job_is_in_the_middle(void)
{
    static const double        values[] = {0, 2, -3e10, 1e-12};
    static const double        middle[] = {.5};
    static const ub_sweep_axis one = {"corpus.path", middle, 1, {.5}, {"a.h5"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        ub_sweep_plot s = {1, 0, 1, &one, "r2", &values[i], true, no_curve};
        parts         d = draw(&s);
        CU_ASSERT_EQUAL(count(d.lines, "class='curve'"), 1);
        CU_ASSERT(has(d.lines, "d='M100.0 247.0L1000.0 247.0'"));
        CU_ASSERT_EQUAL(count(d.marks, "<circle"), 1);
        CU_ASSERT(has(d.marks, "cx='207.0' cy='609.0' r='6'"));
        ub_bytes_release(&d.all);
    }
}

/* Ticks between such neighbours cannot be told apart by doubles. */
static void metrics_that_differ_by_rounding_are_drawn(void)
{
    static const double scale[] = {1, 1e-9, 1e17, -.7};
    for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) {
        double        value[JOBS] = {scale[i], nextafter(scale[i], INFINITY), NAN, scale[i], NAN};
        ub_sweep_plot s = sweep;
        s.value = value;
        parts d = draw(&s);
        CU_ASSERT_EQUAL(count(d.lines, "class='curve'"), 3);
        CU_ASSERT(d.all.len < 20000);
        ub_bytes_release(&d.all);
    }
    /* What is more than rounding is told apart. */
    double        value[JOBS] = {1, 1 + 1e-8, NAN, 1, NAN};
    ub_sweep_plot s = sweep;
    s.value = value;
    parts d = draw(&s);
    CU_ASSERT_EQUAL(count(d.lines, "L1000.0 360.6'"), 2);
    CU_ASSERT_EQUAL(count(d.lines, "L1000.0 133.4'"), 1);
    ub_bytes_release(&d.all);
}

static void nothing_that_ended_is_an_empty_drawing(void)
{
    static const double failed[JOBS] = {NAN, NAN, NAN, NAN, NAN};
    for (int64_t jobs = 0; jobs <= JOBS; jobs += JOBS) {
        ub_sweep_plot s = sweep;
        s.jobs = jobs;
        s.best = -1;
        s.value = failed;
        parts d = draw(&s);
        CU_ASSERT_EQUAL(count(d.lines, "class='axis'"), AXES + 1);
        CU_ASSERT_EQUAL(count(d.marks, "class='lane'"), AXES);
        CU_ASSERT_EQUAL(count(d.lines, "class='curve'") + count(d.marks, "<circle"), 0);
        ub_bytes_release(&d.all);
    }
}

static void names_and_labels_are_escaped(void)
{
    ub_sweep_axis odd[AXES] = {axis[0], axis[1], axis[2]};
    ub_sweep_plot s = sweep;
    ub_bytes      b = {0};
    odd[0].name = "a<b> & 'c'";
    odd[1].label[1] = "<&>\"'\x01\xff";
    s.axis = odd;
    s.metric = "r2<&>";
    UB_CHECK(ub_draw_sweep(&s, &b));
    CU_ASSERT(well_formed(text(&b)));
    /* Whole and as shown: on its axis and its panel; the metric on its axis, below the title and in
     * the description. */
    CU_ASSERT_EQUAL(count(text(&b), "a&lt;b&gt; &amp; &#39;c&#39;"), 4);
    CU_ASSERT_EQUAL(count(text(&b), "&lt;&amp;&gt;&quot;&#39;\xef\xbf\xbd\xef\xbf\xbd<"), 4);
    CU_ASSERT_EQUAL(count(text(&b), "r2&lt;&amp;&gt;"), 4);
    ub_bytes_release(&b);
}

static void many_jobs_and_parameters_fit(void)
{
    enum { MANY = 80, WIDE = 64 };
    static double               place[MANY], value[MANY];
    static ub_sweep_axis        wide[WIDE];
    static const ub_sweep_curve none[MANY];
    for (int j = 0; j < MANY; j++) {
        place[j] = j / (MANY - 1.);
        value[j] = place[j] * place[j];
    }
    for (int k = 0; k < WIDE; k++)
        wide[k] = (ub_sweep_axis){"disentangle.lambda", place, 2, {0, 1}, {"0", "1"}};
    ub_sweep_plot s = {MANY, MANY - 1, WIDE, wide, "r2", value, false, none};
    parts         d = draw(&s);
    CU_ASSERT_EQUAL(count(d.lines, "class='curve'"), MANY);
    CU_ASSERT_EQUAL(count(d.lines, "class='axis'"), WIDE + 1);
    CU_ASSERT_EQUAL(count(d.marks, "<circle"), MANY * WIDE);
    /* Three panels a row, 250 high: the last is the first of row 21. */
    CU_ASSERT(has(d.marks, "<rect class='lane' x='72' y='5784' width='270' height='150'/>"));
    CU_ASSERT(has((char *)d.all.data, "viewBox='0 0 1100 6020'"));
    ub_bytes_release(&d.all);
}

UB_SUITE("draw_sweep",
         {"every job with a result is a line over all parameters",
          every_job_with_a_result_is_a_line_over_all_parameters},
         {"every job with a result is a mark for each parameter",
          every_job_with_a_result_is_a_mark_for_each_parameter},
         {"learning curves are drawn where there are any",
          learning_curves_are_drawn_where_there_are_any},
         {"one job is in the middle", one_job_is_in_the_middle},
         {"metrics that differ by rounding are drawn", metrics_that_differ_by_rounding_are_drawn},
         {"nothing that ended is an empty drawing", nothing_that_ended_is_an_empty_drawing},
         {"names and labels are escaped", names_and_labels_are_escaped},
         {"many jobs and parameters fit", many_jobs_and_parameters_fit})
