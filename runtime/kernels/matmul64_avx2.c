/**
 * Products mod 2^64. With s = s1 2^32 + s0 and t = t1 2^32 + t0, s t = s0 t0 + (s1 t0 + s0 t1) 2^32: one 32 x 32 -> 64
 * product, and both cross products at once in the two halves of a lane, since they matter mod 2^32 only. The halves
 * meet once at the end. Rings of 49 to 63 bits come here too: a shorter cross product would save nothing.
 */
#include <immintrin.h>
#include <stdint.h>

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(32)));
typedef uint32_t halves __attribute__((vector_size(32))); /* a type of its own, for the reason of matmul48_avx2.c */
typedef struct accumulator {
    vector low;
    halves cross;
} accumulator;

static inline accumulator start(vector x) {
    return (accumulator){x, (halves){0}};
}

static inline void accumulate(accumulator *sum, vector s, vector t) {
    const __m256i swapped = _mm256_shuffle_epi32((__m256i)t, 0xb1);
    sum->low += (vector)_mm256_mul_epu32((__m256i)s, (__m256i)t);
    sum->cross += (halves)s * (halves)swapped;
}

static inline vector total(accumulator sum) {
    const vector cross = (vector)sum.cross;
    return sum.low + ((cross + (cross >> 32)) << 32);
}

#define ROWS    1
#define VECTORS 4
#define DEPTH   192
#define PAIRED  1
#define GEMM    tf_gemm64_avx2
#include "runtime/kernels/matmul_tile.h"
