#include "runtime/graph/plain_matmul.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdbool.h>
#include <string.h>

/*
 * Strips of ROWS rows of a meet panels of some columns of b, DEPTH deep: a panel (at most 32 KiB) stays in the
 * first-level cache while all rows pass it, and a strip's sums stay in registers, as many as there are: 24 of 32, or 12
 * of 16. The last columns take panels of fewer vectors.
 */
enum { ROWS = 6, DEPTH = 128, SQUARE = 8, MOST_COLUMNS = 64, WIDTHS = 3 };

typedef float lanes8 __attribute__((vector_size(8 * sizeof(float)), aligned(4), may_alias));
typedef float lanes16 __attribute__((vector_size(16 * sizeof(float)), aligned(4), may_alias));

/** Where a row of b begins and its elements lie, and how many of its columns a panel has. */
typedef struct matrix {
    const float *data;
    size_t row_stride, column_stride, columns;
} matrix;

static inline void copy(matrix b, size_t from, size_t depth, float *panel, size_t pitch) {
    for (size_t i = from; i < depth; i++)
        for (size_t j = 0; j < b.columns; j++) panel[i * pitch + j] = b.data[i * b.row_stride + j * b.column_stride];
}

/** Turns SQUARE rows at `in`, in_stride apart, into columns at `out`. A macro for the reason below. */
#define TURN(in, in_stride, out, out_stride)                                                                           \
    do {                                                                                                               \
        lanes8 row[SQUARE], pair[SQUARE];                                                                              \
        for (int r = 0; r < SQUARE; r++) row[r] = *(const lanes8 *)((in) + (size_t)r * (in_stride));                   \
        for (int r = 0; r < SQUARE; r += 2) {                                                                          \
            pair[r] = __builtin_shufflevector(row[r], row[r + 1], 0, 8, 1, 9, 4, 12, 5, 13);                           \
            pair[r + 1] = __builtin_shufflevector(row[r], row[r + 1], 2, 10, 3, 11, 6, 14, 7, 15);                     \
        }                                                                                                              \
        for (int r = 0; r < SQUARE; r += 4)                                                                            \
            for (int h = 0; h < 2; h++) {                                                                              \
                lanes8 upper = pair[r + h], lower = pair[r + h + 2];                                                   \
                row[r + 2 * h] = __builtin_shufflevector(upper, lower, 0, 1, 8, 9, 4, 5, 12, 13);                      \
                row[r + 2 * h + 1] = __builtin_shufflevector(upper, lower, 2, 3, 10, 11, 6, 7, 14, 15);                \
            }                                                                                                          \
        for (int r = 0; r < SQUARE / 2; r++) {                                                                         \
            lanes8 upper = row[r], lower = row[r + SQUARE / 2];                                                        \
            *(lanes8 *)((out) + (size_t)r * (out_stride)) =                                                            \
                __builtin_shufflevector(upper, lower, 0, 1, 2, 3, 8, 9, 10, 11);                                       \
            *(lanes8 *)((out) + (size_t)(r + SQUARE / 2) * (out_stride)) =                                             \
                __builtin_shufflevector(upper, lower, 4, 5, 6, 7, 12, 13, 14, 15);                                     \
        }                                                                                                              \
    } while (0)

/*
 * pack: copies depth rows of a panel's columns, `vectors` of them; those past the last become zero. Of columns that are
 * rows of memory, the next ones are asked for beforehand: a weight comes from memory, and these are too short for the
 * processor to see ahead.
 * times: c (ROWS x COLUMNS, row stride ldc) = strip times panel, added to what is there unless it is fresh. A macro,
 * because a function is lowered to the vectors of its own target before it is inlined; fuse(sum, a, b) is a
 * multiply-add of a number and lanes.
 */
#define KERNELS(suffix, lanes, vectors, fuse, attributes)                                                              \
    enum { COLUMNS##suffix = (vectors) * sizeof(lanes) / sizeof(float) };                                              \
                                                                                                                       \
    attributes static void pack##suffix(matrix b, size_t depth, float *panel) {                                        \
        size_t turned = b.row_stride == 1 && b.columns == COLUMNS##suffix ? depth / SQUARE * SQUARE : 0;               \
        if (b.columns < COLUMNS##suffix) memset(panel, 0, depth *COLUMNS##suffix * sizeof *panel);                     \
        for (size_t j = 0; j < COLUMNS##suffix && turned; j += SQUARE)                                                 \
            for (size_t i = 0; i < turned; i += SQUARE) {                                                              \
                const float *from = b.data + j * b.column_stride + i;                                                  \
                for (size_t r = 0; r < SQUARE; r++) __builtin_prefetch(from + (SQUARE + r) * b.column_stride);         \
                TURN(from, b.column_stride, panel + i * COLUMNS##suffix + j, COLUMNS##suffix);                         \
            }                                                                                                          \
        if (b.columns == COLUMNS##suffix && b.column_stride == 1)                                                      \
            copy((matrix){b.data, b.row_stride, 1, COLUMNS##suffix}, 0, depth, panel, COLUMNS##suffix);                \
        else                                                                                                           \
            copy(b, turned, depth, panel, COLUMNS##suffix);                                                            \
    }                                                                                                                  \
                                                                                                                       \
    attributes static void times##suffix(size_t depth, const float *const a[ROWS], const float *panel, bool fresh,     \
                                         float *c, size_t ldc) {                                                       \
        lanes sum[ROWS][vectors] = {{{0}}};                                                                            \
        for (int r = 0; r < ROWS && !fresh; r++)                                                                       \
            for (int h = 0; h < (vectors); h++) sum[r][h] = *((const lanes *)(c + (size_t)r * ldc) + h);               \
        for (size_t i = 0; i < depth; i++) {                                                                           \
            lanes row[vectors];                                                                                        \
            for (int h = 0; h < (vectors); h++) row[h] = *((const lanes *)(panel + i * COLUMNS##suffix) + h);          \
            for (int r = 0; r < ROWS; r++)                                                                             \
                for (int h = 0; h < (vectors); h++) sum[r][h] = fuse(sum[r][h], a[r][i], row[h]);                      \
        }                                                                                                              \
        for (int r = 0; r < ROWS; r++)                                                                                 \
            for (int h = 0; h < (vectors); h++) *((lanes *)(c + (size_t)r * ldc) + h) = sum[r][h];                     \
    }

typedef struct kernels {
    size_t columns; /**< of a panel */
    void (*pack)(matrix b, size_t depth, float *panel);
    void (*times)(size_t depth, const float *const a[ROWS], const float *panel, bool fresh, float *c, size_t ldc);
} kernels;

/** Lane by lane: where the processor has no such instruction the library makes the same numbers, slowly. */
#define FUSE_EACH(sum, a, b)                                                                                           \
    ({                                                                                                                 \
        lanes8 fused;                                                                                                  \
        for (size_t lane = 0; lane < sizeof fused / sizeof(float); lane++)                                             \
            fused[lane] = fmaf(a, (b)[lane], (sum)[lane]);                                                             \
        fused;                                                                                                         \
    })
#define OF(suffix)                                                                                                     \
    { COLUMNS##suffix, pack##suffix, times##suffix }

KERNELS(_c, lanes8, 2, FUSE_EACH, )
KERNELS(_c1, lanes8, 1, FUSE_EACH, )
static const kernels plain[WIDTHS] = {OF(_c), OF(_c1)};
#ifdef __x86_64__
#define FUSE_AVX2(sum, a, b)   ((lanes8)_mm256_fmadd_ps(_mm256_set1_ps(a), (__m256)(b), (__m256)(sum)))
#define FUSE_AVX512(sum, a, b) ((lanes16)_mm512_fmadd_ps(_mm512_set1_ps(a), (__m512)(b), (__m512)(sum)))
KERNELS(_avx2, lanes8, 2, FUSE_AVX2, __attribute__((target("avx2,fma"))))
KERNELS(_avx2_1, lanes8, 1, FUSE_AVX2, __attribute__((target("avx2,fma"))))
KERNELS(_avx512, lanes16, 4, FUSE_AVX512, __attribute__((target("avx512f"))))
KERNELS(_avx512_2, lanes16, 2, FUSE_AVX512, __attribute__((target("avx512f"))))
KERNELS(_avx512_1, lanes16, 1, FUSE_AVX512, __attribute__((target("avx512f"))))
static const kernels avx2[WIDTHS] = {OF(_avx2), OF(_avx2_1)};
static const kernels avx512[WIDTHS] = {OF(_avx512), OF(_avx512_2), OF(_avx512_1)};
#endif

/** The processor's kernels, the widest first; unused places have no columns. */
static const kernels *best_kernels(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) return avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
#endif
    return plain;
}

/** The narrowest that has room for so many columns, or the widest. */
static const kernels *kernels_for(const kernels *widest, size_t columns) {
    const kernels *best = widest;
    for (int i = 1; i < WIDTHS && widest[i].columns >= columns; i++) best = &widest[i];
    return best;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/** times, for what is left of a matrix: rows x columns, at `corner`. */
static void times_rest(const kernels *best, size_t depth, const float *const strip[ROWS], const float *panel,
                       bool fresh, size_t rows, size_t columns, float *corner, size_t ldc) {
    float tile[ROWS * MOST_COLUMNS] __attribute__((aligned(64))) = {0};
    for (size_t r = 0; r < rows && !fresh; r++)
        memcpy(tile + r * best->columns, corner + r * ldc, columns * sizeof *tile);
    best->times(depth, strip, panel, fresh, tile, best->columns);
    for (size_t r = 0; r < rows; r++) memcpy(corner + r * ldc, tile + r * best->columns, columns * sizeof *tile);
}

void tf_plain_matmul(size_t m, size_t k, size_t n, const float *a, size_t lda, const float *b, size_t row_stride,
                     size_t column_stride, float *c, size_t ldc) {
    const kernels *widest = best_kernels();
    float panel[DEPTH * MOST_COLUMNS] __attribute__((aligned(64)));

    for (size_t i = 0; i < m && !k; i++) memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t column = 0; column < n;) {
        const kernels *best = kernels_for(widest, n - column);
        const size_t columns = least(best->columns, n - column);
        for (size_t first = 0; first < k; first += DEPTH) {
            const size_t depth = least(DEPTH, k - first);
            best->pack((matrix){b + first * row_stride + column * column_stride, row_stride, column_stride, columns},
                       depth, panel);
            for (size_t row = 0; row < m; row += ROWS) {
                const size_t rows = least(ROWS, m - row);
                const float *strip[ROWS];
                for (size_t r = 0; r < ROWS; r++) strip[r] = a + (row + least(r, rows - 1)) * lda + first;
                float *corner = c + row * ldc + column;
                if (rows == ROWS && columns == best->columns)
                    best->times(depth, strip, panel, !first, corner, ldc);
                else
                    times_rest(best, depth, strip, panel, !first, rows, columns, corner, ldc);
            }
        }
        column += columns;
    }
}
