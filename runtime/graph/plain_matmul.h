/** Matrix products in floating point, for the plain references of ops. */
#ifndef TF_PLAIN_MATMUL_H
#define TF_PLAIN_MATMUL_H

#include <stddef.h>

/**
 * c (m x n, row stride ldc) = a (m x k, row stride lda) times b (k x n; element (i, j) at
 * b[i * row_stride + j * column_stride]). c overlaps neither a nor b.
 *
 * Every element is a sum in the order of k, from zero on, each step a fused multiply-add (IEEE 754), so results do not
 * depend on the CPU, nor on which rows are computed together.
 */
void tf_plain_matmul(size_t m, size_t k, size_t n, const float *a, size_t lda, const float *b, size_t row_stride,
                     size_t column_stride, float *c, size_t ldc);

#endif
