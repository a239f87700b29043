/** Three parties on this host, by mpirun: `trefoil run -- infer ...`. */
#ifndef TF_APP_LAUNCH_H
#define TF_APP_LAUNCH_H

#include <stdbool.h>

#include "net/base/status.h"

/**
 * Runs mpirun -n 3 of this program with the arguments after the first and an optional "--", and with what Open MPI
 * needs on one host: root, more processes than cores, no single copy, standard input for the data owner. *code is its
 * exit status, 130 after an interrupt. Fails with TF_INVALID without a command, TF_IO without mpirun, TF_PEER when a
 * signal has ended a party.
 */
TF_CHECKED tf_status launch_parties(int argc, char **argv, int *code);

/** The processes of the MPI job that this one is part of, and its number among them; 1 and 0 where there is none. */
void launch_place(int *processes, int *rank);

#endif
