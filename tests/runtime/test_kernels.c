/** Every table against plain loops written here, on random and edge inputs, with guards around what may be written. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/internal.h"

/* The sources for AVX-512 and AMX compiled again without them, so that their logic is tested on every machine. */
extern const tf_kernels tf_kernels_portable, tf_kernels_tiles_portable;
extern const tf_gemm tf_gemm52_portable;

#define GUARD 0xa5a5a5a5a5a5a5a5

enum { TABLES = 6 };

static const tf_kernels *table(size_t i) {
    const tf_kernels *tables[TABLES] = {tf_kernels_named("c"),   tf_kernels_named("avx2"), tf_kernels_named("avx512"),
                                        tf_kernels_named("amx"), &tf_kernels_portable,     &tf_kernels_tiles_portable};
    return tables[i];
}

static uint64_t random_state = 0x243f6a8885a308d3;

static uint64_t random_word(void) { /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t random_below(size_t n) {
    return random_word() % n;
}

typedef enum fill { RANDOM, ONES, TOP_BITS, HALVES, QUARTERS, FILLS } fill;

/** The edges of each word of 16 bits, so that sums carry from one to the next or just do not. */
static uint64_t random_quarters(void) {
    static const uint16_t edge[] = {0, 1, 0x7fff, 0x8000, 0xffff};
    uint64_t x = 0;
    for (int i = 0; i < 4; i++) x = x << 16 | edge[random_below(5)];
    return x;
}

/** n words followed by a guard; aligned to 8 bytes only. */
static uint64_t *words(size_t n, fill kind) {
    uint64_t *x = malloc((n + 1) * sizeof *x);
    cr_assert_not_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = kind == RANDOM     ? random_word()
               : kind == ONES     ? UINT64_MAX
               : kind == TOP_BITS ? (uint64_t)1 << 63 | (uint64_t)1 << 47 | (uint64_t)1 << 31
               : kind == HALVES   ? (uint64_t)UINT32_MAX << random_below(33)
                                  : random_quarters();
    x[n] = GUARD;
    return x;
}

static uint64_t mask_of(unsigned bits) {
    return UINT64_MAX >> (64 - bits);
}

typedef struct shape {
    size_t m, k, n;
    unsigned bits;
    fill kind;
    int transposed, sum_a, sum_b;
    unsigned panels; /**< bytes of an element in panels; 0: the operand is packed */
} shape;

/** The panels of b, at an address that is no multiple of anything, written here from their definition. */
static uint8_t *panels_of(const uint64_t *b, size_t k, size_t n, size_t row_stride, size_t column_stride,
                          size_t bytes) {
    uint8_t *panels = malloc(k * n * bytes + TF_PANEL_SLACK + 1), *to = panels + 1;
    for (size_t j = 0; j < n; j += TF_PANEL)
        for (size_t i = 0; i < k; i++)
            for (size_t l = j; l < j + TF_PANEL && l < n; l++, to += bytes)
                memcpy(to, &b[i * row_stride + l * column_stride], bytes);
    return panels;
}

static void check_matmul(const tf_kernels *kernels, const tf_gemm *gemm, shape s) {
    const size_t lda = s.k + random_below(3), ldc = s.n + random_below(3) + !s.n; /* a row has a word at least */
    const size_t ldb = (s.transposed ? s.k : s.n) + random_below(3);
    const size_t row_stride = s.transposed ? 1 : ldb, column_stride = s.transposed ? ldb : 1;
    const size_t size_b = (s.transposed ? s.n : s.k) * ldb;
    uint64_t *a = words(s.m * lda, s.kind), *b = words(size_b, s.kind), *c = words(s.m * ldc, RANDOM);
    for (size_t i = 0; s.panels && i < size_b; i++) b[i] &= mask_of(8 * s.panels);
    uint64_t *a2 = s.sum_a ? words(s.m * lda, s.kind) : NULL, *b2 = s.sum_b ? words(size_b, s.kind) : NULL;
    uint64_t *expected = words(s.m * ldc, RANDOM);
    memcpy(expected, c, (s.m * ldc + 1) * sizeof *c);
    for (size_t i = 0; i < s.m; i++)
        for (size_t j = 0; j < s.n; j++)
            for (size_t l = 0; l < s.k; l++) {
                const size_t at_a = i * lda + l, at_b = l * row_stride + j * column_stride;
                expected[i * ldc + j] += (a[at_a] + (a2 ? a2[at_a] : 0)) * (b[at_b] + (b2 ? b2[at_b] : 0));
            }

    uint8_t *panels = s.panels ? panels_of(b, s.k, s.n, row_stride, column_stride, s.panels) : NULL;
    tf_packed *packed = panels && gemm ? tf_packed_over(panels + 1, s.k, s.n, s.bits, s.panels, gemm)
                        : panels       ? kernels->over_panels(panels + 1, s.k, s.n, s.bits, s.panels)
                        : gemm         ? tf_gemm_pack(gemm, b, b2, s.k, s.n, row_stride, column_stride, s.bits)
                                       : kernels->pack(b, b2, s.k, s.n, row_stride, column_stride, s.bits);
    cr_assert_not_null(packed);
    void *scratch = aligned_alloc(64, kernels->matmul_scratch(s.m, s.k));
    kernels->matmul(s.m, a, a2, lda, packed, c, ldc, scratch);
    for (size_t i = 0; i < s.m * ldc + 1; i++) {
        const uint64_t mask = i % ldc < s.n && i < s.m * ldc ? mask_of(s.bits) : UINT64_MAX;
        cr_assert_eq(c[i] & mask, expected[i] & mask, "%s%s%s: %zux%zux%zu, %u bits, fill %d, %s%s%s: word %zu",
                     kernels->name, gemm ? " (one micro-kernel)" : "", panels ? " in panels" : "", s.m, s.k, s.n,
                     s.bits, s.kind, s.transposed ? "transposed " : "", s.sum_a ? "a + a2 " : "",
                     s.sum_b ? "b + b2" : "", i);
    }
    tf_packed_free(packed);
    free(scratch), free(panels), free(a), free(a2), free(b), free(b2), free(c), free(expected);
}

/** Bytes of an element in panels: those of the ring, or now and then fewer. */
static unsigned element_bytes(bool panels, unsigned most, size_t i) {
    return !panels ? 0 : i % 3 ? most : 1 + (unsigned)(i / 3) % most;
}

static void check_all(const tf_kernels *kernels, const tf_gemm *gemm, const unsigned *bits, size_t widths,
                      bool panels) {
    static const size_t edges[][3] = {{1, 1, 1},     {1, 64, 1},    {3, 191, 17},   {2, 192, 16},  {5, 193, 33},
                                      {130, 3, 15},  {7, 400, 31},  {128, 64, 32},  {6, 257, 64},  {8, 256, 129},
                                      {129, 255, 8}, {4, 512, 128}, {12, 383, 70},  {1, 700, 40},  {131, 194, 100},
                                      {257, 98, 37}, {64, 400, 64}, {16, 1600, 33}, {70, 800, 130}};
    for (size_t w = 0; w < widths; w++) {
        const unsigned most = (bits[w] + 7) / 8;
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
            check_matmul(kernels, gemm,
                         (shape){edges[i][0], edges[i][1], edges[i][2], bits[w], (fill)(i % FILLS), i & 1, i >> 1 & 1,
                                 !panels && i >> 2 & 1, element_bytes(panels, most, i)});
        for (unsigned i = 0; i < 64; i++)
            check_matmul(kernels, gemm,
                         (shape){1 + random_below(panels && i % 2 ? 17 : 70), 1 + random_below(70),
                                 1 + random_below(70), bits[w], (fill)(i / 8 % FILLS), i & 1, i >> 1 & 1,
                                 !panels && i >> 2 & 1, element_bytes(panels, most, i)});
    }
}

static const unsigned widths[] = {1,  8,  9,  16, 17, 24, 25, 31, 32, 33, 34, 35, 36, 37, 38, 39,
                                  40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 52, 53, 56, 57, 63, 64};

Test(kernels, matmul_equals_plain_loops) {
    for (size_t t = 0; t < TABLES; t++)
        if (table(t)) check_all(table(t), NULL, widths, sizeof widths / sizeof *widths, false);
}

Test(kernels, matmul_in_panels_equals_plain_loops) {
    for (size_t t = 0; t < TABLES; t++)
        if (table(t)) check_all(table(t), NULL, widths, sizeof widths / sizeof *widths, true);
}

Test(kernels, ifma_micro_kernel_equals_plain_loops) {
    static const unsigned bits[] = {33, 51, 52};
    check_all(&tf_kernels_portable, &tf_gemm52_portable, bits, 3, false);
    check_all(&tf_kernels_portable, &tf_gemm52_portable, bits, 3, true);
}

Test(kernels, empty_products_leave_the_result_alone) {
    for (size_t t = 0; t < TABLES; t++)
        for (unsigned empty = 0; table(t) && empty < 3; empty++)
            check_matmul(
                table(t), NULL,
                (shape){empty == 0 ? 0 : 3, empty == 1 ? 0 : 3, empty == 2 ? 0 : 3, 64, RANDOM, 0, 1, 0, false});
}

Test(kernels, ranges_of_rows_make_the_whole_product) {
    enum { M = 37, K = 50, N = 21 };
    uint64_t *a = words(M * K, RANDOM), *b = words(K * N, RANDOM);
    for (size_t t = 0; t < TABLES; t++) {
        const tf_kernels *kernels = table(t);
        if (!kernels) continue;
        uint64_t whole[M * N] = {0}, parts[M * N] = {0};
        void *scratch = aligned_alloc(64, kernels->matmul_scratch(M, K));
        tf_packed *packed = kernels->pack(b, NULL, K, N, N, 1, 64);
        kernels->matmul(M, a, NULL, K, packed, whole, N, scratch);
        for (size_t i = 0; i < M; i += 10) {
            const size_t rows = M - i < 10 ? M - i : 10;
            kernels->matmul(rows, a + i * K, NULL, K, packed, parts + i * N, N, scratch);
        }
        cr_assert_arr_eq(whole, parts, sizeof whole);
        tf_packed_free(packed);
        free(scratch);
    }
    free(a), free(b);
}

Test(kernels, ranges_of_columns_make_the_whole_product) {
    enum { M = 3, K = 250, N = 121 };
    uint64_t *a = words(M * K, RANDOM), *b = words(K * N, RANDOM);
    for (size_t t = 0; t < TABLES; t++)
        for (unsigned bits = 32; table(t) && bits <= 64; bits += 16) {
            const tf_kernels *kernels = table(t);
            uint64_t whole[M * N] = {0}, mask = mask_of(bits);
            uint8_t *panels = panels_of(b, K, N, N, 1, bits / 8);
            void *scratch = aligned_alloc(64, kernels->matmul_scratch(M, K));
            tf_packed *packed[] = {kernels->pack(b, NULL, K, N, N, 1, bits),
                                   kernels->over_panels(panels + 1, K, N, bits, bits / 8)};
            kernels->matmul(M, a, NULL, K, packed[0], whole, N, scratch);
            for (size_t m = 1; m <= 2 * M; m++) { /* rows, of either operand */
                const tf_packed *operand = packed[m > M];
                const size_t unit = tf_packed_columns(operand), rows = (m - 1) % M + 1;
                uint64_t parts[M * N] = {0};
                for (size_t from = 0, to; from < N; from = to) {
                    to = from + 2 * unit < N ? from + 2 * unit : N;
                    kernels->matmul_columns(rows, a, NULL, K, operand, from, to, parts, N, scratch);
                }
                for (size_t i = 0; i < rows * N; i++)
                    cr_assert_eq(whole[i] & mask, parts[i] & mask, "%s, %u bits", kernels->name, bits);
            }
            for (int i = 0; i < 2; i++) tf_packed_free(packed[i]);
            free(scratch), free(panels);
        }
    free(a), free(b);
}

Test(kernels, pack_reports_what_it_cannot_do) {
    const uint64_t one = 1;
    for (size_t t = 0; t < TABLES; t++) {
        const tf_kernels *kernels = table(t);
        if (!kernels) continue;
        cr_assert_null(kernels->pack(&one, NULL, 1, 1, 1, 1, 0));
        cr_assert_null(kernels->pack(&one, NULL, 1, 1, 1, 1, 65));
        cr_assert_null(kernels->pack(&one, NULL, SIZE_MAX, SIZE_MAX, 0, 0, 64));
        cr_assert_null(kernels->pack(&one, NULL, (size_t)1 << 61, 1, 0, 0, 64));
        cr_assert_null(kernels->pack(&one, NULL, 1, SIZE_MAX, 0, 0, 32));
        cr_assert(strlen(tf_error()) > 0);
    }
    tf_packed_free(NULL);
}

static const size_t lengths[] = {0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 300, 511, 512, 513, 1024, 1500};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void check_to_planes(const tf_kernels *kernels, const uint64_t *x, size_t n, unsigned lo, unsigned count) {
    const size_t n_words = (n + 63) / 64, stride = n_words + random_below(3), size = count * stride;
    uint64_t *planes = words(size, RANDOM), *before = malloc((size + 1) * sizeof *before);
    memcpy(before, planes, (size + 1) * sizeof *before);
    kernels->to_planes(x, n, lo, count, planes, stride);
    for (size_t at = 0; at < size; at++) {
        const size_t plane = at / stride, word = at % stride;
        uint64_t expected = before[at]; /* untouched between planes */
        if (word < n_words) {
            expected = 0;
            for (size_t i = 64 * word; i < n && i < 64 * word + 64; i++)
                expected |= (x[i] >> (lo + plane) & 1) << i % 64;
        }
        cr_assert_eq(planes[at], expected, "%s: n %zu, lo %u, count %u, word %zu", kernels->name, n, lo, count, at);
    }
    cr_assert_eq(planes[size], GUARD);
    free(planes), free(before);
}

Test(kernels, planes_equal_single_bits) {
    static const unsigned ranges[][2] = {{0, 64}, {0, 1}, {63, 1}, {0, 31}, {1, 63},
                                         {13, 8}, {8, 8}, {7, 10}, {31, 33}};
    for (size_t t = 0; t < TABLES; t++)
        for (size_t l = 0; table(t) && l < LENGTHS; l++)
            for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
                uint64_t *x = words(lengths[l], (fill)(r % FILLS));
                check_to_planes(table(t), x, lengths[l], ranges[r][0], ranges[r][1]);
                free(x);
            }
}

Test(kernels, from_plane_inverts_to_planes) {
    for (size_t t = 0; t < TABLES; t++)
        for (size_t l = 0; table(t) && l < LENGTHS; l++) {
            const size_t n = lengths[l];
            uint64_t *plane = words((n + 63) / 64, RANDOM), *bits = words(n, RANDOM);
            table(t)->from_plane(plane, n, bits);
            for (size_t i = 0; i < n; i++) cr_assert_eq(bits[i], plane[i / 64] >> i % 64 & 1);
            cr_assert_eq(bits[n], GUARD);
            free(plane), free(bits);
        }
}

Test(kernels, bytes_are_dense_and_little_endian) {
    for (size_t t = 0; t < TABLES; t++)
        for (unsigned bytes = 1; table(t) && bytes <= 8; bytes++)
            for (size_t n = 0; n < 70; n++) {
                uint64_t *x = words(n, RANDOM), *back = words(n, RANDOM);
                uint8_t *out = malloc(n * bytes + 1);
                out[n * bytes] = 0x5a;
                table(t)->pack_bytes(x, n, bytes, out);
                for (size_t i = 0; i < n * bytes; i++)
                    cr_assert_eq(out[i], (uint8_t)(x[i / bytes] >> 8 * (i % bytes)), "%s: %zu x %u bytes at %zu",
                                 table(t)->name, n, bytes, i);
                cr_assert_eq(out[n * bytes], 0x5a);
                uint8_t *exact = malloc(n * bytes + !n); /* so that a sanitizer sees reading past the end */
                memcpy(exact, out, n * bytes);
                table(t)->unpack_bytes(exact, n, bytes, back);
                for (size_t i = 0; i < n; i++) cr_assert_eq(back[i], x[i] & mask_of(8 * bytes));
                cr_assert_eq(back[n], GUARD);
                free(x), free(back), free(out), free(exact);
            }
}

/* The same from every table, and another one for whatever single bit of the ring is changed. */
Test(kernels, digests_are_of_every_bit) {
    for (size_t n = 1; n < 70; n++) {
        uint64_t *x = words(n, RANDOM), *key = words(n, RANDOM);
        for (unsigned bits = 8; bits <= 64; bits += 14) {
            const uint64_t digest = table(0)->digest_words(x, key, n, mask_of(bits));
            for (size_t t = 1; t < TABLES; t++)
                if (table(t)) cr_assert_eq(table(t)->digest_words(x, key, n, mask_of(bits)), digest);
            for (unsigned bit = 0; bit < 64; bit++) {
                uint64_t *changed = &x[(n + bit) % n];
                *changed ^= UINT64_C(1) << bit;
                bool same = table(0)->digest_words(x, key, n, mask_of(bits)) == digest;
                cr_assert_eq(same, bit >= bits, "bit %u of %u", bit, bits);
                *changed ^= UINT64_C(1) << bit;
            }
        }
        free(x), free(key);
    }
}

/* In calls of any number of rows, for indices that repeat, and whatever lies above the bytes. */
static void check_sums(const tf_kernels *kernels, size_t tables, size_t entries, size_t n, unsigned bits) {
    enum { STRIDE = 320 };
    uint64_t *random = words(tables * entries, RANDOM), *choices = words(entries / 32 * STRIDE / 2, RANDOM);
    uint64_t *sums = words(tables * STRIDE / 2, RANDOM);
    uint32_t *table = malloc(tables * entries * sizeof *table), *sum = (uint32_t *)sums;
    const uint32_t *choice = (const uint32_t *)choices;
    for (size_t j = 0; j < tables * entries; j++) /* of both signs, and the extremes of every digit */
        table[j] = (uint32_t)((int32_t)(j % 3 ? random[j] : random_quarters()) >> (32 - bits));
    kernels->sum_entries(table, tables, entries, choice, STRIDE, n, sum);
    for (size_t t = 0; t < tables; t++)
        for (size_t i = 0; i < n; i++) {
            uint32_t expected = 0;
            for (size_t j = 0; j < entries; j++)
                if (choice[j / 32 * STRIDE + i] >> j % 32 & 1) expected += table[t * entries + j];
            cr_assert_eq(sum[t * STRIDE + i], expected, "%s: table %zu of %zu, %zu entries of %u bits, element %zu",
                         kernels->name, t, tables, entries, bits, i);
        }
    cr_assert_eq(sums[tables * STRIDE / 2], GUARD);
    free(random), free(table), free(choices), free(sums);
}

Test(kernels, sums_are_of_the_chosen_entries) {
    for (size_t i = 0; i < TABLES; i++)
        for (size_t entries = 32; table(i) && entries <= TF_SUM_ENTRIES; entries *= 2)
            for (unsigned bits = 1; bits <= 32; bits += bits == 29 ? 3 : 7)
                for (size_t tables = 1; tables <= TF_SUM_TABLES; tables++)
                    check_sums(table(i), tables, entries, random_below(305), bits);
}

Test(kernels, picked_rows_are_those_of_the_indices) {
    for (size_t i = 0; i < TABLES; i++)
        for (int k = 0; k < 40 && table(i); k++) {
            const tf_kernels *kernels = table(i);
            const size_t rows = 1 + random_below(200), columns = 1 + random_below(30), count = random_below(70);
            const unsigned bytes = 1 + (unsigned)random_below(8);
            uint64_t *c = words(rows * columns, RANDOM), *out = words(count * columns, RANDOM);
            uint64_t *before = malloc((count * columns + 1) * sizeof *before);
            int32_t index[70];
            for (size_t j = 0; j < count; j++) index[j] = (int32_t)random_below(rows);
            memcpy(before, out, (count * columns + 1) * sizeof *before);
            const size_t size = (kernels->pick_room(columns, bytes, count) + 63) / 64 * 64 + 64;
            void *room = aligned_alloc(64, size);
            memset(room, 0, size);
            for (size_t at = 0, piece; at < rows; at += piece) {
                piece = 1 + random_below(rows - at);
                kernels->pick_rows(c + at * columns, piece, columns, bytes, at, index, count, room);
            }
            kernels->picked_rows(room, columns, bytes, count, out);
            for (size_t j = 0; j < count * columns; j++) {
                const uint64_t found = c[(size_t)index[j / columns] * columns + j % columns];
                cr_assert_eq(out[j], before[j] + (found & mask_of(8 * bytes)), "%s: %zu x %zu, %zu indices, %u bytes",
                             kernels->name, rows, columns, count, bytes);
            }
            for (size_t j = 0; j < 64; j++) cr_assert_eq(((uint8_t *)room)[size - 64 + j], 0);
            cr_assert_eq(out[count * columns], GUARD);
            free(c), free(out), free(before), free(room);
        }
}

Test(kernels, tables_are_found_by_name) {
    cr_assert_str_eq(tf_kernels_named("c")->name, "c");
    cr_assert_null(tf_kernels_named("mmx"));
    for (const char *const *name = (const char *const[]){"avx2", "avx512", "amx", NULL}; *name; name++)
        cr_assert(!tf_kernels_named(*name) || !strcmp(tf_kernels_named(*name)->name, *name));
}

Test(kernels, environment_asks_for_a_lesser_table) {
    setenv("TREFOIL_KERNELS", "c", 1);
    cr_assert_str_eq(tf_kernels_get()->name, "c");
}

Test(kernels, unknown_table_in_the_environment_is_ignored) {
    setenv("TREFOIL_KERNELS", "abacus", 1);
    cr_assert_not_null(tf_kernels_get());
    cr_assert_str_neq(tf_kernels_get()->name, "abacus");
}

Test(kernels, peak_is_measured_for_every_width) {
    cr_assert(tf_kernels_multiply_peak(tf_kernels_get(), 64) > 0);
    cr_assert(tf_kernels_multiply_peak(tf_kernels_get(), 48) > 0);
    cr_assert(tf_kernels_multiply_peak(tf_kernels_get(), 32) > 0);
    cr_assert(tf_kernels_multiply_peak(tf_kernels_named("c"), 64) > 0);
    cr_assert_eq(tf_kernels_multiply_peak(tf_kernels_get(), 65), 0);
}
