/**
 * The micro-kernel and its packing, written once over GCC's vector extensions. It uses Winograd's inner product (1968),
 * which is exact in any commutative ring and needs half the multiplications. With k running over the even indices,
 *
 *   a . b  =  sum (a[k] + b[k+1]) (a[k+1] + b[k])  -  sum a[k] a[k+1]  -  sum b[k] b[k+1].
 *
 * The last two sums belong to a row of A and a column of B alone, and packing puts them, negated, in front of each.
 * Additions are cheap here: a wide integer multiply runs on half of a core's vector pipes at most, or takes several
 * micro-operations, while an addition runs on all of them in one.
 *
 * The including file defines
 * - word and vector: the ring element (uint64_t or uint32_t) and a vector of them, of GCC's vector_size;
 * - accumulator: a sum of products, with start(vector), which makes one, accumulate(&sum, s, t) and total(sum);
 * - ROWS and VECTORS: the register tile is ROWS x VECTORS accumulators;
 * - DEPTH: of a block, even, so that a panel of DEPTH x VECTORS vectors stays in the level-1 data cache;
 * - PAIRED: 1 for Winograd's inner product, 0 for the plain one (where multiply-and-add is one instruction);
 * - KEEP(x), of a vector, if the compiler must not load it more than once nor ahead of its turn: with all registers in
 *   use, what it moves is paid for by accumulators that go to memory and back;
 * - PANELS, if it has functions of its own for operands in panels: initializers of the last fields;
 * - GEMM: the name of the resulting tf_gemm. A panel's first line is what is added to every row of the product; a row's
 *   first word is what is added to every column, its second is unused. The padding is zero.
 */
#include <string.h>

#include "runtime/kernels/internal.h"

#ifndef KEEP
#define KEEP(x)
#endif
#ifndef PANELS
#define PANELS .few_rows = tf_few_rows_avx2, .few = 2, .group = 2
#endif

enum { LANES = sizeof(vector) / sizeof(word), COLUMNS = VECTORS * LANES, LINE = 64 };
_Static_assert(DEPTH % 2 == 0 && (2 + DEPTH) * sizeof(word) <= TF_GEMM_ROW_BYTES, "a block must be even and fit");

/* Unaligned pieces of the operands, and of what they are packed to. */
typedef uint64_t wide __attribute__((vector_size(sizeof(vector)), aligned(8), may_alias));
typedef uint64_t quad __attribute__((vector_size(32), aligned(8), may_alias));
typedef word packed_quad __attribute__((vector_size(4 * sizeof(word)), aligned(sizeof(word)), may_alias));

/** The sum of four neighbours, packed or not. */
INLINE quad quad_at(const uint64_t *b, const uint64_t *b2, size_t at) {
    quad x = *(const quad *)(b + at);
    if (b2) x += *(const quad *)(b2 + at);
    return x;
}

INLINE void pack_quad(word *to, quad x) {
    *(packed_quad *)to = __builtin_convertvector(x, packed_quad);
}

/** Packs rows [i, k) of columns [j, n), element by element. */
INLINE void pack_any(const uint64_t *b, const uint64_t *b2, size_t i, size_t k, size_t j, size_t n, size_t row_stride,
                     size_t column_stride, word (*lines)[COLUMNS]) {
    for (; i < k; i++)
        for (size_t l = j; l < n; l++) {
            const size_t at = i * row_stride + l * column_stride;
            lines[i][l] = (word)(b2 ? b[at] + b2[at] : b[at]);
        }
}

/** Packs columns that are contiguous in memory, as those of a transposed matrix are, in blocks of 4 x 4: four columns
   to their end at a time, for more of them, often a multiple of 4096 bytes apart, would not stay in the cache together.
 */
INLINE void pack_transposed(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t column_stride,
                            word (*lines)[COLUMNS]) {
    const size_t whole_k = k & ~(size_t)3, whole_n = n & ~(size_t)3;
    for (size_t j = 0; j < whole_n; j += 4)
        for (size_t i = 0; i < whole_k; i += 4) {
            quad c[4], t[4];
            UNROLLED(l, 4) c[l] = quad_at(b, b2, i + (j + l) * column_stride);
            UNROLLED(l, 2) {
                t[2 * l] = __builtin_shufflevector(c[2 * l], c[2 * l + 1], 0, 4, 2, 6);
                t[2 * l + 1] = __builtin_shufflevector(c[2 * l], c[2 * l + 1], 1, 5, 3, 7);
            }
            UNROLLED(l, 2) {
                pack_quad(&lines[i + l][j], __builtin_shufflevector(t[l], t[l + 2], 0, 1, 4, 5));
                pack_quad(&lines[i + l + 2][j], __builtin_shufflevector(t[l], t[l + 2], 2, 3, 6, 7));
            }
        }
    pack_any(b, b2, whole_k, k, 0, whole_n, 1, column_stride, lines);
    pack_any(b, b2, 0, k, whole_n, n, 1, column_stride, lines);
}

INLINE void pack_lines(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, word (*lines)[COLUMNS]) {
    if (column_stride == 1 && n == COLUMNS) {
        for (size_t i = 0; i < k; i++)
            UNROLLED(q, COLUMNS / 4) pack_quad(&lines[i][4 * q], quad_at(b, b2, i * row_stride + 4 * q));
    } else if (row_stride == 1) {
        pack_transposed(b, b2, k, n, column_stride, lines);
    } else {
        pack_any(b, b2, 0, k, 0, n, row_stride, column_stride, lines);
    }
}

/** What a panel whose lines are there needs besides: padding, and what stands before each column. */
static void finish_panel(size_t k, void *panel) {
    word(*lines)[COLUMNS] = (word(*)[COLUMNS])panel + 1;
    if (k & 1) memset(lines[k], 0, sizeof *lines);

    accumulator sums[VECTORS];
    UNROLLED(v, VECTORS) sums[v] = start((vector){0});
    const vector *line = (const vector *)lines;
    for (size_t i = 0; PAIRED && i < k; i += 2, line += 2 * VECTORS)
        UNROLLED(v, VECTORS) accumulate(&sums[v], line[v], line[VECTORS + v]);
    UNROLLED(v, VECTORS) ((vector *)panel)[v] = -total(sums[v]);
}

static void pack_panel(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, void *panel) {
    word(*lines)[COLUMNS] = (word(*)[COLUMNS])panel + 1;
    if (n < COLUMNS) memset(lines, 0, k * sizeof *lines);
    if (b2)
        pack_lines(b, b2, k, n, row_stride, column_stride, lines);
    else
        pack_lines(b, NULL, k, n, row_stride, column_stride, lines);
    finish_panel(k, panel);
}

static void pack_row(const uint64_t *a, const uint64_t *a2, size_t k, void *row) {
    word *words = (word *)row + 2, sum = 0;
    if (a2)
        for (size_t i = 0; i < k; i++) words[i] = (word)(a[i] + a2[i]);
    else
        for (size_t i = 0; i < k; i++) words[i] = (word)a[i];
    if (k & 1) words[k] = 0;
    for (size_t i = 0; PAIRED && i < k; i += 2) sum -= words[i] * words[i + 1];
    words[-2] = sum;
    words[-1] = 0;
}

INLINE vector broadcast(word x) {
    return x - (vector){0};
}

/** c += x, of n elements. */
INLINE void add_words(uint64_t *c, const word *x, size_t n) {
    size_t j = 0;
    for (; j + 4 <= n; j += 4) *(quad *)(c + j) += __builtin_convertvector(*(const packed_quad *)(x + j), quad);
    for (; j < n; j++) c[j] += x[j];
}

/** What comes ahead of its use, of which the bytes from `at` to `end` are due. */
typedef struct stream {
    const tf_ahead *ahead;
    size_t at, end;
} stream;

/** c (rows x n) += the product of `rows` rows, a constant where this is inlined, with a panel. The lines of c, and what
 *  comes ahead of its use, are asked for a few at a time: all at once they would keep the operands waiting. */
INLINE void tile(size_t rows, size_t k, size_t n, const word *a, const vector *b, uint64_t *c, size_t ldc, stream *s) {
    enum { WHOLE = ROWS < 4, CHUNK = WHOLE ? DEPTH : 8, C_LINES = COLUMNS * sizeof *c / LINE };
    const size_t lines = rows * C_LINES; /* not of n columns: what lies beyond is only prefetched */
    const size_t stride = 2 + k, chunks = WHOLE ? 1 : (k + CHUNK - 1) / CHUNK, some = lines / chunks + 1;
    size_t line = 0, at = s->at, due = at;
    const size_t step = (at < s->end ? s->end - at : 0) / chunks + 1;
    accumulator sums[ROWS][VECTORS];
    UNROLLED(r, rows)
        UNROLLED(v, VECTORS) sums[r][v] = start(PAIRED ? b[v] + broadcast(a[r * stride]) : (vector){0});
    a += 2;
    b += VECTORS;
    for (size_t r = 0; WHOLE && r < rows; r++)
        UNROLLED(l, C_LINES) __builtin_prefetch(c + r * ldc + l * (LINE / sizeof *c), 1);
    for (size_t i = 0; i < k;) {
        const size_t until = WHOLE ? k : min(i + CHUNK, k); /* a row or two are soon done */
        for (size_t last = min(line + some, lines); !WHOLE && line < last; line++)
            __builtin_prefetch(c + line / C_LINES * ldc + line % C_LINES * (LINE / sizeof *c), 1);
        for (due = min(due + step, s->end); at < due; at += LINE)
            for (size_t p = 0; p < s->ahead->places; p++) __builtin_prefetch(s->ahead->from[p] + at, 0, 2);
        for (; PAIRED && i < until; i += 2, b += 2 * VECTORS)
            UNROLLED(r, rows) {
                const vector even = broadcast(a[r * stride + i]), odd = broadcast(a[r * stride + i + 1]);
                UNROLLED(v, VECTORS) accumulate(&sums[r][v], even + b[VECTORS + v], odd + b[v]);
            }
        for (; !PAIRED && i < until; i++, b += VECTORS) {
            vector column[VECTORS];
            UNROLLED(v, VECTORS) {
                column[v] = b[v];
                KEEP(column[v]);
            }
            UNROLLED(r, rows) {
                vector x = broadcast(a[r * stride + i]);
                KEEP(x);
                UNROLLED(v, VECTORS) accumulate(&sums[r][v], x, column[v]);
            }
        }
    }
    s->at = at;
    UNROLLED(r, rows) {
        if (n == COLUMNS && sizeof(word) == sizeof *c) {
            wide *row = (wide *)(c + r * ldc);
            UNROLLED(v, VECTORS) row[v] += (wide)total(sums[r][v]);
        } else {
            vector sum[VECTORS];
            UNROLLED(v, VECTORS) sum[v] = total(sums[r][v]);
            add_words(c + r * ldc, (const word *)sum, n);
        }
    }
}

static void pack_rows(const uint64_t *a, const uint64_t *a2, size_t lda, size_t m, size_t k, void *rows) {
    word *row = rows;
    for (; m; m--, a += lda, row += 2 + k + (k & 1)) {
        pack_row(a, a2, k, row);
        if (a2) a2 += lda;
    }
}

/** The rows are spread evenly over tiles: a last one of a row or two could not fill the pipelines. */
static void multiply(size_t m, size_t k, size_t n, const void *rows, const void *panel, uint64_t *c, size_t ldc,
                     const tf_ahead *ahead) {
    const size_t tiles = (m + ROWS - 1) / ROWS;
    const word *a = rows;
    stream s = {ahead, 0, 0};
    for (size_t t = 0, row = 0, next; t < tiles; t++, row = next) {
        next = m * (t + 1) / tiles;
        if (ahead) s.end = ahead->bytes * next / m;
        const word *at = a + row * (2 + k);
        uint64_t *to = c + row * ldc;
        switch (next - row) {
        case 1: tile(1, k, n, at, panel, to, ldc, &s); break;
#if ROWS > 1
        case 2: tile(2, k, n, at, panel, to, ldc, &s); break;
#endif
#if ROWS > 2
        case 3: tile(3, k, n, at, panel, to, ldc, &s); break;
        case 4: tile(4, k, n, at, panel, to, ldc, &s); break;
#endif
#if ROWS > 4
        case 5: tile(5, k, n, at, panel, to, ldc, &s); break;
        case 6: tile(6, k, n, at, panel, to, ldc, &s); break;
#endif
        }
    }
}
_Static_assert(ROWS == 1 || ROWS == 2 || ROWS == 4 || ROWS == 6, "tiles of so many rows are written down above");

const tf_gemm GEMM = {.columns = COLUMNS,
                      .depth = DEPTH,
                      .unit = 2,
                      .rows = 1,
                      .tile = ROWS < 4 ? 8 : ROWS,
                      .head = 1,
                      .word = sizeof(word),
                      .halved = sizeof(vector) == 32 && sizeof(word) == 8,
                      .pack_panel = pack_panel,
                      .finish_panel = finish_panel,
                      .pack_rows = pack_rows,
                      .multiply = multiply,
                      PANELS};
