/* tests/support/crash_state.c - what a file system may hold after a crash of the machine.
 *
 *   crash_state LOG list               the operations: position, number, rank, name, path
 *   crash_state LOG POSITION HOW SEED OUT
 *
 * replays the first POSITION records of a log of faultio into the empty folder OUT: the content of
 * UB_FAULT_DIR, which at the start, flushed, held what UB_FAULT_BASE holds (unset: nothing), after
 * a crash that leaves of what was not flushed
 *
 *   all   everything: only the process died
 *   none  nothing: contents since the last fsync of the file, names since the last fsync of the
 *         folder
 *   some  a random part, drawn by SEED: each write kept, lost or torn, each name alone
 *
 * The model is the one of ALICE (Pillai et al., OSDI 2014) at its weakest: fsync of a file promises
 * its content, not its name; a rename is atomic; nothing else is ordered.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "core/rng.h"
#include "tests/support/faultlog.h"

enum { FILES = 1024, RANKS = 16 };

/* A change of content that no fsync has confirmed. */
typedef struct change {
    fault_op             op;
    int64_t              offset, length;
    const unsigned char *data; /* in the log */
    struct change       *next;
} change;

typedef struct object {
    bool     folder;
    ub_bytes now, safe; /* content: as the process sees it; after the last fsync */
    change  *first, **last;
} object;

typedef struct name {
    char        *path;
    object      *what;
    struct name *next;
} name;

/* A change of names that no fsync of the folder has confirmed: `from` goes, `to` comes; or one. */
typedef struct move {
    const char  *from, *to;
    object      *what;
    struct move *next;
} move;

typedef struct disk {
    ub_bytes    log;
    name       *now, *safe;
    move       *first, **last;
    object     *open[RANKS][FILES];
    char       *folder[RANKS][FILES]; /* path of an open folder */
    const char *opened[RANKS][FILES];
} disk;

static void stop(const char *what, const char *about)
{
    (void)fprintf(stderr, "crash_state: %s: %s\n", what, about);
    exit(3);
}

static void check(ub_status st)
{
    if (st != UB_OK)
        stop("failed", ub_err_message());
}

static void *block(size_t n)
{
    void *p = calloc(1, n); /* lives to the end of this short program */
    if (p == NULL)
        stop("memory", "exhausted");
    return p;
}

static char *copy_text(const unsigned char *text, size_t n)
{
    char *copy = block(n + 1);
    memcpy(copy, text, n);
    return copy;
}

static name *find(name *list, const char *path)
{
    for (; list != NULL; list = list->next)
        if (list->what != NULL && strcmp(list->path, path) == 0)
            return list;
    return NULL;
}

/* what == NULL: the name goes. */
static void assign(name **list, const char *path, object *what)
{
    name *n = find(*list, path);
    if (n != NULL) {
        n->what = what;
        return;
    }
    n = block(sizeof *n);
    *n = (name){copy_text((const unsigned char *)path, strlen(path)), what, *list};
    *list = n;
}

static void move_in(name **list, const move *m)
{
    if (m->from != NULL)
        assign(list, m->from, NULL);
    if (m->to != NULL)
        assign(list, m->to, m->what);
}

static void name_changes(disk *d, const char *from, const char *to, object *what)
{
    move *m = block(sizeof *m);
    *m = (move){from, to, what, NULL};
    move_in(&d->now, m);
    *d->last = m;
    d->last = &m->next;
}

static bool is_in(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return path != NULL && strncmp(path, folder, n) == 0 && path[n] == '/' &&
           strchr(path + n + 1, '/') == NULL;
}

static void sync_folder(disk *d, const char *folder)
{
    for (move **at = &d->first; *at != NULL;) {
        move *m = *at;
        if (is_in(m->to != NULL ? m->to : m->from, folder)) {
            move_in(&d->safe, m);
            *at = m->next;
        } else {
            at = &m->next;
        }
    }
    d->last = &d->first;
    while (*d->last != NULL)
        d->last = &(*d->last)->next;
}

static void resize(ub_bytes *b, size_t n)
{
    while (b->len < n)
        check(ub_bytes_put(b, "", 1));
    b->len = n;
}

static void apply(ub_bytes *b, const change *c)
{
    size_t end = (size_t)(c->offset + c->length);
    if (c->op == OP_TRUNCATE) {
        resize(b, (size_t)c->length);
        return;
    }
    if (b->len < end)
        resize(b, end);
    if (c->op == OP_WRITE && c->length > 0)
        memcpy(b->data + c->offset, c->data, (size_t)c->length);
}

static void content_changes(object *o, change c)
{
    change *made = block(sizeof *made);
    *made = c;
    apply(&o->now, made);
    *o->last = made;
    o->last = &made->next;
}

static object *make_object(bool folder)
{
    object *o = block(sizeof *o);
    o->folder = folder;
    o->last = &o->first;
    return o;
}

static void open_file(disk *d, const fault_record *r, const char *path)
{
    name   *n = find(d->now, path);
    object *o = n == NULL ? NULL : n->what;
    if (o == NULL && (r->flags & O_CREAT) != 0) {
        o = make_object(false);
        name_changes(d, NULL, path, o);
    } else if (o != NULL && (r->flags & O_TRUNC) != 0 && o->now.len > 0) {
        content_changes(o, (change){.op = OP_TRUNCATE});
    }
    if (r->fd < 0)
        return;
    if (r->fd >= FILES || r->rank >= RANKS)
        stop("too many open files or ranks", path);
    d->open[r->rank][r->fd] = o;
    d->folder[r->rank][r->fd] =
        o == NULL || o->folder ? copy_text((const unsigned char *)path, strlen(path)) : NULL;
}

static void sync_object(disk *d, const fault_record *r)
{
    object *o = d->open[r->rank][r->fd];
    if (d->folder[r->rank][r->fd] != NULL) {
        sync_folder(d, d->folder[r->rank][r->fd]);
        return;
    }
    for (change *c = o->first; c != NULL; c = c->next)
        apply(&o->safe, c);
    o->first = NULL;
    o->last = &o->first;
}

static void replay(disk *d, const fault_record *r, const unsigned char *data)
{
    const char *path = copy_text(data, (size_t)r->path);
    const char *second = copy_text(data + r->path, (size_t)r->second);
    object     *o = r->fd >= 0 && r->fd < FILES ? d->open[r->rank][r->fd] : NULL;
    name       *n = find(d->now, path);
    switch ((fault_op)r->op) {
    case OP_OPEN:
        open_file(d, r, path);
        break;
    case OP_WRITE:
    case OP_TRUNCATE:
    case OP_ALLOCATE:
        if (o != NULL)
            content_changes(o, (change){(fault_op)r->op, r->offset, r->length,
                                        data + r->path + r->second, NULL});
        break;
    case OP_SYNC:
        sync_object(d, r);
        break;
    case OP_RENAME:
        if (n == NULL)
            stop("renamed a file that is not there", path);
        else
            name_changes(d, path, second, n->what);
        break;
    case OP_UNLINK:
    case OP_RMDIR:
        name_changes(d, path, NULL, NULL);
        break;
    case OP_MKDIR:
        name_changes(d, NULL, path, make_object(true));
        break;
    case OP_CLOSE:
    case OP_COUNT:
        break;
    }
}

/* Lose, keep or tear what no fsync has confirmed. */
static void draw(disk *d, uint64_t seed)
{
    static const double chances[] = {0.1, 0.5, 0.9};
    ub_rng              r = ub_rng_make(seed, UB_RNG_TEST, 0);
    double              chance = chances[ub_rng_below(&r, 3)];
    for (move *m = d->first; m != NULL; m = m->next)
        if (ub_rng_uniform(&r) < chance)
            move_in(&d->safe, m);
    for (name *n = d->safe; n != NULL; n = n->next) {
        for (change *c = n->what == NULL ? NULL : n->what->first; c != NULL; c = c->next) {
            if (ub_rng_uniform(&r) >= chance)
                continue;
            if (c->op == OP_WRITE && c->length > 0 && ub_rng_below(&r, 4) == 0)
                c->length = (int64_t)ub_rng_below(&r, (uint64_t)c->length);
            apply(&n->what->safe, c);
        }
    }
}

static void put_file(const char *path, const ub_bytes *content)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(content->data, 1, content->len, f) != content->len || fclose(f) != 0)
        stop("cannot write", path);
}

/* Folders come before what they hold; what lies in a folder that is lost is lost. */
static void realise(name *list, bool now, const char *root, const char *out)
{
    bool more = true;
    for (int depth = 0; more; depth++) {
        more = false;
        for (name *n = list; n != NULL; n = n->next) {
            char        path[PATH_MAX];
            int         slashes = 0;
            const char *rest = n->path + strlen(root);
            for (const char *p = rest; *p != '\0'; p++)
                slashes += *p == '/';
            more = more || slashes > depth;
            if (n->what == NULL || slashes != depth)
                continue;
            int length = snprintf(path, sizeof path, "%s%s", out, rest);
            if (length < 0 || (size_t)length >= sizeof path)
                continue;
            char       *slash = strrchr(path, '/');
            struct stat s;
            *slash = '\0';
            bool there = stat(path, &s) == 0;
            *slash = '/';
            if (there && n->what->folder && mkdir(path, 0777) != 0)
                stop("cannot make", path);
            else if (there && !n->what->folder)
                put_file(path, now ? &n->what->now : &n->what->safe);
        }
    }
}

static void read_file(const char *path, ub_bytes *to)
{
    char   piece[65536];
    size_t n;
    FILE  *f = fopen(path, "rb");
    if (f == NULL)
        stop("cannot read", path);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        check(ub_bytes_put(to, piece, n));
    (void)fclose(f);
}

/* What nftw tells its function of. */
static struct {
    disk       *disk;
    const char *base, *root;
} start;

/* A file or folder that was there before the log begins. */
static int was_there(const char *path, const struct stat *s, int type, struct FTW *place)
{
    char        full[PATH_MAX];
    const char *rest = path + strlen(start.base);
    (void)type;
    (void)place;
    if (*rest == '\0')
        return 0;
    int length = snprintf(full, sizeof full, "%s%s", start.root, rest);
    if (length < 0 || (size_t)length >= sizeof full)
        stop("a path is too long", path);
    object *o = make_object(S_ISDIR(s->st_mode));
    if (!o->folder) {
        read_file(path, &o->now);
        read_file(path, &o->safe);
    }
    assign(&start.disk->now, full, o);
    assign(&start.disk->safe, full, o);
    return 0;
}

static void begin_with(disk *d, const char *base, const char *root)
{
    start.disk = d;
    start.base = base;
    start.root = root;
    if (base != NULL && nftw(base, was_there, 16, FTW_PHYS) != 0)
        stop("cannot read", base);
}

/* One line; operations on a descriptor are told with the path it was opened by. */
static void list_record(disk *d, long position, const fault_record *r, const unsigned char *data)
{
    static const char *const names[] = {
#define UB_FAULT_OP(name, text) text,
        UB_FAULT_OPS(UB_FAULT_OP)
#undef UB_FAULT_OP
    };
    const char *path = "-";
    bool        known = r->rank < RANKS && r->fd >= 0 && r->fd < FILES;
    if (r->path > 0)
        path = copy_text(data, (size_t)r->path);
    else if (known && d->opened[r->rank][r->fd] != NULL)
        path = d->opened[r->rank][r->fd];
    if (r->op == OP_OPEN && known)
        d->opened[r->rank][r->fd] = path;
    (void)printf("%ld %lld %d %s %s\n", position, (long long)r->number, r->rank, names[r->op],
                 path);
}

int main(int argc, char **argv)
{
    static disk d;
    d.last = &d.first;
    if (argc != 3 && argc != 6)
        stop("usage", "crash_state LOG list | LOG POSITION all|none|some SEED OUT");
    read_file(argv[1], &d.log);
    long        until = argc == 3 ? LONG_MAX : atol(argv[2]), position = 0;
    const char *root = getenv("UB_FAULT_DIR");
    if (root == NULL)
        stop("UB_FAULT_DIR", "is not set");
    begin_with(&d, getenv("UB_FAULT_BASE"), root);
    for (size_t at = 0; at < d.log.len && position < until;) {
        fault_record r;
        memcpy(&r, d.log.data + at, sizeof r);
        const unsigned char *data = d.log.data + at + sizeof r;
        at += sizeof r + (size_t)r.path + (size_t)r.second;
        if (r.op == OP_WRITE && !r.failed)
            at += (size_t)r.length;
        position++;
        if (argc == 3)
            list_record(&d, position, &r, data);
        else if (!r.failed)
            replay(&d, &r, data);
    }
    if (argc == 3)
        return 0;
    const char *how = argv[3];
    if (strcmp(how, "some") == 0)
        draw(&d, strtoull(argv[4], NULL, 10) * 1000003 + (uint64_t)until);
    realise(strcmp(how, "all") == 0 ? d.now : d.safe, strcmp(how, "all") == 0, root, argv[5]);
    return 0;
}
