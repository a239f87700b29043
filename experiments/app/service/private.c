#include "experiments/app/service/private.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct private_session {
    bool local;                /* all three are threads of this process */
    tf_link *link[TF_PARTIES]; /* NULL for parties that other processes play */
    link_groups groups;
};

static tf_status open_session(const link_settings *settings, bool groups, private_session **out) {
    private_session *session = calloc(1, sizeof *session);
    if (!session) return tf_fail(TF_NOMEM, "out of memory");
    session->local = settings->local;
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

/* Open MPI's own waiting would keep a core busy that another party may need. */
static tf_status wait_for(int begun, MPI_Request *request) {
    const struct timespec nap = {.tv_nsec = 5000000};
    int done = 0;
    while (begun == MPI_SUCCESS && !done) {
        begun = MPI_Test(request, &done, MPI_STATUS_IGNORE);
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

bool private_plays(const private_session *session, int party) {
    return party >= 0 && session->link[party] != NULL;
}

void private_close(private_session *session, tf_status status) {
    if (!session) return;
    tf_failure failure;
    tf_failure_keep(status, &failure);
    for (int i = 0; i < TF_PARTIES; i++) {
        if (!session->link[i]) continue;
        if (status != TF_OK) tf_link_announce_failure(session->link[i], tf_error_for_peers(status));
        tf_link_close(session->link[i]);
    }
    free(session);
    links_unguard();
    (void)tf_failure_raise(&failure);
}

typedef struct party_thread {
    private_function *function;
    tf_link *link;
    void *job;
    tf_failure failure;
    pthread_t thread;
} party_thread;

static void *play(void *argument) {
    party_thread *t = argument;
    tf_status status = t->function(t->link, t->job);
    tf_failure_keep(status, &t->failure);
    if (status != TF_OK) tf_link_announce_failure(t->link, tf_error_for_peers(status));
    return NULL;
}

tf_status private_each(private_session *session, private_function *function, void *job) {
    party_thread party[TF_PARTIES] = {0};
    int started = 0, first = -1;
    for (int i = 0; i < TF_PARTIES; i++)
        if (session->link[i]) party[i] = (party_thread){.function = function, .link = session->link[i], .job = job};
    if (!session->local) {
        for (int i = 0; i < TF_PARTIES; i++)
            if (party[i].link) return function(party[i].link, job);
    }
    for (; started < TF_PARTIES; started++)
        if (pthread_create(&party[started].thread, NULL, play, &party[started])) break;
    if (started < TF_PARTIES)
        for (int i = 0; i < started; i++)
            tf_link_announce_failure(party[i].link, "a party's thread could not be started");
    for (int i = 0; i < started; i++) pthread_join(party[i].thread, NULL);
    if (started < TF_PARTIES) return tf_fail(TF_NOMEM, "a party's thread could not be started");
    for (int i = 0; i < TF_PARTIES; i++) /* the first cause, not a report of it */
        if (party[i].failure.status != TF_OK && (first < 0 || party[first].failure.status == TF_PEER)) first = i;
    return first < 0 ? TF_OK : tf_failure_raise(&party[first].failure);
}
