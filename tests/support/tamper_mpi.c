/* Preloaded into the parties under mpirun with --plaintext-links: changes every byte of the larger messages of one
 * where the environment variable TAMPER is set. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "no_shared_memory.h"

enum { SMALL = 2000 }; /* bytes: settings, digests and results pass */

int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request) {
    if (!getenv("TAMPER") || count < SMALL) return PMPI_Isend(data, count, type, to, tag, comm, request);
    unsigned char *changed = malloc((size_t)count); /* which stays until the program ends: the send goes on */
    memcpy(changed, data, (size_t)count);
    for (int i = 0; i < count; i++) changed[i] += (unsigned char)(1 + rand() % 255);
    return PMPI_Isend(changed, count, type, to, tag, comm, request);
}
