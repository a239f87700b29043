/** The MPI maker of links, apart from link.h so that only its users need MPI. */
#ifndef TF_LINK_MPI_H
#define TF_LINK_MPI_H

#include <mpi.h>

#include "net/link.h"

TF_PUBLIC_BEGIN

/**
 * Starts MPI unless it runs already, with errors returned rather than fatal, and tells this process's place in the job.
 */
TF_CHECKED tf_status tf_mpi_start(int *rank, int *size);

/**
 * Joins two others by MPI's messages as the party with this process's rank in `comm`, which has three processes that
 * call it together, and is duplicated. Fails with TF_INVALID on every process when it has another number of them.
 */
TF_CHECKED tf_status tf_link_mpi_on(MPI_Comm comm, tf_link **link);

/**
 * The same, but through memory that the three share (net/link_shared.h) where they are on one host and can have it;
 * where one of them cannot, all three send messages.
 */
TF_CHECKED tf_status tf_link_join(MPI_Comm comm, tf_link **link);

/** Joins so all processes of the job, which is started where that has not happened yet. */
TF_CHECKED tf_status tf_link_mpi(tf_link **link);

/** Whether this process was started by an MPI launcher (looks at the environment only). */
bool tf_mpi_launched(void);

/** Whether all three processes of the job share a host, as tf_link_mpi has found; the same answer on all. */
bool tf_mpi_on_one_host(void);

/**
 * Leaves the MPI job; called from main only, last, by every party, after any error was printed. Waits until all parties
 * are here, then leaves with MPI_Finalize and returns; a failure is told by the exit status. A party that has failed
 * (`status` is not 0) waits for the others 5 s at most, and one that closed a link with transfers under way not at all:
 * then the whole job ends with MPI_Abort. A party that has not failed waits for the two others until neither has left
 * or called tf_mpi_busy for `patience` seconds (5 at least), and then ends its process with its status, upon which the
 * launcher ends the others. So does a party that is ended while it leaves.
 */
void tf_mpi_leave(int status, double patience);

/** Tells the two others, at most once a second, that this party still works although its link is silent: called now and
 *  then by what takes long after the last message. Does nothing outside of an MPI job. By one thread at a time. */
void tf_mpi_busy(void);

TF_PUBLIC_END

#endif
