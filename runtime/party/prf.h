/**
 * The pseudorandom function that all masks come from: the key stream of AES-128-CTR, read at addresses and never
 * consumed in sequence. The address is the cipher's 128-bit counter: 64 high bits, 16 of purpose, 48 of block.
 */
#ifndef TF_PRF_H
#define TF_PRF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TF_KEY_BYTES = 16 };

/** A key, expanded. It has no state: any number of threads may read its stream. */
typedef struct tf_prf tf_prf;

/** The stream of a key; NULL without memory. */
tf_prf *tf_prf_new(const unsigned char key[TF_KEY_BYTES]);

/** Wipes and frees it. NULL is allowed. */
void tf_prf_free(tf_prf *prf);

/** 64-bit words [offset, offset + words) of the stream (high, purpose); `offset` is even and below 2^48. On a failure
 *  of the cipher the output is zeroed and the result false. */
bool tf_prf_words(const tf_prf *prf, uint64_t high, unsigned purpose, uint64_t offset, uint64_t *out, size_t words);

/** Makes of each 128-bit block x (two words) its encryption XOR x, of which, under a public key, nobody finds an x. On
 * a failure of the cipher all is zeroed and the result false. */
bool tf_prf_hash(const tf_prf *prf, uint64_t *block, size_t blocks);

#endif
