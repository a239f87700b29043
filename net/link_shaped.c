/**
 * The shaped link. Each message is preceded over the inner link by a stamp: when it was queued. From the stamps alone
 * the receiver knows when each message would have come over the simulated network, and holds it back until then.
 */
#include "net/link_shaped.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/link_internal.h"

enum { STAMP = 8 };

static const double CLOCK_TOLERANCE = 1e-3, OLDEST_STAMP = 600;

/** A message under way over the inner link: its stamp and itself. */
typedef struct passage {
    struct passage *next;
    unsigned char stamp[STAMP]; /**< nanoseconds of the sender's clock, little-endian */
    tf_ticket stamp_ticket, ticket;
    bool begun;   /**< receive: `start` is known */
    double start; /**< when its first byte enters the wire */
} passage;

typedef struct wire {
    passage *first, **last; /**< oldest first; one for each of the outer link's queued transfers */
    double busy;            /**< receive: until when earlier messages occupy the wire */
} wire;

typedef struct shaped_link {
    tf_link base; /**< base.inner is what it wraps */
    tf_network network;
    wire wires[2][TF_PARTIES]; /**< [receive][peer] */
    double release;            /**< the soonest time at which more of a reception is due, for pauses */
} shaped_link;

/* Stamps ----------------------------------------------------------------------------------------------------------- */

static void write_stamp(unsigned char stamp[STAMP], double time) {
    uint64_t nanoseconds = (uint64_t)(int64_t)(1e9 * time);
    for (int i = 0; i < STAMP; i++) stamp[i] = (unsigned char)(nanoseconds >> 8 * i);
}

static double read_stamp(const unsigned char stamp[STAMP]) {
    uint64_t nanoseconds = 0;
    for (int i = 0; i < STAMP; i++) nanoseconds |= (uint64_t)stamp[i] << 8 * i;
    return 1e-9 * (double)(int64_t)nanoseconds; /* signed: what is old may be older than this machine's clock */
}

/** Whether a stamp can be of this machine's clock; only the first message from a peer must be a young one. */
static tf_status check_stamp(int peer, double stamp, bool first) {
    double age = tf_clock() - stamp;
    if (age >= -CLOCK_TOLERANCE && (!first || age <= OLDEST_STAMP)) return TF_OK;
    return tf_fail_public(
        TF_INVALID, "the clocks of party %d and this one differ: a network is simulated on one machine only", peer);
}

/* Moving ----------------------------------------------------------------------------------------------------------- */

static tf_status shaped_start(tf_link *link, int peer, bool receive) {
    shaped_link *self = (shaped_link *)link;
    const tf_transfer_queue *queue = &link->queues[receive][peer];
    const tf_transfer *transfer = tf_transfer_at(queue, queue->end - 1);
    wire *w = &self->wires[receive][peer];
    passage *p = calloc(1, sizeof *p);
    if (!p) return tf_fail(TF_NOMEM, "no memory for a message");
    *w->last = p;
    w->last = &p->next;
    if (receive) {
        TF_TRY(tf_link_receive(self->base.inner, peer, p->stamp, STAMP, &p->stamp_ticket));
        return tf_link_receive(self->base.inner, peer, transfer->data, transfer->length, &p->ticket);
    }
    write_stamp(p->stamp, tf_clock());
    TF_TRY(tf_link_send(self->base.inner, peer, p->stamp, STAMP, &p->stamp_ticket));
    return tf_link_send(self->base.inner, peer, transfer->data, transfer->length, &p->ticket);
}

/** How much of the oldest transfer the inner link has moved, in *moved; it may be all. */
static tf_status moved_inside(shaped_link *self, const passage *p, uint64_t length, uint64_t *moved) {
    bool done;
    *moved = 0;
    TF_TRY(tf_link_test(self->base.inner, p->ticket, &done));
    const tf_transfer_queue *queue = &self->base.inner->queues[p->ticket.receive][p->ticket.peer];
    if (done)
        *moved = length;
    else if (queue->first == p->ticket.serial - 1)
        *moved = tf_transfer_at(queue, queue->first)->moved;
    return TF_OK;
}

/** How many bytes of a message the network has brought by now; the next ones are due at self->release. */
static uint64_t brought(shaped_link *self, const passage *p, uint64_t length) {
    double arrival = p->start + self->network.round_trip / 2, now = tf_clock();
    double end = arrival + (double)length / self->network.rate;
    if (now >= end) return length;
    self->release = fmin(self->release, end);
    return now <= arrival ? 0 : (uint64_t)fmin((now - arrival) * self->network.rate, (double)(length - 1));
}

/** Learns when a message entered the wire, once its stamp has come. */
static tf_status begin(shaped_link *self, int peer, wire *w, passage *p, uint64_t length) {
    TF_TRY(tf_link_test(self->base.inner, p->stamp_ticket, &p->begun));
    if (!p->begun) return TF_OK;
    double stamp = read_stamp(p->stamp);
    TF_TRY(check_stamp(peer, stamp, w->busy == 0));
    p->start = fmax(stamp, w->busy);
    w->busy = p->start + (double)length / self->network.rate;
    return TF_OK;
}

/** Moves the oldest transfer of a wire and says whether it is done. */
static tf_status move_oldest(shaped_link *self, int peer, bool receive, bool *done) {
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    const tf_transfer transfer = *tf_transfer_at(queue, queue->first);
    wire *w = &self->wires[receive][peer];
    passage *p = w->first;
    uint64_t moved;
    *done = false;
    if (receive && !p->begun) TF_TRY(begin(self, peer, w, p, transfer.length));
    if (receive && !p->begun) return TF_OK;
    TF_TRY(moved_inside(self, p, transfer.length, &moved));
    if (receive) {
        uint64_t come = brought(self, p, transfer.length);
        if (come < moved) moved = come;
    }
    if (moved == transfer.length) {
        *done = true;
        w->first = p->next;
        if (!w->first) w->last = &w->first;
        free(p);
    }
    if (moved > transfer.moved) tf_link_moved(&self->base, peer, receive, moved - transfer.moved);
    return TF_OK;
}

static tf_status shaped_progress(tf_link *link) {
    shaped_link *self = (shaped_link *)link;
    self->release = INFINITY;
    TF_TRY(
        self->base.inner->table->progress(self->base.inner)); // fails when a peer has gone, even if nothing is queued
    for (int receive = 1; receive >= 0; receive--)
        for (int peer = 0; peer < TF_PARTIES; peer++) {
            bool done = true;
            while (done && self->wires[receive][peer].first) TF_TRY(move_oldest(self, peer, receive, &done));
        }
    return TF_OK;
}

static void shaped_pause(tf_link *link, double idle, double longest) {
    shaped_link *self = (shaped_link *)link;
    double due = self->release - tf_clock();
    if (due <= 0) return;
    self->base.inner->table->pause(self->base.inner, idle, fmin(longest, due));
}

static void shaped_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    // What made the inner link fail is passed on as it came; that link knows it better.
    if (link->inner->has_cause)
        tf_link_announce_failure(link->inner, link->inner->cause.text);
    else
        link->inner->table->announce(link->inner, notices);
}

static void shaped_close(tf_link *link) {
    shaped_link *self = (shaped_link *)link;
    tf_link_close(self->base.inner);
    for (int i = 0; i < 2 * TF_PARTIES; i++)
        for (passage *p = self->wires[i / TF_PARTIES][i % TF_PARTIES].first, *next; p; p = next) {
            next = p->next;
            free(p);
        }
}

static tf_status shaped_export_key(tf_link *link, int peer, const char *label, void *key, size_t size) {
    return tf_link_export_key(link->inner, peer, label, key, size);
}

static const tf_link_table table = {.start = shaped_start,
                                    .progress = shaped_progress,
                                    .pause = shaped_pause,
                                    .announce = shaped_announce,
                                    .close = shaped_close,
                                    .export_key = shaped_export_key};
/** The same over a link that makes no keys. */
static const tf_link_table table_without_keys = {.start = shaped_start,
                                                 .progress = shaped_progress,
                                                 .pause = shaped_pause,
                                                 .announce = shaped_announce,
                                                 .close = shaped_close};

tf_status tf_link_shaped(tf_link *inner, const tf_network *network, tf_link **link) {
    *link = NULL;
    shaped_link *self = calloc(1, sizeof *self);
    if (!self) {
        tf_status status = tf_fail(TF_NOMEM, "no memory for a link");
        tf_link_announce_failure(inner, tf_error_for_peers(status));
        tf_link_close(inner);
        return status;
    }
    tf_link_init(&self->base, tf_link_exports_keys(inner) ? &table : &table_without_keys, inner->party);
    self->base.deadline = inner->deadline;
    self->base.inner = inner;
    self->network = *network;
    self->release = INFINITY;
    for (int i = 0; i < 2 * TF_PARTIES; i++) {
        wire *w = &self->wires[i / TF_PARTIES][i % TF_PARTIES];
        w->last = &w->first;
    }
    *link = &self->base;
    return TF_OK;
}
