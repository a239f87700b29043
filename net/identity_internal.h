/** What an identity holds, for the handshake. */
#ifndef TF_IDENTITY_INTERNAL_H
#define TF_IDENTITY_INTERNAL_H

#include <openssl/types.h>

#include "net/identity.h"

struct tf_identity {
    EVP_PKEY *key;
    X509 *certificate;
    tf_fingerprint fingerprint;
};

TF_CHECKED tf_status tf_certificate_fingerprint(const X509 *certificate, tf_fingerprint *fingerprint);

#endif
