/* Runs one program on three parties that are three threads over memory links. */
#ifndef TF_TESTS_THREE_H
#define TF_TESTS_THREE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/execute.h"

typedef struct three {
    const tf_program *program;
    const float *const *input;     /* by slot; given to all parties, read by the owners only */
    const int32_t *const *tokens;
    double **output;               /* by slot; only party 0 (or the receiver) writes */
    tf_link_observer *observer;    /* of everything that party `observed` receives */
    void *observer_context;
    int observed;
    int repeat;                    /* runs, at least 1 */
    tf_run_stats stats[TF_PARTIES];
    tf_plan plan;
    tf_status status[TF_PARTIES];
    char error[TF_PARTIES][1024];
    tf_link *link[TF_PARTIES];
    int sink;                      /* the party whose outputs go to `output`; the others' are dropped */
    size_t output_count;           /* room for the others' outputs */
} three;

typedef struct three_thread {
    three *t;
    int id;
} three_thread;

static inline void *three_run(void *argument) {
    three_thread *a = argument;
    three *t = a->t;
    tf_party party;
    double *dropped[4];
    for (int i = 0; i < 4; i++) dropped[i] = calloc(t->output_count + 1, sizeof(double));
    tf_status status = tf_party_open(&party, t->link[a->id]);
    if (t->observer && a->id == t->observed) tf_link_observe(t->link[a->id], t->observer, t->observer_context);
    tf_slots slots = {.input = t->input, .tokens = t->tokens, .output = a->id == t->sink ? t->output : dropped};
    for (int k = 0; k < (t->repeat ? t->repeat : 1) && !status; k++)
        status = tf_execute(&party, t->program, &t->plan, NULL, &slots, &t->stats[a->id], NULL);
    t->status[a->id] = status;
    snprintf(t->error[a->id], sizeof t->error[a->id], "%s", status ? tf_error() : "");
    if (status) tf_link_announce_failure(t->link[a->id], tf_error());
    if (!status || party.prf[0]) tf_party_close(&party);
    for (int i = 0; i < 4; i++) free(dropped[i]);
    return NULL;
}

/** Plans and runs; the first failure of any party, TF_OK otherwise. */
static inline tf_status three_parties(three *t) {
    TF_TRY(tf_plan_make(t->program, &t->plan));
    TF_TRY(tf_link_memory(t->link));
    pthread_t thread[TF_PARTIES];
    three_thread argument[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) {
        argument[i] = (three_thread){t, i};
        pthread_create(&thread[i], NULL, three_run, &argument[i]);
    }
    for (int i = 0; i < TF_PARTIES; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(t->link[i]);
    tf_plan_free(&t->plan);
    for (int i = 0; i < TF_PARTIES; i++)
        if (t->status[i]) return tf_fail(t->status[i], "party %d: %s", i, t->error[i]);
    return TF_OK;
}

#endif
