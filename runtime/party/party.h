/**
 * One of the three parties: its link, its two pairwise keys and the streams made from them.
 *
 * Component j of a share, and key k_j, are held by parties j and j-1 (mod 3). So party i holds keys i and i+1, here
 * `prf[0]` and `prf[1]`, just as it holds components i and i+1 of every share.
 *
 * A stream is addressed by (run, node, purpose, offset) and never consumed in sequence: parties stay in step in
 * whatever order nodes run. The address is the counter of AES-128-CTR, so no part of a key stream is ever used twice
 * within the life of a key, and keys are fresh for every session.
 */
#ifndef TF_PARTY_H
#define TF_PARTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/digest.h"
#include "net/link.h"
#include "runtime/kernels/kernels.h"
#include "runtime/party/prf.h"
#include "runtime/party/workers.h"

/** Memory that is kept from run to run: fresh pages cost more than the work on them. */
typedef struct tf_buffer {
    void *data;
    uint64_t capacity;
} tf_buffer;

struct tf_party;
struct tf_profile;
struct tf_program;
struct tf_plan;
struct tf_view;

/**
 * Looks at the value of a node once this party's part of it is complete, before its memory is used again; an error ends
 * the run. Two parties' observers together see everything: for tests and the check of ranges, where all three parties
 * are threads of one process.
 */
typedef tf_status tf_value_observer(void *context, const struct tf_party *party, const struct tf_program *program,
                                    const struct tf_plan *plan, int node, const struct tf_view *view);

/**
 * Told after each round how far the run at hand has come: the mean of the parts of its rounds and of this party's bytes
 * that are done, both of the forecast, and the op (a node of the graph, or -1).
 */
typedef void tf_round_watch(void *context, double part, int op);

typedef struct tf_party {
    int id;
    tf_link *link; /**< not owned */
    const tf_kernels *kernels;
    tf_digest session;                   /**< of the nonces of all three parties, which nobody else is told */
    uint32_t run;                        /**< part of every stream's address; advanced before each execution */
    tf_prf *prf[2];                      /**< keys id and id + 1 */
    tf_prf *hash;                        /**< tf_comparison_hash's, which is public */
    bool broken;                         /**< a stream could not be made; checked before anything is sent */
    tf_buffer arena;                     /**< of values; wiped after each run */
    tf_buffer scratch;                   /**< of one weight, while it is packed */
    tf_buffer products;                  /**< the kernels' scratch of each worker; wiped after each run */
    tf_buffer message[2][2][TF_PARTIES]; /**< received or sent, by the round's parity, for each peer */
    struct tf_profile *profile;          /**< gains the times of the run, NULL where nobody asks */
    tf_workers *workers;                 /**< threads that share its work, NULL for one; see tf_party_set_threads */
    tf_value_observer *observer;         /**< NULL outside of tests and checks */
    void *observer_context;
    tf_round_watch *watch; /**< NULL where nobody asks */
    void *watch_context;
    bool abandoned; /**< a run or set-up failed: until it is closed, the link may touch the messages' memory */
} tf_party;

/**
 * Key `id` is shared with party id - 1, key id + 1 with party id + 1; the third party never knows it. A link that makes
 * keys of its own (tf_link_exports_keys) gives them; over other links each party draws key `id` with RAND_priv_bytes
 * and sends it to its other holder. Each party sends both others a nonce (32 bytes; 16 more for the key, where it
 * travels) and then the digest of all three: two rounds. The keys are derived from it, so that the three connections
 * belong to one session: TF_MISMATCH where they do not, as when a party has started anew in between. All three call it
 * together.
 */
TF_CHECKED tf_status tf_party_open(tf_party *party, tf_link *link);

/**
 * The keystream of a coin: all three parties toss it alike, and nobody else knows it, for it follows from the session's
 * nonces. Read by tf_prf_words at (run << 32 | node, purpose); freed with tf_prf_free.
 */
TF_CHECKED tf_status tf_party_coin(const tf_party *party, tf_prf **coin);

/** Lets `threads` threads share the work of what runs from now on; 1 is the default. */
TF_CHECKED tf_status tf_party_set_threads(tf_party *party, int threads);

/** Makes room for `size` bytes, 64-byte aligned; what was there is lost. */
TF_CHECKED tf_status tf_buffer_reserve(tf_buffer *buffer, uint64_t size);

/** Wipes and frees it. */
void tf_buffer_release(tf_buffer *buffer);

/** Wipes the keys and frees the memory, but not that of messages while it is abandoned: see there. */
void tf_party_close(tf_party *party);

/** Moves to a fresh range of stream addresses. All three call it together. Fails after 2^32 - 1 runs. */
TF_CHECKED tf_status tf_party_next_run(tf_party *party);

/**
 * words [offset, offset + words) of the stream (prf[which], run, node, purpose) as 64-bit words. `offset` must be even
 * and below 2^48. On a failure of the cipher the party is marked broken and the output zeroed.
 */
void tf_stream(tf_party *party, int which, uint32_t node, unsigned purpose, uint64_t offset, uint64_t *out,
               size_t words);

#endif
