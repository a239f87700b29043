/**
 * A link that changes what its party sends: every byte of every message becomes another one, chosen at random. With it
 * a party deviates from the protocol as blindly as can be, while it goes on to listen. Wraps a link that stays its
 * maker's.
 */
#ifndef TF_TESTS_TAMPER_H
#define TF_TESTS_TAMPER_H

#include <stdlib.h>
#include <string.h>

#include "net/link_internal.h"

typedef struct tamper_message {
    struct tamper_message *next;
    uint8_t *changed; /**< what is sent in its place; NULL for what is received */
    uint64_t length;
    tf_ticket ticket;
} tamper_message;

typedef struct tamper_link {
    tf_link base;
    tamper_message *first[2][TF_PARTIES], **last[2][TF_PARTIES];
} tamper_link;

static inline tf_status tamper_start(tf_link *link, int peer, bool receive) {
    tamper_link *self = (tamper_link *)link;
    const tf_transfer_queue *queue = &link->queues[receive][peer];
    const tf_transfer *transfer = tf_transfer_at(queue, queue->end - 1);
    tamper_message *m = calloc(1, sizeof *m);
    m->length = transfer->length;
    *self->last[receive][peer] = m;
    self->last[receive][peer] = &m->next;
    if (receive) return tf_link_receive(link->inner, peer, transfer->data, transfer->length, &m->ticket);
    m->changed = malloc(m->length);
    for (uint64_t i = 0; i < m->length; i++)
        m->changed[i] = (uint8_t)(((const uint8_t *)transfer->data)[i] + 1 + rand() % 255);
    return tf_link_send(link->inner, peer, m->changed, m->length, &m->ticket);
}

static inline tf_status tamper_progress(tf_link *link) {
    tamper_link *self = (tamper_link *)link;
    TF_TRY(link->inner->table->progress(link->inner));
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            for (tamper_message *m; (m = self->first[receive][peer]);) {
                bool done;
                TF_TRY(tf_link_test(link->inner, m->ticket, &done));
                if (!done) break;
                self->first[receive][peer] = m->next;
                if (!m->next) self->last[receive][peer] = &self->first[receive][peer];
                tf_link_moved(link, peer, receive, m->length);
                free(m->changed);
                free(m);
            }
    return TF_OK;
}

static inline void tamper_pause(tf_link *link, double idle, double longest) {
    link->inner->table->pause(link->inner, idle, longest);
}

static inline void tamper_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    link->inner->table->announce(link->inner, notices);
}

static inline void tamper_close(tf_link *link) {
    tamper_link *self = (tamper_link *)link;
    for (int i = 0; i < 2 * TF_PARTIES; i++)
        for (tamper_message *m = self->first[i / TF_PARTIES][i % TF_PARTIES], *next; m; m = next) {
            next = m->next;
            free(m->changed);
            free(m);
        }
}

static inline tf_link *tamper_open(tf_link *inner) {
    static const tf_link_table table = {.start = tamper_start,
                                        .progress = tamper_progress,
                                        .pause = tamper_pause,
                                        .announce = tamper_announce,
                                        .close = tamper_close};
    tamper_link *self = calloc(1, sizeof *self);
    tf_link_init(&self->base, &table, inner->party);
    self->base.deadline = inner->deadline;
    self->base.inner = inner;
    for (int i = 0; i < 2 * TF_PARTIES; i++)
        self->last[i / TF_PARTIES][i % TF_PARTIES] = &self->first[i / TF_PARTIES][i % TF_PARTIES];
    return &self->base;
}

#endif
