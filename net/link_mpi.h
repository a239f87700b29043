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
 * Leaves the MPI job. With `failed`, ends the whole job at once (MPI_Abort) after pending failure notices were given a
 * moment to leave; otherwise MPI_Finalize. To be called from main only, last.
 */
void tf_mpi_leave(bool failed);

#endif
