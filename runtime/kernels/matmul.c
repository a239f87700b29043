/** The loops around the micro-kernels: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication". */
#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/kernels/internal.h"

static size_t panel_bytes(const tf_gemm *gemm, size_t depth) {
    return (gemm->head + round_up(depth, gemm->unit)) * gemm->columns * gemm->word;
}
static size_t panel_count(const tf_gemm *gemm, size_t n) {
    return n / gemm->columns + (n % gemm->columns != 0);
}

tf_packed *tf_packed_new(size_t k, size_t n, unsigned bits, const tf_gemm *gemm, size_t bytes) {
    size_t total;
    if (bits < 1 || bits > 64) {
        tf_fail(TF_INVALID, "a ring of %u bits: 1 to 64 can be multiplied", bits);
        return NULL;
    }
    if (__builtin_add_overflow(bytes, sizeof(tf_packed) + 63, &total)) {
        tf_fail(TF_NOMEM, "a packed operand of %zu x %zu elements exceeds the address space", k, n);
        return NULL;
    }
    total &= ~(size_t)63;
    tf_packed *packed = tf_secret_alloc(total);
    if (!packed) {
        tf_fail(TF_NOMEM, "no memory for a packed operand of %zu x %zu elements (%zu bytes)", k, n, total);
        return NULL;
    }
    *packed = (tf_packed){.k = k, .n = n, .bytes = total, .bits = bits, .gemm = gemm};
    return packed;
}

tf_packed *tf_packed_over(const uint8_t *panels, size_t k, size_t n, unsigned bits, unsigned bytes,
                          const tf_gemm *gemm) {
    tf_packed *packed = tf_packed_new(k, n, bits, gemm, 0);
    if (packed) packed->panels = panels, packed->element = bytes;
    return packed;
}

size_t tf_packed_columns(const tf_packed *packed) {
    return packed->gemm ? packed->gemm->columns : 1;
}

void tf_packed_free(tf_packed *packed) {
    if (!packed) return;
    tf_secret_free(packed, packed->bytes);
}

tf_packed *tf_gemm_pack(const tf_gemm *gemm, const uint64_t *b, const uint64_t *b2, size_t k, size_t n,
                        size_t row_stride, size_t column_stride, unsigned bits) {
    const size_t whole = k / gemm->depth, rest = k % gemm->depth;
    size_t block, bytes;
    if (__builtin_mul_overflow(whole, panel_bytes(gemm, gemm->depth), &block) ||
        __builtin_add_overflow(block, rest ? panel_bytes(gemm, rest) : 0, &block) ||
        __builtin_mul_overflow(block, panel_count(gemm, n), &bytes))
        bytes = SIZE_MAX;
    tf_packed *packed = tf_packed_new(k, n, bits, gemm, bytes);
    if (!packed) return NULL;
    unsigned char *panel = packed->data;
    for (size_t i = 0; i < k; i += gemm->depth) {
        const size_t depth = min(gemm->depth, k - i);
        for (size_t j = 0; j < n; j += gemm->columns) {
            const size_t offset = i * row_stride + j * column_stride;
            gemm->pack_panel(b + offset, b2 ? b2 + offset : NULL, depth, min(gemm->columns, n - j), row_stride,
                             column_stride, panel);
            panel += panel_bytes(gemm, depth);
        }
    }
    return packed;
}

size_t tf_gemm_scratch(size_t m, size_t k) {
    const size_t row = min((min(k, TF_GEMM_ROW_BYTES) + 2 + TF_GEMM_UNIT) * sizeof(uint64_t), TF_GEMM_ROW_BYTES);
    const size_t room = round_up(min(m, TF_GEMM_ROW_BLOCK), TF_GEMM_ROWS) * row + 2 * tf_panel_room(k) + 1;
    return round_up(m >= TF_STRASSEN_ROWS && room < TF_STRASSEN_SCRATCH ? TF_STRASSEN_SCRATCH : room, 64);
}

void tf_gemm_matmul_columns(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b,
                            size_t from, size_t to, uint64_t *c, size_t ldc, void *scratch) {
    const tf_gemm *gemm = b->gemm;
    const unsigned char *block = b->data;
    if (b->panels) {
        tf_panels_matmul(m, a, a2, lda, b, from, to, c, ldc, scratch);
        return;
    }
    for (size_t k = 0; k < b->k; k += gemm->depth) {
        const size_t depth = min(gemm->depth, b->k - k);
        const size_t bytes = panel_bytes(gemm, depth);
        for (size_t i = 0; i < m; i += TF_GEMM_ROW_BLOCK) {
            const size_t rows = min(TF_GEMM_ROW_BLOCK, m - i);
            const size_t offset = i * lda + k;
            gemm->pack_rows(a + offset, a2 ? a2 + offset : NULL, lda, rows, depth, scratch);
            const unsigned char *panel = block + from / gemm->columns * bytes;
            for (size_t j = from; j < to; j += gemm->columns, panel += bytes) {
                /* a few rows go through a panel too fast for this to help */
                const tf_ahead next = {{(const char *)panel + bytes}, rows < 32 ? 0 : 1, bytes};
                gemm->multiply(rows, round_up(depth, gemm->unit), min(gemm->columns, to - j), scratch, panel,
                               c + i * ldc + j, ldc, &next);
            }
        }
        block += panel_count(gemm, b->n) * bytes;
    }
}

void tf_gemm_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                    size_t ldc, void *scratch) {
    tf_gemm_matmul_columns(m, a, a2, lda, b, 0, b->n, c, ldc, scratch);
}
