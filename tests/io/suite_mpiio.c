/* The test of the file system before parallel writing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/internal/h5.h"
#include "io/mpiio.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

#if defined(OMPI_MAJOR_VERSION) && OMPI_MAJOR_VERSION == 4
enum { IS_OPEN_MPI_4 = 1 };
#else
enum { IS_OPEN_MPI_4 = 0 };
#endif

static void passes_here(void)
{
    char     path[UB_PATH_MAX];
    ub_bytes report = {0};
    UB_CHECK(ub_mpiio_selftest(ub_world, ub_test_dir(), &report));
    (void)MPI_Barrier(ub_world->mpi);
    (void)snprintf(path, sizeof path, "%s/.mpiio-selftest.h5.new", ub_test_dir());
    CU_ASSERT(!ub_file_exists(path));
    CU_ASSERT_EQUAL(report.len > 0, ub_world->rank == 0);
    const char *text = report.len > 0 ? (const char *)report.data : "\"verdict\": \"good\"}";
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"verdict\": \"good\"}"));
    ub_bytes_release(&report);
}

static void missing_folder(void)
{
    char     path[UB_PATH_MAX];
    ub_bytes report = {0};
    (void)snprintf(path, sizeof path, "%s/nowhere", ub_test_dir());
    UB_CHECK_FAILS(ub_mpiio_selftest(ub_world, path, &report), UB_EIO, "nowhere");
    CU_ASSERT(ub_world->rank != 0 || strstr((const char *)report.data, "nowhere") != NULL);
    ub_bytes_release(&report);
}

/* OMPI_MCA_io as it was, or not set. */
static void put_back(char *kept)
{
    CU_ASSERT_EQUAL(kept == NULL ? unsetenv("OMPI_MCA_io") : setenv("OMPI_MCA_io", kept, 1), 0);
    ub_free(kept);
}

static char *keep(void)
{
    const char *now = getenv("OMPI_MCA_io");
    return now == NULL ? NULL : ub_strdup(now);
}

static void known_bad(void)
{
    static const struct {
        const char *io; /* NULL: not set */
        bool        bad;
    } cases[] = {{NULL, true},          {"", true},
                 {"ompio", true},       {"romio321,ompio", true},
                 {"^romio321", true},   {"^ompio2", true},
                 {"^ompio", false},     {"romio321", false},
                 {"^foo,ompio", false}, {"ompio2,romio321", false}};
    char    *kept = keep(), why[512], path[UB_PATH_MAX];
    ub_bytes report = {0};
    hid_t    file = H5I_INVALID_HID;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(cases[i].io == NULL ? unsetenv("OMPI_MCA_io")
                                            : setenv("OMPI_MCA_io", cases[i].io, 1),
                        0);
        bool bad = cases[i].bad && IS_OPEN_MPI_4;
        CU_ASSERT_EQUAL(ub_mpiio_is_bad(why, sizeof why), bad);
        if (!bad)
            continue;
        UB_CHECK_FAILS(ub_mpiio_allowed(), UB_EINPUT, "unset OMPI_MCA_io");
        UB_CHECK_FAILS(ub_mpiio_selftest(ub_world, ub_test_dir(), &report), UB_EINPUT,
                       "in silence");
    }
    CU_ASSERT_EQUAL(setenv("OMPI_MCA_io", "ompio", 1), 0);
    (void)snprintf(path, sizeof path, "%s/x.h5", ub_test_dir());
    if (IS_OPEN_MPI_4)
        UB_CHECK_FAILS(ub_h5_create_parallel(ub_world, path, &file), UB_EINPUT,
                       "OMPI_MCA_io=ompio");
    (void)MPI_Barrier(ub_world->mpi);
    CU_ASSERT(!ub_file_exists(path));
    ub_bytes_release(&report);
    put_back(kept);
}

static void users_choice_stays(void)
{
    char *kept = keep();
    CU_ASSERT_EQUAL(setenv("OMPI_MCA_io", "mine", 1), 0);
    ub_mpiio_choose();
    CU_ASSERT_STRING_EQUAL(getenv("OMPI_MCA_io"), "mine");
    CU_ASSERT_EQUAL(unsetenv("OMPI_MCA_io"), 0);
    ub_mpiio_choose();
#ifdef OMPI_MAJOR_VERSION
    CU_ASSERT(getenv("OMPI_MCA_io") != NULL && strcmp(getenv("OMPI_MCA_io"), "^ompio") == 0);
#endif
    put_back(kept);
}

UB_SUITE("mpiio", {"blocks written by all ranks come back, no file stays", passes_here},
         {"a folder that is not there is named on all ranks", missing_folder},
         {"a component that writes wrong data is refused, however it is asked for", known_bad},
         {"the user's choice of component stays", users_choice_stays})
