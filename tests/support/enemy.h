/**
 * An enemy on the wire: a link that hands every message of its party to a hook, which passes on what it likes. It wraps
 * the inner link of a secure one.
 */
#ifndef TF_TEST_ENEMY_H
#define TF_TEST_ENEMY_H

#include <stdlib.h>
#include <string.h>

#include "net/link_internal.h"

typedef struct enemy enemy;

/** Message `number` that the party sends to a peer; the hook calls enemy_pass for whatever is to travel instead. */
typedef void enemy_hook(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length);

/** A message that has come in from a peer, to be changed at will. */
typedef void enemy_incoming(enemy *self, int peer, unsigned char *data, uint64_t length);

typedef struct enemy_copy {
    unsigned char *data;
    struct enemy_copy *next;
} enemy_copy;

struct enemy {
    tf_link base;
    enemy_hook *hook;
    enemy_incoming *incoming;
    void (*notice)(enemy *self, tf_notice notices[TF_PARTIES]);
    void *context;
    uint64_t sent[TF_PARTIES];
    enemy_copy *copies; /**< freed at the end: the inner link may look at them until then */
    tf_ticket received[TF_PARTIES][256];
    uint64_t asked[TF_PARTIES];
};

static inline void enemy_pass(enemy *self, int peer, const unsigned char *data, uint64_t length) {
    enemy_copy *copy = malloc(sizeof *copy);
    *copy = (enemy_copy){.data = malloc(length + 1), .next = self->copies};
    self->copies = copy;
    memcpy(copy->data, data, length);
    tf_ticket ticket;
    (void)!tf_link_send(self->base.inner, peer, copy->data, length, &ticket);
}

static inline void enemy_pass_all(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    enemy_pass(self, peer, data, length);
}

static inline tf_status enemy_start(tf_link *link, int peer, bool receive) {
    enemy *self = (enemy *)link;
    const tf_transfer_queue *queue = &link->queues[receive][peer];
    const tf_transfer *last = tf_transfer_at(queue, queue->end - 1);
    if (receive)
        return tf_link_receive(link->inner, peer, last->data, last->length,
                               &self->received[peer][self->asked[peer]++ % 256]);
    self->hook(self, peer, self->sent[peer]++, last->data, last->length);
    tf_link_moved(link, peer, false, last->length); // sent, as far as the party can tell
    return TF_OK;
}

static inline tf_status enemy_progress(tf_link *link) {
    enemy *self = (enemy *)link;
    bool done;
    tf_status status = tf_link_test(link->inner, (tf_ticket){.peer = tf_next(link->party)}, &done);
    if (link->inner->has_cause) return tf_link_peer_failed(link, link->inner->received_from, &link->inner->received);
    TF_TRY(status);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        tf_transfer_queue *queue = &link->queues[true][peer];
        while (queue->first < queue->end && tf_link_is_done(link->inner, self->received[peer][queue->first % 256])) {
            const tf_transfer *transfer = tf_transfer_at(queue, queue->first);
            if (self->incoming) self->incoming(self, peer, transfer->data, transfer->length);
            tf_link_moved(link, peer, true, transfer->length);
        }
    }
    return TF_OK;
}

static inline void enemy_pause(tf_link *link, double idle, double longest) {
    link->inner->table->pause(link->inner, idle, longest);
}

static inline void enemy_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    enemy *self = (enemy *)link;
    tf_notice copy[TF_PARTIES];
    memcpy(copy, notices, sizeof copy);
    if (self->notice) self->notice(self, copy);
    link->inner->table->announce(link->inner, copy);
}

static inline void enemy_close(tf_link *link) {
    enemy *self = (enemy *)link;
    if (link->inner->failure == TF_OK) link->inner->failure = link->failure;
    tf_link_close(link->inner);
    for (enemy_copy *copy = self->copies; copy;) {
        enemy_copy *next = copy->next;
        free(copy->data);
        free(copy);
        copy = next;
    }
}

/** Puts an enemy on the wire of a party; `*end` is then what the party sees. */
static inline enemy *enemy_join(tf_link **end, void *context) {
    static const tf_link_table table = {.start = enemy_start,
                                        .progress = enemy_progress,
                                        .pause = enemy_pause,
                                        .announce = enemy_announce,
                                        .close = enemy_close};
    enemy *self = calloc(1, sizeof *self);
    tf_link_init(&self->base, &table, tf_link_party(*end));
    self->base.inner = *end;
    self->hook = enemy_pass_all;
    self->context = context;
    *end = &self->base;
    return self;
}

#endif
