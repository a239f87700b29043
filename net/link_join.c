/** Three processes of one host get memory that they share: MPI brings the names of their doors, and tokens. */
#include <unistd.h>

#include "net/link_mpi.h"
#include "net/link_shared.h"
#include "net/shared_memory.h"

/** Whether something is true at all three. */
static bool all(MPI_Comm comm, bool here) {
    int own = here, both = 0;
    return MPI_Allreduce(&own, &both, 1, MPI_INT, MPI_MIN, comm) == MPI_SUCCESS && both;
}

/** Party 0 makes the memory and hands it to the others, whose doors are open by then; who finds nothing there when it
 *  was handed over gets none. Returns the file, or -1. */
static int get_file(MPI_Comm comm, int party, size_t size) {
    tf_door doors[TF_PARTIES], own = {0};
    int file = -1, socket = -1;
    if (party == 0)
        file = tf_shared_memory_make(size);
    else
        socket = tf_door_open(&own);
    bool good = MPI_Allgather(&own, sizeof own, MPI_BYTE, doors, sizeof own, MPI_BYTE, comm) == MPI_SUCCESS;
    good = all(comm, good && (file >= 0 || socket >= 0));
    for (int peer = 1; party == 0 && peer < TF_PARTIES && good; peer++) good = tf_door_hand(&doors[peer], file);
    good = all(comm, good);
    if (socket >= 0) file = tf_door_take(socket, &own);
    if (good || file < 0) return file;
    close(file);
    return -1;
}

/** The memory, at all three or at none. */
static void *share_memory(MPI_Comm comm, int party, size_t size) {
    int file = get_file(comm, party, size);
    void *memory = file < 0 ? NULL : tf_shared_memory_map(file, size);
    if (all(comm, memory)) return memory;
    tf_shared_memory_unmap(memory, size);
    return NULL;
}

/** Each tells the others where it may run. Parties that cannot tell stay where they are. */
static void place(MPI_Comm comm, tf_link *link) {
    tf_resident own = tf_placement_reside(), all[TF_PARTIES];
    if (MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, comm) == MPI_SUCCESS)
        tf_link_shared_place(link, all);
}

tf_status tf_link_join(MPI_Comm comm, tf_link **link) {
    TF_TRY(tf_link_mpi_on(comm, link));
    if (!tf_mpi_on_one_host()) return TF_OK;
    const int party = tf_link_party(*link);
    void *memory = share_memory(comm, party, tf_link_shared_size(TF_LINK_SHARED_RING));
    if (!memory) return TF_OK;
    tf_link_close(*link);
    TF_TRY(tf_link_shared(memory, TF_LINK_SHARED_RING, party, link));
    place(comm, *link);
    return TF_OK;
}

tf_status tf_link_mpi(tf_link **link) {
    int rank, size;
    *link = NULL;
    TF_TRY(tf_mpi_start(&rank, &size));
    return tf_link_join(MPI_COMM_WORLD, link);
}
