#include "runtime/graph/plain_matmul.h"

#include <string.h>

/*
 * Strips of ROWS rows of a meet panels of COLUMNS columns of b, DEPTH deep: a panel (16 KiB) stays in the first-level
 * cache while all rows pass it, and a strip's sums stay in registers.
 */
enum { ROWS = 6, COLUMNS = 16, DEPTH = 256, LANES = 8 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

static inline void copy(const float *b, size_t row_stride, size_t column_stride, size_t depth, size_t columns,
                        float *panel) {
    for (size_t i = 0; i < depth; i++)
        for (size_t j = 0; j < columns; j++) panel[i * COLUMNS + j] = b[i * row_stride + j * column_stride];
}

/* Copies depth x columns elements of b; columns past the last become zero. Constants make the common cases quick. */
static void pack(const float *b, size_t row_stride, size_t column_stride, size_t depth, size_t columns, float *panel) {
    if (columns < COLUMNS) {
        memset(panel, 0, depth * COLUMNS * sizeof *panel);
        copy(b, row_stride, column_stride, depth, columns, panel);
    } else if (column_stride == 1) {
        copy(b, row_stride, 1, depth, COLUMNS, panel);
    } else {
        copy(b, row_stride, column_stride, depth, COLUMNS, panel);
    }
}

/*
 * tile (ROWS x COLUMNS) = or += strip times panel. A macro, because a function is lowered to the vectors of its own
 * target before it is inlined.
 */
#define STRIP_TIMES_PANEL(name, attributes)                                                                            \
    attributes static void name(size_t depth, const float *const a[ROWS], const float *panel, float *tile) {           \
        lanes sum[ROWS][2];                                                                                            \
        for (int r = 0; r < ROWS; r++) {                                                                               \
            sum[r][0] = *(const lanes *)(tile + r * COLUMNS);                                                          \
            sum[r][1] = *(const lanes *)(tile + r * COLUMNS + LANES);                                                  \
        }                                                                                                              \
        for (size_t i = 0; i < depth; i++) {                                                                           \
            lanes left = *(const lanes *)(panel + i * COLUMNS), right = *(const lanes *)(panel + i * COLUMNS + LANES); \
            for (int r = 0; r < ROWS; r++) {                                                                           \
                sum[r][0] += a[r][i] * left;                                                                           \
                sum[r][1] += a[r][i] * right;                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < ROWS; r++) {                                                                               \
            *(lanes *)(tile + r * COLUMNS) = sum[r][0];                                                                \
            *(lanes *)(tile + r * COLUMNS + LANES) = sum[r][1];                                                        \
        }                                                                                                              \
    }

STRIP_TIMES_PANEL(strip_times_panel, )
#ifdef __x86_64__
STRIP_TIMES_PANEL(strip_times_panel_avx2, __attribute__((target("avx2"))))
#endif

typedef void strip_kernel(size_t depth, const float *const a[ROWS], const float *panel, float *tile);

static strip_kernel *best_kernel(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) return strip_times_panel_avx2;
#endif
    return strip_times_panel;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

void tf_plain_matmul(size_t m, size_t k, size_t n, const float *a, size_t lda, const float *b, size_t row_stride,
                     size_t column_stride, float *c, size_t ldc) {
    strip_kernel *kernel = best_kernel();
    float panel[DEPTH * COLUMNS] __attribute__((aligned(64)));
    float tile[ROWS * COLUMNS] __attribute__((aligned(64)));

    for (size_t i = 0; i < m; i++) memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t column = 0; column < n; column += COLUMNS) {
        size_t columns = least(COLUMNS, n - column);
        for (size_t first = 0; first < k; first += DEPTH) {
            size_t depth = least(DEPTH, k - first);
            pack(b + first * row_stride + column * column_stride, row_stride, column_stride, depth, columns, panel);
            for (size_t row = 0; row < m; row += ROWS) {
                size_t rows = least(ROWS, m - row);
                const float *strip[ROWS];
                for (size_t r = 0; r < ROWS; r++) strip[r] = a + (row + least(r, rows - 1)) * lda + first;
                float *corner = c + row * ldc + column;
                memset(tile, 0, sizeof tile);
                for (size_t r = 0; r < rows; r++) memcpy(tile + r * COLUMNS, corner + r * ldc, columns * sizeof *c);
                kernel(depth, strip, panel, tile);
                for (size_t r = 0; r < rows; r++) memcpy(corner + r * ldc, tile + r * COLUMNS, columns * sizeof *c);
            }
        }
    }
}
