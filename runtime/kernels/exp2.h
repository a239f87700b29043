/** 2^u in integers, so that all machines agree to the last bit. */
#ifndef TF_EXP2_H
#define TF_EXP2_H

#include <stdint.h>

enum { TF_EXP2_BITS = 30 };

/** 2^u for u in [0, 1), both with TF_EXP2_BITS fractional bits: interpolation at the Chebyshev points, relative error
 * 2e-7. The coefficients are those of runtime/constants/exp2.py. */
static inline uint64_t tf_exp2_fraction(uint64_t u) {
    static const uint64_t c[6] = {1073741715, 744268966, 257850314, 59979580, 9609550, 2033403};
    uint64_t y = c[5];
    for (int i = 4; i >= 0; i--) y = ((uint64_t)(uint32_t)y * (uint32_t)u >> TF_EXP2_BITS) + c[i];
    return y;
}

#endif
