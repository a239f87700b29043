#include "runtime/party/prf.h"

#include <openssl/evp.h>
#include <string.h>

enum { ZERO_BYTES = 1 << 14 };

static const unsigned char zeros[ZERO_BYTES];

EVP_CIPHER_CTX *tf_prf_new(const unsigned char key[TF_KEY_BYTES]) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char iv[16] = {0};
    if (context && EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, key, iv) == 1) return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

bool tf_prf_words(EVP_CIPHER_CTX *prf, uint64_t high, unsigned purpose, uint64_t offset, uint64_t *out, size_t words) {
    uint64_t block = offset / 2; /* of the cipher, 16 bytes: the low 48 bits of the counter */
    unsigned char iv[16];
    for (int i = 0; i < 8; i++) iv[i] = (unsigned char)(high >> (56 - 8 * i));
    iv[8] = (unsigned char)(purpose >> 8);
    iv[9] = (unsigned char)purpose;
    for (int i = 0; i < 6; i++) iv[10 + i] = (unsigned char)(block >> (40 - 8 * i));
    unsigned char *bytes = (unsigned char *)out;
    size_t left = words * sizeof *out;
    bool ok = offset % 2 == 0 && EVP_EncryptInit_ex(prf, NULL, NULL, NULL, iv) == 1;
    while (ok && left) {
        int step = left < ZERO_BYTES ? (int)left : ZERO_BYTES, made;
        ok = EVP_EncryptUpdate(prf, bytes, &made, zeros, step) == 1;
        bytes += step;
        left -= (size_t)step;
    }
    if (!ok) memset(out, 0, words * sizeof *out);
    return ok;
}
