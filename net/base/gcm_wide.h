/** AES-128-GCM by VAES and VPCLMULQDQ, for gcm.c and where tf_aes_best says TF_AES_WIDE. */
#ifndef TF_GCM_WIDE_H
#define TF_GCM_WIDE_H

#include "net/base/aes.h"
#include "net/base/gcm.h"

enum { TF_GCM_GROUP = 32 }; /* blocks that are multiplied before their sum is reduced */

typedef struct tf_gcm_wide {
    tf_aes_key key;
    /* H^32 to H^1, each times x, and zeros for the blocks that a last vector lacks */
    alignas(64) unsigned char power[TF_GCM_GROUP + 3][TF_AES_BLOCK];
} tf_gcm_wide;

void tf_gcm_wide_set_key(tf_gcm_wide *gcm, const unsigned char key[TF_GCM_KEY]);

/** Writes the text that is encrypted or decrypted, and the tag that belongs to it. */
void tf_gcm_wide_crypt(const tf_gcm_wide *gcm, bool seals, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra,
                       const unsigned char *in, size_t size, unsigned char *out, unsigned char tag[TF_GCM_TAG]);

#endif
