/** Three parties as threads over secure links over memory links, with an enemy in between where a test wants one. */
#ifndef TF_TEST_SECURE_RIG_H
#define TF_TEST_SECURE_RIG_H

#include <criterion/criterion.h>
#include <pthread.h>

#include "net/link_internal.h"
#include "net/link_secure.h"
#include "tests/support/scenarios.h"

/** A party of a test: what it brings to the handshake, what it does then, and how it ended. */
typedef struct secure_party {
    tf_link *inner;
    tf_secure_options options;
    scenario *run;    /**< NULL: nothing */
    tf_status status; /**< of the handshake */
    char error[1600]; /**< of the handshake or the scenario; empty if there is none */
    void *context;    /**< for whoever runs instead of the usual party */
    void *(*instead)(void *party);
    pthread_t thread;
} secure_party;

static tf_identity *rig_identity[TF_PARTIES];
static tf_fingerprint rig_fingerprint[TF_PARTIES];

/** Identities are made once for a test. */
static inline void rig_identities(void) {
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_assert_eq(tf_identity_make(&rig_identity[i]), TF_OK, "%s", tf_error());
        rig_fingerprint[i] = tf_identity_fingerprint(rig_identity[i]);
    }
}

static inline void rig_free_identities(void) {
    for (int i = 0; i < TF_PARTIES; i++) tf_identity_free(rig_identity[i]);
}

static inline void *secure_party_run(void *argument) {
    secure_party *self = argument;
    tf_link *link;
    self->status = tf_link_secure(self->inner, &self->options, &link);
    if (self->status != TF_OK) {
        snprintf(self->error, sizeof self->error, "%s", tf_error());
        return NULL;
    }
    const char *complaint = self->run ? self->run(link) : NULL;
    if (complaint) {
        snprintf(self->error, sizeof self->error, "%s", complaint);
        tf_link_announce_failure(link, complaint);
    }
    tf_link_close(link);
    return NULL;
}

/** Three parties with pinned identities over fresh memory links. */
static inline void rig_parties(secure_party parties[TF_PARTIES], scenario *run) {
    tf_link *ends[TF_PARTIES];
    cr_assert_eq(tf_link_memory(ends), TF_OK, "%s", tf_error());
    for (int i = 0; i < TF_PARTIES; i++)
        parties[i] = (secure_party){.inner = ends[i],
                                    .options = {.identity = rig_identity[i], .fingerprints = rig_fingerprint},
                                    .run = run,
                                    .instead = secure_party_run};
}

static inline void rig_join(secure_party parties[TF_PARTIES]) {
    for (int i = 0; i < TF_PARTIES; i++)
        cr_assert_eq(pthread_create(&parties[i].thread, NULL, parties[i].instead, &parties[i]), 0);
    for (int i = 0; i < TF_PARTIES; i++) pthread_join(parties[i].thread, NULL);
}

#endif
