#include "runtime/session/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"

tf_status tf_session_open(tf_session *session, tf_link *link) {
    *session = (tf_session){0};
    return tf_party_open(&session->party, link);
}

void tf_session_close(tf_session *session) {
    if (!session->store.lent) tf_store_free(&session->store);
    tf_state_forget(&session->state);
    tf_cache_forget(&session->programs);
    tf_party_close(&session->party);
}

tf_status tf_session_agree(tf_session *session, const tf_fact *fact, size_t facts) {
    return tf_facts_compare(session->party.link, fact, facts);
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
    if (session->store.lent) tf_store_forget(&session->store);
    tf_party_close(&session->party);
    TF_TRY(tf_party_open(&session->party, link));
    TF_TRY(tf_party_set_threads(&session->party, threads));
    /* what the parties must hold alike to keep it: weights that are complete, state, and programs; all of one
       generation */
    enum { KEPT = 3 };
    tf_digest own[KEPT] = {tf_store_digest(&session->store, session->generation),
                           tf_state_digest(&session->state, session->generation), tf_cache_digest(&session->programs)},
              other[2][KEPT];
    bool same[KEPT];
    TF_TRY(tf_swap_public(link, own, (void *[]){other[0], other[1]}, sizeof own));
    for (int i = 0; i < KEPT; i++)
        same[i] = tf_digest_equal(&own[i], &other[0][i]) && tf_digest_equal(&own[i], &other[1][i]);
    if (!same[1]) tf_state_forget(&session->state);
    if (!same[2]) tf_cache_forget(&session->programs);
    if (same[0] && session->store.count > 0) return TF_OK;
    if (!session->store.provider) tf_store_forget(&session->store);
    if (session->party.id == 0) TF_TRY(tf_digest_random(&session->generation));
    return tf_session_publish(session, 0, &session->generation, sizeof session->generation);
}

size_t tf_session_length(const tf_session *session, const char *name) {
    return tf_state_length(&session->state, name);
}

void tf_session_truncate(tf_session *session, size_t length) {
    tf_state_truncate(&session->state, length);
}

void tf_session_drop(tf_session *session, const char *ending) {
    tf_state_drop(&session->state, ending);
}

/* Running ---------------------------------------------------------------------------------------------------------- */

static tf_status agree_on_program(tf_session *session, const tf_program *program, const tf_digest *digest) {
    int owners[] = {program->model_owner, program->data_owner};
    char bits[16];
    snprintf(bits, sizeof bits, "%d", program->frac);
    tf_fact fact[] = {
        tf_fact_of("the fractional bits of activations", bits),
        {.name = "who owns the model and who the data", .digest = tf_digest_of(owners, sizeof owners)},
        {.name = "the lowered program (model, lengths of texts, approximations, or version)", .digest = *digest}};
    tf_status agreed = tf_session_agree(session, fact, sizeof fact / sizeof *fact);
    return tf_fail_doing(agreed, "comparing programs");
}

tf_status tf_session_compile(tf_session *session, const tf_graph *graph, int frac, int model_owner, int data_owner,
                             const tf_compiled **compiled) {
    tf_digest key;
    tf_graph planned = *graph;
    if (!(graph->round_bytes > 0) && session->network.rate > 0)
        planned.round_bytes = tf_network_round_bytes(&session->network);
    TF_TRY(tf_compiled_key(&planned, frac, model_owner, data_owner, &key));
    if ((*compiled = tf_cache_find(&session->programs, &key))) return TF_OK;
    tf_compiled *made;
    TF_TRY(tf_compiled_make(&planned, frac, model_owner, data_owner, &made));
    tf_status status = agree_on_program(session, &made->program, &made->digest);
    if (!status) status = tf_cache_add(&session->programs, made);
    if (status)
        tf_compiled_free(made);
    else
        *compiled = made;
    return status;
}

/** Weights, state, and the run itself. `graph`: the leaves' data, NULL: the program's own. */
static tf_status execute(tf_session *session, const tf_program *program, const tf_plan *plan, const tf_slots *given,
                         tf_session_stats *stats, tf_profile *profile) {
    tf_view *view = calloc((size_t)program->params + 1, sizeof *view);
    tf_held_view *held = calloc((size_t)program->helds + 1, sizeof *held);
    tf_status status = view && held ? TF_OK : tf_fail(TF_NOMEM, "no memory for %d weights", program->params);
    double start = tf_clock();
    if (!status) status = tf_store_provide(&session->store, &session->party, program, given->graph, view);
    if (!status) status = tf_state_open(&session->state, program, held);
    stats->setup_seconds = tf_clock() - start;
    if (!status) {
        tf_slots slots = *given;
        slots.held = held;
        status = tf_execute(&session->party, program, plan, view, &slots, &stats->online, profile);
        tf_state_close(&session->state, program, !status);
    }
    memcpy(stats->bytes, plan->bytes, sizeof stats->bytes);
    stats->rounds = (uint64_t)plan->rounds;
    stats->memory = plan->arena_words * sizeof(uint64_t) + plan->buffer_bytes;
    free(view);
    free(held);
    return status;
}

tf_status tf_session_execute(tf_session *session, const tf_compiled *compiled, const tf_graph *graph,
                             const tf_slots *slots, tf_session_stats *stats, tf_profile *profile) {
    tf_session_stats local;
    if (!stats) stats = &local;
    *stats = (tf_session_stats){.online.op = -1};
    TF_TRY(tf_compiled_fits(compiled, graph));
    tf_slots bound = *slots;
    double exceeded = 0, *output[TF_MAX_OUTPUTS + 1] = {NULL};
    for (int k = 0; k < compiled->graph.outputs && slots->output; k++) output[k] = slots->output[k];
    if (compiled->program.guard) output[compiled->program.guard] = &exceeded;
    bound.output = output;
    bound.graph = graph;
    tf_status status = execute(session, &compiled->program, &compiled->plan, &bound, stats, profile);
    if (!status && exceeded != 0)
        return tf_fail(TF_RANGE, "the result is not to be trusted: values went beyond the ranges of the calibration. "
                                 "Calibrate with texts like these or with a greater --factor, or give --no-ranges");
    int op = stats->online.op;
    return op >= 0 ? tf_fail_doing(status, graph->node[op].name) : status;
}

tf_status tf_session_run(tf_session *session, const tf_graph *graph, int frac, int model_owner, int data_owner,
                         double *output, tf_session_stats *stats, tf_profile *profile) {
    const tf_compiled *compiled;
    if (stats) *stats = (tf_session_stats){.online.op = -1};
    TF_TRY(tf_session_compile(session, graph, frac, model_owner, data_owner, &compiled));
    return tf_session_execute(session, compiled, graph, &(tf_slots){.output = &output}, stats, profile);
}

tf_status tf_session_run_program(tf_session *session, const tf_program *program, tf_slots *slots,
                                 tf_session_stats *stats, tf_profile *profile) {
    tf_session_stats local;
    if (!stats) stats = &local;
    *stats = (tf_session_stats){.online.op = -1};
    tf_digest digest;
    tf_plan plan;
    TF_TRY(tf_program_digest(program, &digest));
    TF_TRY(agree_on_program(session, program, &digest));
    TF_TRY(tf_plan_make(program, &plan));
    tf_status status = execute(session, program, &plan, slots ? slots : &(tf_slots){0}, stats, profile);
    tf_plan_free(&plan);
    return status;
}
