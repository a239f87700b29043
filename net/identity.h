/**
 * Who a party is: a private key and a self-signed certificate. There is no authority that signs them: parties know each
 * other by the fingerprint of the certificate, the SHA-256 of its DER form, which their operators tell each other.
 *
 * On disk an identity is a directory with key.pem (the private key, for its owner's eyes only) and certificate.pem
 * (public).
 */
#ifndef TF_IDENTITY_H
#define TF_IDENTITY_H

#include "net/base/status.h"

TF_PUBLIC_BEGIN

typedef struct tf_identity tf_identity;

typedef struct tf_fingerprint {
    unsigned char byte[32];
} tf_fingerprint;

enum { TF_FINGERPRINT_TEXT = 65 }; /**< 64 hexadecimal digits and a zero byte */

/** Makes an identity in memory only (Ed25519), for a run that nobody will want to recognise later. */
TF_CHECKED tf_status tf_identity_make(tf_identity **identity);

/**
 * Makes an identity (Ed25519) in `directory`, which is created with mode 0700 if it is missing; key.pem gets mode 0600.
 * `party` is only named in the certificate's subject. Fails with TF_IO when there is a key.pem already: a key is never
 * overwritten.
 */
TF_CHECKED tf_status tf_identity_create(const char *directory, int party, tf_fingerprint *fingerprint);

/**
 * Reads an identity from `directory`. Fails with TF_INVALID when key.pem may be read or written by anyone but its
 * owner, with TF_FORMAT when a file is no PEM or key and certificate do not belong together.
 */
TF_CHECKED tf_status tf_identity_read(const char *directory, tf_identity **identity);

tf_fingerprint tf_identity_fingerprint(const tf_identity *identity);

/** Wipes the key. NULL is allowed. */
void tf_identity_free(tf_identity *identity);

/** The fingerprint of a certificate in PEM form, `path` being the file or an identity's directory. */
TF_CHECKED tf_status tf_fingerprint_read(const char *path, tf_fingerprint *fingerprint);

/** Writes a fingerprint as hexadecimal digits. Returns `text`. */
const char *tf_fingerprint_text(const tf_fingerprint *fingerprint, char text[TF_FINGERPRINT_TEXT]);

/** Reads 64 hexadecimal digits, which may have colons between the bytes as OpenSSL prints them. */
TF_CHECKED tf_status tf_fingerprint_parse(const char *text, tf_fingerprint *fingerprint);

TF_PUBLIC_END

#endif
