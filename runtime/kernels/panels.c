/**
 * Products with operands in panels. For many rows a panel is widened to words and packed for the micro-kernel each time
 * it meets a block of rows, a hundredth of their work; that keeps what is read from memory short. While one panel is
 * multiplied, the next is made, a share after each tile of rows, and the one after that comes to the cache: what waits
 * for memory runs beside what multiplies. For few rows memory is all that counts, and the elements are multiplied as
 * they come.
 */
#include <string.h>

#include "runtime/kernels/internal.h"

/** Rows for which a panel that shares the level-1 cache with what it is made of saves more than half as many sums cost;
 *  and the depth of a product of few rows, whose sums a + a2 fit the scratch. */
enum { SOME = 32, FEW_DEPTH = 1536 };

/** The product's walk through an operand: columns [from, to), for each block of rows, for each block of k. */
typedef struct walk {
    const tf_packed *b;
    size_t m, from, to, depth;
} walk;

/** Lines [k, k + depth) of columns [j, j + n) meet rows from i on; and the panel for the micro-kernel that they become.
 *  No columns: the end. */
typedef struct block {
    const tf_packed *b;
    size_t k, depth, i, j, n;
    unsigned char *panel;
} block;

static block block_at(const walk *w, size_t k, size_t i, size_t j) {
    if (k >= w->b->k) return (block){0};
    return (block){w->b, k, min(w->depth, w->b->k - k), i, j, min(w->b->gemm->columns, w->to - j), NULL};
}

static block block_after(const walk *w, const block *e) {
    if (!e->n) return *e;
    const size_t j = e->j + w->b->gemm->columns, i = e->i + TF_GEMM_ROW_BLOCK;
    if (j < w->to) return block_at(w, e->k, e->i, j);
    return i < w->m ? block_at(w, e->k, i, w->from) : block_at(w, e->k + e->depth, 0, w->from);
}

/** Lines [first, first + count) of a block, as words. */
static void widen(const block *e, size_t first, size_t count, unsigned char *lines, size_t word) {
    const tf_gemm *gemm = e->b->gemm;
    const unsigned bytes = e->b->element;
    const size_t k = e->k + first;
    size_t n = 0, width;
    lines += first * gemm->columns * word;
    for (; gemm->widen && n + TF_PANEL <= e->n; n += TF_PANEL)
        gemm->widen(tf_panel_at(e->b, e->j + n, &width) + k * TF_PANEL * bytes, count, bytes, lines + n * word,
                    gemm->columns);
    if (n < e->n) tf_panels_words_avx2(e->b, k, count, e->j + n, e->n - n, 0, lines + n * word, gemm->columns, word);
}

/** Packs a block by way of words. */
static void pack_words(const block *e, void *words) {
    const tf_gemm *gemm = e->b->gemm;
    if (e->n % TF_PANEL) memset(words, 0, e->depth * gemm->columns * sizeof(uint64_t));
    tf_panels_words_avx2(e->b, e->k, e->depth, e->j, e->n, gemm->columns, words, gemm->columns, sizeof(uint64_t));
    gemm->pack_panel(words, NULL, e->depth, e->n, gemm->columns, 1, e->panel);
}

/** Packs part `share` of `shares` of a block in place. */
static void pack_share(const block *e, size_t share, size_t shares) {
    const tf_gemm *gemm = e->b->gemm;
    const size_t line = gemm->columns * gemm->word, first = e->depth * share / shares;
    if (share == 0 && e->n < gemm->columns) memset(e->panel + line, 0, e->depth * line);
    widen(e, first, e->depth * (share + 1) / shares - first, e->panel + line, gemm->word);
    if (share + 1 == shares) gemm->finish_panel(e->depth, e->panel);
}

/** Where a block lies. */
static tf_ahead ahead_of(const block *e) {
    const unsigned bytes = e->n ? e->b->element : 0;
    tf_ahead ahead = {.bytes = e->depth * TF_PANEL * bytes};
    for (size_t n = 0, width; n < e->n && ahead.places < TF_AHEAD_PLACES; n += TF_PANEL)
        ahead.from[ahead.places++] = (const char *)tf_panel_at(e->b, e->j + n, &width) + e->k * width * bytes;
    return ahead;
}

/** c (m x columns of `now`) += the packed rows times a block. Meanwhile `next` is packed and what is `ahead` comes. */
static void multiply_block(size_t m, const unsigned char *rows, const block *now, const block *next, tf_ahead ahead,
                           uint64_t *c, size_t ldc) {
    const tf_gemm *gemm = now->b->gemm;
    const size_t k = round_up(now->depth, gemm->unit), row = (2 * gemm->head + k) * gemm->word;
    const size_t tiles = gemm->tile ? (m + gemm->tile - 1) / gemm->tile : 1, whole = ahead.bytes;
    for (size_t t = 0, i = 0, end; t < tiles; t++, i = end) {
        end = m * (t + 1) / tiles;
        ahead.bytes = whole * end / m - whole * i / m;
        gemm->multiply(end - i, k, now->n, rows + i * row, now->panel, c + i * ldc, ldc, &ahead);
        for (size_t p = 0; p < ahead.places; p++) ahead.from[p] += ahead.bytes;
        if (next) pack_share(next, t, tiles);
    }
}

static void many_rows(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                      size_t to, uint64_t *c, size_t ldc, unsigned char *scratch) {
    const tf_gemm *gemm = b->gemm;
    const bool in_place = gemm->finish_panel && gemm->word * 8 >= b->bits;
    unsigned char *room[2] = {scratch, scratch + tf_panel_room(b->k)}, *packed = room[1] + tf_panel_room(b->k);
    const size_t most = m < SOME ? gemm->depth / 2 : gemm->depth, blocks = (b->k + most - 1) / most;
    const walk w = {b, m, from, to, blocks ? round_up((b->k + blocks - 1) / blocks, gemm->unit) : 0};
    block e = block_at(&w, 0, 0, from), next = block_after(&w, &e), third;
    for (size_t number = 0; e.n; e = next, next = third, number++) {
        const size_t rows = min(TF_GEMM_ROW_BLOCK, m - e.i), offset = e.i * lda + e.k;
        third = block_after(&w, &next);
        e.panel = room[in_place ? number % 2 : 0], next.panel = room[(number + 1) % 2];
        if (e.j == from) gemm->pack_rows(a + offset, a2 ? a2 + offset : NULL, lda, rows, e.depth, packed);
        if (!in_place)
            pack_words(&e, room[1]);
        else if (!number)
            pack_share(&e, 0, 1);
        multiply_block(rows, packed, &e, in_place && next.n ? &next : NULL, ahead_of(&third), c + e.i * ldc + e.j, ldc);
    }
}

/** Whole panels alone. */
static void few_rows(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                     size_t to, uint64_t *c, size_t ldc, uint64_t *sum) {
    const unsigned bytes = b->element;
    const size_t groups = (m + b->gemm->group - 1) / b->gemm->group;
    for (size_t k = 0; k < b->k; k += FEW_DEPTH) {
        const size_t depth = min(FEW_DEPTH, b->k - k);
        const uint64_t *rows = a + k;
        for (size_t i = 0; i < m && a2; i++)
            for (size_t l = 0; l < depth; l++) sum[i * depth + l] = a[i * lda + k + l] + a2[i * lda + k + l];
        if (a2) rows = sum;
        const size_t stride = a2 ? depth : lda;
        for (size_t j = from, width; j < to; j += TF_PANEL) {
            const uint8_t *panel = tf_panel_at(b, j, &width) + k * TF_PANEL * bytes;
            for (size_t i = 0, end, t = 1; i < m; i = end, t++) {
                end = m * t / groups;
                b->gemm->few_rows(end - i, rows + i * stride, stride, depth, panel, b, c + i * ldc + j, ldc);
            }
        }
    }
}

void tf_panels_matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                      size_t to, uint64_t *c, size_t ldc, void *scratch) {
    const size_t even = m < TF_STRASSEN_ROWS ? 0 : m - m % 2, left = m - even; /* rows */
    const size_t few = b->gemm->few;
    size_t done = from;
    if (even) done = tf_strassen_avx2(even, a, a2, lda, b, from, to, c, ldc, scratch);
    if (m <= few) done = to == b->n ? to / TF_PANEL * TF_PANEL : to;
    if (left <= few)
        few_rows(left, a + even * lda, a2 ? a2 + even * lda : NULL, lda, b, from, done, c + even * ldc, ldc, scratch);
    if (done < to) many_rows(m, a, a2, lda, b, done, to, c, ldc, scratch);
}
