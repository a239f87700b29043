/**
 * Operands in panels, a vector of four elements at a time: two of them come to each half by a load of 16 bytes, which
 * reaches into what lies behind, and a byte shuffle. Products are as in matmul48_avx2.c and matmul64_avx2.c, but for
 * Winograd's sums: for a row or two the multiplications hide behind memory.
 */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"

enum { LANES = 4, VECTORS = TF_PANEL / LANES };

typedef uint64_t words __attribute__((vector_size(32)));
typedef uint32_t halves __attribute__((vector_size(32)));
typedef uint16_t quarters __attribute__((vector_size(32)));

/** Puts the bytes of each half's two elements into its two words. */
INLINE __m256i order_of(unsigned bytes) {
    uint8_t order[32];
    for (unsigned j = 0; j < 32; j++) order[j] = j % 8 < bytes ? (uint8_t)(j % 16 / 8 * bytes + j % 8) : 0x80;
    return _mm256_loadu_si256((const __m256i *)order);
}

INLINE __m256i four(const uint8_t *at, unsigned bytes, __m256i order) {
    if (bytes == 8) return _mm256_loadu_si256((const __m256i *)at);
    const __m128i low = _mm_loadu_si128((const __m128i *)at);
    const __m128i high = _mm_loadu_si128((const __m128i *)(at + 2 * bytes));
    return _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), order);
}

INLINE void panel_words(const uint8_t *panel, size_t lines, unsigned bytes, uint64_t *out, size_t stride,
                        size_t ahead) {
    const __m256i order = order_of(bytes);
    for (; lines; lines--, panel += TF_PANEL * bytes, out += stride) {
        _mm_prefetch((const char *)panel + ahead, _MM_HINT_T1);
        if (bytes > 4) _mm_prefetch((const char *)panel + ahead + 64, _MM_HINT_T1);
        UNROLLED(v, VECTORS)
            _mm256_storeu_si256((__m256i *)(out + LANES * v), four(panel + LANES * v * bytes, bytes, order));
    }
}

/** The cross products matter in the upper half of 48 bits, where words of 16 bits do, or of 64. */
INLINE void panel_row(const uint64_t *a, size_t k, const uint8_t *panel, unsigned bytes, unsigned bits, uint64_t *c) {
    const __m256i order = order_of(bytes);
    words low[VECTORS] = {0};
    __m256i cross[VECTORS] = {0};
    for (size_t i = 0; i < k; i++, panel += TF_PANEL * bytes) {
        const __m256i x = _mm256_set1_epi64x((long long)a[i]), swapped = _mm256_shuffle_epi32(x, 0xb1);
        _mm_prefetch((const char *)panel + 1024, _MM_HINT_T0);
        UNROLLED(v, VECTORS) {
            const __m256i y = four(panel + LANES * v * bytes, bytes, order);
            low[v] += (words)_mm256_mul_epu32(x, y);
            if (bits > 48)
                cross[v] = (__m256i)((halves)cross[v] + (halves)swapped * (halves)y);
            else if (bits > 32)
                cross[v] = (__m256i)((quarters)cross[v] + (quarters)swapped * (quarters)y);
        }
    }
    UNROLLED(v, VECTORS) {
        const words both = (words)cross[v], sum = low[v] + ((both + (both >> 32)) << 32);
        __m256i *to = (__m256i *)(c + LANES * v);
        _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), (__m256i)sum));
    }
}

static void words64(const uint8_t *panel, size_t lines, unsigned bytes, uint64_t *out, size_t stride, size_t ahead) {
#define WORDS(n) panel_words(panel, lines, n, out, stride, ahead)
    FOR_BYTES(bytes, WORDS)
}

static void words32(const uint8_t *panel, size_t lines, unsigned bytes, uint32_t *out, size_t stride, size_t ahead) {
    for (; lines; lines--, panel += TF_PANEL * bytes, out += stride) {
        uint64_t wide[TF_PANEL];
        if (bytes == sizeof *out) {
            _mm_prefetch((const char *)panel + ahead, _MM_HINT_T1);
            memcpy(out, panel, TF_PANEL * sizeof *out);
            continue;
        }
        words64(panel, 1, bytes, wide, TF_PANEL, ahead);
        for (size_t i = 0; i < TF_PANEL; i++) out[i] = (uint32_t)wide[i];
    }
}

void tf_panels_words_avx2(const tf_packed *b, size_t k, size_t depth, size_t j, size_t n, size_t next, void *out,
                          size_t stride, size_t word) {
    const unsigned bytes = b->element;
    const size_t ahead = b->k * next * bytes;
    for (size_t at = 0, width; at < n; at += TF_PANEL) {
        const uint8_t *panel = tf_panel_at(b, j + at, &width) + k * width * bytes;
        unsigned char *to = (unsigned char *)out + at * word;
        if (width == TF_PANEL && word == sizeof(uint32_t)) {
            words32(panel, depth, bytes, (uint32_t *)to, stride, ahead);
        } else if (width == TF_PANEL) {
            words64(panel, depth, bytes, (uint64_t *)to, stride, ahead);
        } else {
            for (size_t i = 0; i < depth * width; i++)
                memcpy(to + (i / width * stride + i % width) * word, panel + i * bytes, bytes);
        }
    }
}

/** In the widest ring that takes as many bytes. */
static void panel_row_as(const uint64_t *a, size_t k, const uint8_t *panel, unsigned bytes, unsigned bits,
                         uint64_t *c) {
#define ROW32(n) panel_row(a, k, panel, n, 32, c)
#define ROW48(n) panel_row(a, k, panel, n, 48, c)
#define ROW64(n) panel_row(a, k, panel, n, 64, c)
    if (bits <= 32)
        FOR_BYTES(bytes, ROW32)
    else if (bits <= 48)
        FOR_BYTES(bytes, ROW48)
    else
        FOR_BYTES(bytes, ROW64)
}

void tf_few_rows_avx2(size_t m, const uint64_t *a, size_t lda, size_t k, const uint8_t *panel, const tf_packed *b,
                      uint64_t *c, size_t ldc) {
    for (; m; m--, a += lda, c += ldc) panel_row_as(a, k, panel, b->element, b->bits, c);
}
