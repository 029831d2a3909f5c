/* Reading a journal of ten million answers back, as a resumed run does; writing it; the status
 * file. Prints records=, bytes=, read_cold_s= (from the disk), read_s= and read_cpu_s= (best of 4),
 * count_s=, write_us= (a record), status_us= (a file). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/beacon.h"
#include "io/file.h"
#include "io/journal.h"

enum { RECORDS = 10000000, ANSWER = 24 }; /* bytes: statistic, p-value, what they mean */

static const char identity[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* Placed by item, as the structure stage does. */
static ub_status take(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    memcpy((unsigned char *)self + item * ANSWER, answer, len);
    return UB_OK;
}

static ub_status fill(const char *path, double *write_us)
{
    ub_journal   *j;
    unsigned char answer[ANSWER] = {0};
    UB_TRY(ub_journal_open(path, identity, 1, take, NULL, NULL, &j));
    double    start = ub_clock();
    ub_status st = UB_OK;
    for (int64_t i = 0; i < RECORDS && st == UB_OK; i++) {
        memcpy(answer, &i, sizeof i);
        st = ub_journal_put(j, i, answer, sizeof answer);
    }
    *write_us = 1e6 * (ub_clock() - start) / RECORDS;
    ub_status closed = ub_journal_close(&j);
    return st == UB_OK ? closed : st;
}

/* The kernel keeps nothing of the file in memory. */
static ub_status forget(const char *path)
{
    UB_TRY(ub_file_sync(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
    return UB_OK;
}

static ub_status measure(const char *path, const char *status)
{
    unsigned char  *table;
    double          write_us, best = 1e9, cpu = 1e9, cold = 0;
    int64_t         found = 0;
    ub_beacon      *b;
    ub_beacon_state about = {.ranks = 16, .pause_s = 3600};
    UB_TRY(fill(path, &write_us));
    UB_TRY(UB_ALLOC(table, (size_t)RECORDS * ANSWER));
    for (int i = 0; i < 4; i++) {
        ub_journal *j;
        if (i == 0)
            UB_TRY(forget(path));
        double  start = ub_clock();
        clock_t spent = clock();
        UB_TRY(ub_journal_open(path, identity, 1, take, table, &found, &j));
        double used = (double)(clock() - spent) / CLOCKS_PER_SEC;
        cpu = used < cpu ? used : cpu;
        double seconds = ub_clock() - start;
        if (i == 0)
            cold = seconds;
        best = seconds < best ? seconds : best;
        UB_TRY(ub_journal_close(&j));
    }
    ub_free(table);
    double start = ub_clock();
    UB_TRY(ub_journal_count(path, &found));
    double count_s = ub_clock() - start;
    start = ub_clock();
    for (int i = 0; i < 500; i++) { /* two files each */
        UB_TRY(ub_beacon_begin(status, &about, NULL, &b));
        ub_beacon_end(&b, UB_OK);
    }
    double status_us = 1e3 * (ub_clock() - start);
    (void)printf(
        "records=%lld bytes=%lld read_cold_s=%.2f read_s=%.2f read_cpu_s=%.2f count_s=%.2f "
        "write_us=%.2f status_us=%.0f\n",
        (long long)found, (long long)found * (16 + ANSWER), cold, best, cpu, count_s, write_us,
        status_us);
    return UB_OK;
}

int main(void)
{
    char path[] = "bench.journal", status[] = "bench.status.json";
    (void)unlink(path);
    ub_status st = measure(path, status);
    (void)unlink(path);
    (void)unlink(status);
    if (st != UB_OK)
        (void)fprintf(stderr, "%s\n", ub_err_report());
    return st != UB_OK;
}
