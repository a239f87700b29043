#include "experiments/cli/private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/party_run.h"
#include "net/link_mpi.h"

/* A process is one party under mpirun, all three, as threads over memory links, with --local. */
struct private_session {
    const cli_options *options;
    tf_link *link[TF_PARTIES]; /* NULL for parties that other processes play */
    bool mpi;
};

tf_status private_open(const cli_options *o, private_session **out) {
    private_session *session = calloc(1, sizeof *session);
    if (!session) return tf_fail(TF_NOMEM, "out of memory");
    session->options = o;
    tf_status status;
    if (o->local) {
        status = tf_link_memory(session->link);
    } else if (tf_mpi_launched()) {
        tf_link *link;
        session->mpi = true;
        status = tf_link_mpi(&link);
        if (status == TF_OK) session->link[tf_link_party(link)] = link;
    } else {
        status = tf_fail(TF_INVALID, "three parties are needed: start it with mpirun -n 3, or give --local");
    }
    for (int i = 0; i < TF_PARTIES && status == TF_OK; i++)
        if (session->link[i] && o->timeout > 0) tf_link_set_deadline(session->link[i], o->timeout);
    if (status != TF_OK) {
        free(session);
        return status;
    }
    *out = session;
    return TF_OK;
}

bool private_plays(const private_session *session, int party) {
    return party >= 0 && session->link[party] != NULL;
}

void private_close(private_session *session, tf_status status) {
    if (!session) return;
    char message[1024];
    snprintf(message, sizeof message, "%s", tf_error());
    for (int i = 0; i < TF_PARTIES; i++) {
        if (!session->link[i]) continue;
        if (status != TF_OK) tf_link_announce_failure(session->link[i], message);
        tf_link_close(session->link[i]);
    }
    free(session);
    if (status != TF_OK) (void)tf_fail(status, "%s", message);
}

/* Runs a function as each party that this process plays. */

typedef tf_status party_function(tf_link *link, void *job);

typedef struct party_thread {
    party_function *function;
    tf_link *link;
    void *job;
    tf_status status;
    char error[1024];
    pthread_t thread;
} party_thread;

static void *play(void *argument) {
    party_thread *t = argument;
    t->status = t->function(t->link, t->job);
    snprintf(t->error, sizeof t->error, "%s", t->status == TF_OK ? "" : tf_error());
    if (t->status != TF_OK) tf_link_announce_failure(t->link, t->error);
    return NULL;
}

static tf_status as_parties(private_session *session, party_function *function, void *job) {
    party_thread party[TF_PARTIES] = {0};
    int started = 0, first = -1;
    for (int i = 0; i < TF_PARTIES; i++)
        if (session->link[i]) party[i] = (party_thread){.function = function, .link = session->link[i], .job = job};
    if (!session->options->local) {
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
        if (party[i].status != TF_OK && (first < 0 || party[first].status == TF_PEER)) first = i;
    return first < 0 ? TF_OK : tf_fail(party[first].status, "%s", party[first].error);
}

typedef struct infer_call {
    const cli_options *options;
    const private_job *job;
    float *values;
    run_report *report;
} infer_call;

static tf_status infer_as(tf_link *link, void *argument) {
    const infer_call *call = argument;
    return party_infer(link, call->options, call->job, call->values, call->report);
}

tf_status private_infer(private_session *session, const private_job *job, float *values, run_report *report) {
    infer_call call = {session->options, job, values, report};
    return as_parties(session, infer_as, &call);
}

typedef struct bench_call {
    const cli_options *options;
    const bench_job *job;
    bench_report *report;
} bench_call;

static tf_status bench_as(tf_link *link, void *argument) {
    const bench_call *call = argument;
    return party_bench(link, call->options, call->job, call->report);
}

tf_status private_bench(private_session *session, const bench_job *job, bench_report *report) {
    bench_call call = {session->options, job, report};
    return as_parties(session, bench_as, &call);
}
