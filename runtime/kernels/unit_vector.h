/** Vectors of bits, one of which is meant: where it stands is secret, so no branch, index or address depends on it. */
#ifndef TF_UNIT_VECTOR_H
#define TF_UNIT_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/** Flips bit `at` of a vector of so many words, and returns it as it was: 0 or 1. */
static inline uint64_t tf_flip_bit(uint64_t *vector, size_t words, uint64_t at) {
    uint64_t was = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t x = w ^ at >> 6, bit = (UINT64_C(1) << (at & 63)) & (((x | -x) >> 63) - 1);
        was |= vector[w] & bit;
        vector[w] ^= bit;
    }
    return was >> (at & 63);
}

#endif
