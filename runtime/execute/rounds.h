/**
 * The messages of the rounds of a run, between an executor and a link. Each round carries one message to each peer; it
 * leaves in pieces, as soon as steps have filled them, and is waited for piece by piece, just before a step reads it:
 * so what has been computed travels while the rest is computed. Both ends cut a message at the same places, which
 * follow from the plan.
 */
#ifndef TF_ROUNDS_H
#define TF_ROUNDS_H

#include "runtime/program/plan.h"

/** A piece that is to come: the bytes of its round's message up to `end`. */
typedef struct tf_piece {
    uint64_t end;
    tf_ticket ticket;
} tf_piece;

/** What a round brings from a peer; the first `arrived` pieces are there. */
typedef struct tf_incoming {
    uint8_t *data;
    tf_piece *piece;
    size_t pieces, capacity, arrived;
} tf_incoming;

/** What a round sends to a peer: `placed` bytes belong to steps, which have filled them when they are sent; `sent`
 *  have left, and the next piece ends at `end`, 0 after the last. */
typedef struct tf_outgoing {
    uint8_t *data;
    uint64_t placed, sent, end;
    int cut; /**< the place up to which ends have been looked for */
    tf_ticket last;
    bool busy;
} tf_outgoing;

typedef struct tf_rounds {
    tf_party *party;
    const tf_plan *plan;
    int time;
    /* by the parity of the time at which it is filled, or read: one is used while the other travels */
    tf_outgoing out[2][TF_PARTIES];
    tf_incoming in[2][TF_PARTIES];
} tf_rounds;

/** What a step has received from a peer, and how much of the message must be there before it is read. */
typedef struct tf_mail {
    const uint8_t *data;
    uint64_t end;
    int parity;
} tf_mail;

/** Makes room for the largest messages of the run, before the first time: what grew round by round would have its pages
 *  cleared again and again. */
TF_CHECKED tf_status tf_rounds_reserve(tf_rounds *rounds);

/** Begins the next time: queues what will be read at the time after it. */
TF_CHECKED tf_status tf_rounds_open(tf_rounds *rounds, int time);

/** The next `bytes` of the message to a peer, to be filled. */
uint8_t *tf_rounds_place(tf_rounds *rounds, int peer, uint64_t bytes);

/** All that was placed is filled: the pieces that are whole by now leave. */
TF_CHECKED tf_status tf_rounds_send(tf_rounds *rounds);

/** Moves on what is under way: some links do nothing while nobody calls them. Worth its microseconds
 *  after long work. */
TF_CHECKED tf_status tf_rounds_poll(tf_rounds *rounds);

/** Where bytes [from, from + bytes) of a peer's message of this round will be at the next time. */
tf_mail tf_rounds_mail(const tf_rounds *rounds, int peer, uint64_t from, uint64_t bytes);

/** Waits until a peer's mail is there. */
TF_CHECKED tf_status tf_rounds_await(tf_rounds *rounds, int peer, const tf_mail *mail);

/** Whether that would not wait at all. */
bool tf_rounds_arrived(const tf_rounds *rounds, int peer, const tf_mail *mail);

/** Ends the time: nothing that came for it is left behind. */
TF_CHECKED tf_status tf_rounds_close(tf_rounds *rounds);

/** Waits until all that was sent has left. */
TF_CHECKED tf_status tf_rounds_finish(tf_rounds *rounds);

void tf_rounds_free(tf_rounds *rounds);

#endif
