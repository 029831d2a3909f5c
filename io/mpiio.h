/* io/mpiio.h - keep clear of an MPI-IO component that writes wrong data in silence.
 *
 * Open MPI 4's default component for files (ompio) has been seen to write small collective 2-D
 * blocks wrongly without any error when several aggregators take part (open-mpi/ompi#12718).
 * ROMIO, which Open MPI carries as another component, does not.  So main() chooses ROMIO before
 * MPI_Init, and a run tests the file system it is about to write to.
 *
 * Layer: io.
 */
#ifndef UB_IO_MPIIO_H
#define UB_IO_MPIIO_H

#include <stdbool.h>

#include "core/status.h"
#include "mpi/comm.h"

/* Before MPI_Init: set OMPI_MCA_io to ROMIO's component unless the user has set it.  Nothing is
 * done under another MPI. */
UB_LOCAL void ub_mpiio_choose(void);

/* Do the MPI and HDF5 at hand, with the component the environment names, write wrong data in
 * silence?  Then a sentence in why. */
UB_LOCAL bool ub_mpiio_is_bad(char *why, size_t cap);

/* Write small 2-D blocks collectively into a file in `dir`, with the default and with several
 * aggregators, read them back on rank 0 alone and compare; the file is removed.
 * Errors: UB_EIO, with the component in the sentence.  Cost: tens of milliseconds. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_mpiio_selftest(const ub_comm *c, const char *dir);

/* Has HDF5 failed to close a file in this process?  It keeps the handle of what it has freed
 * (1.10.8), and touches it when MPI_Finalize or exit() end the library: leave by _exit() then. */
UB_LOCAL bool ub_h5_lost(void);

#endif /* UB_IO_MPIIO_H */
