/** Products mod 2^64, by vpmullq. */
#include <stdint.h>

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(64)));
typedef vector accumulator;

#define start(x)              (x)
#define accumulate(sum, s, t) (*(sum) += (s) * (t))
#define total(sum)            (sum)

#define ROWS    4
#define VECTORS 4
#define DEPTH   96
#define PAIRED  1
#define GEMM    tf_gemm64_avx512
#include "runtime/kernels/matmul_tile.h"
