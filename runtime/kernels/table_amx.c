/** As AVX-512, which every processor with AMX has, but for the products. */
#include "runtime/kernels/internal.h"

static tf_packed *pack_sum(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                           size_t column_stride, unsigned bits) {
    const size_t bytes = bits < 1 || bits > 64 ? 1 : (bits + 7) / 8; /* what is wrong is refused there */
    return tf_gemm_pack(&tf_gemm8_amx[bytes - 1], b, b2, k, n, row_stride, column_stride, bits);
}

static tf_packed *pack(const uint64_t *b, size_t k, size_t n, size_t row_stride, size_t column_stride, unsigned bits) {
    return pack_sum(b, NULL, k, n, row_stride, column_stride, bits);
}

const tf_kernels tf_kernels_amx = {
    .name = "amx",
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
