/** What the kernel sources share among themselves; everybody else includes runtime/kernels/kernels.h. */
#ifndef TF_KERNELS_INTERNAL_H
#define TF_KERNELS_INTERNAL_H

#include "runtime/kernels/kernels.h"

#define INLINE         static inline __attribute__((always_inline))
#define UNROLLED(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)

/** Calls a function for each number of bytes with that number as a constant. */
#define FOR_BYTES(bytes, call)                                                                                         \
    switch (bytes) {                                                                                                   \
    case 1: call(1); break;                                                                                            \
    case 2: call(2); break;                                                                                            \
    case 3: call(3); break;                                                                                            \
    case 4: call(4); break;                                                                                            \
    case 5: call(5); break;                                                                                            \
    case 6: call(6); break;                                                                                            \
    case 7: call(7); break;                                                                                            \
    case 8: call(8); break;                                                                                            \
    }

static inline size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/** No overflow: of a block's depth, or of numbers that memory bounds. */
static inline size_t round_up(size_t k, size_t unit) {
    return (k + unit - 1) / unit * unit;
}

/** What is used next and comes to the level-2 cache beside a product: `bytes` at each of a few places. */
enum { TF_AHEAD_PLACES = 4 };
typedef struct tf_ahead {
    const char *from[TF_AHEAD_PLACES];
    size_t places, bytes;
} tf_ahead;

/**
 * A micro-kernel with its packing. The operands are cut to blocks of `depth` along k; within a block, B is a sequence
 * of panels of `columns` columns and A a sequence of rows. How the low bits of the ring's elements lie in them is the
 * kernel's own affair, but for what they take: with `whole` the block's depth rounded up to a multiple of `unit`,
 *
 *   a panel: (head + whole) x columns words;
 *   a row:   2 head + whole words, where the number of rows is rounded up to a multiple of `rows`.
 */
typedef struct tf_gemm {
    size_t columns; /**< of a panel */
    size_t depth;   /**< of a block: a multiple of unit */
    size_t unit;    /**< a divisor of TF_GEMM_UNIT */
    size_t rows;    /**< a divisor of TF_GEMM_ROWS */
    size_t tile;    /**< rows that are multiplied together, after which something else may be done; or 0 */
    size_t head;    /**< 1 if a constant goes before each column and each row */
    size_t word;    /**< bytes of a packed element */
    bool halved;    /**< Strassen's products pay: words of 64 bits, as many columns as a panel */
    void (*pack_panel)(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, void *panel);
    /** Does what is left of packing a panel whose lines are there, `columns` words each, behind the first one. NULL
     *  where a panel is made otherwise. */
    void (*finish_panel)(size_t k, void *panel);
    /** Packs a + a2 (m x k, row stride lda; a2 may be NULL). */
    void (*pack_rows)(const uint64_t *a, const uint64_t *a2, size_t lda, size_t m, size_t k, void *rows);
    /** c (m x n, n <= columns) += rows * panel, with k rounded up. `ahead` may be NULL. */
    void (*multiply)(size_t m, size_t k, size_t n, const void *rows, const void *panel, uint64_t *c, size_t ldc,
                     const tf_ahead *ahead);
    /** Words of `lines` lines of a whole panel in TF_PANEL columns, of 1 to 8 bytes, to lines of `stride` words; or
     * NULL, where AVX2 does it. */
    void (*widen)(const uint8_t *panel, size_t lines, unsigned bytes, void *out, size_t stride);
    /** c (m x TF_PANEL) += a (m x k) times a whole panel of b as it lies there, m <= group. */
    void (*few_rows)(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, const tf_packed *b,
                     uint64_t *c, size_t ldc);
    size_t few, group; /**< few: rows for which that takes less time than packing and multiplying */
} tf_gemm;

/** A packed row takes this at most, and half of it in all kernels but those of AMX. The rows that are packed together
   take a quarter of the level-2 cache that goes with AMX, or of a common one half. */
#define TF_GEMM_ROW_BYTES 4096
#define TF_GEMM_ROW_BLOCK 128
#define TF_GEMM_UNIT      64
#define TF_GEMM_ROWS      16

struct tf_packed {
    size_t k, n, bytes; /**< bytes: of the whole allocation */
    unsigned bits;
    unsigned element;      /**< bytes of an element in panels */
    const tf_gemm *gemm;   /**< NULL for the plain C table, whose data are simply b, k x n */
    const uint8_t *panels; /**< the caller's, in place of the data; or NULL */
    _Alignas(64) unsigned char data[];
};

/** An operand with `bytes` of data, or NULL with the thread's error set. */
tf_packed *tf_packed_new(size_t k, size_t n, unsigned bits, const tf_gemm *gemm, size_t bytes);

/** One over panels that the caller keeps. */
tf_packed *tf_packed_over(const uint8_t *panels, size_t k, size_t n, unsigned bits, unsigned bytes,
                          const tf_gemm *gemm);

/** The panel that column j, a multiple of TF_PANEL, is the first of: where it begins, and how many columns it has. */
static inline const uint8_t *tf_panel_at(const tf_packed *b, size_t j, size_t *width) {
    *width = min(TF_PANEL, b->n - j);
    return b->panels + j * b->k * b->element;
}

/** Words [k, k + depth) x [j, j + n) of b, j a multiple of TF_PANEL, in lines of `stride` words of 8 or 4 bytes, which
 *  b's elements fit. What lies `next` columns further comes to the cache meanwhile. */
void tf_panels_words_avx2(const tf_packed *b, size_t k, size_t depth, size_t j, size_t n, size_t next, void *out,
                          size_t stride, size_t word);

/** matmul_columns of operands in panels by Strassen's products, for columns [from, the result) alone: none where they
 * do not pay. m is even. */
size_t tf_strassen_avx2(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                        size_t to, uint64_t *c, size_t ldc, void *scratch);
enum { TF_STRASSEN_ROWS = 48, TF_STRASSEN_SCRATCH = 512 << 10 }; /**< rows from which on they pay; bytes */

/** few_rows of the kernels that have none of their own, row by row. */
void tf_few_rows_avx2(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, const tf_packed *b,
                      uint64_t *c, size_t ldc);

/** matmul_columns of operands in panels by a micro-kernel. */
void tf_panels_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                      size_t to, uint64_t *c, size_t ldc, void *scratch);

/** What it takes of the scratch beside packed rows: the words of a panel of the kernel's, or that panel packed. */
static inline size_t tf_panel_room(size_t k) {
    enum { MOST_COLUMNS = 64, MOST_WORDS = 12352 };
    return min((min(k, MOST_WORDS) + TF_GEMM_UNIT + 1) * MOST_COLUMNS, MOST_WORDS) * sizeof(uint64_t);
}

/** pack and matmul of a table in terms of a micro-kernel. */
tf_packed *tf_gemm_pack(const tf_gemm *gemm, const uint64_t *b, const uint64_t *b2, size_t k, size_t n,
                        size_t row_stride, size_t column_stride, unsigned bits);
void tf_gemm_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                    size_t ldc, void *scratch);
void tf_gemm_matmul_columns(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b,
                            size_t from, size_t to, uint64_t *c, size_t ldc, void *scratch);
size_t tf_gemm_scratch(size_t m, size_t k);

extern const tf_gemm tf_gemm32_avx2, tf_gemm48_avx2, tf_gemm64_avx2;
extern const tf_gemm tf_gemm32_avx512, tf_gemm64_avx512, tf_gemm52_avx512ifma;
extern const tf_gemm tf_gemm8_amx[8]; /**< for 1 to 8 bytes */

void tf_to_planes_avx2(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride);
void tf_from_plane_avx2(const uint64_t *plane, size_t n, uint64_t *out);
void tf_pack_bytes_avx2(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out);
void tf_unpack_bytes_avx2(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x);
void tf_pack_bytes_avx512(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out);
void tf_unpack_bytes_avx512(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x);
void tf_pack_bytes_avx512vbmi(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out);
void tf_unpack_bytes_avx512vbmi(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x);
void tf_sum_entries_avx2(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                         size_t n, uint32_t *sum);
void tf_sum_entries_avx512(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                           size_t n, uint32_t *sum);
uint64_t tf_digest_words_c(const uint64_t *x, const uint64_t *key, size_t n, uint64_t mask);
uint64_t tf_digest_words_avx2(const uint64_t *x, const uint64_t *key, size_t n, uint64_t mask);

/** Rows that are looked up together. */
enum { TF_PICK_ROWS = 64 };
size_t tf_pick_room_avx2(size_t columns, unsigned bytes, size_t count);
void tf_pick_rows_avx2(const uint64_t *c, size_t rows, size_t columns, unsigned bytes, size_t first,
                       const int32_t *index, size_t count, void *room);
void tf_picked_rows_avx2(const void *room, size_t columns, unsigned bytes, size_t count, uint64_t *out);

/**
 * Defines a table with products by the micro-kernel choose(bits), which must be some kernel for bits out of range too:
 * they are refused later. Planes and rows move at the speed of memory with AVX2 already; bytes are packed by the set
 * `bytes`, sums of entries are made by `sums`.
 */
#define TF_GEMM_KERNELS(set, choose, sums, bytes)                                                                      \
    static tf_packed *pack(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,               \
                           size_t column_stride, unsigned bits) {                                                      \
        return tf_gemm_pack(choose(bits), b, b2, k, n, row_stride, column_stride, bits);                               \
    }                                                                                                                  \
    static tf_packed *over_panels(const uint8_t *panels, size_t k, size_t n, unsigned bits, unsigned bytes) {          \
        return tf_packed_over(panels, k, n, bits, bytes, choose(bits));                                                \
    }                                                                                                                  \
    const tf_kernels tf_kernels_##set = {                                                                              \
        .name = #set,                                                                                                  \
        .pack = pack,                                                                                                  \
        .over_panels = over_panels,                                                                                    \
        .matmul = tf_gemm_matmul,                                                                                      \
        .matmul_columns = tf_gemm_matmul_columns,                                                                      \
        .matmul_scratch = tf_gemm_scratch,                                                                             \
        .to_planes = tf_to_planes_avx2,                                                                                \
        .from_plane = tf_from_plane_avx2,                                                                              \
        .pack_bytes = tf_pack_bytes_##bytes,                                                                           \
        .unpack_bytes = tf_unpack_bytes_##bytes,                                                                       \
        .sum_entries = sums,                                                                                           \
        .digest_words = tf_digest_words_avx2,                                                                          \
        .pick_room = tf_pick_room_avx2,                                                                                \
        .pick_rows = tf_pick_rows_avx2,                                                                                \
        .picked_rows = tf_picked_rows_avx2,                                                                            \
    };

/** The best table for this CPU, without clocks: see tf_kernels_get. */
const tf_kernels *tf_kernels_best(void);

extern const tf_kernels tf_kernels_c, tf_kernels_avx2, tf_kernels_avx512, tf_kernels_amx;

#endif
