/** Planes and bytes move at the speed of memory with AVX2 already. */
#include "runtime/kernels/internal.h"

/* Intel's vpmulld takes two steps of one pipe, so that vpmadd52luq is faster there, of half as many numbers at a time.
 */
static const tf_gemm *choose(unsigned bits) {
    const int ifma = __builtin_cpu_supports("avx512ifma");
    if (bits <= 32 && !(ifma && __builtin_cpu_is("intel"))) return &tf_gemm32_avx512;
    if (bits <= 52 && ifma) return &tf_gemm52_avx512ifma;
    return &tf_gemm64_avx512;
}

static tf_packed *pack_sum(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                           size_t column_stride, unsigned bits) {
    return tf_gemm_pack(choose(bits), b, b2, k, n, row_stride, column_stride, bits);
}

static tf_packed *pack(const uint64_t *b, size_t k, size_t n, size_t row_stride, size_t column_stride, unsigned bits) {
    return pack_sum(b, NULL, k, n, row_stride, column_stride, bits);
}

const tf_kernels tf_kernels_avx512 = {
    .name = "avx512",
    .vector = &tf_vector_avx512,
    .pack = pack,
    .pack_sum = pack_sum,
    .matmul = tf_gemm_matmul,
    .matmul_scratch = tf_gemm_scratch,
    .to_planes = tf_to_planes_avx2,
    .from_plane = tf_from_plane_avx2,
    .pack_bytes = tf_pack_bytes_avx2,
    .unpack_bytes = tf_unpack_bytes_avx2,
};
