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
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(b[i], b[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(b[i], b[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            bytes[i + 2 * j] = _mm256_unpacklo_epi64(a[i + j], a[i + j + 2]);
            bytes[i + 2 * j + 1] = _mm256_unpackhi_epi64(a[i + j], a[i + j + 2]);
        }
}

typedef uint32_t plane_line[CHUNK / GROUP];

/** lines[p][group] = bit p of 32 elements, for every p in the bytes first..last. */
static inline void planes_of_group(const uint64_t *x, size_t first, size_t last, plane_line *lines, size_t group) {
    __m256i bytes[8];
    transpose_bytes(x, bytes);
#pragma GCC unroll 8
    for (size_t b = 0; b < 8; b++) {
        if (b < first || b > last) continue;
        __m256i v = bytes[b];
#pragma GCC unroll 8
        for (size_t bit = 8; bit-- > 0; v = _mm256_add_epi8(v, v))
            lines[8 * b + bit][group] = (uint32_t)_mm256_movemask_epi8(v);
    }
}

void tf_to_planes_avx2(const uint64_t *x, size_t n, unsigned lo, unsigned count, uint64_t *planes, size_t stride) {
    if (count == 0) return;
    _Alignas(64) plane_line lines[64];
    const size_t first = lo / 8, last = (lo + count - 1) / 8;
    for (size_t i = 0; i < n; i += CHUNK) {
        const size_t elements = n - i < CHUNK ? n - i : CHUNK, words = (elements + 63) / 64;
        size_t group = 0;
        for (; (group + 1) * GROUP <= elements; group++)
            planes_of_group(x + i + group * GROUP, first, last, lines, group);
        for (; group < 2 * words; group++) { /* what is short of a word is zero */
            uint64_t rest[GROUP] = {0};
            if (group * GROUP < elements) memcpy(rest, x + i + group * GROUP, (elements - group * GROUP) * sizeof *x);
            planes_of_group(rest, first, last, lines, group);
        }
        for (size_t p = 0; p < count; p++) {
            uint64_t *plane = planes + p * stride + i / 64;
            if (words == sizeof(plane_line) / sizeof *plane) /* a copy of constant size is two instructions */
                memcpy(plane, lines[lo + p], sizeof(plane_line));
            else
                memcpy(plane, lines[lo + p], words * sizeof *plane);
        }
    }
}

void tf_from_plane_avx2(const uint64_t *plane, size_t n, uint64_t *out) {
    for (; n >= 64; n -= 64, out += 64, plane++) {
        const uint64_t word = *plane;
        for (unsigned i = 0; i < 64; i++) out[i] = word >> i & 1;
    }
    for (size_t i = 0; i < n; i++) out[i] = *plane >> i & 1;
}
