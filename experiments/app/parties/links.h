/**
 * Connects the parties of a private command: memory links between threads of this process, TCP between parties that are
 * started each by itself, otherwise MPI's; encrypted, unless the settings say the opposite.
 */
#ifndef TF_APP_LINKS_H
#define TF_APP_LINKS_H

#include "experiments/app/parties/settings.h"
#include "net/link_mpi.h"

/** The groups of three that a job of 3k processes forms: ranks 3t to 3t + 2 are group t. */
typedef struct link_groups {
    int group, groups;
    MPI_Comm
        likes; /**< the processes that play this party in all groups; MPI_COMM_NULL where there is one group only */
} link_groups;

/**
 * Connects: the ends of the parties that this process plays, NULL for the others. Without a parties file, parties on
 * one host get keys for this run only; parties on several hosts are refused with TF_INVALID. All three call it
 * together. With `groups` an MPI job may have 3k processes, and the two others are those of the own group.
 */
TF_CHECKED tf_status links_open(const link_settings *settings, link_groups *groups, tf_link *links[TF_PARTIES]);

/** Leaves the MPI job, if this process is in one, with the program's exit code: see tf_mpi_leave. Whoever has succeeded
 *  waits for the others as long as their links did for a silent party. */
void links_leave(int code);

/**
 * Finds what is wrong with this party's own side before anybody is called: a key that cannot be read, or that is not
 * the one that the parties file has for `party` (-1: for any of the three).
 */
TF_CHECKED tf_status links_check(const link_settings *settings, int party);

/** From now on SIGTERM and SIGINT end waits (see tf_link_interrupt); a second one ends the process, as it does again
 * after links_unguard. */
void links_guard(void);
void links_unguard(void);

/** The same for a service: SIGTERM leaves a request that has begun (true) time to end (false), and ends waits then. */
void links_guard_service(void);
void links_request(bool begins);
/** Whether a service has been told to end, and no request is under way. */
bool links_leaving(void);

/** Whether another process of this MPI job, which writes to the same terminal, says why the calling thread has failed:
 *  the peer that has, or party 0 where all have. Not where each process has a file of its own. */
bool links_told_elsewhere(const link_settings *settings, bool is_party_0);

#endif
