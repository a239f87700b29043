/** What the trees of keys (comparison_key.h, bit_key.h) share. Bits and seeds are secret: no branch or index here. */
#ifndef TF_KEY_TREE_H
#define TF_KEY_TREE_H

#include <stdint.h>

/** The block to be hashed of a seed, two words, under a tweak, which stands in bits that seeds have not. */
static inline void tf_tweak(const uint64_t *seed, uint64_t which, uint64_t *block) {
    block[0] = seed[0] ^ which;
    block[1] = seed[1];
}

/** a where the bit is 0, b where it is 1. */
static inline uint64_t tf_choose(uint64_t bit, uint64_t a, uint64_t b) {
    return a ^ ((a ^ b) & -bit);
}

/** Bits of a public number: 1 of 0. */
static inline unsigned tf_bit_length(uint64_t x) {
    return 64 - (unsigned)__builtin_clzll(x | 1);
}

#endif
