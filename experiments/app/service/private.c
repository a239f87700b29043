#include "experiments/app/service/private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "experiments/app/log/log.h"
#include "experiments/app/parties/threads.h"
#include "net/local.h"

struct private_session {
    bool local; /* all three are threads of this process */
    const link_settings *settings;
    tf_link *link[TF_PARTIES]; /* NULL for parties that other processes play */
    link_groups groups;
};

static tf_status open_session(const link_settings *settings, bool groups, private_session **out) {
    private_session *session = calloc(1, sizeof *session);
    if (!session) return tf_fail(TF_NOMEM, "out of memory");
    session->local = settings->local;
    session->settings = settings;
    session->groups = (link_groups){.groups = 1, .likes = MPI_COMM_NULL};
    links_guard();
    tf_status status = links_open(settings, groups ? &session->groups : NULL, session->link);
    if (status != TF_OK) {
        free(session);
        return status;
    }
    *out = session;
    return TF_OK;
}

tf_status private_open(const link_settings *settings, private_session **session) {
    return open_session(settings, false, session);
}

tf_status private_open_groups(const link_settings *settings, private_session **session) {
    return open_session(settings, true, session);
}

void private_group(const private_session *session, int *group, int *groups) {
    *group = session->groups.group;
    *groups = session->groups.groups;
}

/* Open MPI's own waiting would keep a core busy that another party may need. The two others of this group are done and
 * wait for it to leave; the other groups may take long yet. */
static tf_status wait_for(int begun, MPI_Request *request) {
    const struct timespec nap = {.tv_nsec = 5000000};
    int done = 0;
    while (begun == MPI_SUCCESS && !done) {
        begun = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        tf_mpi_busy();
        if (!done) nanosleep(&nap, NULL);
    }
    return begun == MPI_SUCCESS ? TF_OK : tf_fail(TF_PEER, "the other groups of parties could not be reached");
}

tf_status private_share(private_session *session, void *data, size_t size) {
    MPI_Request request;
    if (session->groups.groups == 1) return TF_OK;
    if (size > INT_MAX) return tf_fail(TF_INVALID, "%zu bytes are too many for the other groups", size);
    return wait_for(MPI_Ibcast(data, (int)size, MPI_BYTE, 0, session->groups.likes, &request), &request);
}

tf_status private_meet(private_session *session) {
    MPI_Request request;
    if (session->groups.groups == 1) return TF_OK;
    return wait_for(MPI_Ibarrier(session->groups.likes, &request), &request);
}

int private_parties_here(const private_session *session) {
    return parties_here(session->settings);
}

bool private_plays(const private_session *session, int party) {
    return party >= 0 && session->link[party] != NULL;
}

/* The first cause is told by the party that had it, before the others hear of it: of one MPI job all write to one
 * terminal, and mpirun ends the others as soon as one has ended. */
static void tell_failure(private_session *session, tf_status status) {
    if (links_told_elsewhere(session->settings, private_plays(session, 0)))
        log_failure_told();
    else
        log_failure();
    for (int i = 0; i < TF_PARTIES; i++)
        if (session->link[i]) tf_link_announce_failure(session->link[i], tf_error_for_peers(status));
}

void private_close(private_session *session, tf_status status) {
    if (!session) return;
    tf_failure failure;
    tf_failure_keep(status, &failure);
    if (status != TF_OK) tell_failure(session, status);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(session->link[i]);
    free(session);
    links_unguard();
    (void)tf_failure_raise(&failure);
}

typedef struct each_call {
    private_function *function;
    void *job;
} each_call;

static tf_status call_as(tf_link *link, int id, void *context) {
    const each_call *call = context;
    return call->function(link, call->job);
}

tf_status private_each(private_session *session, private_function *function, void *job) {
    if (session->local) return tf_run_on_links(session->link, call_as, &(each_call){function, job}, NULL);
    for (int i = 0; i < TF_PARTIES; i++)
        if (session->link[i]) return function(session->link[i], job);
    return tf_fail(TF_INTERNAL, "this process plays no party");
}
