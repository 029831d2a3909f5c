#include "io/encoding.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/names.h"
#include "io/internal/place.h"

enum { VERSION = 1, PIECE = 4 << 20 }; /* PIECE: doubles of the widest rows in memory at a time */

/* A dataset of the file: N x T x columns, made row by row from observations and latents. */
typedef enum kind { LATENTS, KEPT, PREDICTED, RECONSTRUCTED } kind;
typedef struct table {
    kind    what;
    int32_t task, columns;
    char    name[UB_NAME_MAX + 32];
    int64_t place; /* byte of the file at which it begins; 0: it is empty */
} table;

typedef struct encoding {
    const ub_corpus *corpus;
    const ub_model  *m;
    double          *mu;          /* of this rank's episodes: rows x latents */
    double          *room;        /* a piece of any table */
    int64_t          rows, piece; /* rows: episodes times steps here; piece: rows at a time */
    table           *table;
    int32_t          tables;
} encoding;

static void add_table(encoding *x, kind what, int32_t task, int32_t columns, const char *group,
                      const char *name)
{
    table *t = &x->table[x->tables++];
    *t = (table){.what = what, .task = task, .columns = columns};
    (void)snprintf(t->name, sizeof t->name, "%s%s", group, name);
    ub_name_link(t->name + strlen(group));
}

static int32_t kept_of(const ub_model *m, int32_t i)
{
    int32_t kept = 0;
    for (int32_t j = 0; j < m->shape.latents; j++)
        kept += m->relevant[(int64_t)i * m->shape.latents + j] != 0;
    return kept;
}

static void list_tables(encoding *x, char (*task_name)[UB_NAME_MAX], int with)
{
    const ub_model *m = x->m;
    add_table(x, LATENTS, 0, m->shape.latents, "", "latents");
    for (int32_t i = 0; i < m->shape.tasks; i++)
        if (kept_of(m, i) > 0)
            add_table(x, KEPT, i, kept_of(m, i), "specialist/", task_name[i]);
    for (int32_t i = 0; i < m->shape.tasks && (with & UB_ENCODE_PREDICTIONS) != 0; i++)
        add_table(x, PREDICTED, i, m->task_offset[i + 1] - m->task_offset[i], "predictions/",
                  task_name[i]);
    if ((with & UB_ENCODE_RECONSTRUCTIONS) != 0)
        add_table(x, RECONSTRUCTED, 0, m->shape.dim, "", "reconstructions");
}

/* Rows [first, first + n) of a table, into the room unless they are there already. */
static ub_status make_rows(const encoding *x, const table *t, int64_t first, int64_t n,
                           const double **out)
{
    const ub_model *m = x->m;
    int32_t         latents = m->shape.latents;
    const double   *mu = x->mu + first * latents;
    double         *to = x->room;
    *out = t->what == LATENTS ? mu : x->room;
    if (t->what == PREDICTED)
        return ub_model_predict(m, t->task, n, mu, x->room);
    if (t->what == RECONSTRUCTED)
        return ub_model_decode(m, n, mu, x->room);
    for (int64_t r = 0; r < n && t->what == KEPT; r++)
        for (int32_t j = 0; j < latents; j++)
            if (m->relevant[(int64_t)t->task * latents + j] != 0)
                *to++ = mu[r * latents + j];
    return UB_OK;
}

static ub_status put_rows(const encoding *x, int fd, const char *path, const table *t)
{
    int64_t bytes = (int64_t)sizeof(double) * t->columns;
    int64_t from = x->corpus->first * x->corpus->steps;
    for (int64_t at = 0; at < x->rows; at += x->piece) {
        int64_t       n = x->rows - at < x->piece ? x->rows - at : x->piece;
        const double *rows = NULL;
        UB_TRY(make_rows(x, t, at, n, &rows));
        UB_TRY(ub_place_write(fd, path, rows, n * bytes, t->place + (from + at) * bytes));
    }
    return UB_OK;
}

/* Every rank: its rows of all tables. */
static ub_status put_parts(const encoding *x, const char *path)
{
    int       fd;
    ub_status st = ub_place_open(path, &fd);
    UB_TRY(st);
    for (int32_t i = 0; i < x->tables && st == UB_OK; i++)
        st = put_rows(x, fd, path, &x->table[i]);
    return ub_place_close(fd, path, st);
}

/* ---- rank 0 ---- */

static ub_status put_header(hid_t file, const encoding *x, const ub_encoding_origin *o,
                            const char *digest)
{
    const ub_model *m = x->m;
    hsize_t         dims[] = {(hsize_t)m->shape.tasks, (hsize_t)m->shape.latents};
    UB_TRY(ub_h5_put_text(file, "format", "unbraid encoding"));
    UB_TRY(ub_h5_put_int(file, "format_version", VERSION));
    UB_TRY(ub_h5_put_text(file, "model", o->model));
    UB_TRY(ub_h5_put_text(file, "trained_on", o->trained));
    UB_TRY(ub_h5_put_text(file, "corpus", o->corpus));
    UB_TRY(ub_h5_put_text(file, "version", o->version));
    UB_TRY(ub_h5_put_text(file, "latents_sha256", digest));
    UB_TRY(ub_h5_put_int(file, "episodes", x->corpus->episodes));
    UB_TRY(ub_h5_put_int(file, "steps", x->corpus->steps));
    UB_TRY(ub_h5_put(file, "relevant", H5T_NATIVE_UINT8, 2, dims, m->relevant));
    return ub_h5_put(file, "strength", H5T_NATIVE_DOUBLE, 2, dims, m->strength);
}

/* The latents that a table of kept ones holds, column by column. */
static ub_status put_columns(hid_t file, const encoding *x, const table *t)
{
    int32_t   n = x->m->shape.latents, *which, k = 0;
    hsize_t   count = (hsize_t)t->columns;
    char      name[sizeof t->name + 16];
    ub_status st = UB_ALLOC(which, n);
    UB_TRY(st);
    for (int32_t j = 0; j < n; j++)
        if (x->m->relevant[(int64_t)t->task * n + j] != 0)
            which[k++] = j;
    (void)snprintf(name, sizeof name, "columns/%s", t->name);
    st = ub_h5_put(file, name, H5T_NATIVE_INT32, 1, &count, which);
    ub_free(which);
    return st;
}

static ub_status lay_out(const encoding *x, const char *path, const ub_encoding_origin *o,
                         const char *digest)
{
    hid_t     file = H5I_INVALID_HID;
    ub_status st = ub_h5_create(path, &file);
    UB_TRY(st);
    st = put_header(file, x, o, digest);
    for (int32_t i = 0; i < x->tables && st == UB_OK; i++) {
        table  *t = &x->table[i];
        hsize_t dims[] = {(hsize_t)x->corpus->episodes, (hsize_t)x->corpus->steps,
                          (hsize_t)t->columns};
        st = ub_place_take(file, path, t->name, H5T_NATIVE_DOUBLE, 3, dims, &t->place);
        if (st == UB_OK && t->what == KEPT)
            st = put_columns(file, x, t);
    }
    ub_status closed = ub_h5_close(&file, path);
    return st == UB_OK ? closed : st;
}

/* ---- all ranks ---- */

/* XOR over the episodes of sha256(index, steps, latents, means): whoever holds which. */
static ub_status digest_of(const ub_comm *c, const encoding *x, char hex[UB_SHA256_HEX])
{
    unsigned char all[UB_SHA256_BYTES] = {0}, one[UB_SHA256_BYTES];
    int64_t       n = (int64_t)x->corpus->steps * x->m->shape.latents;
    for (int64_t e = 0; e < x->corpus->count; e++) {
        int64_t   head[] = {x->corpus->first + e, x->corpus->steps, x->m->shape.latents};
        ub_sha256 s;
        ub_sha256_init(&s);
        ub_sha256_update(&s, head, sizeof head);
        ub_sha256_update(&s, x->mu + e * n, (size_t)n * sizeof(double));
        ub_sha256_final(&s, one);
        for (int i = 0; i < UB_SHA256_BYTES; i++)
            all[i] ^= one[i];
    }
    UB_TRY_MPI(
        MPI_Allreduce(MPI_IN_PLACE, all, UB_SHA256_BYTES, MPI_UNSIGNED_CHAR, MPI_BXOR, c->mpi));
    ub_sha256_hex(all, hex);
    return UB_OK;
}

static ub_status prepare(encoding *x, char (*task_name)[UB_NAME_MAX], int with)
{
    const ub_model_shape *s = &x->m->shape;
    int32_t               widest = 1;
    if (x->corpus->dim != s->dim)
        return UB_FAIL(UB_EINPUT,
                       "the corpus has states of %d columns, the model reads %d: it is not of the "
                       "kind that the model was made from",
                       (int)x->corpus->dim, (int)s->dim);
    UB_TRY(ub_names_differ(s->tasks, task_name));
    UB_TRY(UB_ALLOC(x->table, 2 + 2 * (int64_t)s->tasks));
    list_tables(x, task_name, with);
    for (int32_t i = 0; i < x->tables; i++)
        widest = x->table[i].columns > widest ? x->table[i].columns : widest;
    x->rows = x->corpus->count * x->corpus->steps;
    x->piece = PIECE / widest > 1 ? PIECE / widest : 1;
    x->piece = x->piece < x->rows ? x->piece : x->rows;
    UB_TRY(UB_ALLOC(x->mu, x->rows * s->latents));
    UB_TRY(UB_ALLOC(x->room, x->piece * widest));
    return ub_model_encode(x->m, x->rows, x->corpus->states, x->mu);
}

static ub_status write_file(const ub_comm *c, encoding *x, const char *path,
                            const ub_encoding_origin *origin, const char *digest)
{
    char temp[UB_PATH_MAX];
    UB_TRY(ub_comm_agree(c, ub_file_temp(path, temp)));
    ub_status st = ub_comm_agree(c, c->rank == 0 ? lay_out(x, temp, origin, digest) : UB_OK);
    if (st == UB_OK)
        st = ub_comm_bcast(c, x->table, (size_t)x->tables * sizeof *x->table);
    if (st == UB_OK)
        st = ub_comm_agree(c, put_parts(x, temp));
    if (st == UB_OK)
        return ub_comm_agree(c, c->rank == 0 ? ub_file_commit(temp, path) : UB_OK);
    if (c->rank == 0)
        (void)unlink(temp);
    return st;
}

ub_status ub_encoding_write(const ub_comm *c, const char *path, const ub_corpus *corpus,
                            const ub_model *m, char (*task_name)[UB_NAME_MAX], int with,
                            const ub_encoding_origin *origin, char digest[UB_SHA256_HEX])
{
    encoding  x = {.corpus = corpus, .m = m};
    ub_status st = UB_OK;
    UB_TRY_OUT(ub_comm_agree(c, prepare(&x, task_name, with)));
    UB_TRY_OUT(digest_of(c, &x, digest));
    UB_TRY_OUT(write_file(c, &x, path, origin, digest));
out:
    ub_free(x.mu);
    ub_free(x.room);
    ub_free(x.table);
    return st;
}
