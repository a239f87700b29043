/**
 * A link carries bytes between the three parties. It knows nothing of shares.
 *
 * Transfers are queued and never block; each (peer, direction) is a first-in first-out channel, and both ends must
 * queue transfers of the same lengths in the same order. Completion is asked for by ticket. Counters hold payload
 * bytes only, exactly what the callers handed over. A transfer of length zero is legal and touches no wire.
 *
 * Makers: tf_link_memory (three threads of one process), tf_link_mpi (of one job; through shared memory if it can), and
 * tf_link_tcp (parties that are started separately). A wrapper (tf_link_secure, tf_link_shaped) implements the same
 * table over another link.
 */
#ifndef TF_LINK_H
#define TF_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

TF_PUBLIC_BEGIN

enum { TF_PARTIES = 3 };

/** The party after this one, and the one before; all things numbered 0..2 (parties, components, keys) go round. */
static inline int tf_next(int party) {
    return party == TF_PARTIES - 1 ? 0 : party + 1;
}
static inline int tf_previous(int party) {
    return party == 0 ? TF_PARTIES - 1 : party - 1;
}

typedef struct tf_link tf_link;

/** Names a queued transfer; done when all transfers up to `serial` of this peer and direction are. */
typedef struct tf_ticket {
    uint64_t serial;
    int peer;
    bool receive;
} tf_ticket;

typedef struct tf_link_counters {
    uint64_t bytes_sent[TF_PARTIES], bytes_received[TF_PARTIES];
    uint64_t messages_sent[TF_PARTIES], messages_received[TF_PARTIES];
    uint64_t rounds;
    double wait_seconds;       /**< time spent inside tf_link_wait */
    double encryption_seconds; /**< time spent sealing and opening records, whoever waited meanwhile */
} tf_link_counters;

/** Which party this end belongs to, 0..2. */
int tf_link_party(const tf_link *link);

/** Queues `length` bytes for `peer`. `data` must stay unchanged until the ticket is done. */
TF_CHECKED tf_status tf_link_send(tf_link *link, int peer, const void *data, uint64_t length, tf_ticket *ticket);

/** Queues the reception of exactly `length` bytes from `peer` into `data`. */
TF_CHECKED tf_status tf_link_receive(tf_link *link, int peer, void *data, uint64_t length, tf_ticket *ticket);

/** Moves what can be moved without waiting and says whether the transfer is done. */
TF_CHECKED tf_status tf_link_test(tf_link *link, tf_ticket ticket, bool *done);

/**
 * Waits for a transfer. When no message is completed with the ticket's peer for `deadline` seconds, and less of one
 * moves than 1 kB for each of them, the link fails with TF_PEER and a message that names the peer: whoever sends a byte
 * now and then is as silent as one who sends nothing. After a second or more in which this party was stopped the
 * deadline begins anew. The same when a peer reported an error, with that peer's message.
 */
TF_CHECKED tf_status tf_link_wait(tf_link *link, tf_ticket ticket);

/** Sets the deadline in seconds (default 30); INFINITY waits as long as the peers are there. */
void tf_link_set_deadline(tf_link *link, double seconds);
double tf_link_deadline(const tf_link *link);

/**
 * Tells both peers, outside the counted traffic and at best effort, that this party ends with `message`: their waits
 * then fail with "party N failed: message". `message` is a constant or comes from tf_error_for_peers, which keeps what
 * an owner's files say from the others. A party that itself fails because of such a notice passes the first cause on
 * unchanged, whatever `message` is. Only the first announcement counts, and nothing but closing may follow it.
 */
void tf_link_announce_failure(tf_link *link, const char *message);

/**
 * Makes every wait of this process fail with TF_PEER from now on, within about a second: for handlers of the signal
 * `number`, so that a party that is ended from outside can still say what it was doing, and tell the others.
 */
void tf_link_interrupt(int number);

/** The signal that tf_link_interrupt was called for, or 0. */
int tf_link_interrupted(void);

/** The failure that such a wait reports. */
TF_CHECKED tf_status tf_link_fail_interrupted(void);

/** Adds one to the round counter; the executor calls it once for each round. */
void tf_link_count_round(tf_link *link);

/** The counters since the link was made. Sends count when queued, receptions when complete; empty transfers do not. */
tf_link_counters tf_link_read_counters(const tf_link *link);

/**
 * The counters of what goes over the innermost link: with a wrapper, everything it adds included. Without one, these
 * are the link's own.
 */
tf_link_counters tf_link_read_wire_counters(const tf_link *link);

/** Whether the link can make keys that its two ends alone know, so that no key has to travel. Same at all parties. */
bool tf_link_exports_keys(const tf_link *link);

/**
 * Makes `size` bytes of key material that only this party and `peer` know; nothing is sent. Both ends call it together,
 * with the same label, and each call with a peer gives a fresh key. Fails with TF_INVALID when the link cannot.
 */
TF_CHECKED tf_status tf_link_export_key(tf_link *link, int peer, const char *label, void *key, size_t size);

/** Whether the calling thread's last failure is one that a peer has had and told of. */
bool tf_failure_is_of_peer(void);
/** Whether it is nobody's, but found by all three alike, as that they differ. */
bool tf_failure_is_everybodys(void);

/** Puts what this party was doing in front of a failure that is TF_PEER and returns the status; not where a peer has
 * told what it failed of, which says enough. */
TF_CHECKED tf_status tf_fail_doing(tf_status status, const char *what);

/** Observes every received payload, in tests of what a party sees. `observer` NULL removes it. */
typedef void tf_link_observer(void *context, int peer, const void *data, uint64_t length);
void tf_link_observe(tf_link *link, tf_link_observer *observer, void *context);

/** Waits for what is queued, at most a deadline, and frees the link. NULL is allowed. */
void tf_link_close(tf_link *link);

/** Three connected ends for three threads of one process. Each end is used by one thread at a time. */
TF_CHECKED tf_status tf_link_memory(tf_link *ends[TF_PARTIES]);

TF_PUBLIC_END

#endif
