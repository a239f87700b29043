/**
 * What two parties say when one calls the other, and how the one that calls proves who it is; for tcp_meeting.c only.
 *
 * The caller says hello, the called one answers with a hello and, where parties have identities, with a challenge: an
 * X25519 key made for this caller. Then the caller sends a key of its own and, sealed under what both keys give, its
 * certificate and a signature of (both keys, from, to, channel, run); and the called one says hello once more.
 * Everything has a fixed size, and whoever listens sees no certificate.
 */
#ifndef TF_TCP_HELLO_H
#define TF_TCP_HELLO_H

#include <openssl/types.h>

#include "net/identity.h"
#include "net/link_tcp.h"

/** The two connections of a pair: messages, and notices that must not wait behind messages. */
enum { TF_TCP_DATA, TF_TCP_CONTROL, TF_TCP_CHANNELS };

enum { TF_HELLO_VERSION = 2, TF_HELLO_PROOF = 4096 };

/** What both ends say first. All of it has one form on every machine. */
typedef struct tf_hello {
    char magic[8];
    unsigned char version, from, to, channel;
    unsigned char verdict;    /**< of the party that was called: 0, or why it refuses; of the caller 0 */
    unsigned char challenged; /**< of the party that was called: a challenge follows */
    unsigned char reserved[2];
    unsigned char run[TF_TCP_RUN];
} tf_hello;

typedef struct tf_challenge {
    unsigned char byte[32];
} tf_challenge;

typedef struct tf_hello_answer {
    tf_hello hello;
    tf_challenge challenge;
} tf_hello_answer;

typedef enum tf_verdict {
    TF_WELCOME,
    TF_OTHER_VERSION,
    TF_OTHER_PARTY,
    TF_OTHER_RUN,
    TF_BUSY,
    TF_UNPROVED,
    TF_VERDICTS
} tf_verdict;

/** Why a party refuses another one, in words. */
const char *tf_verdict_text(unsigned verdict);

tf_hello tf_hello_make(const tf_tcp_options *options, int to, int channel, tf_verdict verdict);

/** What a party says to a hello from a caller. */
tf_verdict tf_hello_judge(const tf_tcp_options *options, const tf_hello *hello);

/** Reads on until `size` bytes of what begins with a hello have come, `heard` so far; false when the connection has
 *  ended or has said something else. */
bool tf_hello_hear(int socket, void *data, size_t size, size_t *heard);

/** Makes a challenge: the secret half, to be freed with EVP_PKEY_free, and what is sent of it. NULL
 *  if OpenSSL fails. */
EVP_PKEY *tf_challenge_make(tf_challenge *challenge);

/** Makes the caller's proof, for what its hello said. */
TF_CHECKED tf_status tf_hello_prove(const tf_identity *identity, const tf_hello *caller, const tf_challenge *challenge,
                                    unsigned char proof[TF_HELLO_PROOF]);

/** Whether whoever said this hello has signed it and holds the certificate with this fingerprint. `secret` is the other
 *  half of the challenge. */
bool tf_hello_proved(const tf_fingerprint *expected, const tf_hello *caller, EVP_PKEY *secret,
                     const unsigned char proof[TF_HELLO_PROOF]);

#endif
