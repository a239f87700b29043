/** Three parties on this host, by mpirun: `trefoil run -- infer ...`. */
#ifndef TF_APP_LAUNCH_H
#define TF_APP_LAUNCH_H

#include <stdbool.h>

#include "net/base/status.h"

/** The number of the argument that is the command: after the first one and an optional "--". */
int launch_command(int argc, char **argv);

/** The party that standard input is given to: the data owner, as the arguments have it. */
int launch_reader(int argc, char **argv);

/**
 * Runs mpirun -n 3 of this program with the arguments from launch_command on, and with what Open MPI
 * needs on one host: root, more processes than cores, no single copy, standard input for the data owner. *code is its
 * exit status, 130 after an interrupt. Fails with TF_IO without mpirun, TF_PEER when a
 * signal has ended a party.
 */
TF_CHECKED tf_status launch_parties(int argc, char **argv, int *code);

/** The processes of the MPI job that this one is part of, and its number among them; 1 and 0 where there is none. */
void launch_place(int *processes, int *rank);

/** Whether all processes of the job were started with the same arguments, as far as its launcher tells. */
bool launch_alike(void);

/** Takes this process for the one of this number in a job of three from now on; or, if negative, for what it is. */
void launch_pretend(int rank);

#endif
