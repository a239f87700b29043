#include "runtime/graph/plain_matmul.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static uint64_t state = 1;

static float uniform(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) / (1 << 23) - 1;
}

/* Guarded by `margin` extra columns of c, which must not be touched. */
static void check(size_t m, size_t k, size_t n, int transpose, size_t margin) {
    size_t lda = k + margin, ldc = n + margin, row_stride = transpose ? 1 : n, column_stride = transpose ? k : 1;
    float *a = calloc(m * lda, sizeof *a), *b = calloc(k * n, sizeof *b), *c = calloc(m * ldc, sizeof *c);
    for (size_t i = 0; i < m * lda; i++) a[i] = uniform();
    for (size_t i = 0; i < k * n; i++) b[i] = uniform();
    for (size_t i = 0; i < m * ldc; i++) c[i] = 77;
    tf_plain_matmul(m, k, n, a, lda, b, row_stride, column_stride, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            float sum = j < n ? 0 : 77; /* rounded once a step, as promised */
            for (size_t p = 0; j < n && p < k; p++)
                sum = fmaf(a[i * lda + p], b[p * row_stride + j * column_stride], sum);
            cr_assert_eq(c[i * ldc + j], sum, "%zux%zux%zu at %zu, %zu: %g, not %g", m, k, n, i, j,
                         (double)c[i * ldc + j], (double)sum);
        }
    free(a);
    free(b);
    free(c);
}

Test(plain_matmul, equals_the_sum_in_order) {
    size_t sizes[] = {1, 2, 5, 6, 7, 15, 16, 17, 33};
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < 9; j++)
            for (size_t l = 0; l < 9; l++) check(sizes[i], sizes[j], sizes[l], (int)(i + j + l) % 2, l % 3);
}

Test(plain_matmul, deep_products) {
    check(7, 255, 17, 0, 1);
    check(7, 256, 17, 1, 0);
    check(7, 257, 17, 0, 0);
    check(13, 1000, 40, 1, 3);
}

/* Whole panels of the widest vectors, what is left beside them, and sums that go on from one panel to the next. */
Test(plain_matmul, wide_products) {
    size_t rows[] = {1, 6, 13}, depths[] = {8, 127, 128, 129, 300}, columns[] = {31, 48, 63, 64, 65, 96, 130};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 5; j++)
            for (size_t l = 0; l < 7; l++)
                for (int transpose = 0; transpose < 2; transpose++) check(rows[i], depths[j], columns[l], transpose, 1);
}
