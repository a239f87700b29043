/**
 * Products of operands in panels by quadrants: seven products of half the rows, depth and columns make the result where
 * eight would, exactly in any ring (Strassen, "Gaussian elimination is not optimal", 1969; with fifteen sums as by
 * Winograd):
 *
 *   s1 = a21 + a22    t1 = b12 - b11    p1 = a11 b11    p4 = a22 t4    c11 = p1 + p2
 *   s2 = s1 - a11     t2 = b22 - t1     p2 = a12 b21    p5 = s1 t1     c12 = p1 + p6 + p5 + p3
 *   s3 = a11 - a21    t3 = b22 - b12    p3 = s4 b22     p6 = s2 t2     c21 = p1 + p6 + p7 + p4
 *   s4 = a12 - s2     t4 = b21 - t2                     p7 = s3 t3     c22 = p1 + p6 + p7 + p5
 *
 * The sums are made on the way to the micro-kernel: of rows before they are packed, of columns while they lie in the
 * caches as words. A second level would leave too few rows for what the sums cost. For AVX2's rings above 32 bits:
 * others multiply so fast that the sums cost what is saved.
 */
#include <string.h>

#include "runtime/kernels/internal.h"

enum { PRODUCTS = 7, DEPTH = 96, ROWS = TF_GEMM_ROW_BLOCK / 2, ROW = DEPTH + 2 };
enum { S1, S2, S3, S4, A11, A12, A22 };                                /* packed rows */
enum { B11, B12, B21, B22, T1, PANELS, T2 = B11, T3 = B12, T4 = B21 }; /* panels, some in the place of others */

typedef uint64_t line[TF_PANEL];

typedef struct room {
    _Alignas(64) line panel[PANELS][DEPTH + 2];
    _Alignas(64) uint64_t rows[PRODUCTS][ROWS * ROW];
    line part[2][ROWS];
    uint64_t sum[4][DEPTH];
} room;
_Static_assert(sizeof(room) <= TF_STRASSEN_SCRATCH, "a block must fit the scratch");

/** A block of the product: rows and depth of a quadrant, which has the columns of a panel. */
typedef struct block {
    const tf_gemm *gemm;
    size_t rows, depth, ldc;
    room *room;
} block;

/** Packs rows of a + a2, and of their sums. */
static void pack_rows(const block *e, const uint64_t *a, const uint64_t *a2, size_t lda) {
    const size_t d = e->depth, low = e->rows * lda, row = 2 + round_up(d, e->gemm->unit);
    const size_t at[PRODUCTS] = {[A11] = 0, [A12] = d, [A22] = low + d};
    for (size_t q = A11; q <= A22; q++)
        e->gemm->pack_rows(a + at[q], a2 ? a2 + at[q] : NULL, lda, e->rows, d, e->room->rows[q]);
    for (size_t i = 0; i < e->rows; i++, a += lda) {
        uint64_t(*s)[DEPTH] = e->room->sum;
        for (size_t l = 0; l < d; l++) {
            uint64_t a11 = a[l], a12 = a[d + l], a21 = a[low + l], a22 = a[low + d + l];
            if (a2) a11 += a2[l], a12 += a2[d + l], a21 += a2[low + l], a22 += a2[low + d + l];
            s[S1][l] = a21 + a22;
            s[S2][l] = a21 + a22 - a11;
            s[S3][l] = a11 - a21;
            s[S4][l] = a12 - (a21 + a22 - a11);
        }
        for (size_t k = S1; k <= S4; k++) e->gemm->pack_rows(s[k], NULL, d, 1, d, e->room->rows[k] + i * row);
        if (a2) a2 += lda;
    }
}

/** Panel `to` = panel x - panel y, and what stands before it. */
static void subtract(const block *e, size_t to, size_t x, size_t y) {
    line(*panel)[DEPTH + 2] = e->room->panel;
    for (size_t i = 1; i <= e->depth; i++)
        UNROLLED(j, TF_PANEL) panel[to][i][j] = panel[x][i][j] - panel[y][i][j];
    e->gemm->finish_panel(e->depth, panel[to]);
}

static void multiply(const block *e, size_t rows, size_t panel, uint64_t *c, size_t ldc) {
    e->gemm->multiply(e->rows, round_up(e->depth, e->gemm->unit), TF_PANEL, e->room->rows[rows], e->room->panel[panel],
                      c, ldc, NULL);
}

static void add(const block *e, const line *part, uint64_t *c) {
    for (size_t i = 0; i < e->rows; i++, c += e->ldc)
        UNROLLED(j, TF_PANEL) c[j] += part[i][j];
}

/** c += the packed rows times the panels, which hold the words of b. */
static void multiply_block(const block *e, uint64_t *c) {
    uint64_t *c12 = c + TF_PANEL, *c21 = c + e->rows * e->ldc, *c22 = c21 + TF_PANEL;
    line *u = e->room->part[0], *p5 = e->room->part[1];
    memset(u, 0, e->rows * sizeof *u);
    memset(p5, 0, e->rows * sizeof *p5);
    e->gemm->finish_panel(e->depth, e->room->panel[B11]);
    e->gemm->finish_panel(e->depth, e->room->panel[B21]);
    e->gemm->finish_panel(e->depth, e->room->panel[B22]);
    multiply(e, A12, B21, c, e->ldc);
    multiply(e, A11, B11, *u, TF_PANEL);
    add(e, u, c);
    subtract(e, T1, B12, B11);
    multiply(e, S1, T1, *p5, TF_PANEL);
    subtract(e, T2, B22, T1);
    multiply(e, S2, T2, *u, TF_PANEL);
    add(e, p5, c12);
    add(e, u, c12);
    multiply(e, S4, B22, c12, e->ldc);
    subtract(e, T3, B22, B12);
    multiply(e, S3, T3, *u, TF_PANEL);
    add(e, u, c21);
    add(e, u, c22);
    add(e, p5, c22);
    subtract(e, T4, B21, T2);
    multiply(e, A22, T4, c21, e->ldc);
}

size_t tf_strassen_avx2(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                        size_t to, uint64_t *c, size_t ldc, void *scratch) {
    if (!b->gemm->halved || b->k % 2) return from;
    const size_t blocks = (m + TF_GEMM_ROW_BLOCK - 1) / TF_GEMM_ROW_BLOCK;
    const size_t end = from + (to - from) / (2 * TF_PANEL) * (2 * TF_PANEL);
    block e = {.gemm = b->gemm, .ldc = ldc, .room = scratch};
    for (size_t k = 0; k < b->k; k += 2 * DEPTH) {
        e.depth = min(DEPTH, (b->k - k) / 2);
        for (size_t t = 0, i = 0; t < blocks; t++, i += 2 * e.rows) {
            e.rows = m / 2 * (t + 1) / blocks - i / 2;
            pack_rows(&e, a + i * lda + k, a2 ? a2 + i * lda + k : NULL, lda);
            for (size_t j = from; j < end; j += 2 * TF_PANEL) {
                for (size_t q = B11; q <= B22; q++)
                    tf_panels_words_avx2(b, k + q / 2 * e.depth, e.depth, j + q % 2 * TF_PANEL, TF_PANEL, 2 * TF_PANEL,
                                         e.room->panel[q] + 1, TF_PANEL, sizeof(uint64_t));
                multiply_block(&e, c + i * ldc + j);
            }
        }
    }
    return end;
}
