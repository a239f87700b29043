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
#include <string.h>

#include "runtime/kernels/internal.h"

#define INLINE      static inline __attribute__((always_inline))
#define UNROLL      _Pragma("GCC unroll 16")
#define INDEPENDENT _Pragma("GCC ivdep")

enum { LANES = sizeof(vector) / sizeof(word), COLUMNS = VECTORS * LANES, LINE = 64 / sizeof(uint64_t) };

typedef uint64_t wide __attribute__((vector_size(LANES * sizeof(uint64_t)), aligned(8), may_alias));

typedef uint64_t quad __attribute__((vector_size(32), aligned(8), may_alias));
typedef word packed_quad __attribute__((vector_size(4 * sizeof(word)), aligned(sizeof(word)), may_alias));

/** The sum of four neighbours. */
INLINE quad quad_at(const uint64_t *b, const uint64_t *b2, size_t at) {
    quad x = *(const quad *)(b + at);
    if (b2) x += *(const quad *)(b2 + at);
    return x;
}

/** Packs rows [i, k) of columns [j, n), element by element. */
INLINE void pack_any(const uint64_t *b, const uint64_t *b2, size_t i, size_t k, size_t j, size_t n, size_t row_stride,
                     size_t column_stride, word (*lines)[COLUMNS]) {
    for (; i < k; i++)
        for (size_t l = j; l < n; l++) {
            const size_t at = i * row_stride + l * column_stride;
            lines[i][l] = (word)(b2 ? b[at] + b2[at] : b[at]);
        }
}

/** Packs columns that are contiguous in memory, as those of a transposed matrix are, in blocks of 4 x 4. */
INLINE void pack_transposed(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t column_stride,
                            word (*lines)[COLUMNS]) {
    const size_t whole_k = k & ~(size_t)3, whole_n = n & ~(size_t)3;
    for (size_t i = 0; i < whole_k; i += 4)
        for (size_t j = 0; j < whole_n; j += 4) {
            quad c[4], t[4];
            UNROLL for (size_t l = 0; l < 4; l++) c[l] = quad_at(b, b2, i + (j + l) * column_stride);
            t[0] = __builtin_shufflevector(c[0], c[1], 0, 4, 2, 6);
            t[1] = __builtin_shufflevector(c[0], c[1], 1, 5, 3, 7);
            t[2] = __builtin_shufflevector(c[2], c[3], 0, 4, 2, 6);
            t[3] = __builtin_shufflevector(c[2], c[3], 1, 5, 3, 7);
            c[0] = __builtin_shufflevector(t[0], t[2], 0, 1, 4, 5);
            c[1] = __builtin_shufflevector(t[1], t[3], 0, 1, 4, 5);
            c[2] = __builtin_shufflevector(t[0], t[2], 2, 3, 6, 7);
            c[3] = __builtin_shufflevector(t[1], t[3], 2, 3, 6, 7);
            UNROLL for (size_t l = 0; l < 4; l++) * (packed_quad *)&lines[i + l][j] =
                __builtin_convertvector(c[l], packed_quad);
        }
    pack_any(b, b2, whole_k, k, 0, whole_n, 1, column_stride, lines);
    pack_any(b, b2, 0, k, whole_n, n, 1, column_stride, lines);
}

INLINE void pack_lines(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, word (*lines)[COLUMNS]) {
    if (column_stride == 1 && n == COLUMNS) {
        for (size_t i = 0; i < k; i++)
            UNROLL for (size_t j = 0; j < COLUMNS; j += 4) * (packed_quad *)&lines[i][j] =
                __builtin_convertvector(quad_at(b, b2, i * row_stride + j), packed_quad);
    } else if (row_stride == 1) {
        pack_transposed(b, b2, k, n, column_stride, lines);
    } else {
        pack_any(b, b2, 0, k, 0, n, row_stride, column_stride, lines);
    }
}

static void pack_panel(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, void *panel) {
    word(*lines)[COLUMNS] = (word(*)[COLUMNS])panel + 1;
    if (n < COLUMNS) memset(lines, 0, k * sizeof *lines);
    if (b2)
        pack_lines(b, b2, k, n, row_stride, column_stride, lines);
    else
        pack_lines(b, NULL, k, n, row_stride, column_stride, lines);
    if (k & 1) memset(lines[k], 0, sizeof *lines);
    accumulator sums[VECTORS];
    UNROLL for (size_t v = 0; v < VECTORS; v++) sums[v] = start((vector){0});
    const vector *line = (const vector *)lines;
    for (size_t i = 0; PAIRED && i < k; i += 2, line += 2 * VECTORS)
        UNROLL for (size_t v = 0; v < VECTORS; v++) accumulate(&sums[v], line[v], line[VECTORS + v]);
    UNROLL for (size_t v = 0; v < VECTORS; v++)((vector *)panel)[v] = -total(sums[v]);
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
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < COLUMNS; j += LINE) __builtin_prefetch(c + r * ldc + j, 1);
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
    /* The next panel comes to the level-2 cache a share per row: the first row would otherwise wait for all of it. */
    const char *next = (const char *)((const vector *)panel + (1 + k) * VECTORS);
    const size_t share = (1 + k) * sizeof(vector[VECTORS]) / m + 1;
    for (; m >= ROWS; m -= ROWS, a += ROWS * (2 + k), c += ROWS * ldc) {
        for (const char *end = next + ROWS * share; next < end; next += 64) __builtin_prefetch(next, 0, 2);
        tile(ROWS, k, n, a, panel, c, ldc);
    }
    for (; m; m--, a += 2 + k, c += ldc) tile(1, k, n, a, panel, c, ldc);
}

const tf_gemm GEMM = {COLUMNS, DEPTH, sizeof(word), pack_panel, pack_row, multiply};
