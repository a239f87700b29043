#include "net/local.h"

#include <pthread.h>

typedef struct party_thread {
    tf_party_body *body;
    void *context;
    tf_link *link;
    tf_outcome *outcome;
    pthread_t thread;
    int id;
} party_thread;

static void *play(void *argument) {
    const party_thread *t = argument;
    tf_status status = t->body(t->link, t->id, t->context);
    tf_failure_keep(status, &t->outcome->party[t->id]);
    if (status != TF_OK) tf_link_announce_failure(t->link, tf_error_for_peers(status));
    return NULL;
}

tf_status tf_run_on_links(tf_link *const link[TF_PARTIES], tf_party_body *body, void *context, tf_outcome *outcome) {
    tf_outcome local;
    party_thread party[TF_PARTIES];
    if (!outcome) outcome = &local;
    *outcome = (tf_outcome){.first = -1};
    int started = 0;
    for (; started < TF_PARTIES; started++) {
        party[started] = (party_thread){body, context, link[started], outcome, .id = started};
        if (pthread_create(&party[started].thread, NULL, play, &party[started])) break;
    }
    for (int i = 0; i < started && started < TF_PARTIES; i++)
        tf_link_announce_failure(link[i], "a party's thread could not be started");
    for (int i = 0; i < started; i++) pthread_join(party[i].thread, NULL);
    if (started < TF_PARTIES) return tf_fail(TF_NOMEM, "a party's thread could not be started");
    int first = -1;
    for (int i = 0; i < TF_PARTIES; i++)
        if (outcome->party[i].status && (first < 0 || outcome->party[first].status == TF_PEER)) first = i;
    outcome->first = first;
    return first < 0 ? TF_OK : tf_failure_raise(&outcome->party[first]);
}

tf_status tf_run_local(tf_party_body *body, void *context, tf_outcome *outcome) {
    tf_link *link[TF_PARTIES];
    tf_outcome local;
    if (!outcome) outcome = &local;
    *outcome = (tf_outcome){.first = -1};
    TF_TRY(tf_link_memory(link));
    tf_status status = tf_run_on_links(link, body, context, outcome);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(link[i]);
    return status != TF_OK && outcome->first >= 0 ? tf_fail_in(status, "party %d", outcome->first) : status;
}
