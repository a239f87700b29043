/**
 * The TCP maker of links: each party is started by itself, on its own host, and finds the others by address.
 *
 * Bytes travel as they are: wrap the link (see link_secure.h) wherever the network is not trusted.
 */
#ifndef TF_LINK_TCP_H
#define TF_LINK_TCP_H

#include "net/identity.h"
#include "net/link.h"

TF_PUBLIC_BEGIN

enum { TF_TCP_RUN = 16 };

/** A host name or numeric address (IPv4 or IPv6) and a port number, as text. */
typedef struct tf_tcp_address {
    const char *host, *port;
} tf_tcp_address;

typedef struct tf_tcp_options {
    int party;
    tf_tcp_address address[TF_PARTIES]; /**< where the others find each party; the last party's is not needed */
    tf_tcp_address listen;              /**< where this party listens; host NULL: at its address above */
    unsigned char run[TF_TCP_RUN];      /**< the same for all three, so that runs do not mix; not a secret */
    const tf_identity *identity;        /**< with it parties prove who they are when they meet; NULL: they do not */
    const tf_fingerprint *fingerprints; /**< of all three, where there is an identity */
    double wait;                        /**< seconds to wait for both peers; may be INFINITY */
    double silence;                     /**< seconds after which a host that answers nothing counts as gone */
    void (*progress)(void *context, const char *line); /**< is told what is waited for and who came; may be NULL */
    void *context;
} tf_tcp_options;

/**
 * Connects to both peers, in whatever order the three are started: a party connects to those of lower number and
 * listens for those of higher number, so the last one needs no open port. All three call it with the same addresses
 * and `run`.
 *
 * A connection that does not say a proper hello within seconds is dropped, and the wait goes on: neither port scanners
 * nor connections that say nothing end it, nor those who know `run` and claim to be a party. Fails with TF_PEER naming
 * who did not come until the end of the wait, with TF_MISMATCH at once when a peer answers that it is of another
 * version, party or run, and with TF_IO when this party's own address cannot be listened at.
 *
 * Parties with identities take a connection only from whoever has signed a challenge with the key of the party it says
 * it is, and such a caller takes the place of the connection that it had before, for it must have started anew. Parties
 * without take the first that says hello, and no other while its connection stands.
 *
 * Once connected, a peer that ends or is killed is noticed at the next test or wait, whomever that is for: "party N has
 * gone". A failure notice goes over a connection of its own, past all queued data.
 */
TF_CHECKED tf_status tf_link_tcp(const tf_tcp_options *options, tf_link **link);

TF_PUBLIC_END

#endif
