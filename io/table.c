#include "io/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/suggest.h"
#include "io/file.h"
#include "io/internal/h5.h"
#include "io/internal/h5read.h"
#include "io/internal/names.h"

enum { SHOWN = 400 }; /* bytes of a list of names in a sentence */

/* The columns that are wanted, as positions in the file's own list of columns. */
typedef struct choice {
    const char *path;
    ub_names    names; /* of all columns of the file */
    int64_t    *of;    /* room for all of them */
    int64_t     count;
} choice;

void ub_table_release(ub_table *t)
{
    ub_free(t->x);
    *t = (ub_table){0};
}

/* Position of a column, or -1; *twice says whether there is another of that name. */
static int64_t find(const ub_names *n, const char *name, bool *twice)
{
    int64_t at = -1;
    *twice = false;
    for (int64_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i], name) == 0) {
            *twice = at >= 0;
            at = at >= 0 ? at : i;
        }
    return at;
}

static ub_status no_such(const choice *c, const char *name)
{
    char       text[SHOWN];
    ub_suggest best = ub_suggest_begin(name);
    for (int64_t i = 0; i < c->names.count; i++)
        ub_suggest_consider(&best, c->names.at[i]);
    if (ub_suggest_found(&best) && best.nearest[0] != '\0')
        return UB_FAIL(UB_EINPUT, "%s: there is no column '%s'; did you mean '%s'?", c->path, name,
                       best.nearest);
    ub_names_text(&c->names, text, sizeof text);
    return UB_FAIL(UB_EINPUT, "%s: there is no column '%s'; there are: %s", c->path, name, text);
}

static ub_status take(choice *c, int64_t at)
{
    for (int64_t i = 0; i < c->count; i++)
        if (c->of[i] == at)
            return UB_FAIL(UB_EINPUT, "%s: column '%s' is asked for twice", c->path,
                           c->names.at[at]);
    c->of[c->count++] = at;
    return UB_OK;
}

/* A column, or the columns NAME.0, NAME.1, ... */
static ub_status choose(choice *c, const char *name)
{
    bool    twice;
    int64_t at = find(&c->names, name, &twice);
    if (twice)
        return UB_FAIL(UB_EINPUT, "%s: two columns are called '%s'", c->path, name);
    if (at >= 0)
        return take(c, at);
    for (int64_t k = 0;; k++) {
        char part[UB_H5_NAME_MAX];
        (void)snprintf(part, sizeof part, "%s.%lld", name, (long long)k);
        at = find(&c->names, part, &twice);
        if (at < 0)
            return k > 0 ? UB_OK : no_such(c, name);
        UB_TRY(take(c, at));
    }
}

static ub_status choose_all(choice *c, const char *const *lists, int count, ub_table *t)
{
    UB_TRY(UB_ALLOC(c->of, c->names.count));
    for (int i = 0; i < count; i++) {
        ub_names  words = {0};
        ub_status st = ub_names_split(&words, lists[i] == NULL ? "" : lists[i]);
        if (st == UB_OK)
            st = ub_names_index(&words);
        for (int64_t w = 0; w < words.count && st == UB_OK; w++)
            st = choose(c, words.at[w]);
        ub_names_release(&words);
        UB_TRY(st);
        t->end[i] = (int32_t)c->count;
    }
    t->columns = (int32_t)c->count;
    return UB_OK;
}

/* Where we are in a text; line counts from 1. */
typedef struct reader {
    const char *path, *at, *end;
    int64_t     line;
    ub_bytes    cell; /* text of the last cell, without quotes and blanks around it */
} reader;

static bool line_is_blank(const reader *r)
{
    const char *p = r->at;
    while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == r->end || *p == '\n';
}

/* Read a cell and what follows it; *last: it was the last of its line. */
static ub_status next_cell(reader *r, bool *last)
{
    bool    quoted = false;
    int64_t opened = r->line;
    ub_bytes_clear(&r->cell);
    for (; r->at < r->end; r->at++) {
        char c = *r->at;
        if (!quoted && (c == ',' || c == '\n'))
            break;
        if (c == '"' && quoted && r->at + 1 < r->end && r->at[1] == '"')
            r->at++;
        else if (c == '"') {
            quoted = !quoted;
            opened = r->line;
            continue;
        }
        r->line += c == '\n';
        if (r->cell.len > 0 || !isspace((unsigned char)c))
            UB_TRY(ub_bytes_put(&r->cell, &c, 1));
    }
    if (quoted)
        return UB_FAIL(UB_EINPUT, "%s: a quote opened in line %lld is not closed", r->path,
                       (long long)opened);
    while (r->cell.len > 0 && isspace(r->cell.data[r->cell.len - 1]))
        r->cell.len--;
    UB_TRY(ub_bytes_put(&r->cell, "", 1));
    *last = r->at == r->end || *r->at == '\n';
    r->line += r->at < r->end && *r->at == '\n';
    r->at += r->at < r->end;
    return UB_OK;
}

static ub_status read_header(reader *r, ub_names *names)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* some programs begin UTF-8 with it */
    if (r->end - r->at >= 3 && memcmp(r->at, mark, 3) == 0)
        r->at += 3;
    for (; r->at < r->end && line_is_blank(r); r->line++) {
        const char *eol = memchr(r->at, '\n', (size_t)(r->end - r->at));
        r->at = eol == NULL ? r->end : eol + 1;
    }
    if (r->at == r->end)
        return UB_FAIL(UB_EINPUT, "%s is empty; a table is a line of names and lines of numbers",
                       r->path);
    for (bool last = false; !last;) {
        UB_TRY(next_cell(r, &last));
        UB_TRY(ub_names_add(names, (const char *)r->cell.data, r->cell.len - 1));
    }
    return ub_names_index(names);
}

static ub_status parse(const reader *r, int64_t line, int64_t column, const char *name, double *v)
{
    const char *text = (const char *)r->cell.data;
    char       *end;
    *v = strtod(text, &end);
    if (end == text || *end != '\0')
        return UB_FAIL(UB_EINPUT, "%s: line %lld, column %lld ('%s'): '%.40s' is not a number",
                       r->path, (long long)line, (long long)column + 1, name, text);
    return UB_OK;
}

/* One line; value: those of the chosen columns; chosen[column]: its place among them, or -1. */
static ub_status read_line(reader *r, const ub_names *names, const int64_t *chosen, double *value)
{
    int64_t column = 0, line = r->line;
    for (bool last = false; !last; column++) {
        UB_TRY(next_cell(r, &last));
        if (column < names->count && chosen[column] >= 0)
            UB_TRY(parse(r, line, column, names->at[column], &value[chosen[column]]));
    }
    if (column != names->count)
        return UB_FAIL(UB_EINPUT, "%s: line %lld has %lld cells, the line of names has %lld",
                       r->path, (long long)line, (long long)column, (long long)names->count);
    return UB_OK;
}

static ub_status read_rows(reader *r, const choice *c, ub_table *t)
{
    int64_t  *chosen = NULL;
    double   *value = NULL;
    ub_bytes  rows = {0};
    ub_status st = UB_OK;
    size_t    wide = (size_t)c->count * sizeof *value;
    UB_TRY_OUT(UB_ALLOC(value, c->count));
    UB_TRY_OUT(UB_ALLOC(chosen, c->names.count));
    for (int64_t i = 0; i < c->names.count; i++)
        chosen[i] = -1;
    for (int64_t i = 0; i < c->count; i++)
        chosen[c->of[i]] = i;
    while (r->at < r->end) {
        if (line_is_blank(r)) {
            const char *eol = memchr(r->at, '\n', (size_t)(r->end - r->at));
            r->at = eol == NULL ? r->end : eol + 1;
            r->line++;
            continue;
        }
        UB_TRY_OUT(read_line(r, &c->names, chosen, value));
        UB_TRY_OUT(ub_bytes_put(&rows, value, wide));
        t->rows++;
    }
    if (t->rows == 0)
        UB_TRY_OUT(UB_FAIL(UB_EINPUT, "%s holds names but no line of numbers", r->path));
    UB_TRY_OUT(UB_ALLOC(t->x, t->rows * c->count));
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t j = 0; j < c->count; j++)
            memcpy(t->x + j * t->rows + i, rows.data + (size_t)i * wide + (size_t)j * sizeof *t->x,
                   sizeof *t->x);
out:
    ub_bytes_release(&rows);
    ub_free(value);
    ub_free(chosen);
    return st;
}

static ub_status read_text(const ub_bytes *file, choice *c, const char *const *lists, int count,
                           ub_table *t)
{
    const char *text = (const char *)file->data;
    reader      r = {.path = c->path, .at = text, .end = text + file->len, .line = 1};
    ub_status   st = file->len == 0 ? UB_OK : read_header(&r, &c->names);
    if (file->len == 0)
        st = UB_FAIL(UB_EINPUT, "%s is empty; a table is a line of names and lines of numbers",
                     c->path);
    if (st == UB_OK)
        st = choose_all(c, lists, count, t);
    if (st == UB_OK)
        st = read_rows(&r, c, t);
    ub_bytes_release(&r.cell);
    return st;
}

/* Column `at` is component `part` of dataset `set`. */
typedef struct source {
    int64_t set, part;
} source;

/* NAME, or NAME.i.j with the indices of component k in the dimensions after the first. */
static ub_status add_column(const ub_h5_rows *r, int64_t k, ub_names *names)
{
    char    name[UB_H5_NAME_MAX + 8 * 21];
    int     len = snprintf(name, sizeof name, "%s", r->name);
    int64_t below = r->width;
    for (int d = 1; d < r->rank; d++) {
        below /= (int64_t)r->dims[d];
        len += snprintf(name + len, sizeof name - (size_t)len, ".%lld", (long long)(k / below));
        k %= below;
    }
    return ub_names_add(names, name, (size_t)len);
}

/* All columns of an HDF5 file. */
static ub_status list_columns(hid_t file, const ub_names *sets, ub_names *names, ub_bytes *from)
{
    ub_h5_rows r = {0};
    ub_status  st = UB_OK;
    for (int64_t i = 0; i < sets->count && st == UB_OK; i++) {
        if (ub_h5_rows_open(file, sets->at[i], &r) != UB_OK) { /* texts and the like */
            ub_err_clear();
            continue;
        }
        for (int64_t k = 0; k < r.width && r.rank > 0 && st == UB_OK; k++) {
            source s = {i, k};
            st = add_column(&r, k, names);
            if (st == UB_OK)
                st = ub_bytes_put(from, &s, sizeof s);
        }
    }
    ub_h5_rows_close(&r);
    UB_TRY(st);
    return ub_names_index(names);
}

/* The chosen columns; a dataset is read once for those of its columns that follow each other. */
static ub_status load(hid_t file, const ub_names *sets, const choice *c, const source *from,
                      ub_table *t)
{
    ub_h5_rows r = {0};
    double    *all = NULL;
    ub_status  st = UB_OK;
    for (int64_t j = 0, held = -1; j < c->count; j++) {
        UB_ASSERT(from != NULL); /* a column was chosen, so there are some */
        source s = from[c->of[j]];
        if (s.set != held) {
            UB_TRY_OUT(ub_h5_rows_open(file, sets->at[s.set], &r));
            if (j == 0) {
                t->rows = r.rows;
                UB_TRY_OUT(UB_ALLOC(t->x, t->rows * c->count));
            }
            if (r.rows != t->rows)
                UB_TRY_OUT(UB_FAIL(UB_EINPUT, "%s: column '%s' has %lld rows, '%s' has %lld",
                                   c->path, c->names.at[c->of[j]], (long long)r.rows,
                                   c->names.at[c->of[0]], (long long)t->rows));
            ub_free(all);
            UB_TRY_OUT(UB_ALLOC(all, r.rows * r.width));
            UB_TRY_OUT(ub_h5_rows_get(&r, 0, r.rows, all));
            held = s.set;
        }
        UB_ASSERT(all != NULL);
        for (int64_t i = 0; i < t->rows; i++)
            t->x[j * t->rows + i] = all[i * r.width + s.part];
    }
out:
    ub_free(all);
    ub_h5_rows_close(&r);
    return st;
}

static ub_status read_h5(choice *c, const char *const *lists, int count, ub_table *t)
{
    hid_t     file = -1;
    ub_names  sets = {0};
    ub_bytes  from = {0};
    ub_status st = UB_OK;
    UB_TRY(ub_h5_open(c->path, &file));
    UB_TRY_OUT(ub_h5_leaves(file, "/", "", &sets));
    UB_TRY_OUT(ub_names_index(&sets));
    UB_TRY_OUT(list_columns(file, &sets, &c->names, &from));
    UB_TRY_OUT(choose_all(c, lists, count, t));
    UB_TRY_OUT(load(file, &sets, c, (const source *)(const void *)from.data, t));
out:
    ub_bytes_release(&from);
    ub_names_release(&sets);
    if (st == UB_OK)
        return ub_h5_close(&file, c->path);
    (void)H5Fclose(file);
    return st;
}

/* The file begins as every HDF5 file does. */
static bool is_h5(const char *path)
{
    char  head[8] = {0};
    FILE *f = fopen(path, "rb");
    bool  same = f != NULL && fread(head, 1, sizeof head, f) == sizeof head &&
                memcmp(head, "\211HDF\r\n\032\n", sizeof head) == 0;
    if (f != NULL)
        (void)fclose(f);
    return same;
}

ub_status ub_table_read(const char *path, const char *const *lists, int count, ub_table *out)
{
    choice    c = {.path = path};
    ub_table  t = {0};
    ub_bytes  file = {0};
    ub_status st = UB_OK;
    if (count < 1 || count > UB_TABLE_LISTS)
        return UB_FAIL(UB_EARG, "%d lists of columns", count);
    if (is_h5(path)) {
        UB_TRY_OUT(read_h5(&c, lists, count, &t));
    } else {
        UB_TRY_OUT(ub_file_read(path, &file));
        UB_TRY_OUT(read_text(&file, &c, lists, count, &t));
    }
    *out = t;
    t = (ub_table){0};
out:
    ub_bytes_release(&file);
    ub_table_release(&t);
    ub_names_release(&c.names);
    ub_free(c.of);
    return st;
}
