/** What keeps secrets in the memory of the process that needs them. */
#ifndef TF_APP_HARDENING_H
#define TF_APP_HARDENING_H

#include <stdbool.h>

/**
 * To be called before any secret is read and before MPI starts. From then on the process leaves no core dump, its
 * memory is closed to the other processes of its user (PR_SET_DUMPABLE), and private keys and the memory of shares are
 * locked where RLIMIT_MEMLOCK allows, so that they are not swapped out. Says false where nothing was done: with
 * TREFOIL_DEBUG=1 in the environment, for debuggers, and in a build with sanitizers, whose leak check looks into the
 * process from outside.
 *
 * Open MPI's single copy between processes of one host reads the memory of a peer as a debugger does, and is switched
 * off unless the environment says otherwise.
 */
bool harden_process(void);

#endif
