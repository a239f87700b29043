/**
 * Products mod 2^48 and below. With words of 16 bits, s = s2 2^32 + s1 2^16 + s0 and t likewise,
 *
 *   s t  =  (s mod 2^32) (t mod 2^32)  +  (s2 t0 + s0 t2) 2^32  mod 2^48,
 *
 * so that the cross products, which matter mod 2^16 only, are two words of a 16-bit multiplication. That one is as fast
 * as the 32 x 32 -> 64 one; the 32-bit multiplication that rings above 48 bits need takes twice its time or two
 * micro-operations. The other two words of a lane hold what nobody reads; the cross products meet once at the end.
 */
#include <stdint.h>

typedef uint16_t crossing __attribute__((vector_size(32)));

#define GEMM tf_gemm48_avx2
#include "runtime/kernels/matmul_crossing_avx2.h"
