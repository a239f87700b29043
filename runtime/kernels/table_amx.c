/** As AVX-512, which every processor with AMX has, but for the products. */
#include "runtime/kernels/internal.h"

static const tf_gemm *choose(unsigned bits) {
    return &tf_gemm8_amx[(bits - 1) / 8 % 8];
}

TF_GEMM_KERNELS(amx, choose, tf_sum_entries_avx512, avx512vbmi)
