/** Bit planes: bytes are transposed by shuffles, then vpmovmskb takes one bit of 32 elements at a time. */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"

enum { GROUP = 32, CHUNK = 512 }; /* elements of one vpmovmskb; elements whose planes fill cache lines */

/** bytes[b] = byte b of 32 elements, in order. */
static inline void transpose_bytes(const uint64_t *x, __m256i bytes[8]) {
    const __m256i interleave = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10,
                                                3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    __m256i a[8], b[8];
    for (int i = 0; i < 8; i++) /* elements 2i and 2i + 1, then 16 further on */
        a[i] = _mm256_shuffle_epi8(_mm256_loadu2_m128i((const __m128i *)(x + 16 + 2 * i), (const __m128i *)(x + 2 * i)),
                                   interleave);
    for (int i = 0; i < 4; i++) {
        b[i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
        b[i + 4] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 2) { /* a: bytes (0 1), (2 3), (4 5), (6 7) of the first, then of the second 16 bytes */
        a[i] = _mm256_unpacklo_epi32(b[i], b[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(b[i], b[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            bytes[i + 2 * j] = _mm256_unpacklo_epi64(a[i + j], a[i + j + 2]);
            bytes[i + 2 * j + 1] = _mm256_unpackhi_epi64(a[i + j], a[i + j + 2]);
        }
}

/** lines[p][group] = bits lo + p of 32 elements. */
static inline void planes_of_group(const uint64_t *x, unsigned lo, unsigned count, uint32_t lines[][CHUNK / GROUP],
                                   size_t group) {
    __m256i bytes[8];
    transpose_bytes(x, bytes);
    for (unsigned end = lo + count; end > lo;) { /* the bits of one byte, downwards */
        const unsigned byte = (end - 1) / 8, first = byte * 8 > lo ? byte * 8 : lo;
        __m256i v = _mm256_sll_epi64(bytes[byte], _mm_cvtsi32_si128((int)(8 * byte + 8 - end)));
        for (; end > first; end--, v = _mm256_add_epi8(v, v))
            lines[end - 1 - lo][group] = (uint32_t)_mm256_movemask_epi8(v);
    }
}

void tf_to_planes_avx2(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride) {
    _Alignas(64) uint32_t lines[64][CHUNK / GROUP];
    for (size_t i = 0; i < n; i += CHUNK) {
        const size_t elements = n - i < CHUNK ? n - i : CHUNK, words = (elements + 63) / 64;
        size_t group = 0;
        for (; (group + 1) * GROUP <= elements; group++)
            planes_of_group(x + i + group * GROUP, lo, count, lines, group);
        for (; group < 2 * words; group++) { /* what is short of a word is zero */
            uint64_t last[GROUP] = {0};
            if (group * GROUP < elements) memcpy(last, x + i + group * GROUP, (elements - group * GROUP) * sizeof *x);
            planes_of_group(last, lo, count, lines, group);
        }
        for (unsigned p = 0; p < count; p++) memcpy(planes + p * stride + i / 64, lines[p], words * sizeof *planes);
    }
}

void tf_from_plane_avx2(const uint64_t *plane, size_t n, uint64_t *out) {
    for (; n >= 64; n -= 64, out += 64, plane++) {
        const uint64_t word = *plane;
        for (unsigned i = 0; i < 64; i++) out[i] = word >> i & 1;
    }
    for (size_t i = 0; i < n; i++) out[i] = *plane >> i & 1;
}
