/* tests/support/suite.h - a suite is one file: cases, then UB_SUITE.
 *
 *   static void adds_up(void) { CU_ASSERT_EQUAL(1 + 1, 2); }
 *   UB_SUITE("numbers", {"one and one is two", adds_up})
 *
 * Case names are sentences.  Under MPI every rank runs every case; never use the
 * _FATAL asserts there (they jump on one rank and hang the others).
 */
#ifndef UB_TESTS_SUITE_H
#define UB_TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <stdint.h>

#include "core/mem.h"
#include "core/status.h"

typedef struct ub_case {
    const char *sentence;
    void (*run)(void);
} ub_case;

extern const char *const ub_suite_name;
extern const ub_case     ub_suite_cases[];
/* Blocks that stay behind on purpose: with MPI, for a rank that did not take them. */
extern int64_t ub_suite_left;

#define UB_SUITE(name, ...)                                                                        \
    const char *const ub_suite_name = name;                                                        \
    const ub_case     ub_suite_cases[] = {__VA_ARGS__, {NULL, NULL}};

/* Assert UB_OK and print the sentence otherwise. */
#define UB_CHECK(call) CU_ASSERT(ub_test_ok((call), #call, __FILE__, __LINE__))
/* Assert a given failure whose sentence contains `part`. */
#define UB_CHECK_FAILS(call, status, part)                                                         \
    CU_ASSERT(ub_test_fails((call), (status), (part), #call, __FILE__, __LINE__))

int ub_test_ok(ub_status st, const char *what, const char *file, int line);
int ub_test_fails(ub_status st, ub_status want, const char *part, const char *what,
                  const char *file, int line);
/* Relative-or-absolute closeness; prints both values when they differ. */
int ub_test_close(double a, double b, double tolerance, const char *file, int line);
#define UB_CHECK_CLOSE(a, b, tolerance)                                                            \
    CU_ASSERT(ub_test_close((a), (b), (tolerance), __FILE__, __LINE__))

/* Path of the shared reference material ($UB_SHARED, else ../shared beside the source tree), or
 * NULL with a printed reason if `relative` is not there: the case then returns (skips). */
const char *ub_test_shared(const char *relative);
/* A CSV table of the reference material: n lines of `columns` numbers below a header, as columns,
 * c at c * n; release with ub_free.  NULL if it is not there (the case skips); a table of another
 * shape fails the case. */
double *ub_test_table(const char *relative, int64_t n, int columns);
/* A fresh directory for this test's files, removed and made anew; same name on all ranks. */
const char *ub_test_dir(void);

#endif /* UB_TESTS_SUITE_H */
