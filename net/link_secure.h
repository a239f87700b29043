/**
 * The secure link: wraps any other link and encrypts and authenticates all that it carries.
 *
 * Every pair of parties makes a TLS 1.3 connection over the inner link, in which both prove who they are; keys from its
 * exporter then protect the messages with AES-128-GCM. net/LINKS.md describes both, net/THREAT-MODEL.md what they give.
 */
#ifndef TF_LINK_SECURE_H
#define TF_LINK_SECURE_H

#include "net/identity.h"
#include "net/link.h"

TF_PUBLIC_BEGIN

/** What must be equal at all three parties for them to talk, beside the version of the secure link itself. */
typedef struct tf_config_digest {
    unsigned char byte[32];
} tf_config_digest;

typedef struct tf_secure_options {
    const tf_identity *identity; /**< of this party; only read during tf_link_secure */
    /**
     * The three parties' fingerprints, party 0 first: a peer that cannot prove to be that party is refused. NULL: each
     * party takes whatever fingerprint its peers announce over the inner link, which protects from those who listen,
     * but not from those who can change what the inner link carries while the connection is made.
     */
    const tf_fingerprint *fingerprints;
    tf_config_digest config;
} tf_secure_options;

/** The SHA-256 of `size` bytes that say in any way what must be equal. */
TF_CHECKED tf_status tf_config_digest_of(const void *data, size_t size, tf_config_digest *digest);

/**
 * Connects the three parties, which call it together, each with its end of an unused inner link whose deadline counts
 * for each of the handshake's five rounds. The secure link then owns `inner` and closes it; when this fails, `inner` is
 * closed already.
 *
 * Fails with TF_PEER when a peer is silent, is no party or cannot prove who it is; with TF_MISMATCH when version or
 * configuration differ, or when `identity` has another fingerprint than this party's. Either way all three parties
 * fail with the reason. What a party learns of another: its certificate and the time it takes.
 */
TF_CHECKED tf_status tf_link_secure(tf_link *inner, const tf_secure_options *options, tf_link **link);

/** The version of handshake and records; parties of different versions refuse each other. */
enum { TF_SECURE_VERSION = 1 };

TF_PUBLIC_END

#endif
