/** Products mod 2^32 and below. */
#include <stdint.h>

typedef uint32_t word;
typedef uint32_t vector __attribute__((vector_size(32)));
typedef vector accumulator;

static inline accumulator start(vector x) {
    return x;
}
static inline void accumulate(accumulator *sum, vector s, vector t) {
    *sum += s * t;
}
static inline vector total(accumulator sum) {
    return sum;
}

#define ROWS    2
#define VECTORS 4
#define DEPTH   192
#define PAIRED  1
#define GEMM    tf_gemm32_avx2
#include "runtime/kernels/matmul_tile.h"
