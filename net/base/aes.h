/** AES-128 by the processor's own instructions: key schedules, and which forms of the instructions there are. */
#ifndef TF_AES_H
#define TF_AES_H

#include <stdalign.h>

enum { TF_AES_KEY = 16, TF_AES_BLOCK = 16, TF_AES_ROUNDS = 10 };

typedef enum tf_aes_form {
    TF_AES_OPENSSL, /**< none: OpenSSL does it, by whatever it finds */
    TF_AES_NARROW,  /**< a block an instruction: AES-NI, SSSE3 */
    TF_AES_WIDE     /**< four: VAES, VPCLMULQDQ, AVX-512 */
} tf_aes_form;

/** The widest form that this processor has and tf_aes_limit leaves. */
tf_aes_form tf_aes_best(void);

/** Leaves wider forms out from now on, so that tests can compare one with another. Before there are threads. */
void tf_aes_limit(tf_aes_form widest);

/** The key of each round; the first one is the key itself. */
typedef struct tf_aes_key {
    alignas(64) unsigned char round[TF_AES_ROUNDS + 1][TF_AES_BLOCK];
} tf_aes_key;

/** Takes a key, which is expanded where the form is not OpenSSL's. */
void tf_aes_expand(tf_aes_form form, const unsigned char key[TF_AES_KEY], tf_aes_key *expanded);

#endif
