/** Dense bytes: eight elements at a time, by one byte permutation where they are no numbers of C. */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"
#include "runtime/kernels/whole_bytes.h"

enum { WORDS = 8 }; /* of a vector */

TF_WHOLE_BYTES(uint8_t)
TF_WHOLE_BYTES(uint16_t)
TF_WHOLE_BYTES(uint32_t)

static inline __mmask8 words_of(size_t count) {
    return (__mmask8)_bzhi_u32(0xff, (unsigned)count);
}

static inline __mmask64 bytes_of(size_t count, unsigned bytes) {
    return _bzhi_u64(~UINT64_C(0), (unsigned)count * bytes);
}

/** Whole vectors are written as long as what they write beyond their eight elements belongs to later ones. */
static void pack_any(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    uint8_t order[64];
    const uint16_t inverse = (uint16_t)((255 + bytes) / bytes); /* so that no byte takes a division */
    for (uint16_t j = 0; j < 64; j++) {
        const uint16_t word = (uint16_t)(j * inverse) >> 8;
        order[j] = (uint8_t)(word * 8 + j - word * bytes);
    }
    const __m512i from = _mm512_loadu_si512(order);
    const size_t reach = (64 + bytes - 1) / bytes;
    size_t i = 0;
    for (; i + reach <= n; i += WORDS)
        _mm512_storeu_si512(out + i * bytes, _mm512_permutexvar_epi8(from, _mm512_loadu_si512(x + i)));
    for (; i < n; i += WORDS) {
        const size_t count = min(n - i, WORDS);
        const __m512i words = _mm512_maskz_loadu_epi64(words_of(count), x + i);
        _mm512_mask_storeu_epi8(out + i * bytes, bytes_of(count, bytes), _mm512_permutexvar_epi8(from, words));
    }
}

static void unpack_any(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    uint8_t order[64];
    for (uint16_t j = 0; j < 64; j++) order[j] = (uint8_t)(j / 8 * bytes + j % 8);
    const __m512i from = _mm512_loadu_si512(order);
    const __mmask64 there = UINT64_C(0x0101010101010101) * ((UINT64_C(1) << bytes) - 1);
    const size_t reach = (64 + bytes - 1) / bytes;
    size_t i = 0;
    for (; i + reach <= n; i += WORDS)
        _mm512_storeu_si512(x + i, _mm512_maskz_permutexvar_epi8(there, from, _mm512_loadu_si512(in + i * bytes)));
    for (; i < n; i += WORDS) {
        const size_t count = min(n - i, WORDS);
        const __m512i dense = _mm512_maskz_loadu_epi8(bytes_of(count, bytes), in + i * bytes);
        _mm512_mask_storeu_epi64(x + i, words_of(count), _mm512_maskz_permutexvar_epi8(there, from, dense));
    }
}

void tf_pack_bytes_avx512vbmi(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    switch (bytes) {
    case 1: pack_uint8_t(x, n, out); break;
    case 2: pack_uint16_t(x, n, out); break;
    case 4: pack_uint32_t(x, n, out); break;
    case 8: memcpy(out, x, n * sizeof *x); break;
    default: pack_any(x, n, bytes, out);
    }
}

void tf_unpack_bytes_avx512vbmi(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    switch (bytes) {
    case 1: unpack_uint8_t(in, n, x); break;
    case 2: unpack_uint16_t(in, n, x); break;
    case 4: unpack_uint32_t(in, n, x); break;
    case 8: memcpy(x, in, n * sizeof *x); break;
    default: unpack_any(in, n, bytes, x);
    }
}
