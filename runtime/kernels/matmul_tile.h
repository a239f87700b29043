/**
 * The micro-kernel and its packing, written once over GCC's vector extensions. It uses Winograd's inner product (1968),
 * which is exact in any commutative ring and needs half the multiplications:
 *
 *   sum_k a_k b_k = sum_(k even) (a_k + b_(k+1)) (a_(k+1) + b_k)  -  sum_(k even) a_k a_(k+1)  -  sum_(k even) b_k
 * b_(k+1).
 *
 * The last two sums belong to a row of A and a column of B alone, and packing puts them, negated, in front of each.
 * Additions are cheap here: a wide integer multiply runs on half of a core's vector pipes at most, or takes several
 * micro-operations, while an addition runs on all of them in one.
 *
 * The including file defines
 *   word, vector    the ring element (uint64_t or uint32_t) and a vector of them, of GCC's vector_size
 *   accumulator     with start(vector) -> accumulator, accumulate(&accumulator, s, t) for += s * t, total(accumulator)
 * -> vector ROWS, VECTORS   the register tile: ROWS x VECTORS accumulators DEPTH           of a block, so that a panel
 * (DEPTH x VECTORS vectors) stays in the level-1 data cache PAIRED          1 for Winograd's inner product, 0 for the
 * plain one (where multiply-and-add is one instruction) GEMM            the name of the resulting tf_gemm
 */
#include "runtime/kernels/internal.h"

#define INLINE      static inline __attribute__((always_inline))
#define UNROLL      _Pragma("GCC unroll 16")
#define INDEPENDENT _Pragma("GCC ivdep")

enum { LANES = sizeof(vector) / sizeof(word), COLUMNS = VECTORS * LANES };

typedef uint64_t wide __attribute__((vector_size(LANES * sizeof(uint64_t)), aligned(8), may_alias));

static void pack_panel(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, void *panel) {
    word(*lines)[COLUMNS] = (word(*)[COLUMNS])panel + 1;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < n; j++) {
            const size_t at = i * row_stride + j * column_stride;
            lines[i][j] = (word)(b2 ? b[at] + b2[at] : b[at]);
        }
        for (size_t j = n; j < COLUMNS; j++) lines[i][j] = 0;
    }
    if (k & 1)
        for (size_t j = 0; j < COLUMNS; j++) lines[k][j] = 0;
    word sums[COLUMNS] = {0};
    if (PAIRED)
        for (size_t i = 0; i < k; i += 2)
            for (size_t j = 0; j < COLUMNS; j++) sums[j] -= lines[i][j] * lines[i + 1][j];
    for (size_t j = 0; j < COLUMNS; j++) lines[-1][j] = sums[j];
}

static void pack_row(const uint64_t *a, const uint64_t *a2, size_t k, void *row) {
    word *words = (word *)row + 2, sum = 0;
    if (a2)
        INDEPENDENT for (size_t i = 0; i < k; i++) words[i] = (word)(a[i] + a2[i]);
    else
        INDEPENDENT for (size_t i = 0; i < k; i++) words[i] = (word)a[i];
    if (k & 1) words[k] = 0;
    if (PAIRED)
        for (size_t i = 0; i < k; i += 2) sum -= words[i] * words[i + 1];
    words[-2] = sum;
}

/** c (rows x n) += the product of `rows` rows, a constant where this is inlined, with a panel. */
INLINE void tile(size_t rows, size_t k, size_t n, const word *a, const vector *b, uint64_t *c, size_t ldc) {
    const size_t stride = 2 + k;
    accumulator sums[ROWS][VECTORS];
    UNROLL for (size_t r = 0; r < rows; r++) UNROLL for (size_t v = 0; v < VECTORS; v++) sums[r][v] =
        start(b[v] + a[r * stride]);
    a += 2;
    b += VECTORS;
    for (size_t i = 0; i < k; i += 2, b += 2 * VECTORS) UNROLL for (size_t r = 0; r < rows; r++) {
            const vector even = a[r * stride + i] - (vector){0}, odd = a[r * stride + i + 1] - (vector){0};
            UNROLL for (size_t v = 0; v < VECTORS; v++) {
                if (PAIRED) {
                    accumulate(&sums[r][v], even + b[VECTORS + v], odd + b[v]);
                } else {
                    accumulate(&sums[r][v], even, b[v]);
                    accumulate(&sums[r][v], odd, b[VECTORS + v]);
                }
            }
        }
    UNROLL for (size_t r = 0; r < rows; r++) {
        if (n == COLUMNS) {
            UNROLL for (size_t v = 0; v < VECTORS; v++) * (wide *)(c + r * ldc + v * LANES) +=
                __builtin_convertvector(total(sums[r][v]), wide);
        } else {
            vector last[VECTORS];
            UNROLL for (size_t v = 0; v < VECTORS; v++) last[v] = total(sums[r][v]);
            for (size_t j = 0; j < n; j++) c[r * ldc + j] += last[j / LANES][j % LANES];
        }
    }
}

static void multiply(size_t m, size_t k, size_t n, const void *rows, const void *panel, uint64_t *c, size_t ldc) {
    const word *a = rows;
    for (; m >= ROWS; m -= ROWS, a += ROWS * (2 + k), c += ROWS * ldc) tile(ROWS, k, n, a, panel, c, ldc);
    for (; m; m--, a += 2 + k, c += ldc) tile(1, k, n, a, panel, c, ldc);
}

const tf_gemm GEMM = {COLUMNS, DEPTH, sizeof(word), pack_panel, pack_row, multiply};
