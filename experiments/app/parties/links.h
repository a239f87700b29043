/**
 * How the parties of a private command are connected and compute, and the options for it: memory links with --local,
 * TCP between parties that are started each by itself, otherwise MPI's; encrypted unless --plaintext-links asks for the
 * opposite.
 */
#ifndef TF_APP_LINKS_H
#define TF_APP_LINKS_H

#include <argp.h>

#include "net/link_mpi.h"
#include "net/link_shaped.h"
#include "net/parties.h"

typedef struct link_options {
    const char *parties, *identity; /**< the parties file and this party's identity; NULL where not given */
    tf_parties file;                /**< what the parties file says, where it was given */
    double timeout;
    int threads; /**< of each party; 0: the host's cores, divided among the parties on it */
    bool local, plaintext, shaped;
    tf_network network; /**< that is played, if `shaped` */
    int id;             /**< a party that is started by itself; -1: MPI or --local */
    const char *listen; /**< of such a party: where it listens, HOST:PORT; NULL: as the parties file says */
    double wait;        /**< of such a party: how long it waits for the others */
} link_options;

/** What link_argp parses into, and why it failed. */
typedef struct link_input {
    link_options *options;
    tf_status status;
} link_input;

/** A child for the argp of every command that connects; its input is a link_input. */
extern const struct argp link_argp;

link_options link_options_default(void);

/** Reads the value of an option that is a number of seconds. */
TF_CHECKED tf_status link_read_seconds(const char *name, const char *text, double *seconds);

/** Checks combinations and reads the parties file. */
TF_CHECKED tf_status link_options_finish(link_options *options);

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
TF_CHECKED tf_status links_open(const link_options *options, link_groups *groups, tf_link *links[TF_PARTIES]);

/** How many threads each party on this host uses: what --threads says, or the cores divided by the parties here. */
int links_threads(const link_options *options);

/** From now on SIGTERM and SIGINT end waits (see tf_link_interrupt); a second one ends the process, as it does again
 * after links_unguard. */
void links_guard(void);
void links_unguard(void);

/**
 * Connects a party that was started by itself (`options->id`) to the others by TCP, with progress lines on stderr, and
 * makes the link secure. All three call it together.
 */
TF_CHECKED tf_status links_meet(const link_options *options, tf_link **link);

/**
 * Makes a secure link of any inner one, as the options say, for this version of trefoil. Takes `inner` over, and closes
 * it on a failure, which the peers are told. All three call it together.
 */
TF_CHECKED tf_status links_secure(const link_options *options, tf_link *inner, tf_link **link);

#endif
