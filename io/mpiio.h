/* io/mpiio.h - keep clear of an MPI-IO component that writes wrong data in silence.
 *
 * Open MPI 4's default component for files (ompio) has been seen to write small collective 2-D
 * blocks wrongly without any error when several aggregators take part (open-mpi/ompi#12718).
 * ROMIO, which Open MPI carries as another component, does not.  So main() excludes ompio before
 * MPI_Init: Open MPI takes what it has of the others.  Where the environment asks for ompio,
 * nothing is written in parallel.  And a run tests the file system it is about to write to.
 *
 * A process cannot try one component after another: Open MPI 4.1.4 makes its choice when the first
 * file is opened, by OMPI_MCA_io as it is then, and keeps it to the end (found by setting it
 * between two files).  So a component that fails the test ends the run.
 *
 * Layer: io.
 */
#ifndef UB_IO_MPIIO_H
#define UB_IO_MPIIO_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

/* Before MPI_Init: set OMPI_MCA_io to "any but ompio" unless the user has set it.  Nothing is done
 * under another MPI. */
UB_LOCAL void ub_mpiio_choose(void);

/* May the MPI at hand, as the environment tells it, use a component that is known to write wrong
 * data?  Then a sentence in why. */
UB_LOCAL bool ub_mpiio_is_bad(char *why, size_t cap);
/* The same as an error, UB_EINPUT, which says what to unset. */
UB_LOCAL UB_NODISCARD ub_status ub_mpiio_allowed(void);

/* Write small 2-D blocks collectively into a file in `dir`, with the default and with several
 * aggregators, read them back on rank 0 alone and compare; the file is removed.
 *   report  rank 0: a JSON object with component, patterns and verdict is appended, whether the
 *           test passes or fails; other ranks: not touched, may be NULL
 * Errors: UB_EINPUT (ub_mpiio_allowed), UB_EIO, with the component in the sentence.  Cost: tens of
 * milliseconds. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_mpiio_selftest(const ub_comm *c, const char *dir,
                                                       ub_bytes *report);

/* Has HDF5 failed to close a file in this process?  It keeps the handle of what it has freed
 * (1.10.8), and touches it when MPI_Finalize or exit() end the library: leave by _exit() then. */
UB_LOCAL bool ub_h5_lost(void);

#endif /* UB_IO_MPIIO_H */
