/**
 * GF(2^64) modulo x^64 + x^4 + x^3 + x + 1, in which sums are XOR: for random linear checks. Neither branches nor
 * addresses depend on the operands.
 */
#ifndef TF_FIELD_H
#define TF_FIELD_H

#include <stddef.h>
#include <stdint.h>

/** out[i] = a[i] b[i] of up to 64 elements. */
static inline void tf_field_mul_each(const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out) {
    uint64_t product[64] = {0};
    for (int bit = 63; bit >= 0; bit--)
        for (size_t i = 0; i < count; i++)
            product[i] = (product[i] << 1) ^ ((0 - (product[i] >> 63)) & 0x1b) ^ ((0 - (b[i] >> bit & 1)) & a[i]);
    for (size_t i = 0; i < count; i++) out[i] = product[i];
}

static inline uint64_t tf_field_mul(uint64_t a, uint64_t b) {
    uint64_t product;
    tf_field_mul_each(&a, &b, 1, &product);
    return product;
}

#endif
