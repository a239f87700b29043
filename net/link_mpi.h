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

/** Whether all three processes of the job share a host, as tf_link_mpi has found; the same answer on all. */
bool tf_mpi_on_one_host(void);

/**
 * Leaves the MPI job; called from main only, last, by every party, after any error was printed. Waits until all parties
 * are here, then leaves with MPI_Finalize. If one of them has `failed` (or closed a link that could not finish its
 * transfers), the whole job ends with MPI_Abort instead, so that no process reports success; a party that failed waits
 * for the others 5 s at most.
 */
void tf_mpi_leave(bool failed);

#endif
