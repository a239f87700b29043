/** The MPI maker of links, apart from link.h so that only its users need MPI. */
#ifndef TF_LINK_MPI_H
#define TF_LINK_MPI_H

#include "net/link.h"

/**
 * Joins the MPI job (MPI_Init_thread on first use) as the party with this process's rank. All three processes call it
 * together. Fails with TF_INVALID on every process when the job does not have exactly three.
 */
TF_CHECKED tf_status tf_link_mpi(tf_link **link);

/** Whether this process was started by an MPI launcher (looks at the environment only). */
bool tf_mpi_launched(void);

/**
 * Leaves the MPI job, with MPI_Finalize. With `failed` (or when a closed link could not finish its transfers) ends the
 * whole job with MPI_Abort instead, as soon as all parties have come here to do the same and so could say why they end,
 * but after 5 s at most. To be called from main only, last, after the error was printed.
 */
void tf_mpi_leave(bool failed);

#endif
