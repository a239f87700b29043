/** What the kernel sources share among themselves; everybody else includes runtime/kernels.h. */
#ifndef TF_KERNELS_INTERNAL_H
#define TF_KERNELS_INTERNAL_H

#include "runtime/kernels.h"

/**
 * A micro-kernel with its packing. The operands are cut to blocks of `depth` along k; within a block, B is a sequence
 * of panels of `columns` columns and A a sequence of rows. Their words hold the low bits of the ring's elements:
 *
 *   panel: (1 + even) x columns, the first line being what is added to every row of the product;
 *   row:   2 + even, the first word being what is added to every column of the product, the second unused;
 *
 * where even is the block's depth rounded up to an even number, and the padding is zero.
 */
typedef struct tf_gemm {
    size_t columns; /**< of a panel */
    size_t depth;   /**< of a block: even */
    size_t word;    /**< bytes of a packed element */
    void (*pack_panel)(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, void *panel);
    void (*pack_row)(const uint64_t *a, const uint64_t *a2, size_t k, void *row);
    /** c (m x n, n <= columns) += rows * panel, with k even and consecutive rows 2 + k words apart. */
    void (*multiply)(size_t m, size_t k, size_t n, const void *rows, const void *panel, uint64_t *c, size_t ldc);
} tf_gemm;

/** A packed row takes this at most; ROW_BLOCK of them take half of a common level-2 cache. */
#define TF_GEMM_ROW_BYTES 2048

struct tf_packed {
    size_t k, n, bytes; /**< bytes: of the whole allocation */
    unsigned bits;
    const tf_gemm *gemm; /**< NULL for the plain C table, whose data are simply b, k x n */
    _Alignas(64) unsigned char data[];
};

/** An operand with `bytes` of data, or NULL with the thread's error set. */
tf_packed *tf_packed_new(size_t k, size_t n, unsigned bits, const tf_gemm *gemm, size_t bytes);

/** pack_sum and matmul of a table in terms of a micro-kernel. */
tf_packed *tf_gemm_pack(const tf_gemm *gemm, const uint64_t *b, const uint64_t *b2, size_t k, size_t n,
                        size_t row_stride, size_t column_stride, unsigned bits);
void tf_gemm_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                    size_t ldc, void *scratch);
size_t tf_gemm_scratch(size_t m, size_t k);

extern const tf_gemm tf_gemm32_avx2, tf_gemm48_avx2, tf_gemm64_avx2;
extern const tf_gemm tf_gemm32_avx512, tf_gemm64_avx512, tf_gemm52_avx512ifma;

void tf_to_planes_avx2(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride);
void tf_from_plane_avx2(const uint64_t *plane, size_t n, uint64_t *out);
void tf_pack_bytes_avx2(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out);
void tf_unpack_bytes_avx2(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x);

extern const tf_vector_kernels tf_vector_c, tf_vector_avx2, tf_vector_avx512;
extern const tf_kernels tf_kernels_c, tf_kernels_avx2, tf_kernels_avx512;

#endif
