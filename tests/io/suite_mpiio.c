/* The test of the file system before parallel writing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/mpiio.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

static void passes_here(void)
{
    char path[UB_PATH_MAX];
    UB_CHECK(ub_mpiio_selftest(ub_world, ub_test_dir()));
    (void)MPI_Barrier(ub_world->mpi);
    (void)snprintf(path, sizeof path, "%s/.mpiio-selftest.h5.new", ub_test_dir());
    CU_ASSERT(!ub_file_exists(path));
}

static void missing_folder(void)
{
    char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/nowhere", ub_test_dir());
    UB_CHECK_FAILS(ub_mpiio_selftest(ub_world, path), UB_EIO, "nowhere");
}

static void users_choice_stays(void)
{
    const char *before = getenv("OMPI_MCA_io");
    char       *kept = before == NULL ? NULL : ub_strdup(before);
    CU_ASSERT_EQUAL(setenv("OMPI_MCA_io", "mine", 1), 0);
    ub_mpiio_choose();
    CU_ASSERT_STRING_EQUAL(getenv("OMPI_MCA_io"), "mine");
    CU_ASSERT_EQUAL(unsetenv("OMPI_MCA_io"), 0);
    ub_mpiio_choose();
#ifdef OMPI_MAJOR_VERSION
    CU_ASSERT_PTR_NOT_NULL(getenv("OMPI_MCA_io"));
    CU_ASSERT(getenv("OMPI_MCA_io") != NULL && strncmp(getenv("OMPI_MCA_io"), "romio", 5) == 0);
#endif
    if (kept == NULL)
        (void)unsetenv("OMPI_MCA_io");
    else
        (void)setenv("OMPI_MCA_io", kept, 1);
    ub_free(kept);
}

UB_SUITE("mpiio", {"blocks written by all ranks come back, no file stays", passes_here},
         {"a folder that is not there is named on all ranks", missing_folder},
         {"the user's choice of component stays", users_choice_stays})
