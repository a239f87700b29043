#include "runtime/kernels/internal.h"

/* Intel's vpmulld takes two steps of one pipe, so that vpmadd52luq is faster there, with half as many numbers in it. */
static const tf_gemm *choose(unsigned bits) {
    const int ifma = __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi");
    if (bits <= 32 && !(ifma && __builtin_cpu_is("intel"))) return &tf_gemm32_avx512;
    if (bits <= 52 && ifma) return &tf_gemm52_avx512ifma;
    return &tf_gemm64_avx512;
}

void tf_pack_bytes_avx512(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    (__builtin_cpu_supports("avx512vbmi") ? tf_pack_bytes_avx512vbmi : tf_pack_bytes_avx2)(x, n, bytes, out);
}

void tf_unpack_bytes_avx512(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    (__builtin_cpu_supports("avx512vbmi") ? tf_unpack_bytes_avx512vbmi : tf_unpack_bytes_avx2)(in, n, bytes, x);
}

TF_GEMM_KERNELS(avx512, choose, tf_sum_entries_avx512, avx512)
