/**
 * A link that carries records over another link. Each peer and direction has a lane of record buffers, of which several
 * are under way: while one travels, the next is encrypted from the sender's memory or decrypted into the receiver's.
 */
#include "net/link_secure.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "net/handshake.h"
#include "net/link_internal.h"
#include "net/records.h"

enum { WINDOW = 32, ALIGNMENT = 64, LARGEST_PAYLOAD = 1 << 20 };

static const size_t DEFAULT_PAYLOAD = 128 << 10;

/** The records of one peer and direction that are under way, and where the next one begins. */
typedef struct lane {
    tf_channel channel;
    unsigned char *buffer; /**< WINDOW of them, one after the other */
    tf_ticket tickets[WINDOW];
    tf_record_place places[WINDOW];
    size_t sizes[WINDOW];      /**< of the payload */
    uint64_t first, end;       /**< records first to end - 1 are under way, at their number modulo WINDOW */
    uint64_t transfer, offset; /**< of the next record */
    uint64_t message;          /**< its number, which counts what is not empty */
} lane;

typedef struct secure_link {
    tf_link base;
    SSL *sessions[TF_PARTIES];
    lane lanes[2][TF_PARTIES]; /**< [receive][peer] */
    size_t payload;            /**< of a record, at most */
    bool in_place;             /**< records are made and opened in the inner link's memory, without lanes' buffers */
    uint64_t exported[TF_PARTIES];
} secure_link;

/** Records begin off an alignment boundary such that what is encrypted begins on one. */
static size_t buffer_size(const secure_link *self) {
    return (ALIGNMENT + self->payload + TF_RECORD_TAG + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static unsigned char *record_at(const secure_link *self, const lane *l, uint64_t number) {
    return l->buffer + number % WINDOW * buffer_size(self) + ALIGNMENT - TF_RECORD_HEADER;
}

/** Finds the transfer that the next record belongs to; NULL when all is under way. */
static const tf_transfer *next_transfer(lane *l, const tf_transfer_queue *queue) {
    if (l->transfer < queue->first) l->transfer = queue->first, l->offset = 0;
    while (l->transfer < queue->end && l->offset == tf_transfer_at(queue, l->transfer)->length) {
        if (l->offset > 0) l->message++;
        l->transfer++, l->offset = 0;
    }
    return l->transfer < queue->end ? tf_transfer_at(queue, l->transfer) : NULL;
}

/** How much of what is left of a message its next record holds. */
static size_t record_size(const secure_link *self, uint64_t left) {
    return left < self->payload ? (size_t)left : self->payload;
}

/** Puts one more record under way if there is one and room for it. */
static tf_status launch(secure_link *self, int peer, bool receive, bool *launched) {
    lane *l = &self->lanes[receive][peer];
    const tf_transfer *transfer =
        l->end - l->first < WINDOW ? next_transfer(l, &self->base.queues[receive][peer]) : NULL;
    *launched = transfer;
    if (!transfer) return TF_OK;
    if (l->first == l->end) l->first = l->end = 0; // the buffers used last are the ones in the cache
    if (!l->buffer && !(l->buffer = aligned_alloc(ALIGNMENT, WINDOW * buffer_size(self))))
        return tf_fail(TF_NOMEM, "no memory for records of %zu bytes", self->payload);

    const size_t size = record_size(self, transfer->length - l->offset);
    tf_record_place place = {l->message, transfer->length, l->offset};
    unsigned char *record = record_at(self, l, l->end);
    tf_ticket *ticket = &l->tickets[l->end % WINDOW];
    if (receive) {
        TF_TRY(tf_link_receive(self->base.inner, peer, record, size + TF_RECORD_OVERHEAD, ticket));
    } else {
        double start = tf_clock();
        TF_TRY(tf_record_seal(&l->channel, place, (const char *)transfer->data + l->offset, size, record));
        self->base.counters.encryption_seconds += tf_clock() - start;
        TF_TRY(tf_link_send(self->base.inner, peer, record, size + TF_RECORD_OVERHEAD, ticket));
    }
    l->places[l->end % WINDOW] = place;
    l->sizes[l->end++ % WINDOW] = size;
    l->offset += size;
    return TF_OK;
}

/** Finishes the oldest record if it has arrived, or was taken. */
static tf_status finish(secure_link *self, int peer, bool receive, bool *finished) {
    lane *l = &self->lanes[receive][peer];
    *finished = l->first < l->end && tf_link_is_done(self->base.inner, l->tickets[l->first % WINDOW]);
    if (!*finished) return TF_OK;
    tf_record_place place = l->places[l->first % WINDOW];
    size_t size = l->sizes[l->first % WINDOW];
    if (receive) {
        const tf_transfer_queue *queue = &self->base.queues[true][peer];
        char *data = tf_transfer_at(queue, queue->first)->data;
        double start = tf_clock();
        TF_TRY(tf_record_open(&l->channel, place, record_at(self, l, l->first), size, data + place.offset));
        self->base.counters.encryption_seconds += tf_clock() - start;
    }
    l->first++;
    tf_link_moved(&self->base, peer, receive, size);
    return TF_OK;
}

/** Makes or opens one more record in the inner link's own memory, if there is one and room for it, or it has come. */
static tf_status move_in_place(secure_link *self, int peer, bool receive, bool *moved) {
    lane *l = &self->lanes[receive][peer];
    tf_link *inner = self->base.inner;
    const tf_transfer *transfer = next_transfer(l, &self->base.queues[receive][peer]);
    *moved = false;
    if (!transfer) return TF_OK;
    const size_t size = record_size(self, transfer->length - l->offset);
    const tf_record_place place = {l->message, transfer->length, l->offset};
    char *data = (char *)transfer->data + l->offset;
    unsigned char *made = NULL;
    const unsigned char *come = NULL;
    if (receive)
        TF_TRY(tf_link_peek(inner, peer, size + TF_RECORD_OVERHEAD, &come));
    else
        TF_TRY(tf_link_place(inner, peer, size + TF_RECORD_OVERHEAD, &made));
    if (!made && !come) return TF_OK;
    const double start = tf_clock();
    if (receive)
        TF_TRY(tf_record_open(&l->channel, place, come, size, data));
    else
        TF_TRY(tf_record_seal(&l->channel, place, data, size, made));
    self->base.counters.encryption_seconds += tf_clock() - start;
    if (receive)
        tf_link_release(inner, peer, size + TF_RECORD_OVERHEAD);
    else
        tf_link_commit(inner, peer, size + TF_RECORD_OVERHEAD);
    l->offset += size;
    (void)next_transfer(l, &self->base.queues[receive][peer]); // which counts messages, while this one is queued
    tf_link_moved(&self->base, peer, receive, size);
    *moved = true;
    return TF_OK;
}

/** Does what can be done in one lane, and says whether more was asked of the inner link. */
static tf_status exchange(secure_link *self, int peer, bool receive, bool *asked) {
    bool finished, launched;
    if (self->in_place) {
        do {
            TF_TRY(move_in_place(self, peer, receive, &finished));
        } while (finished);
        return TF_OK;
    }
    do {
        TF_TRY(finish(self, peer, receive, &finished));
        TF_TRY(launch(self, peer, receive, &launched));
        *asked |= launched;
    } while (finished || launched);
    return TF_OK;
}

/** Why the inner link has failed. A notice counts only if the peer has sealed it. */
static tf_status inner_failure(secure_link *self, tf_status status) {
    const tf_link *inner = self->base.inner;
    if (!inner->has_cause)
        return status == TF_MISMATCH ? tf_fail_in(status, "records, %d bytes longer than messages", TF_RECORD_OVERHEAD)
                                     : status;
    tf_notice notice;
    int from = inner->received_from;
    TF_TRY(tf_notice_open(self->sessions[from], from, self->base.party, &inner->received, &notice));
    return tf_link_peer_failed(&self->base, from, &notice);
}

static tf_status move_records(secure_link *self) {
    tf_link *inner = self->base.inner;
    const tf_ticket any = {.peer = tf_next(self->base.party)}; // of number 0, done since ever
    bool asked;
    do {
        TF_TRY(tf_link_test(inner, any, &asked));
        asked = false;
        for (int receive = 1; receive >= 0; receive--)
            for (int peer = 0; peer < TF_PARTIES; peer++)
                if (peer != self->base.party) TF_TRY(exchange(self, peer, receive, &asked));
    } while (asked);                              // or the inner link might rest while it has something to do
    for (int peer = 0; peer < TF_PARTIES; peer++) // a part of a record is a sign of life, too
        if (self->base.moved_at[peer] < inner->moved_at[peer]) self->base.moved_at[peer] = inner->moved_at[peer];
    return TF_OK;
}

static tf_status secure_progress(tf_link *link) {
    secure_link *self = (secure_link *)link;
    tf_status status = move_records(self);
    return link->inner->failure == TF_OK ? status : inner_failure(self, status);
}

static tf_status secure_start(tf_link *link, int peer, bool receive) {
    secure_link *self = (secure_link *)link;
    bool moved = true;
    tf_status status = TF_OK;
    if (self->in_place)
        while (!receive && moved && status == TF_OK) status = move_in_place(self, peer, false, &moved);
    else
        while (moved && status == TF_OK) status = launch(self, peer, receive, &moved);
    return link->inner->failure == TF_OK ? status : inner_failure(self, status);
}

static void secure_pause(tf_link *link, double idle, double longest) {
    link->inner->table->pause(link->inner, idle, longest);
}

static void secure_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    secure_link *self = (secure_link *)link;
    tf_notice sealed[TF_PARTIES] = {{0}};
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party &&
            tf_notice_seal(self->sessions[peer], link->party, peer, &notices[peer], &sealed[peer]) != TF_OK)
            sealed[peer] = (tf_notice){0}; // which the peer takes for a forged one and ends, too
    link->inner->table->announce(link->inner, sealed);
}

static void secure_close(tf_link *link) {
    secure_link *self = (secure_link *)link;
    tf_link *inner = link->inner;
    tf_link_set_deadline(inner, link->deadline);
    if (inner->failure == TF_OK) inner->failure = link->failure; // then closing does not wait for what is queued
    tf_link_close(inner);
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++) {
            tf_channel_close(&self->lanes[receive][peer].channel);
            free(self->lanes[receive][peer].buffer);
        }
    for (int peer = 0; peer < TF_PARTIES; peer++) SSL_free(self->sessions[peer]); // wiping its secrets
}

static tf_status secure_export_key(tf_link *link, int peer, const char *label, void *key, size_t size) {
    secure_link *self = (secure_link *)link;
    char use[64];
    int low = peer < link->party ? peer : link->party;
    if (snprintf(use, sizeof use, "key %s", label) >= (int)sizeof use)
        return tf_fail(TF_INVALID, "the key label '%s' is too long", label);
    return tf_session_key(self->sessions[peer], use, low, peer + link->party - low, self->exported[peer]++, key, size);
}

static const tf_link_table table = {.start = secure_start,
                                    .progress = secure_progress,
                                    .pause = secure_pause,
                                    .announce = secure_announce,
                                    .close = secure_close,
                                    .export_key = secure_export_key};

/** What of `payload` bytes fits into a record. */
static size_t most_payload(const secure_link *self, size_t payload) {
    const uint64_t frame = tf_link_longest_frame(self->base.inner);
    if (payload > LARGEST_PAYLOAD) payload = LARGEST_PAYLOAD;
    return self->in_place && payload > frame - TF_RECORD_OVERHEAD ? frame - TF_RECORD_OVERHEAD : payload;
}

tf_status tf_link_secure_over(tf_link *inner, SSL *sessions[TF_PARTIES], tf_link **link) {
    secure_link *self = calloc(1, sizeof *self);
    tf_status status = self ? TF_OK : tf_fail(TF_NOMEM, "no memory for a secure link");
    if (self) {
        tf_link_init(&self->base, &table, tf_link_party(inner));
        self->base.inner = inner;
        self->base.deadline = inner->deadline;
        self->in_place = tf_link_longest_frame(inner) > TF_RECORD_OVERHEAD;
        self->payload = most_payload(self, DEFAULT_PAYLOAD);
        memcpy(self->sessions, sessions, sizeof self->sessions);
    }
    for (int peer = 0; peer < TF_PARTIES && status == TF_OK; peer++) {
        if (peer == tf_link_party(inner)) continue;
        status = tf_channel_open(&self->lanes[false][peer].channel, sessions[peer], self->base.party, peer, true);
        if (status == TF_OK)
            status = tf_channel_open(&self->lanes[true][peer].channel, sessions[peer], peer, self->base.party, false);
    }
    if (status == TF_OK) {
        *link = &self->base;
        return TF_OK;
    }
    tf_failure failure;
    tf_failure_keep(status, &failure);
    if (self) {
        tf_link_announce_failure(&self->base, tf_error_for_peers(status));
        tf_link_close(&self->base);
    } else {
        for (int peer = 0; peer < TF_PARTIES; peer++) SSL_free(sessions[peer]);
        tf_link_close(inner);
    }
    return tf_failure_raise(&failure);
}

void tf_link_secure_set_records(tf_link *link, size_t payload, uint64_t records_per_key) {
    secure_link *self = (secure_link *)link;
    self->payload = most_payload(self, payload);
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            self->lanes[receive][peer].channel.records_per_key = records_per_key;
}

tf_status tf_link_secure(tf_link *inner, const tf_secure_options *options, tf_link **link) {
    SSL *sessions[TF_PARTIES] = {NULL};
    *link = NULL;
    TF_TRY(tf_handshake(inner, options, sessions));
    return tf_link_secure_over(inner, sessions, link);
}

tf_status tf_config_digest_of(const void *data, size_t size, tf_config_digest *digest) {
    size_t length = 0;
    if (EVP_Q_digest(NULL, "SHA256", NULL, data, size, digest->byte, &length) == 1 && length == sizeof digest->byte)
        return TF_OK;
    return tf_fail_public(TF_INTERNAL, "SHA-256 is not available from OpenSSL");
}
