/**
 * AES-128-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128: by VAES and VPCLMULQDQ where the processor has
 * them, else by OpenSSL. Both make the same bytes, in a time that depends on the sizes alone.
 *
 * What is encrypted may lie in memory that others write at any time: each byte of it is read once, for its tag and its
 * decryption alike, and none that was written is read back for the tag. So what opens is what was authenticated, and a
 * tag is that of what was encrypted, whatever is written there meanwhile.
 */
#ifndef TF_GCM_H
#define TF_GCM_H

#include <stdbool.h>
#include <stddef.h>

enum { TF_GCM_KEY = 16, TF_GCM_NONCE = 12, TF_GCM_TAG = 16, TF_GCM_LARGEST = 1 << 30 };

/** A key, which either seals or opens. */
typedef struct tf_gcm tf_gcm;

/** A cipher without a key; NULL without memory. */
tf_gcm *tf_gcm_new(bool seals);

/** Wipes and frees it. NULL is allowed. */
void tf_gcm_free(tf_gcm *gcm);

/** Gives it a key, in place of the one before. False where OpenSSL has no such cipher. */
bool tf_gcm_set_key(tf_gcm *gcm, const unsigned char key[TF_GCM_KEY]);

/** What is authenticated and not encrypted. */
typedef struct tf_gcm_extra {
    const void *data;
    size_t size;
} tf_gcm_extra;

/** Encrypts `size` bytes, TF_GCM_LARGEST at most, to as many that do not overlap them, and makes the tag. A nonce must
 *  never come twice under one key. False on a failure of OpenSSL; `out` then holds anything. */
bool tf_gcm_seal(tf_gcm *gcm, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra, const void *in, size_t size,
                 void *out, unsigned char tag[TF_GCM_TAG]);

/** Decrypts likewise. False if the tag is not the one of these bytes, extra, nonce and key; `out` then holds anything,
 *  and must not be used. */
bool tf_gcm_open(tf_gcm *gcm, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra, const void *in, size_t size,
                 void *out, const unsigned char tag[TF_GCM_TAG]);

#endif
