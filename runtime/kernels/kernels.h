/**
 * Local arithmetic mod 2^64: one table of functions per instruction set, chosen once at start. The plain C table is the
 * definition; the others must equal it bit for bit. Rings narrower than 64 bits are the low bits of the same words.
 * No kernel branches on data or uses data as an index.
 */
#ifndef TF_KERNELS_H
#define TF_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

/** A right operand of matmul, packed for one table's micro-kernel or lying in panels. Opaque; freed by
 *  tf_packed_free. */
typedef struct tf_packed tf_packed;

enum { TF_SUM_TABLES = 6, TF_SUM_ENTRIES = 256 };

/**
 * Panels: the form of a right operand (k x n, mod 2^bits) that is kept for many products, the same for every table, in
 * memory or in a file. TF_PANEL columns after TF_PANEL columns, the last panel having those that are left; in a panel
 * row after row; each element in ceil(bits / 8) bytes or fewer, little-endian, with nothing between them. Tables read
 * up to TF_PANEL_SLACK bytes behind the last element and make no use of them.
 */
enum { TF_PANEL = 16, TF_PANEL_SLACK = 16 };

typedef struct tf_kernels {
    const char *name; /**< "c", "avx2", "avx512", "amx" */

    /**
     * Packs b + b2 (k x n; element (i, j) at b[i * row_stride + j * column_stride]; b2 may be NULL) for products mod
     * 2^bits, 1 <= bits <= 64. NULL, with the thread's error set, if memory could not be had or bits is out of range.
     */
    tf_packed *(*pack)(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, unsigned bits);

    /**
     * The operand whose panels the caller keeps in place for as long as it is used; `panels` may begin at any address.
     * Its elements have `bytes` bytes, those that `bits` take or fewer: what is not there is zero. Makes products of
     * few rows at the speed at which panels are read. NULL as pack.
     */
    tf_packed *(*over_panels)(const uint8_t *panels, size_t k, size_t n, unsigned bits, unsigned bytes);

    /**
     * c (m x n, row stride ldc) += (a + a2) * b mod 2^bits, those of packing; c's upper bits become meaningless.
     * a, a2: m x k with row stride lda; a2 may be NULL. The sum a + a2 is formed while packing a.
     * `scratch`: caller's working memory of matmul_scratch(m, k) bytes, 64-byte aligned; parts of a + a2 stay in it.
     * Threads share a product by taking ranges of rows: offset pointers, one b, and a scratch for each.
     */
    void (*matmul)(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                   size_t ldc, void *scratch);

    /** The same for columns [from, to) of b and c alone, `from` a multiple of tf_packed_columns(b), `to` too or all
     *  of b's columns: threads share a product of few rows so. a is packed by each of them. */
    void (*matmul_columns)(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                           size_t to, uint64_t *c, size_t ldc, void *scratch);

    size_t (*matmul_scratch)(size_t m, size_t k); /**< a positive multiple of 64, 710 KiB at most */

    /**
     * Bit planes of n elements: bit (i mod 64) of planes[p * stride + i / 64] is bit lo + p of x[i], p < count;
     * stride >= ceil(n / 64). Bits past n in the last word are zero.
     */
    void (*to_planes)(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride);

    /** The inverse for one plane: out[i] = bit i, 0 or 1. */
    void (*from_plane)(const uint64_t *plane, size_t n, uint64_t *out);

    /** Writes the low 8 * bytes bits of each of n elements, little-endian, densely. bytes is 1..8. */
    void (*pack_bytes)(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out);

    /** The inverse; upper bits become zero. */
    void (*unpack_bytes)(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x);

    /**
     * Sums of public entries that secret bits choose, mod 2^32: sum[t * stride + i], i < n, is the sum of those
     * table[t * entries + j] for which bit j % 32 of choice[j / 32 * stride + i] is one. All entries are read for every
     * i. There are TF_SUM_TABLES tables at most, and `entries` is a multiple of 32, TF_SUM_ENTRIES at most; `stride` is
     * a multiple of 32, not less than n, and what lies between them in `sum` becomes meaningless.
     */
    void (*sum_entries)(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                        size_t n, uint32_t *sum);

    /** The sum over w = (x[i] & mask) + key[i] of its lower half times its upper. Two different x have the same for one
     *  key in 2^30 (NH of Black et al. 1999, with a carry between the halves). */
    uint64_t (*digest_words)(const uint64_t *x, const uint64_t *key, size_t n, uint64_t mask);

    /**
     * Gathers rows without showing which: every row is read for every index. `room` of pick_room bytes, zeroed and 64-
     * byte aligned, gathers the low 8 * bytes bits of the rows with numbers index[0..count), of which c (rows x
     * columns) holds those from number `first` on; an index that lies elsewhere leaves it as it is, and each lies in
     * one call at most. picked_rows adds what was gathered to out (count x columns).
     */
    size_t (*pick_room)(size_t columns, unsigned bytes, size_t count);
    void (*pick_rows)(const uint64_t *c, size_t rows, size_t columns, unsigned bytes, size_t first,
                      const int32_t *index, size_t count, void *room);
    void (*picked_rows)(const void *room, size_t columns, unsigned bytes, size_t count, uint64_t *out);
} tf_kernels;

/** The columns that lie together in a packed operand. */
size_t tf_packed_columns(const tf_packed *packed);
void tf_packed_free(tf_packed *packed); /**< wipes and frees; NULL is allowed */

/**
 * Multiply-adds a second of the table's micro-kernel for `bits` on operands in the nearest caches, the yardstick of
 * matmul on one core. Takes about 50 ms; 0 if memory could not be had or bits is not 1..64.
 */
double tf_kernels_multiply_peak(const tf_kernels *kernels, unsigned bits);

/** Ring products of a table may use another micro-kernel for each of these widths: up to 32, 40, 48, 52, 56 and 64
 * bits. */
enum { TF_PRODUCT_WIDTHS = 6 };
extern const unsigned tf_product_width[TF_PRODUCT_WIDTHS];

typedef struct tf_product_meter {
    double seconds; /**< of the processor, so that interruptions do not count */
    uint64_t multiplications[TF_PRODUCT_WIDTHS];
} tf_product_meter;

/** What the calling thread has spent in packing and products while its meter was on, and in streams that were timed. */
typedef struct tf_meter {
    bool on;
    double packing, prf;
    tf_product_meter product;
} tf_meter;

extern _Thread_local tf_meter tf_thread_meter;

/**
 * The best table for this CPU, the same on every call and in every thread. The environment variable
 * TREFOIL_KERNELS=c|avx2|avx512 asks for a lesser one; a name that is unknown or that this CPU cannot run is ignored.
 */
const tf_kernels *tf_kernels_get(void);

/** The table of this name if this CPU can run it, or NULL. */
const tf_kernels *tf_kernels_named(const char *name);

#endif
