/** A finished TLS session between two parties of this process. */
#ifndef TF_FUZZ_SESSION_H
#define TF_FUZZ_SESSION_H

#include <openssl/ssl.h>

#include "net/identity_internal.h"
#include "tests/fuzz/fuzz.h"

static inline SSL *fuzz_tls(const tf_identity *identity, int client) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    fuzz_require(context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                     SSL_CTX_use_certificate(context, identity->certificate) == 1 &&
                     SSL_CTX_use_PrivateKey(context, identity->key) == 1,
                 "no TLS");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL *tls = SSL_new(context);
    SSL_CTX_free(context);
    fuzz_require(tls != NULL, "no TLS");
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    client ? SSL_set_connect_state(tls) : SSL_set_accept_state(tls);
    return tls;
}

/** Carries what `from` has to say to `to`. */
static inline void fuzz_carry(SSL *from, SSL *to) {
    char piece[4096];
    int size;
    while ((size = BIO_read(SSL_get_wbio(from), piece, sizeof piece)) > 0) BIO_write(SSL_get_rbio(to), piece, size);
}

static inline void fuzz_sessions(SSL *session[2]) {
    tf_identity *identity;
    fuzz_require(!tf_identity_make(&identity), "no identity");
    for (int i = 0; i < 2; i++) session[i] = fuzz_tls(identity, i == 0);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 2; i++) {
            (void)SSL_do_handshake(session[i]);
            fuzz_carry(session[i], session[!i]);
        }
    fuzz_require(SSL_is_init_finished(session[0]) && SSL_is_init_finished(session[1]), "TLS did not finish");
    tf_identity_free(identity);
}

#endif
