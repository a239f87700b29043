/**
 * Products with operands in panels. For many rows a panel is widened to words and packed for the micro-kernel each time
 * it meets a block of rows, a hundredth of their work; that keeps what is read from memory short. For one or two rows
 * memory is all that counts, and the elements are multiplied as they come.
 */
#include <string.h>

#include "runtime/kernels/internal.h"

/** Rows for which packing a panel costs more than the micro-kernel saves; and for which a panel that shares the level-1
 *  cache with what it is made of saves more than half as many sums cost. */
enum { FEW = 2, SOME = 32 };

/** Packs a block of columns for the micro-kernel: in place, or by way of words. */
static void pack_columns(const tf_packed *b, size_t k, size_t depth, size_t j, size_t n, void *words, void *panel) {
    const tf_gemm *gemm = b->gemm;
    const size_t line = gemm->columns * gemm->word;
    unsigned char *lines = (unsigned char *)panel + line;
    if (!gemm->finish_panel || gemm->word * 8 < b->bits) {
        if (n % TF_PANEL) memset(words, 0, depth * gemm->columns * sizeof(uint64_t));
        tf_panels_words_avx2(b, k, depth, j, n, gemm->columns, words, gemm->columns, sizeof(uint64_t));
        gemm->pack_panel(words, NULL, depth, n, gemm->columns, 1, panel);
        return;
    }
    if (n < gemm->columns) memset(lines, 0, depth * line);
    tf_panels_words_avx2(b, k, depth, j, n, gemm->columns, lines, gemm->columns, gemm->word);
    gemm->finish_panel(depth, panel);
}

static void many_rows(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                      size_t to, uint64_t *c, size_t ldc, unsigned char *scratch) {
    const tf_gemm *gemm = b->gemm;
    unsigned char *panel = scratch, *words = panel + tf_panel_room(b->k),
                  *packed = words + (gemm->finish_panel ? 0 : tf_panel_room(b->k));
    const size_t block = m < SOME ? gemm->depth / 2 : gemm->depth;
    for (size_t k = 0; k < b->k; k += block) {
        const size_t depth = min(block, b->k - k);
        for (size_t i = 0; i < m; i += TF_GEMM_ROW_BLOCK) {
            const size_t rows = min(TF_GEMM_ROW_BLOCK, m - i), offset = i * lda + k;
            gemm->pack_rows(a + offset, a2 ? a2 + offset : NULL, lda, rows, depth, packed);
            for (size_t j = from; j < to; j += gemm->columns) {
                const size_t n = min(gemm->columns, to - j);
                pack_columns(b, k, depth, j, n, words, panel);
                gemm->multiply(rows, round_up(depth, gemm->unit), n, packed, panel, c + i * ldc + j, ldc);
            }
        }
    }
}

/** Whole panels alone. */
static void few_rows(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                     size_t to, uint64_t *c, size_t ldc, uint64_t *sum) {
    const unsigned bytes = (b->bits + 7) / 8;
    for (size_t k = 0; k < b->k; k += TF_GEMM_ROW_BYTES) {
        const size_t depth = min(TF_GEMM_ROW_BYTES, b->k - k);
        for (size_t i = 0; i < m && a2; i++)
            for (size_t l = 0; l < depth; l++) sum[i * depth + l] = a[i * lda + k + l] + a2[i * lda + k + l];
        for (size_t j = from, width; j < to; j += TF_PANEL) {
            const uint8_t *panel = tf_panel_at(b, j, &width) + k * TF_PANEL * bytes;
            for (size_t i = 0; i < m; i++)
                tf_panel_row_avx2(a2 ? sum + i * depth : a + i * lda + k, depth, panel, bytes, c + i * ldc + j);
        }
    }
}

void tf_panels_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                      size_t to, uint64_t *c, size_t ldc, void *scratch) {
    const size_t even = m < TF_STRASSEN_ROWS ? 0 : m - m % 2, left = m - even; /* rows */
    size_t done = from;
    if (even) done = tf_strassen_avx2(even, a, a2, lda, b, from, to, c, ldc, scratch);
    if (m <= FEW) done = to == b->n ? to / TF_PANEL * TF_PANEL : to;
    if (left <= FEW)
        few_rows(left, a + even * lda, a2 ? a2 + even * lda : NULL, lda, b, from, done, c + even * ldc, ldc, scratch);
    if (done < to) many_rows(m, a, a2, lda, b, done, to, c, ldc, scratch);
}
