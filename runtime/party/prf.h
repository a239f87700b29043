/**
 * The pseudorandom function that all masks come from: the key stream of AES-128-CTR, read at addresses and never
 * consumed in sequence. The address is the cipher's 128-bit counter: 64 high bits, 16 of purpose, 48 of block.
 */
#ifndef TF_PRF_H
#define TF_PRF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

enum { TF_KEY_BYTES = 16 };

/** The stream of a key; NULL if OpenSSL cannot make it. Used by one thread at a time;
 *  freed with EVP_CIPHER_CTX_free. */
EVP_CIPHER_CTX *tf_prf_new(const unsigned char key[TF_KEY_BYTES]);

/** 64-bit words [offset, offset + words) of the stream (high, purpose); `offset` is even and below 2^48. On a failure
 *  of the cipher the output is zeroed and the result false. */
bool tf_prf_words(EVP_CIPHER_CTX *prf, uint64_t high, unsigned purpose, uint64_t offset, uint64_t *out, size_t words);

#endif
