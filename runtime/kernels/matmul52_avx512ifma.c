/**
 * Products mod 2^52 and below, by vpmadd52luq, which adds the low 52 bits of a product of 52-bit numbers. Multiplying
 * and adding are one instruction here, so the plain inner product is the cheaper one.
 */
#include <stddef.h>
#include <stdint.h>

#include "runtime/kernels/internal.h"

typedef uint64_t word;
typedef uint64_t vector __attribute__((vector_size(64)));
typedef vector accumulator;

#define start(x) (x)
#ifdef __AVX512IFMA__
#include <immintrin.h>
#define accumulate(sum, s, t) (*(sum) = (vector)_mm512_madd52lo_epu64((__m512i) * (sum), (__m512i)(s), (__m512i)(t)))
#define KEEP(x)               __asm__ volatile("" : "+v"(x))
#else /* the definition of the instruction, for tests on other machines */
#define LOW52                 (((uint64_t)1 << 52) - 1)
#define accumulate(sum, s, t) (*(sum) += ((s)&LOW52) * ((t)&LOW52) & LOW52)
#endif
#define total(sum) (sum)

enum { MOST_FEW = 8 };
static void widen_panel(const uint8_t *panel, size_t lines, unsigned bytes, void *out, size_t stride);
static void few_rows(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, const tf_packed *b,
                     uint64_t *c, size_t ldc);

#define ROWS    6
#define VECTORS 4
#define DEPTH   384
#define PAIRED  0
#define GEMM    tf_gemm52_avx512ifma
#define PANELS  .widen = widen_panel, .few_rows = few_rows, .few = 16, .group = MOST_FEW
#include "runtime/kernels/matmul_tile.h"

/* Elements in panels: eight come by one load, which reaches into what lies behind, and a permutation of bytes. */

typedef uint8_t octets __attribute__((vector_size(64), may_alias));
enum { HALVES = TF_PANEL / LANES };

INLINE octets order_of(unsigned bytes) {
    octets order;
    for (unsigned j = 0; j < sizeof order; j++) order[j] = (uint8_t)(j % 8 < bytes ? j / 8 * bytes + j % 8 : 0);
    return order;
}

/** Eight elements; of what lies behind them, no more than TF_PANEL_SLACK bytes are touched. */
INLINE vector eight(const uint8_t *at, unsigned bytes, octets order) {
#ifdef __AVX512VBMI__
    const uint64_t kept = UINT64_MAX / 255 * (255 >> (8 - bytes)), some = UINT64_MAX >> (64 - LANES * bytes);
    const bool all = LANES * bytes + TF_PANEL_SLACK >= sizeof(vector);
    const __m512i x = all ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi8(some, at);
    return (vector)_mm512_maskz_permutexvar_epi8(kept, (__m512i)order, x);
#else
    vector x = {0};
    for (size_t l = 0; l < LANES; l++) memcpy((char *)&x + l * sizeof(word), at + l * bytes, bytes);
    return x;
#endif
}

INLINE void widen_lines(const uint8_t *panel, size_t lines, unsigned bytes, vector *out, size_t stride) {
    const octets order = order_of(bytes);
    for (; lines; lines--, panel += TF_PANEL * bytes, out += stride / LANES)
        UNROLLED(h, HALVES) out[h] = eight(panel + h * LANES * bytes, bytes, order);
}

#define WIDEN_LINES(n) widen_lines(panel, lines, n, out, stride)
static void widen_panel(const uint8_t *panel, size_t lines, unsigned bytes, void *out,
                        size_t stride){FOR_BYTES(bytes, WIDEN_LINES)}

INLINE void meet_panel(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, unsigned bytes,
                       uint64_t *c, size_t ldc) {
    enum { AHEAD = 4096 };
    const octets order = order_of(bytes);
    vector sums[MOST_FEW][HALVES];
    UNROLLED(r, m)
        UNROLLED(h, HALVES) sums[r][h] = *(const wide *)(c + r * ldc + h * LANES);
    for (size_t i = 0; i < k; i++, panel += TF_PANEL * bytes) {
        vector column[HALVES];
        __builtin_prefetch(panel + AHEAD);
        if (bytes > 4) __builtin_prefetch(panel + AHEAD + LINE);
        UNROLLED(h, HALVES) column[h] = eight(panel + h * LANES * bytes, bytes, order);
        UNROLLED(r, m) {
            const vector x = broadcast(a[r * lda + i]);
            UNROLLED(h, HALVES) accumulate(&sums[r][h], x, column[h]);
        }
    }
    UNROLLED(r, m)
        UNROLLED(h, HALVES) *(wide *)(c + r * ldc + h * LANES) = (wide)sums[r][h];
}

#define MEET(n)                                                                                                        \
    switch (m) {                                                                                                       \
    case 1: meet_panel(1, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 2: meet_panel(2, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 3: meet_panel(3, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 4: meet_panel(4, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 5: meet_panel(5, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 6: meet_panel(6, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 7: meet_panel(7, a, lda, k, panel, n, c, ldc); break;                                                         \
    case 8: meet_panel(8, a, lda, k, panel, n, c, ldc); break;                                                         \
    }
/** For few rows memory is what counts: the elements are multiplied as they come, with no panel in between. */
static void few_rows(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, const tf_packed *b,
                     uint64_t *c, size_t ldc) {
    FOR_BYTES(b->element, MEET)
}
