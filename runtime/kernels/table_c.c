/** The plain C table: the definition of every kernel, written for reading. */
#include <string.h>

#include "runtime/kernels/internal.h"
#include "runtime/kernels/unit_vector.h"

static tf_packed *pack(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, unsigned bits) {
    size_t bytes;
    if (__builtin_mul_overflow(k, n, &bytes) || __builtin_mul_overflow(bytes, sizeof(uint64_t), &bytes))
        bytes = SIZE_MAX;
    tf_packed *packed = tf_packed_new(k, n, bits, NULL, bytes);
    if (!packed) return NULL;
    uint64_t *data = (uint64_t *)packed->data;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t at = i * row_stride + j * column_stride;
            data[i * n + j] = b2 ? b[at] + b2[at] : b[at];
        }
    return packed;
}

static tf_packed *over_panels(const uint8_t *panels, size_t k, size_t n, unsigned bits, unsigned bytes) {
    return tf_packed_over(panels, k, n, bits, bytes, NULL);
}

static void panel_columns(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                          size_t to, uint64_t *c, size_t ldc) {
    const unsigned bytes = b->element;
    for (size_t j = from; j < to; j++) {
        size_t width;
        const uint8_t *panel = tf_panel_at(b, j / TF_PANEL * TF_PANEL, &width);
        for (size_t l = 0; l < b->k; l++) {
            uint64_t y;
            tf_kernels_c.unpack_bytes(panel + (l * width + j % TF_PANEL) * bytes, 1, bytes, &y);
            for (size_t i = 0; i < m; i++)
                c[i * ldc + j] += (a2 ? a[i * lda + l] + a2[i * lda + l] : a[i * lda + l]) * y;
        }
    }
}

static void matmul_columns(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                           size_t to, uint64_t *c, size_t ldc, void *scratch) {
    const uint64_t *data = (const uint64_t *)b->data;
    if (b->panels) {
        panel_columns(m, a, a2, lda, b, from, to, c, ldc);
        return;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t l = 0; l < b->k; l++) {
            const uint64_t x = a2 ? a[i * lda + l] + a2[i * lda + l] : a[i * lda + l];
            for (size_t j = from; j < to; j++) c[i * ldc + j] += x * data[l * b->n + j];
        }
}

static void matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                   size_t ldc, void *scratch) {
    matmul_columns(m, a, a2, lda, b, 0, b->n, c, ldc, scratch);
}

static size_t matmul_scratch(size_t m, size_t k) {
    return 64;
}

static void to_planes(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride) {
    for (unsigned p = 0; p < count; p++)
        for (size_t i = 0; i < n; i++) {
            const uint64_t bit = (x[i] >> (lo + p) & 1) << i % 64;
            if (i % 64 == 0)
                planes[p * stride + i / 64] = bit;
            else
                planes[p * stride + i / 64] |= bit;
        }
}

static void from_plane(const uint64_t *plane, size_t n, uint64_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = plane[i / 64] >> i % 64 & 1;
}

static void pack_bytes(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    for (size_t i = 0; i < n; i++)
        for (unsigned j = 0; j < bytes; j++) out[i * bytes + j] = (uint8_t)(x[i] >> 8 * j);
}

static void unpack_bytes(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 0;
        for (unsigned j = 0; j < bytes; j++) value |= (uint64_t)in[i * bytes + j] << 8 * j;
        x[i] = value;
    }
}

static void sum_entries(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                        size_t n, uint32_t *sum) {
    for (size_t t = 0; t < tables; t++)
        for (size_t i = 0; i < n; i++) {
            uint32_t total = 0;
            for (size_t j = 0; j < entries; j++)
                total += table[t * entries + j] & -(choice[j / 32 * stride + i] >> j % 32 & 1);
            sum[t * stride + i] = total;
        }
}

static size_t pick_room(size_t columns, unsigned bytes, size_t count) {
    return columns * count * sizeof(uint64_t);
}

static void pick_rows(const uint64_t *c, size_t rows, size_t columns, unsigned bytes, size_t first,
                      const int32_t *index, size_t count, void *room) {
    uint64_t *found = room;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < count; i++) {
            const uint64_t take = tf_equal_mask(first + r, (uint64_t)index[i]);
            for (size_t k = 0; k < columns; k++) found[i * columns + k] |= c[r * columns + k] & take;
        }
}

static void picked_rows(const void *room, size_t columns, unsigned bytes, size_t count, uint64_t *out) {
    const uint64_t *found = room, mask = UINT64_MAX >> (64 - 8 * bytes);
    for (size_t i = 0; i < count * columns; i++) out[i] += found[i] & mask;
}

uint64_t tf_digest_words_c(const uint64_t *x, const uint64_t *key, size_t n, uint64_t mask) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t w = (x[i] & mask) + key[i];
        sum += (w & UINT32_MAX) * (w >> 32);
    }
    return sum;
}

const tf_kernels tf_kernels_c = {
    .name = "c",
    .pack = pack,
    .over_panels = over_panels,
    .matmul = matmul,
    .matmul_columns = matmul_columns,
    .matmul_scratch = matmul_scratch,
    .to_planes = to_planes,
    .from_plane = from_plane,
    .pack_bytes = pack_bytes,
    .unpack_bytes = unpack_bytes,
    .sum_entries = sum_entries,
    .digest_words = tf_digest_words_c,
    .pick_room = pick_room,
    .pick_rows = pick_rows,
    .picked_rows = picked_rows,
};
