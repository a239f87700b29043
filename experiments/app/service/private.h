/**
 * Private runs as this process takes part in them: as one party under mpirun -n 3, as all three with --local. The
 * parties call private_open and then the same function together.
 */
#ifndef TF_APP_PRIVATE_H
#define TF_APP_PRIVATE_H

#include "experiments/app/parties/links.h"

typedef struct private_session private_session;

/**
 * Joins the others: through MPI, or threads with --local; the settings outlive the session. Fails with TF_INVALID when
 * neither was asked for, or when mpirun started another number of processes than three.
 */
TF_CHECKED tf_status private_open(const link_settings *settings, private_session **session);

/**
 * The same for a job of 3 k processes, which form k groups of three: group t has the ranks 3 t to 3 t + 2. Each group
 * computes on its own; the same party of all groups can share what it knows and wait for its likes.
 */
TF_CHECKED tf_status private_open_groups(const link_settings *settings, private_session **session);
void private_group(const private_session *session, int *group, int *groups);

/** Called by one party of all groups together: data of group 0 reach the others; nobody goes on before all are here. */
TF_CHECKED tf_status private_share(private_session *session, void *data, size_t size);
TF_CHECKED tf_status private_meet(private_session *session);

/** Whether this process plays that party. */
bool private_plays(const private_session *session, int party);

/** How many of the three parties compute on this host. */
int private_parties_here(const private_session *session);

/**
 * Leaves. With a status other than TF_OK the other parties are told what they may know of the error and end too, and it
 * is written to the log; the message stays current. NULL is allowed.
 */
void private_close(private_session *session, tf_status status);

/** What a party does with its end of the links. */
typedef tf_status private_function(tf_link *link, void *job);

/** Runs a function as each party that this process plays; the first cause of a failure. */
TF_CHECKED tf_status private_each(private_session *session, private_function *function, void *job);

#endif
