/**
 * Products mod 2^48 and below. With words of 16 bits, s = s2 2^32 + s1 2^16 + s0 and t likewise,
 *
 *   s t  =  (s mod 2^32) (t mod 2^32)  +  (s2 t0 + s0 t2) 2^32  mod 2^48,
 *
 * so that the cross products, which matter mod 2^16 only, are two words of a 16-bit multiplication. That one is as fast
 * as the 32 x 32 -> 64 one; the 32-bit multiplication that rings above 48 bits need takes twice its time or two
 * micro-operations. The other two words of a lane hold what nobody reads; the cross products meet once at the end.
 *
 * The sums of cross products are of a vector type of their own words. Were they __m256i, GCC 12 would copy each of them
 * in every round of the loop.
 */
#include <immintrin.h>
#include <stdint.h>

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(32)));
typedef uint16_t quarters __attribute__((vector_size(32)));
typedef struct accumulator {
    vector low;
    quarters cross;
} accumulator;

static inline accumulator start(vector x) {
    return (accumulator){x, (quarters){0}};
}

static inline void accumulate(accumulator *sum, vector s, vector t) {
    const __m256i swapped = _mm256_shuffle_epi32((__m256i)t, 0xb1);
    sum->low += (vector)_mm256_mul_epu32((__m256i)s, (__m256i)t);
    sum->cross += (quarters)s * (quarters)swapped;
}

static inline vector total(accumulator sum) {
    const vector cross = (vector)sum.cross;
    return sum.low + ((cross + (cross >> 32)) << 32);
}

#define ROWS    1
#define VECTORS 4
#define DEPTH   192
#define PAIRED  1
#define GEMM    tf_gemm48_avx2
#include "runtime/kernels/matmul_tile.h"
