#include "net/base/gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "net/base/gcm_wide.h"
#include "net/base/secret.h"

enum { PIECE = 16 << 10 };

struct tf_gcm {
    tf_gcm_wide wide;
    EVP_CIPHER_CTX *openssl; /* NULL: the wide form */
    bool seals;
};

tf_gcm *tf_gcm_new(bool seals) {
    tf_gcm *gcm = tf_secret_alloc(sizeof *gcm);
    if (!gcm) return NULL;
    *gcm = (tf_gcm){.seals = seals};
    if (tf_aes_best() == TF_AES_WIDE || (gcm->openssl = EVP_CIPHER_CTX_new())) return gcm;
    tf_secret_free(gcm, sizeof *gcm);
    return NULL;
}

void tf_gcm_free(tf_gcm *gcm) {
    if (gcm) EVP_CIPHER_CTX_free(gcm->openssl); /* which wipes it */
    tf_secret_free(gcm, sizeof *gcm);
}

bool tf_gcm_set_key(tf_gcm *gcm, const unsigned char key[TF_GCM_KEY]) {
    if (gcm->openssl) return EVP_CipherInit_ex(gcm->openssl, EVP_aes_128_gcm(), NULL, key, NULL, gcm->seals) == 1;
    tf_gcm_wide_set_key(&gcm->wide, key);
    return true;
}

/** OpenSSL reads what is encrypted twice, once to hash it: so it gets a copy of its own, piece by piece. */
static bool update_by_openssl(tf_gcm *gcm, const unsigned char *in, size_t size, unsigned char *out) {
    unsigned char own[PIECE];
    bool good = true;
    for (size_t at = 0; good && at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        int moved;
        if (!gcm->seals) memcpy(own, in + at, piece);
        good = EVP_CipherUpdate(gcm->openssl, gcm->seals ? own : out + at, &moved, gcm->seals ? in + at : own,
                                (int)piece) == 1 &&
               moved == (int)piece;
        if (gcm->seals && good) memcpy(out + at, own, piece);
    }
    return good;
}

static bool by_openssl(tf_gcm *gcm, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra, const void *in,
                       size_t size, unsigned char *out, unsigned char tag[TF_GCM_TAG]) {
    EVP_CIPHER_CTX *cipher = gcm->openssl;
    int moved, last;
    unsigned char none[TF_GCM_TAG];
    bool good = EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, gcm->seals) == 1;
    if (good && !gcm->seals) good = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TF_GCM_TAG, tag) == 1;
    good = good && EVP_CipherUpdate(cipher, NULL, &moved, extra.data, (int)extra.size) == 1 &&
           update_by_openssl(gcm, in, size, out) && EVP_CipherFinal_ex(cipher, none, &last) == 1 && last == 0;
    if (good && gcm->seals) good = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TF_GCM_TAG, tag) == 1;
    return good;
}

bool tf_gcm_seal(tf_gcm *gcm, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra, const void *in, size_t size,
                 void *out, unsigned char tag[TF_GCM_TAG]) {
    if (gcm->openssl) return by_openssl(gcm, nonce, extra, in, size, out, tag);
    tf_gcm_wide_crypt(&gcm->wide, true, nonce, extra, in, size, out, tag);
    return true;
}

bool tf_gcm_open(tf_gcm *gcm, const unsigned char nonce[TF_GCM_NONCE], tf_gcm_extra extra, const void *in, size_t size,
                 void *out, const unsigned char tag[TF_GCM_TAG]) {
    unsigned char made[TF_GCM_TAG];
    memcpy(made, tag, sizeof made);
    if (gcm->openssl) return by_openssl(gcm, nonce, extra, in, size, out, made);
    tf_gcm_wide_crypt(&gcm->wide, false, nonce, extra, in, size, out, made);
    const bool good = CRYPTO_memcmp(made, tag, sizeof made) == 0;
    OPENSSL_cleanse(made, sizeof made); /* the right tag of a forged text */
    return good;
}
