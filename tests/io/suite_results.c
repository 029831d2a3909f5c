/* Task graph and model as files. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/results.h"
#include "tests/support/suite.h"

static const ub_origin origin = {
    .identity = "1111111111111111111111111111111111111111111111111111111111111111",
    .corpus = "2222222222222222222222222222222222222222222222222222222222222222",
    .config = "run:\n  seed: 1\n",
    .version = "0.1.0",
};

/* A path of this rank alone. */
static const char *mine(const char *name)
{
    static char path[4][UB_PATH_MAX];
    static int  next;
    char       *p = path[next++ % 4];
    (void)snprintf(p, UB_PATH_MAX, "%s/%d-%s", ub_test_dir(), ub_log_rank(), name);
    return p;
}

static void fill(double *x, int64_t n, double from)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = from + 1.0 / (double)(3 + i);
}

static void fill_bytes(uint8_t *x, int64_t n, int of)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (uint8_t)(i * 7 % of);
}

enum { K = 5, L = 2, M = 3, PAIRS = K * (K - 1) / 2 };

static void make_graph(ub_task_graph *g, int pairs, int direct)
{
    *g = (ub_task_graph){.segments = K, .length = L, .tasks = M};
    UB_CHECK(ub_task_graph_alloc(g, pairs, direct));
    for (int i = 0; i < M; i++)
        (void)snprintf(g->task_name[i], UB_NAME_MAX, "task %d \xc3\xbc", i);
    fill_bytes(g->member, K * M, 2);
    fill(g->score, K * M, -3);
    fill(g->p_value, K * M, 0);
    fill(g->confidence, K * M, 0.5);
    if (pairs) {
        fill(g->pair_stat, M * PAIRS, 4);
        fill(g->pair_p, M * PAIRS, 0.1);
        fill(g->pair_llr, M * PAIRS, -9);
        fill_bytes(g->pair_verdict, M * PAIRS, 4);
    }
    if (direct) {
        fill(g->direct_stat, K * M, 5);
        fill(g->direct_p, K * M, 0.2);
        fill(g->direct_llr, K * M, -8);
        fill_bytes(g->direct_verdict, K * M, 3);
    }
    g->tests = 30;
    g->undecided = 4;
    g->untestable = 2;
    g->contrasted = 1;
}

/* Both NULL, or both there and equal. */
static int same(const void *a, const void *b, size_t n)
{
    return a == NULL || b == NULL ? a == b : memcmp(a, b, n) == 0;
}

static int same_graph(const ub_task_graph *a, const ub_task_graph *b)
{
    size_t cells = sizeof(double) * K * M, pairs = sizeof(double) * M * PAIRS;
    return a->segments == b->segments && a->length == b->length && a->tasks == b->tasks &&
           a->pairs == b->pairs && a->tests == b->tests && a->undecided == b->undecided &&
           a->untestable == b->untestable && a->contrasted == b->contrasted &&
           same(a->task_name, b->task_name, (size_t)M * UB_NAME_MAX) &&
           same(a->member, b->member, K * M) && same(a->score, b->score, cells) &&
           same(a->p_value, b->p_value, cells) && same(a->confidence, b->confidence, cells) &&
           same(a->pair_stat, b->pair_stat, pairs) && same(a->pair_p, b->pair_p, pairs) &&
           same(a->pair_llr, b->pair_llr, pairs) &&
           same(a->pair_verdict, b->pair_verdict, M * PAIRS) &&
           same(a->direct_stat, b->direct_stat, cells) && same(a->direct_p, b->direct_p, cells) &&
           same(a->direct_llr, b->direct_llr, cells) &&
           same(a->direct_verdict, b->direct_verdict, K * M);
}

static void graph_comes_back(void)
{
    const char *path = mine("graph.h5");
    uint8_t     truth[K * L * M], *back = NULL;
    char        hex[UB_SHA256_HEX];
    fill_bytes(truth, K * L * M, 2);
    for (int kind = 0; kind < 4; kind++) {
        ub_task_graph g, h = {0};
        make_graph(&g, kind & 1, kind & 2);
        UB_CHECK(ub_results_write_graph(path, &g, kind < 2 ? truth : NULL, &origin));
        UB_CHECK(ub_results_verify(path, hex));
        CU_ASSERT_EQUAL(strlen(hex), 64);
        UB_CHECK(ub_results_read_graph(path, &h, &back));
        CU_ASSERT(same_graph(&g, &h));
        CU_ASSERT_EQUAL(back != NULL, kind < 2);
        CU_ASSERT(back == NULL || memcmp(back, truth, sizeof truth) == 0);
        ub_free(back);
        back = NULL;
        ub_task_graph_release(&h);
        UB_CHECK(ub_results_read_graph(path, &h, NULL));
        ub_task_graph_release(&h);
        ub_task_graph_release(&g);
    }
}

/* One segment has no pairs: an empty dataset. */
static void single_segment(void)
{
    const char   *path = mine("single.h5");
    ub_task_graph g = {.segments = 1, .length = 2, .tasks = 2}, h = {0};
    UB_CHECK(ub_task_graph_alloc(&g, 1, 0));
    g.score[1] = 3;
    UB_CHECK(ub_results_write_graph(path, &g, NULL, &origin));
    UB_CHECK(ub_results_read_graph(path, &h, NULL));
    CU_ASSERT(h.pairs == 0 && h.pair_p != NULL && h.score != NULL && h.score[1] == 3);
    ub_task_graph_release(&g);
    ub_task_graph_release(&h);
}

static void make_model(ub_model *m)
{
    ub_model_shape shape = {.dim = 4,
                            .latents = 3,
                            .hidden = 5,
                            .layers = 2,
                            .head_hidden = 2,
                            .tasks = 2,
                            .targets = 5};
    int32_t        offset[3] = {0, 2, 5};
    UB_CHECK(ub_model_alloc(&shape, offset, m));
    fill(m->w, m->weights, -1);
    fill(m->norm, 2 * (shape.dim + shape.targets), 2);
    fill(m->strength, 6, 0);
    fill_bytes(m->relevant, 6, 2);
    m->objective = 0.1 + 0.2;
}

enum { ROWS = 4 };

/* A log, and evidence with numbers everywhere. */
typedef struct made_log {
    ub_trainer_row     row[ROWS];
    int32_t            support[ROWS * 2];
    ub_trainer_history past;
} made_log;

static void make_evidence(ub_model *m, ub_evidence *e)
{
    *e = (ub_evidence){.tasks = 2, .latents = 3, .restarts = 2, .kept = 1, .samples = 77};
    UB_CHECK(ub_evidence_alloc(e));
    (void)snprintf(e->task_name[1], UB_NAME_MAX, "second");
    fill(e->objective, 2, 1);
    fill(e->likeness, 6, 2);
    fill(e->confidence, 6, 3);
    e->confidence[4] = NAN;
    fill(e->agreement, 2, 4);
    fill(e->task_r2, 2, 5);
    fill(e->singular, 6, 6);
    fill(e->correlation, 9, 7);
    fill(e->kl, 3, 8);
    for (int i = 0; i < 6; i++)
        e->match[i] = i - 1;
    UB_CHECK(ub_bytes_printf(&e->warnings, "one\ntwo\n"));
    UB_CHECK(ub_restarts_alloc(m, 2, &m->restarts));
    fill(m->restarts.strength, 12, 9);
}

static void evidence_comes_back(void)
{
    const char              *path = mine("evidence.h5");
    const ub_trainer_history none = {0};
    ub_model                 m;
    ub_evidence              e, back = {0};
    double                   strength[12];
    hid_t                    f = -1;
    make_model(&m);
    make_evidence(&m, &e);
    UB_CHECK(ub_results_write_model(path, &m, &e, &none, &origin));
    UB_CHECK(ub_results_read_evidence(path, &back));
    CU_ASSERT(back.tasks == 2 && back.latents == 3 && back.restarts == 2 && back.kept == 1);
    CU_ASSERT_EQUAL(back.samples, 77);
    CU_ASSERT(same(e.task_name, back.task_name, 2 * UB_NAME_MAX));
    CU_ASSERT(same(e.match, back.match, 6 * sizeof(int32_t)));
    const double *const out[] = {e.objective, e.likeness, e.confidence,  e.agreement,
                                 e.task_r2,   e.singular, e.correlation, e.kl};
    const double *const in[] = {back.objective, back.likeness, back.confidence,  back.agreement,
                                back.task_r2,   back.singular, back.correlation, back.kl};
    const size_t        length[] = {2, 6, 6, 2, 2, 6, 9, 3};
    for (int i = 0; i < 8; i++)
        CU_ASSERT(same(out[i], in[i], length[i] * sizeof(double)));
    CU_ASSERT_STRING_EQUAL((const char *)back.warnings.data, "one\ntwo\n");
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_get(f, "evidence/strength", H5T_NATIVE_DOUBLE, 12, strength));
    UB_CHECK(ub_h5_close(&f, path));
    CU_ASSERT(same(strength, m.restarts.strength, sizeof strength));
    ub_evidence_release(&back);
    UB_CHECK(ub_results_write_model(path, &m, NULL, &none, &origin));
    UB_CHECK(ub_results_read_evidence(path, &back));
    CU_ASSERT_EQUAL(back.latents, 0);
    ub_evidence_release(&e);
    ub_model_release(&m);
}

static void make_log(made_log *made)
{
    ub_trainer_row *log = made->row;
    made->past = (ub_trainer_history){ROWS, 2, log, made->support};
    for (int i = 0; i < 2 * ROWS; i++)
        made->support[i] = i * i;
    for (int i = 0; i < ROWS; i++)
        log[i] = (ub_trainer_row){i / 2,   i % 2,   i + 0.1, i + 0.2, i + 0.3, i + 0.4,
                                  i + 0.5, i + 0.6, i + 0.7, i + 0.8, i + 0.9};
}

static void model_comes_back(void)
{
    const char              *path = mine("model.h5");
    ub_model                 m, n = {0};
    made_log                 log;
    ub_trainer_history       back = {0};
    const ub_trainer_history none = {.tasks = 2};
    double                   w[12], b[2];
    hid_t                    f = -1;
    ub_layer                 layer[16];
    make_model(&m);
    make_log(&log);
    UB_CHECK(ub_results_write_model(path, &m, NULL, &log.past, &origin));
    UB_CHECK(ub_results_read_model(path, &n));
    CU_ASSERT_EQUAL(memcmp(&m.shape, &n.shape, sizeof m.shape), 0);
    CU_ASSERT_EQUAL(m.weights, n.weights);
    CU_ASSERT(same(m.w, n.w, sizeof(double) * (size_t)m.weights));
    CU_ASSERT(same(m.norm, n.norm, sizeof(double) * 18));
    CU_ASSERT(same(m.strength, n.strength, sizeof(double) * 6));
    CU_ASSERT(same(m.relevant, n.relevant, 6));
    CU_ASSERT(same(m.task_offset, n.task_offset, sizeof(int32_t) * 3));
    CU_ASSERT_EQUAL(m.objective, n.objective);
    UB_CHECK(ub_results_read_log(path, &back));
    CU_ASSERT(back.rows == ROWS && back.tasks == 2);
    CU_ASSERT(same(log.row, back.row, sizeof log.row));
    CU_ASSERT(same(log.support, back.support, sizeof log.support));
    ub_free(back.row);
    ub_free(back.support);
    /* The last layer of the last head, by its name. */
    int32_t count = ub_model_layers(&m.shape, m.task_offset, layer);
    CU_ASSERT_STRING_EQUAL(layer[count - 1].name, "head.1.1");
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_get(f, "layers/head.1.0/bias", H5T_NATIVE_DOUBLE, 2, b));
    CU_ASSERT_EQUAL(memcmp(b, m.w + layer[count - 2].at + 6, sizeof b), 0);
    UB_CHECK(ub_h5_get(f, "layers/head.1.1/weight", H5T_NATIVE_DOUBLE, 6, w));
    CU_ASSERT_EQUAL(memcmp(w, m.w + layer[count - 1].at, 6 * sizeof *w), 0);
    UB_CHECK(ub_h5_close(&f, path));
    ub_model_release(&n);
    UB_CHECK(ub_results_write_model(path, &m, NULL, &none, &origin));
    UB_CHECK(ub_results_read_log(path, &back));
    CU_ASSERT(back.rows == 0 && back.support == NULL);
    ub_free(back.row);
    ub_model_release(&m);
}

static int same_file(const char *a, const char *b)
{
    ub_bytes x = {0}, y = {0};
    int equal = ub_file_read(a, &x) == UB_OK && ub_file_read(b, &y) == UB_OK && x.len == y.len &&
                memcmp(x.data, y.data, x.len) == 0;
    ub_bytes_release(&x);
    ub_bytes_release(&y);
    return equal;
}

/* HDF5 would write times of a second's resolution: the pause makes them show. */
static void equal_bytes(void)
{
    const char   *a = mine("a.h5"), *b = mine("b.h5");
    ub_task_graph g;
    ub_model      m;
    made_log      log;
    make_graph(&g, 1, 1);
    make_model(&m);
    make_log(&log);
    struct timespec pause = {.tv_sec = 1, .tv_nsec = 50000000};
    char            c[UB_PATH_MAX], d[UB_PATH_MAX];
    (void)snprintf(c, sizeof c, "%s", mine("c.h5"));
    (void)snprintf(d, sizeof d, "%s", mine("d.h5"));
    UB_CHECK(ub_results_write_graph(a, &g, NULL, &origin));
    UB_CHECK(ub_results_write_model(c, &m, NULL, &log.past, &origin));
    (void)nanosleep(&pause, NULL);
    UB_CHECK(ub_results_write_graph(b, &g, NULL, &origin));
    UB_CHECK(ub_results_write_model(d, &m, NULL, &log.past, &origin));
    CU_ASSERT(same_file(a, b));
    CU_ASSERT(same_file(c, d));
    CU_ASSERT(!same_file(a, c));
    ub_task_graph_release(&g);
    ub_model_release(&m);
}

/* Change each of these bytes of the file in turn: the dataset is named. */
static void expect_named(const char *path, ub_bytes *file, const void *values, size_t n,
                         const char *name)
{
    char           hex[UB_SHA256_HEX], part[64];
    unsigned char *at = memmem(file->data, file->len, values, n);
    (void)snprintf(part, sizeof part, "dataset '%s' is damaged", name);
    CU_ASSERT_PTR_NOT_NULL(at);
    for (size_t i = 0; i < n && at != NULL; i++) {
        at[i] ^= (unsigned char)(1 << i % 8);
        UB_CHECK(ub_file_write(path, file->data, file->len));
        UB_CHECK_FAILS(ub_results_verify(path, hex), UB_EFORMAT, part);
        at[i] ^= (unsigned char)(1 << i % 8);
    }
    UB_CHECK(ub_file_write(path, file->data, file->len));
    UB_CHECK(ub_results_verify(path, hex));
}

static void damage_is_found(void)
{
    const char   *path = mine("damaged.h5");
    ub_task_graph g, h = {0};
    ub_bytes      file = {0};
    char          hex[UB_SHA256_HEX];
    make_graph(&g, 1, 0);
    UB_CHECK(ub_results_write_graph(path, &g, NULL, &origin));
    UB_CHECK(ub_file_read(path, &file));
    expect_named(path, &file, g.score, sizeof(double) * K * M, "score");
    expect_named(path, &file, g.member, K * M, "member");
    unsigned char *at = memmem(file.data, file.len, g.score, sizeof(double) * K * M);
    if (at != NULL) {
        at[17] ^= 1;
        UB_CHECK(ub_file_write(path, file.data, file.len));
        UB_CHECK_FAILS(ub_results_read_graph(path, &h, NULL), UB_EFORMAT, "'score' is damaged");
        at[17] ^= 1;
    }
    at = memmem(file.data, file.len, origin.version, strlen(origin.version));
    CU_ASSERT_PTR_NOT_NULL(at);
    if (at != NULL) {
        at[0] ^= 1;
        UB_CHECK(ub_file_write(path, file.data, file.len));
        UB_CHECK_FAILS(ub_results_verify(path, hex), UB_EFORMAT, "an attribute of the file");
        at[0] ^= 1;
    }
    UB_CHECK(ub_file_write(path, file.data, file.len / 2));
    UB_CHECK_FAILS(ub_results_verify(path, hex), UB_EFORMAT, "truncated");
    UB_CHECK_FAILS(ub_results_verify(mine("none.h5"), hex), UB_ENOENT, "no such file");
    ub_bytes_release(&file);
    ub_task_graph_release(&g);
}

static void other_files_are_refused(void)
{
    const char        *path = mine("other.h5");
    ub_task_graph      g, h = {0};
    ub_model           m = {0};
    ub_trainer_history log = {0};
    hid_t              f = -1;
    make_graph(&g, 0, 1);
    UB_CHECK(ub_results_write_graph(path, &g, NULL, &origin));
    UB_CHECK_FAILS(ub_results_read_model(path, &m), UB_EFORMAT,
                   "holds 'unbraid structure', not 'unbraid model'");
    UB_CHECK_FAILS(ub_results_read_log(path, &log), UB_EFORMAT, "holds 'unbraid structure'");
    ub_task_graph_release(&g);
    UB_CHECK(ub_h5_create(path, &f));
    UB_CHECK(ub_h5_put_text(f, "format", "x"));
    UB_CHECK(ub_h5_close(&f, path));
    UB_CHECK_FAILS(ub_results_read_graph(path, &h, NULL), UB_EFORMAT, "not a result of unbraid");
    UB_CHECK_FAILS(ub_results_write_model("/nowhere/m.h5", &m, NULL, &log, &origin), UB_EIO,
                   "cannot create");
}

UB_SUITE("results", {"a task graph comes back, with and without its parts", graph_comes_back},
         {"a single segment has no pairs", single_segment},
         {"a model and its log come back, layers by name", model_comes_back},
         {"what is known of a model comes back with it", evidence_comes_back},
         {"equal results are equal files, byte for byte", equal_bytes},
         {"damaged and truncated files are found out", damage_is_found},
         {"other files are refused with a sentence", other_files_are_refused})
