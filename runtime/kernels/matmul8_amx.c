/**
 * Products mod 2^(8 limbs), by AMX: elements are cut to bytes, and tdpbuud multiplies tiles of 16 x 64 by 64 x 16 bytes
 * into 16 x 16 sums of 32 bits, 16384 multiply-adds in 16 cycles. With a = sum a_i 2^(8 i) and b likewise,
 *
 *   a b  =  sum over s of 2^(8 s)  sum over i + j = s of a_i b_j   mod 2^(8 limbs),
 *
 * where s < limbs are all that matter: limbs (limbs + 1) / 2 products of bytes, 21 for 48 bits. The sums of six s are
 * held in tiles at once, all that up to 48 bits need, so that a tile of A is loaded once and one of B as often as it is
 * used. Layout:
 *
 *   rows:  groups of 16 rows; in a group, for each 64 elements of k and each limb, a tile of 16 lines;
 *   panel: for each 64 elements of k and each limb, a tile, whose line r has elements 4 r to 4 r + 3 of each column.
 *
 * A sum is below depth * limbs * 255^2 < 2^32.
 */
#include <stdbool.h>
#include <string.h>

#include "runtime/kernels/internal.h"

enum { LINE = 64, LINES = 16, TILE = LINE * LINES, DEPTH = 512, SUMS = 6, LIMBS = 8 };
_Static_assert(255ULL * 255 * DEPTH * LIMBS >> 32 == 0, "sums must not overflow");
_Static_assert(LIMBS *DEPTH <= TF_GEMM_ROW_BYTES && LINES == TF_GEMM_ROWS && LINE == TF_GEMM_UNIT, "rows must fit");

typedef uint64_t words __attribute__((vector_size(64), may_alias));
typedef uint64_t loose_words __attribute__((vector_size(64), aligned(8), may_alias));
typedef uint32_t doubles __attribute__((vector_size(64), may_alias));
typedef uint8_t bytes __attribute__((vector_size(64), may_alias));
typedef uint8_t half_bytes __attribute__((vector_size(32), may_alias));

/* Tiles 0 to 5 are sums, 6 is of A and 7 of B. A tile's number is part of the instruction. */
#ifdef __AMX_INT8__
#include <immintrin.h>
#define TILE_OF_A 6
#define TILE_OF_B 7

/** Palette 1; all tiles are 16 lines of 64 bytes. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t line_bytes[16];
    uint8_t lines[16];
} all_tiles = {.palette = 1,
               .line_bytes = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
               .lines = {LINES, LINES, LINES, LINES, LINES, LINES, LINES, LINES}};

#define SPECIALISED   INLINE /* in the number of limbs, for a tile's number must be a constant */
#define start_tiles() _tile_loadconfig(&all_tiles)
#define stop_tiles()  _tile_release() /* which wipes them */
#define load_a(from)  _tile_loadd(TILE_OF_A, from, LINE)
#define load_b(from)  _tile_loadd(TILE_OF_B, from, LINE)
#define FOR_SUM(s, instruction, ...)                                                                                   \
    switch (s) {                                                                                                       \
    case 0: instruction(0, ##__VA_ARGS__); break;                                                                      \
    case 1: instruction(1, ##__VA_ARGS__); break;                                                                      \
    case 2: instruction(2, ##__VA_ARGS__); break;                                                                      \
    case 3: instruction(3, ##__VA_ARGS__); break;                                                                      \
    case 4: instruction(4, ##__VA_ARGS__); break;                                                                      \
    case 5: instruction(5, ##__VA_ARGS__); break;                                                                      \
    }
INLINE void zero_sum(size_t s) {
    FOR_SUM(s, _tile_zero);
}
INLINE void accumulate(size_t s) {
    FOR_SUM(s, _tile_dpbuud, TILE_OF_A, TILE_OF_B);
}
INLINE void store_sum(size_t s, uint32_t (*to)[LINES]) {
    FOR_SUM(s, _tile_stored, to, LINE);
}
#else /* the definition of the instructions, for tests on other machines */
static _Thread_local uint32_t sum_tile[SUMS][LINES][LINES];
static _Thread_local uint8_t tile_of_a[LINES][LINE], tile_of_b[LINES][LINE];

#define SPECIALISED static __attribute__((noinline)) /* or compiling would take minutes */
#define start_tiles()
#define stop_tiles()
#define load_a(from)     memcpy(tile_of_a, from, TILE)
#define load_b(from)     memcpy(tile_of_b, from, TILE)
#define zero_sum(s)      memset(sum_tile[s], 0, TILE)
#define store_sum(s, to) memcpy(to, sum_tile[s], TILE)
SPECIALISED void accumulate(size_t s) {
    for (size_t r = 0; r < LINES; r++)
        for (size_t k = 0; k < LINE; k++)
            for (size_t c = 0; c < LINES; c++)
                sum_tile[s][r][c] += (uint32_t)tile_of_a[r][k] * tile_of_b[k / 4][4 * c + k % 4];
}
#endif

/** The first n <= 8 of words that lie `stride` apart, of b + b2 where there is a b2; zeros after them. */
INLINE words load(const uint64_t *b, const uint64_t *b2, size_t n, size_t stride) {
    words x = {0};
    if (n == 8 && stride == 1) {
        x = *(const loose_words *)b;
        if (b2) x += *(const loose_words *)b2;
        return x;
    }
    for (size_t i = 0; i < n; i++) x[i] = b2 ? b[i * stride] + b2[i * stride] : b[i * stride];
    return x;
}

#define FOUR(b)        b, b + 8, b + 16, b + 24
#define EACH_EIGHTH(b) FOUR(b), FOUR(b + 32)

/** Cuts to bytes: then word w of x[l] has the bytes l of the eight words of what x[w] was. */
SPECIALISED void cut(words x[8]) {
    UNROLLED(w, 8) {
        const bytes y = (bytes)x[w];
        x[w] = (words)__builtin_shufflevector(y, y, EACH_EIGHTH(0), EACH_EIGHTH(1), EACH_EIGHTH(2), EACH_EIGHTH(3),
                                              EACH_EIGHTH(4), EACH_EIGHTH(5), EACH_EIGHTH(6), EACH_EIGHTH(7));
    }
    words y[8];
    UNROLLED(w, 4) {
        y[2 * w] = __builtin_shufflevector(x[2 * w], x[2 * w + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        y[2 * w + 1] = __builtin_shufflevector(x[2 * w], x[2 * w + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    UNROLLED(w, 4) {
        const size_t at = w + (w & 2);
        x[at] = __builtin_shufflevector(y[at], y[at + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        x[at + 2] = __builtin_shufflevector(y[at], y[at + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    UNROLLED(w, 4) {
        y[w] = __builtin_shufflevector(x[w], x[w + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        y[w + 4] = __builtin_shufflevector(x[w], x[w + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    UNROLLED(w, 8) x[w] = y[w];
}

/** The lanes of those n elements of which the first `from` are gone, 8 at most. */
static size_t left(size_t n, size_t from) {
    return n > from ? min(n - from, 8) : 0;
}

static void pack_rows(size_t limbs, const uint64_t *a, const uint64_t *a2, size_t lda, size_t m, size_t k,
                      unsigned char *to) {
    const size_t groups = round_up(k, LINE) / LINE;
    for (size_t r = 0; r < round_up(m, LINES); r++) {
        unsigned char *line = to + r / LINES * groups * limbs * TILE + r % LINES * LINE;
        for (size_t g = 0; g < groups; g++, line += limbs * TILE) {
            words x[8];
            UNROLLED(w, 8) {
                const size_t from = g * LINE + 8 * w, at = r * lda + from;
                x[w] = load(a + at, a2 ? a2 + at : NULL, r < m ? left(k, from) : 0, 1);
            }
            cut(x);
            for (size_t l = 0; l < limbs; l++) *(words *)(line + l * TILE) = x[l];
        }
    }
}

/** Eight elements of k by eight columns: half of two lines of the tile of each limb. `down`: vectors run along k. */
INLINE void pack_square(size_t limbs, bool down, words x[8], unsigned char *line) {
    cut(x);
    for (size_t l = 0; l < limbs; l++) {
        half_bytes *upper = (half_bytes *)(line + l * TILE), *lower = (half_bytes *)(line + l * TILE + LINE);
        if (down) {
            const doubles y = (doubles)x[l];
            *upper = (half_bytes)__builtin_shufflevector(y, y, 0, 2, 4, 6, 8, 10, 12, 14);
            *lower = (half_bytes)__builtin_shufflevector(y, y, 1, 3, 5, 7, 9, 11, 13, 15);
        } else {
            const bytes y = (bytes)x[l];
            *upper =
                __builtin_shufflevector(y, y, FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6), FOUR(7));
            *lower = __builtin_shufflevector(y, y, FOUR(32), FOUR(33), FOUR(34), FOUR(35), FOUR(36), FOUR(37), FOUR(38),
                                             FOUR(39));
        }
    }
}

INLINE void pack_squares(size_t limbs, bool down, const uint64_t *b, const uint64_t *b2, size_t k, size_t n,
                         size_t row_stride, size_t column_stride, unsigned char *to) {
    const size_t along = down ? row_stride : column_stride, across = down ? column_stride : row_stride;
    for (size_t i = 0; i < round_up(k, LINE); i += 8)
        for (size_t j = 0; j < LINES; j += 8) {
            const size_t at = i * row_stride + j * column_stride;
            const size_t lanes = down ? left(k, i) : left(n, j), vectors = down ? left(n, j) : left(k, i);
            words x[8];
            UNROLLED(w, 8) {
                const size_t from = at + w * across;
                x[w] = load(b + from, b2 ? b2 + from : NULL, w < vectors ? lanes : 0, along);
            }
            pack_square(limbs, down, x, to + i / LINE * limbs * TILE + i % LINE / 4 * LINE + 4 * j);
        }
}

static void pack_panel(size_t limbs, const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, unsigned char *to) {
    if (row_stride == 1) /* constants for the code that is inlined */
        pack_squares(limbs, true, b, b2, k, n, 1, column_stride, to);
    else if (column_stride == 1)
        pack_squares(limbs, false, b, b2, k, n, row_stride, 1, to);
    else
        pack_squares(limbs, false, b, b2, k, n, row_stride, column_stride, to);
}

/** sums[s - from] = the sum of the products of limbs i + j = s, from <= s < to, of 16 rows and 16 columns. */
SPECIALISED void multiply_tiles(size_t limbs, size_t from, size_t to, size_t k, const unsigned char *a,
                                const unsigned char *b, uint32_t sums[SUMS][LINES][LINES]) {
    UNROLLED(s, to - from) zero_sum(s);
    for (size_t g = 0; g < k; g += LINE, a += limbs * TILE, b += limbs * TILE)
        UNROLLED(i, to) {
            load_a(a + i * TILE);
            UNROLLED(j, limbs)
                if (from <= i + j && i + j < to) {
                    load_b(b + j * TILE);
                    accumulate(i + j - from);
                }
        }
    UNROLLED(s, to - from) store_sum(s, sums[s]);
}

/** c (m x n) += the sums of `count` limbs from limb `from` on. */
SPECIALISED void add_sums(size_t from, size_t count, size_t m, size_t n, const uint32_t sums[SUMS][LINES][LINES],
                          uint64_t *c, size_t ldc) {
    for (size_t r = 0; r < m; r++, c += ldc) {
        words even = {0}, odd = {0}; /* columns; cheaper than widening the sums in their order */
        UNROLLED(s, count) {
            const words x = *(const words *)sums[s][r];
            even += (x & UINT32_MAX) << 8 * (from + s);
            odd += x >> 32 << 8 * (from + s);
        }
        const words low = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
        const words high = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
        if (n == LINES) {
            *(loose_words *)c += low;
            *(loose_words *)(c + 8) += high;
        } else {
            for (size_t j = 0; j < n; j++) c[j] += j < 8 ? low[j] : high[j - 8];
        }
    }
}

SPECIALISED void multiply(size_t limbs, size_t m, size_t k, size_t n, const unsigned char *a, const unsigned char *b,
                          uint64_t *c, size_t ldc) {
    _Alignas(64) uint32_t sums[SUMS][LINES][LINES];
    start_tiles();
    for (size_t r = 0; r < m; r += LINES, a += k * limbs * LINES, c += LINES * ldc) {
        const size_t first = min(limbs, SUMS), rows = min(m - r, LINES);
        multiply_tiles(limbs, 0, first, k, a, b, sums);
        add_sums(0, first, rows, n, sums, c, ldc);
        if (limbs > first) {
            multiply_tiles(limbs, first, limbs, k, a, b, sums);
            add_sums(first, limbs - first, rows, n, sums, c, ldc);
        }
    }
    stop_tiles();
    explicit_bzero(sums, sizeof sums);
}

#define KERNEL(limbs)                                                                                                  \
    static void pack_panel##limbs(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,        \
                                  size_t column_stride, void *panel) {                                                 \
        pack_panel(limbs, b, b2, k, n, row_stride, column_stride, panel);                                              \
    }                                                                                                                  \
    static void pack_rows##limbs(const uint64_t *a, const uint64_t *a2, size_t lda, size_t m, size_t k, void *rows) {  \
        pack_rows(limbs, a, a2, lda, m, k, rows);                                                                      \
    }                                                                                                                  \
    static void multiply##limbs(size_t m, size_t k, size_t n, const void *rows, const void *panel, uint64_t *c,        \
                                size_t ldc, const tf_ahead *ahead) {                                                   \
        multiply(limbs, m, k, n, rows, panel, c, ldc);                                                                 \
    }
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
KERNEL(5)
KERNEL(6)
KERNEL(7)
KERNEL(8)

#define ENTRY(limbs)                                                                                                   \
    {                                                                                                                  \
        .columns = LINES, .depth = DEPTH, .unit = LINE, .rows = LINES, .word = limbs, .pack_panel = pack_panel##limbs, \
        .pack_rows = pack_rows##limbs, .multiply = multiply##limbs, .few_rows = tf_few_rows_avx2, .few = 2, .group = 2 \
    }
const tf_gemm tf_gemm8_amx[LIMBS] = {ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4), ENTRY(5), ENTRY(6), ENTRY(7), ENTRY(8)};
