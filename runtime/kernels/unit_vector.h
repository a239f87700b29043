/** Vectors of bits, one of which is meant: where it stands is secret, so no branch, index or address depends on it. */
#ifndef TF_UNIT_VECTOR_H
#define TF_UNIT_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/** All ones where both numbers are the same, else 0. */
static inline uint64_t tf_equal_mask(uint64_t a, uint64_t b) {
    const uint64_t x = a ^ b;
    return ((x | -x) >> 63) - 1;
}

/** Flips bit `at` of a vector of so many words, and returns it as it was: 0 or 1. */
static inline uint64_t tf_flip_bit(uint64_t *vector, size_t words, uint64_t at) {
    uint64_t was = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t bit = (UINT64_C(1) << (at & 63)) & tf_equal_mask(w, at >> 6);
        was |= vector[w] & bit;
        vector[w] ^= bit;
    }
    return was >> (at & 63);
}

/** The `top` (up to 64) highest bits of a vector of one or two words that is turned upwards by `by`, as it wraps. */
static inline uint64_t tf_top_bits(const uint64_t *vector, size_t words, unsigned top, uint64_t by) {
    uint64_t from = (64 * words - top - by) & (64 * words - 1), shift = from & 63, upper = -(from >> 6);
    uint64_t first = vector[0], last = vector[words - 1], low = first ^ ((first ^ last) & upper),
             high = low ^ first ^ last;
    return (low >> shift | high << 1 << (63 - shift)) & (~UINT64_C(0) >> (64 - top));
}

#endif
