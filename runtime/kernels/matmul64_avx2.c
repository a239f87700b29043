/**
 * Products mod 2^64. With s = s1 2^32 + s0 and t = t1 2^32 + t0, s t = s0 t0 + (s1 t0 + s0 t1) 2^32: one 32 x 32 -> 64
 * product, and both cross products at once in the two halves of a lane, since they matter mod 2^32 only. The halves
 * meet once at the end. Rings of 49 to 63 bits come here too: a shorter cross product would save nothing.
 */
#include <stdint.h>

typedef uint32_t crossing __attribute__((vector_size(32)));

#define GEMM tf_gemm64_avx2
#include "runtime/kernels/matmul_crossing_avx2.h"
