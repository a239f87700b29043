/**
 * Three parties as three threads over memory links, for tests.
 *
 * three_do runs any function as each party, with tf_run_local. three_parties runs one program, several times if asked
 * to, and leaves what each party measured beside the plan's forecast. Under valgrind every received byte is checked to
 * be initialised.
 */
#ifndef TF_TESTS_THREE_H
#define TF_TESTS_THREE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_CHECK_MEM_IS_DEFINED(data, length) 0
#define VALGRIND_MAKE_MEM_UNDEFINED(data, length)   (void)0
#define VALGRIND_MAKE_MEM_DEFINED(data, length)     (void)0
#define RUNNING_ON_VALGRIND                         0
#endif

#include "net/local.h"
#include "runtime/execute/execute.h"
#include "tests/support/tamper.h"

/** How each party ended. */
typedef struct three_outcome {
    tf_status status[TF_PARTIES];
    char error[TF_PARTIES][1024];
} three_outcome;

typedef struct three_call {
    tf_party_body *body;
    void *context;
    three_outcome *outcome;
} three_call;

/* In a test the parties may tell each other everything. */
static inline tf_status three_call_as(tf_link *link, int id, void *context) {
    const three_call *call = context;
    tf_status status = call->outcome->status[id] = call->body(link, id, call->context);
    snprintf(call->outcome->error[id], sizeof call->outcome->error[id], "%s", status ? tf_error() : "");
    if (status) tf_link_announce_failure(link, tf_error());
    return status;
}

/** Runs `body` as each party; the first party's failure, preferring one that is not the report of another's. */
static inline tf_status three_do(tf_party_body *body, void *context, three_outcome *outcome) {
    return tf_run_local(three_call_as, &(three_call){body, context, outcome}, NULL);
}

/** What one party brings to a program, and what the run cost it. */
typedef struct three_party {
    const tf_view *params;     /**< one for each of program->param */
    const tf_program *program; /**< the same program with this party's leaves; NULL: the common one */
    tf_slots slots;
    tf_link_observer *observer; /**< of everything it receives but the keys; may be NULL */
    void *observer_context;
    tf_run_stats stats; /**< of the last run */
} three_party;

typedef struct three {
    const tf_program *program;
    int runs;    /**< with the same keys; 0 counts as 1 */
    int threads; /**< of each party; 0 counts as 1 */
    three_party party[TF_PARTIES];
    tf_plan plan; /**< made by three_parties, freed by three_free */
    three_outcome outcome;
    bool tampers[TF_PARTIES];     /**< parties that change every message they send */
    bool tainted;                 /**< secrets are marked uninitialised: messages then are, too */
    size_t undefined[TF_PARTIES]; /**< received messages with uninitialised bytes; known under valgrind only */
} three;

static inline void three_free(three *t) {
    tf_plan_free(&t->plan);
}

typedef struct three_watch {
    three *t;
    int id;
} three_watch;

static inline void three_observe(void *context, int peer, const void *data, uint64_t length) {
    const three_watch *w = context;
    three_party *party = &w->t->party[w->id];
    if (!w->t->tainted) w->t->undefined[w->id] += VALGRIND_CHECK_MEM_IS_DEFINED(data, length) != 0;
    if (party->observer) party->observer(party->observer_context, peer, data, length);
}

static inline tf_status three_play(tf_link *link, int id, void *context) {
    three *t = context;
    three_party *own = &t->party[id];
    three_watch watch = {t, id};
    tf_party party;
    TF_TRY(tf_party_open(&party, link));
    if (t->tampers[id]) party.link = tamper_open(link);
    tf_link_observe(party.link, three_observe, &watch);
    tf_status status = tf_party_set_threads(&party, t->threads ? t->threads : 1);
    for (int k = 0; k < (t->runs ? t->runs : 1) && !status; k++)
        status = tf_execute(&party, own->program ? own->program : t->program, &t->plan, own->params, &own->slots,
                            &own->stats, NULL);
    tf_link_observe(party.link, NULL, NULL);
    if (t->tampers[id]) tf_link_close(party.link);
    tf_party_close(&party);
    return status;
}

/** Plans and runs. Free with three_free, also after a failure. */
static inline tf_status three_parties(three *t) {
    memset(t->undefined, 0, sizeof t->undefined);
    TF_TRY(tf_plan_make(t->program, &t->plan));
    return three_do(three_play, t, &t->outcome);
}

#endif
