#include "runtime/session/session.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"

tf_status tf_session_open(tf_session *session, tf_link *link) {
    *session = (tf_session){0};
    return tf_party_open(&session->party, link);
}

void tf_session_close(tf_session *session) {
    tf_store_free(&session->store);
    tf_party_close(&session->party);
}

/** Sends `out` to both others and receives their `size` bytes each into in[0] (the next party's) and in[1] (the
 * previous one's). */
static tf_status swap_public(tf_link *link, const void *out, void *in[2], size_t size) {
    int id = tf_link_party(link), peer[2] = {tf_next(id), tf_previous(id)};
    tf_ticket sent[2], received[2];
    for (int k = 0; k < 2; k++) {
        TF_TRY(tf_link_receive(link, peer[k], in[k], size, &received[k]));
        TF_TRY(tf_link_send(link, peer[k], out, size, &sent[k]));
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, received[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, sent[k]));
    return TF_OK;
}

tf_status tf_session_agree(tf_session *session, const tf_fact *fact, size_t facts) {
    enum { MOST = 16 };
    tf_digest own[MOST] = {0}, other[2][MOST];
    if (facts > MOST) return tf_fail(TF_INTERNAL, "more than %d facts to compare", MOST);
    for (size_t i = 0; i < facts; i++) own[i] = fact[i].digest;
    TF_TRY(swap_public(session->party.link, own, (void *[]){other[0], other[1]}, facts * sizeof *own));
    for (size_t i = 0; i < facts; i++)
        for (int k = 0; k < 2; k++)
            if (!tf_digest_equal(&own[i], &other[k][i]))
                return tf_fail(TF_MISMATCH, "the parties differ in %s: start all three with the same", fact[i].name);
    return TF_OK;
}

tf_status tf_session_publish(tf_session *session, int from, void *data, size_t size) {
    tf_link *link = session->party.link;
    tf_ticket ticket[2];
    int peer[2] = {tf_next(from), tf_previous(from)};
    if (session->party.id != from) {
        TF_TRY(tf_link_receive(link, from, data, size, &ticket[0]));
        return tf_link_wait(link, ticket[0]);
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_send(link, peer[k], data, size, &ticket[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, ticket[k]));
    return TF_OK;
}

/* Resuming --------------------------------------------------------------------------------------------------------- */

tf_status tf_session_resume(tf_session *session, tf_link *link) {
    int threads = tf_workers_count(session->party.workers);
    session->party.abandoned = false;
    tf_party_close(&session->party);
    TF_TRY(tf_party_open(&session->party, link));
    TF_TRY(tf_party_set_threads(&session->party, threads));
    /* what the parties must hold alike to keep it: the generation, and which weights of it are complete */
    tf_digest own = tf_store_digest(&session->store, session->generation), other[2];
    TF_TRY(swap_public(link, &own, (void *[]){&other[0], &other[1]}, sizeof own));
    if (session->store.count > 0 && tf_digest_equal(&own, &other[0]) && tf_digest_equal(&own, &other[1])) return TF_OK;
    if (!session->store.provider) tf_store_forget(&session->store);
    if (session->party.id == 0) TF_TRY(tf_digest_random(&session->generation));
    return tf_session_publish(session, 0, &session->generation, sizeof session->generation);
}

/* Running -----------------------------------------------------------------------------------------------------------
 */

tf_status tf_session_run_program(tf_session *session, const tf_program *program, tf_slots *slots,
                                 tf_session_stats *stats, tf_profile *profile) {
    tf_session_stats local;
    if (!stats) stats = &local;
    *stats = (tf_session_stats){.online.op = -1};
    int owners[] = {program->model_owner, program->data_owner};
    tf_fact fact[] = {{"the fractional bits of activations", tf_digest_of(&program->frac, sizeof program->frac)},
                      {"who owns the model and who the data", tf_digest_of(owners, sizeof owners)},
                      {.name = "the lowered program (model, lengths of texts, approximations, or version)"}};
    TF_TRY(tf_program_digest(program, &fact[2].digest));
    tf_status agreed = tf_session_agree(session, fact, sizeof fact / sizeof *fact);
    if (agreed) return agreed == TF_PEER ? tf_fail_in(agreed, "comparing programs") : agreed;
    tf_view *view = calloc((size_t)program->params + 1, sizeof *view);
    if (!view) return tf_fail(TF_NOMEM, "no memory for %d weights", program->params);
    tf_plan plan;
    tf_status status = tf_plan_make(program, &plan);
    if (!status) {
        double start = tf_clock();
        status = tf_store_provide(&session->store, &session->party, program, view);
        stats->setup_seconds = tf_clock() - start;
        if (!status) status = tf_execute(&session->party, program, &plan, view, slots, &stats->online, profile);
        memcpy(stats->bytes, plan.bytes, sizeof stats->bytes);
        stats->rounds = (uint64_t)plan.rounds;
        stats->memory = plan.arena_words * sizeof(uint64_t) + plan.buffer_bytes;
        tf_plan_free(&plan);
    }
    free(view);
    return status;
}

tf_status tf_session_run(tf_session *session, const tf_graph *graph, int frac, int model_owner, int data_owner,
                         double *output, tf_session_stats *stats, tf_profile *profile) {
    tf_program program;
    TF_TRY(tf_lower(graph, frac, model_owner, data_owner, &program));
    tf_slots slots = {.output = &output};
    tf_session_stats local;
    if (!stats) stats = &local;
    stats->online.op = -1;
    tf_status status = tf_session_run_program(session, &program, &slots, stats, profile);
    int op = stats->online.op;
    if (status == TF_PEER && op >= 0 && op < graph->nodes) status = tf_fail_in(status, "%s", graph->node[op].name);
    tf_program_free(&program);
    return status;
}
