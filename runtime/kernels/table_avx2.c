#include "runtime/kernels/internal.h"

static const tf_gemm *choose(unsigned bits) {
    if (bits <= 32) return &tf_gemm32_avx2;
    return bits <= 48 ? &tf_gemm48_avx2 : &tf_gemm64_avx2;
}

TF_GEMM_KERNELS(avx2, choose, tf_sum_entries_avx2, avx2)
