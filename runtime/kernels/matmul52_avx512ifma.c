/**
 * Products mod 2^52 and below, by vpmadd52luq, which adds the low 52 bits of a product of 52-bit numbers. Multiplying
 * and adding are one instruction here, so the plain inner product is the cheaper one.
 */
#include <stdint.h>

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(64)));
typedef vector accumulator;

#define start(x) (x)
#ifdef __AVX512IFMA__
#include <immintrin.h>
#define accumulate(sum, s, t) (*(sum) = (vector)_mm512_madd52lo_epu64((__m512i) * (sum), (__m512i)(s), (__m512i)(t)))
#else /* the definition of the instruction, for tests on other machines */
#define LOW52                 (((uint64_t)1 << 52) - 1)
#define accumulate(sum, s, t) (*(sum) += ((s)&LOW52) * ((t)&LOW52) & LOW52)
#endif
#define total(sum) (sum)

#define ROWS    6
#define VECTORS 4
#define DEPTH   96
#define PAIRED  0
#define GEMM    tf_gemm52_avx512ifma
#include "runtime/kernels/matmul_tile.h"
