/** Dense bytes: two elements at a time by one byte shuffle; the 16-byte accesses overlap and never pass the end. */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"
#include "runtime/kernels/whole_bytes.h"

/* Half of all rings are of four bytes. */
TF_WHOLE_BYTES(uint32_t)

void tf_pack_bytes_avx2(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    if (bytes == 8) {
        memcpy(out, x, n * sizeof *x);
        return;
    }
    if (bytes == 4) {
        pack_uint32_t(x, n, out);
        return;
    }
    const size_t reach = (16 + bytes - 1) / bytes; /* elements that 16 dense bytes touch: 2 or more */
    uint8_t order[16];
    for (unsigned j = 0; j < 16; j++) order[j] = j < 2 * bytes ? (uint8_t)(j / bytes * 8 + j % bytes) : 0x80;
    const __m128i shuffle = _mm_loadu_si128((const __m128i *)order);
    size_t i = 0;
    for (; i + reach <= n; i += 2)
        _mm_storeu_si128((__m128i *)(out + i * bytes),
                         _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(x + i)), shuffle));
    tf_kernels_c.pack_bytes(x + i, n - i, bytes, out + i * bytes);
}

void tf_unpack_bytes_avx2(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    if (bytes == 8) {
        memcpy(x, in, n * sizeof *x);
        return;
    }
    if (bytes == 4) {
        unpack_uint32_t(in, n, x);
        return;
    }
    const size_t reach = (16 + bytes - 1) / bytes; /* elements that 16 dense bytes touch: 2 or more */
    uint8_t order[16];
    for (unsigned j = 0; j < 16; j++) order[j] = j % 8 < bytes ? (uint8_t)(j / 8 * bytes + j % 8) : 0x80;
    const __m128i shuffle = _mm_loadu_si128((const __m128i *)order);
    size_t i = 0;
    for (; i + reach <= n; i += 2)
        _mm_storeu_si128((__m128i *)(x + i),
                         _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(in + i * bytes)), shuffle));
    tf_kernels_c.unpack_bytes(in + i * bytes, n - i, bytes, x + i);
}
