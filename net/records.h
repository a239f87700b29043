/**
 * The second part of a secure link: records, the pieces in which encrypted messages travel. See net/LINKS.md.
 *
 * A channel is one direction between two parties, seen from one of its ends. Its two ends count records alike, and the
 * count is the nonce: a record opens only as the very one that is next.
 */
#ifndef TF_RECORDS_H
#define TF_RECORDS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "net/link.h"

enum {
    TF_RECORD_HEADER = 8, /**< the length of the message, big-endian, in clear */
    TF_RECORD_TAG = 16,
    TF_RECORD_OVERHEAD = TF_RECORD_HEADER + TF_RECORD_TAG
};

typedef struct tf_channel {
    SSL *session; /**< not owned */
    int sender, receiver;
    bool seals; /**< this end is the sender */
    struct tf_gcm *cipher;
    uint64_t records;         /**< sealed or opened so far */
    uint64_t records_per_key; /**< then a fresh key is taken from the session */
} tf_channel;

/** What a record is a part of. */
typedef struct tf_record_place {
    uint64_t message; /**< number of the message in its channel, from 0 */
    uint64_t length;  /**< of the whole message */
    uint64_t offset;  /**< of the record's bytes in it */
} tf_record_place;

TF_CHECKED tf_status tf_channel_open(tf_channel *channel, SSL *session, int sender, int receiver, bool seals);

/** Wipes the key. */
void tf_channel_close(tf_channel *channel);

/**
 * Encrypts `size` bytes at `plain` into `record` (size + TF_RECORD_OVERHEAD bytes): header, ciphertext, tag.
 */
TF_CHECKED tf_status tf_record_seal(tf_channel *channel, tf_record_place place, const void *plain, size_t size,
                                    unsigned char *record);

/**
 * Decrypts a record that should hold `size` bytes into `plain`. Fails with TF_FORMAT, and with zeros in `plain`, when
 * it is not exactly the record that the sender made next; with TF_MISMATCH when it is, but belongs to a message of
 * another length than the receiver expects.
 */
TF_CHECKED tf_status tf_record_open(tf_channel *channel, tf_record_place place, const unsigned char *record,
                                    size_t size, void *plain);

/**
 * Seals or opens a failure notice: one for each direction and session at most. A notice that is sealed for a peer is
 * confidential to it; one that does not open was not made by the peer.
 */
struct tf_notice;
TF_CHECKED tf_status tf_notice_seal(SSL *session, int sender, int receiver, const struct tf_notice *plain,
                                    struct tf_notice *sealed);
TF_CHECKED tf_status tf_notice_open(SSL *session, int sender, int receiver, const struct tf_notice *sealed,
                                    struct tf_notice *plain);

/** Key material of a session for one use, which sender, receiver and number tell from all others. */
TF_CHECKED tf_status tf_session_key(SSL *session, const char *use, int sender, int receiver, uint64_t number, void *key,
                                    size_t size);

#endif
