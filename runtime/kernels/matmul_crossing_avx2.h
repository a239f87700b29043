/**
 * The accumulator that the micro-kernels of wide rings with AVX2 share: the low 32 x 32 -> 64 product of a lane, and
 * both cross products at once, in the words of a lane. The including file defines `crossing`, the vector of the words
 * that the cross products need, and says why they suffice. It is a type of its own: were the sums __m256i, GCC 12 would
 * copy each of them in every round of the loop.
 */
#include <immintrin.h>
#include <stdint.h>

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(32)));
typedef struct accumulator {
    vector low;
    crossing cross;
} accumulator;

static inline accumulator start(vector x) {
    return (accumulator){x, (crossing){0}};
}

static inline void accumulate(accumulator *sum, vector s, vector t) {
    const __m256i swapped = _mm256_shuffle_epi32((__m256i)t, 0xb1);
    sum->low += (vector)_mm256_mul_epu32((__m256i)s, (__m256i)t);
    sum->cross += (crossing)s * (crossing)swapped;
}

static inline vector total(accumulator sum) {
    const vector cross = (vector)sum.cross;
    return sum.low + ((cross + (cross >> 32)) << 32);
}

#define ROWS    1
#define VECTORS 4
#define DEPTH   192
#define PAIRED  1
#include "runtime/kernels/matmul_tile.h"
