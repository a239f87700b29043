/** The first part of a secure link: every pair of parties connects by TLS 1.3. See net/LINKS.md. */
#ifndef TF_HANDSHAKE_H
#define TF_HANDSHAKE_H

#include <openssl/types.h>

#include "net/link_secure.h"

/**
 * Connects this party with both peers over `inner`. On success sessions[peer] is the finished TLS session with each
 * peer, which has proved to be the one the options name, and `inner` is free of transfers. On a failure `inner` is
 * closed.
 */
TF_CHECKED tf_status tf_handshake(tf_link *inner, const tf_secure_options *options, SSL *sessions[TF_PARTIES]);

#endif
