/**
 * What makers and wrappers of links share: the table of functions behind a tf_link, and the common part's services.
 *
 * The common part (link.c) checks arguments, numbers transfers, counts, observes, waits, and keeps the first failure.
 * An implementation embeds tf_link as its first member and moves the bytes of the queues: it looks at
 * `link->queues[receive][peer]`, oldest first, and reports what it moved with tf_link_moved. A wrapper does so by means
 * of another link's public functions, and passes `pause` and `announce` on to that link's table.
 */
#ifndef TF_LINK_INTERNAL_H
#define TF_LINK_INTERNAL_H

#include <openssl/types.h>
#include <time.h>

#include "net/base/clock.h"
#include "net/link.h"

TF_PUBLIC_BEGIN

enum { TF_LINK_TEXT = 1024 };

/** A queued transfer. `data` is only read when it is sent. */
typedef struct tf_transfer {
    void *data;
    uint64_t length, moved;
} tf_transfer;

/** Transfers number `first` to `end` - 1 of all that were ever pushed; those before `first` are done. */
typedef struct tf_transfer_queue {
    tf_transfer *entries;
    uint64_t first, end, capacity;
} tf_transfer_queue;

TF_CHECKED tf_status tf_transfer_push(tf_transfer_queue *queue, tf_transfer transfer);

/** Transfer `number`, first <= number < end; valid until the next push. */
static inline tf_transfer *tf_transfer_at(const tf_transfer_queue *queue, uint64_t number) {
    return &queue->entries[number % queue->capacity];
}

/** Why a run ends, as it travels between the parties. Bytes only, so that it has one form on every machine. */
typedef struct tf_notice {
    unsigned char origin; /**< the party that failed first */
    char text[TF_LINK_TEXT - 1];
} tf_notice;

typedef struct tf_link_table {
    /** A transfer of at least one byte was queued last in `link->queues[receive][peer]`: begin it if
     *  that is possible. */
    tf_status (*start)(tf_link *link, int peer, bool receive);
    /** Moves what can be moved without waiting, and fails if a peer has reported a failure or is known to be gone. */
    tf_status (*progress)(tf_link *link);
    /** Rests until progress may have become possible, at most `longest` seconds; nothing moved for `idle` seconds. */
    void (*pause)(tf_link *link, double idle, double longest);
    /** Sends each peer its notice, at best effort and without waiting. Called once. */
    void (*announce)(tf_link *link, const tf_notice notices[TF_PARTIES]);
    /** Lets go of the memory of all that is queued, if it can; see tf_link_abandon. NULL where only start and progress
     *  touch it, neither of which follows. */
    bool (*abandon)(tf_link *link);
    /** Gives up what is still queued and releases everything but the structure itself, which the common part frees. */
    void (*close)(tf_link *link);
    /** See tf_link_export_key; the arguments are checked. NULL where the link cannot. */
    tf_status (*export_key)(tf_link *link, int peer, const char *label, void *key, size_t size);
    /** Whom a silent peer has said it waits for itself, as a set of parties (bit i: party i); 0 where it said nothing
     * lately. NULL where the link cannot tell; not called on wrappers. */
    unsigned (*waits_for)(tf_link *link, int peer);
    /** Frames that are made and read where they are carried: see tf_link_place. NULL where the link cannot; not called
     *  on wrappers. */
    tf_status (*place)(tf_link *link, int peer, uint64_t length, unsigned char **at);
    void (*commit)(tf_link *link, int peer, uint64_t length);
    tf_status (*peek)(tf_link *link, int peer, uint64_t length, const unsigned char **at);
    void (*release)(tf_link *link, int peer, uint64_t length);
    uint64_t (*longest_frame)(const tf_link *link);
} tf_link_table;

struct tf_link {
    const tf_link_table *table;
    tf_link *inner; /**< of a wrapper; NULL otherwise */
    int party;
    double deadline;
    tf_transfer_queue queues[2][TF_PARTIES]; /**< [receive][peer] */
    tf_link_counters counters;
    double moved_at[TF_PARTIES];   /**< when a message, or enough of one, last moved to or from a peer, by tf_clock */
    uint64_t trickled[TF_PARTIES]; /**< bytes since then */
    tf_link_observer *observer;
    void *observer_context;
    tf_status failure; /**< once set, every function fails with it and with failure_text */
    char failure_text[TF_LINK_TEXT];
    bool announced, has_cause;
    tf_notice cause;    /**< the peer's notice that made this link fail, if has_cause; safe to print */
    tf_notice received; /**< the same as it came, for a wrapper */
    int received_from;
};

/** Fills in the common part of a new link. */
void tf_link_init(tf_link *link, const tf_link_table *table, int party);

/** Reports that `bytes` more of the oldest queued transfer have moved; the bytes must not reach beyond its end. */
void tf_link_moved(tf_link *link, int peer, bool receive, uint64_t bytes);

/** Fails with TF_PEER because of the notice of `peer`, and keeps it, so that a later announcement passes
 *  the cause on. */
TF_CHECKED tf_status tf_link_peer_failed(tf_link *link, int peer, const tf_notice *notice);

/** The set of parties that an innermost link waits to receive from, for telling it to the others. */
static inline unsigned tf_link_awaited(const tf_link *link) {
    unsigned set = 0;
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (link->queues[true][peer].first < link->queues[true][peer].end) set |= 1u << peer;
    return set;
}

/** How often a party that waits tells the others so, in seconds. */
static inline double tf_link_tell_interval(const tf_link *link) {
    return link->deadline < 4 ? link->deadline / 4 : 1;
}

/**
 * The longest frame that the link carries in memory that both ends see, so that a wrapper can make its messages there
 * and read them there, without a copy; 0 where it cannot. Frames and transfers of a peer and direction share one order.
 */
uint64_t tf_link_longest_frame(const tf_link *link);

/** Where the next message to `peer`, of `length` bytes, is to be made, in *at; NULL while there is no room. */
TF_CHECKED tf_status tf_link_place(tf_link *link, int peer, uint64_t length, unsigned char **at);

/** Sends what was made there; `length` is the same. */
void tf_link_commit(tf_link *link, int peer, uint64_t length);

/** Where the next message from `peer`, which must have `length` bytes, has arrived, in *at; NULL while it has not. Both
 *  other parties can change it at any time, also while it is read. */
TF_CHECKED tf_status tf_link_peek(tf_link *link, int peer, uint64_t length, const unsigned char **at);

/** Receives what was read there; `length` is the same. */
void tf_link_release(tf_link *link, int peer, uint64_t length);

/** Whether a transfer is done, as far as the last progress could tell. The ticket must be one that was given out. */
static inline bool tf_link_is_done(const tf_link *link, tf_ticket ticket) {
    return ticket.serial <= link->queues[ticket.receive][ticket.peer].first;
}

/** Sets the size in bytes (1..2^30) of the pieces that messages are cut into. All parties, before any transfer. */
void tf_link_mpi_set_chunk(tf_link *link, uint64_t bytes);

/**
 * What tf_link_secure does after its handshake: makes a secure link of an unused inner link and finished TLS sessions
 * with both peers. Takes both over, also when it fails.
 */
TF_CHECKED tf_status tf_link_secure_over(tf_link *inner, SSL *sessions[TF_PARTIES], tf_link **link);

/** Sets a record's payload in bytes (1..2^20), and after how many records a key is replaced. As above. */
void tf_link_secure_set_records(tf_link *link, size_t payload, uint64_t records_per_key);

TF_PUBLIC_END

#endif
