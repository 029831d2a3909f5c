#include "io/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/pace.h"
#include "io/file.h"

static const char magic[8] = {'U', 'B', 'J', 'R', 'N', 'L', '\r', '\n'};

enum {
    VERSION = 2,      /* of the file and of the answers in it */
    HEAD = 16,        /* of a record: length, checksum, item */
    COVERED = 8,      /* the checksum begins here: item and answer */
    WINDOW = 4 << 20, /* bytes read at a time */
    LONGEST = 1 << 30 /* answer */
};

struct ub_journal {
    char    *path;
    int      fd;
    int64_t  end; /* of the last whole record */
    int64_t  waiting;
    ub_pace  pace;
    ub_bytes record;
};

static ub_status io_fail(const char *path, const char *what)
{
    return UB_FAIL(UB_EIO, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Little endian whatever the machine. */
static void put_le(unsigned char *to, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get_le(const unsigned char *from, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)from[i] << 8 * i;
    return v;
}

static uint32_t checksum(const unsigned char *data, size_t n)
{
    return (uint32_t)crc32_z(0, data, n);
}

/* Magic, version, length of the identity, identity, checksum of all that. */
static ub_status make_header(const char *identity, ub_bytes *out)
{
    unsigned char number[8];
    size_t        n = strlen(identity);
    put_le(number, VERSION, 4);
    put_le(number + 4, n, 4);
    UB_TRY(ub_bytes_put(out, magic, sizeof magic));
    UB_TRY(ub_bytes_put(out, number, sizeof number));
    UB_TRY(ub_bytes_put(out, identity, n));
    put_le(number, checksum(out->data, out->len), 4);
    return ub_bytes_put(out, number, 4);
}

/* A window on the file that moves forward. */
typedef struct window {
    const char    *path;
    int            fd;
    unsigned char *data;
    size_t         cap, at, len; /* unread: data[at .. len) */
    int64_t        offset;       /* of data[at] in the file */
    int64_t        size;         /* of the file */
} window;

/* The disk works on the next windows while this one is looked at: by itself the kernel reads a few
 * hundred kilobytes ahead only. */
static void ahead(const window *w)
{
    off_t end = (off_t)(w->offset + (int64_t)(w->len - w->at));
    (void)posix_fadvise(w->fd, end, (off_t)(2 * WINDOW), POSIX_FADV_WILLNEED);
}

/* Make `need` unread bytes available; the file must have them. */
static ub_status fill(window *w, size_t need)
{
    if (w->data != NULL && w->len - w->at >= need)
        return UB_OK;
    if (need > w->cap || w->data == NULL) {
        unsigned char *data;
        size_t         cap = need > WINDOW ? need : WINDOW;
        UB_TRY(UB_ALLOC(data, cap));
        if (w->data != NULL)
            memcpy(data, w->data + w->at, w->len - w->at);
        ub_free(w->data);
        w->data = data;
        w->cap = cap;
    } else {
        memmove(w->data, w->data + w->at, w->len - w->at);
    }
    w->len -= w->at;
    w->at = 0;
    while (w->len < need) {
        ssize_t n = read(w->fd, w->data + w->len, w->cap - w->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail(w->path, "read");
        if (n == 0)
            return UB_FAIL(UB_EIO, "%s: the journal became shorter while it was read", w->path);
        w->len += (size_t)n;
    }
    ahead(w);
    return UB_OK;
}

static void pass(window *w, size_t n)
{
    w->at += n;
    w->offset += (int64_t)n;
}

static ub_status check_header(window *w, const char *identity)
{
    ub_bytes  want = {0};
    ub_status st = make_header(identity, &want);
    if (st == UB_OK && w->size < (int64_t)want.len)
        st = UB_FAIL(UB_EINPUT, "%s: %lld bytes are not a journal; remove the file to start again",
                     w->path, (long long)w->size);
    if (st == UB_OK)
        st = fill(w, want.len);
    if (st == UB_OK && memcmp(w->data, magic, sizeof magic) != 0)
        st = UB_FAIL(UB_EINPUT, "%s: this is not a journal, or its beginning is damaged", w->path);
    if (st == UB_OK && get_le(w->data + sizeof magic, 4) != VERSION)
        st = UB_FAIL(UB_EINPUT,
                     "%s: a journal of version %llu, of another build; this one writes version %d; "
                     "remove the file to start again",
                     w->path, (unsigned long long)get_le(w->data + sizeof magic, 4), VERSION);
    if (st == UB_OK && memcmp(w->data, want.data, want.len) != 0)
        st = UB_FAIL(UB_EINPUT,
                     "%s: the journal belongs to a study with other settings or another corpus, or "
                     "its header is damaged; remove the file to start again",
                     w->path);
    if (st == UB_OK)
        pass(w, want.len);
    ub_bytes_release(&want);
    return st;
}

/* Why the record at the window is no good, or NULL; *length: of its answer. */
static ub_status look(window *w, size_t *length, const char **wrong)
{
    int64_t left = w->size - w->offset;
    *wrong = "cut short";
    if (left < HEAD)
        return UB_OK;
    UB_TRY(fill(w, HEAD));
    *length = (size_t)get_le(w->data + w->at, 4);
    if (*length > LONGEST || left - HEAD < (int64_t)*length)
        return UB_OK;
    UB_TRY(fill(w, HEAD + *length));
    const unsigned char *p = w->data + w->at;
    bool holds = checksum(p + COVERED, HEAD - COVERED + *length) == get_le(p + 4, 4);
    *wrong = holds ? NULL : "damaged";
    return UB_OK;
}

static ub_status replay(window *w, ub_journal_record take, void *self, int64_t *records)
{
    while (w->offset < w->size) {
        size_t      length = 0;
        const char *wrong;
        UB_TRY(look(w, &length, &wrong));
        if (wrong != NULL) {
            ub_log_warn("journal", "file='%s' offset=%lld dropped=%lld bytes: the record is %s",
                        w->path, (long long)w->offset, (long long)(w->size - w->offset), wrong);
            return UB_OK;
        }
        const unsigned char *p = w->data + w->at;
        UB_TRY(take(self, (int64_t)get_le(p + COVERED, 8), p + HEAD, length));
        ++*records;
        pass(w, HEAD + length);
    }
    return UB_OK;
}

/* Read all whole records and cut off what follows the last. */
static ub_status recover(ub_journal *j, const char *identity, ub_journal_record take, void *self,
                         int64_t *records)
{
    struct stat s;
    if (fstat(j->fd, &s) != 0)
        return io_fail(j->path, "read");
    window    w = {.path = j->path, .fd = j->fd, .size = (int64_t)s.st_size};
    ub_status st = check_header(&w, identity);
    if (st == UB_OK)
        st = replay(&w, take, self, records);
    if (st == UB_OK && w.offset < w.size &&
        (ftruncate(j->fd, (off_t)w.offset) != 0 || fsync(j->fd) != 0))
        st = io_fail(j->path, "cut off the damaged end");
    j->end = w.offset;
    ub_free(w.data);
    return st;
}

/* The records of an open journal.  A journal in use may end within one.  wrong: out, what is wrong
 * where it ends too early, or NULL. */
static ub_status count_open(window *w, int64_t *records, const char **wrong)
{
    *wrong = NULL;
    const size_t before = sizeof magic + 8; /* the identity */
    if (w->size < (int64_t)before)
        return UB_FAIL(UB_EINPUT, "%s: this is not a journal", w->path);
    UB_TRY(fill(w, before));
    uint64_t n = get_le(w->data + sizeof magic + 4, 4);
    if (memcmp(w->data, magic, sizeof magic) != 0 || (int64_t)(before + n + 4) > w->size)
        return UB_FAIL(UB_EINPUT, "%s: this is not a journal, or its beginning is damaged",
                       w->path);
    UB_TRY(fill(w, before + n + 4));
    if (checksum(w->data, before + n) != get_le(w->data + before + n, 4))
        return UB_FAIL(UB_EINPUT, "%s: the beginning of the journal is damaged", w->path);
    pass(w, before + n + 4);
    while (w->offset < w->size) {
        size_t length = 0;
        UB_TRY(look(w, &length, wrong));
        if (*wrong != NULL)
            break;
        pass(w, HEAD + length);
        ++*records;
    }
    return UB_OK;
}

static ub_status scan(const char *path, bool strict, int64_t *records)
{
    struct stat s;
    int64_t     found = 0;
    const char *wrong = NULL;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return UB_FAIL(UB_ENOENT, "%s: there is no such file", path);
    if (fd < 0)
        return io_fail(path, "open");
    ub_status st = fstat(fd, &s) != 0 ? io_fail(path, "read") : UB_OK;
    window    w = {.path = path, .fd = fd, .size = st == UB_OK ? (int64_t)s.st_size : 0};
    if (st == UB_OK)
        st = count_open(&w, &found, &wrong);
    if (st == UB_OK && strict && wrong != NULL && strcmp(wrong, "cut short") != 0)
        st = UB_FAIL(UB_EFORMAT, "%s: the record at offset %lld is %s", path, (long long)w.offset,
                     wrong);
    ub_free(w.data);
    (void)close(fd);
    UB_TRY(st);
    *records = found;
    return UB_OK;
}

ub_status ub_journal_count(const char *path, int64_t *records)
{
    return scan(path, false, records);
}

ub_status ub_journal_verify(const char *path)
{
    int64_t records;
    return scan(path, true, &records);
}

/* A new file appears with its whole header, so a torn header cannot be. */
static ub_status create(const char *path, const char *identity)
{
    ub_bytes  header = {0};
    ub_status st = make_header(identity, &header);
    if (st == UB_OK)
        st = ub_file_write(path, header.data, header.len);
    ub_bytes_release(&header);
    return st;
}

static void release(ub_journal *j)
{
    if (j->fd >= 0)
        (void)close(j->fd);
    ub_bytes_release(&j->record);
    ub_free(j->path);
    ub_free(j);
}

ub_status ub_journal_open(const char *path, const char *identity, double sync_s,
                          ub_journal_record take, void *self, int64_t *records, ub_journal **out)
{
    ub_journal *j;
    int64_t     found = 0;
    ub_status   st = UB_OK;
    if (!ub_file_exists(path))
        UB_TRY(create(path, identity));
    UB_TRY(UB_ALLOC(j, 1));
    j->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (j->fd < 0)
        UB_TRY_OUT(io_fail(path, "open"));
    j->path = ub_strdup(path);
    UB_TRY_OUT(ub_mem_check(j->path, strlen(path), 1, "path"));
    UB_TRY_OUT(recover(j, identity, take, self, &found));
    j->pace = ub_pace_begin(INFINITY, sync_s, ub_clock());
    if (records != NULL)
        *records = found;
    *out = j;
    return UB_OK;
out:
    release(j);
    return st;
}

void ub_journal_budget(ub_journal *j, double budget)
{
    j->pace.budget = budget;
}

static ub_status sync_now(ub_journal *j)
{
    double start = ub_clock();
    if (fdatasync(j->fd) != 0)
        return io_fail(j->path, "flush to disk");
    double now = ub_clock();
    ub_pace_saved(&j->pace, now - start, now);
    j->waiting = 0;
    return UB_OK;
}

/* Append whole or not at all: half a record (disk full) is cut off again. */
static ub_status append(ub_journal *j)
{
    for (size_t at = 0; at < j->record.len;) {
        ssize_t n = write(j->fd, j->record.data + at, j->record.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ub_status st = io_fail(j->path, "write");
            if (ftruncate(j->fd, (off_t)j->end) != 0)
                ub_log_warn("journal", "file='%s': half a record stays at its end", j->path);
            return st;
        }
        at += (size_t)n;
    }
    j->end += (int64_t)j->record.len;
    return UB_OK;
}

ub_status ub_journal_put(ub_journal *j, int64_t item, const unsigned char *answer, size_t len)
{
    unsigned char head[HEAD] = {0};
    if (len > LONGEST)
        return UB_FAIL(UB_EARG, "%s: an answer of %zu bytes is too long", j->path, len);
    put_le(head, len, 4);
    put_le(head + COVERED, (uint64_t)item, 8);
    ub_bytes_clear(&j->record);
    UB_TRY(ub_bytes_put(&j->record, head, sizeof head));
    UB_TRY(ub_bytes_put(&j->record, answer, len));
    put_le(j->record.data + 4, checksum(j->record.data + COVERED, HEAD - COVERED + len), 4);
    UB_TRY(append(j));
    j->waiting++;
    return ub_journal_tick(j, ub_clock());
}

ub_status ub_journal_tick(ub_journal *j, double now)
{
    return j->waiting > 0 && ub_pace_left(&j->pace, now) <= 0 ? sync_now(j) : UB_OK;
}

double ub_journal_flushed(const ub_journal *j)
{
    return j->pace.spent;
}

int64_t ub_journal_waiting(const ub_journal *j)
{
    return j->waiting;
}

ub_status ub_journal_close(ub_journal **j)
{
    if (*j == NULL)
        return UB_OK;
    ub_status st = sync_now(*j);
    ub_log_debug("journal-flushes", "count=%lld seconds=%.3f pause_s=%.3f",
                 (long long)(*j)->pace.saves, (*j)->pace.spent, ub_pace_pause(&(*j)->pace));
    if (close((*j)->fd) != 0 && st == UB_OK)
        st = io_fail((*j)->path, "close");
    (*j)->fd = -1;
    release(*j);
    *j = NULL;
    return st;
}
