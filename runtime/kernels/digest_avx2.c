/** Digests of words, four at a time. */
#include <immintrin.h>

#include "runtime/kernels/internal.h"

uint64_t tf_digest_words_avx2(const uint64_t *x, const uint64_t *key, size_t n, uint64_t mask) {
    enum { LANES = 4, STEP = 16 };
    const __m256i ring = _mm256_set1_epi64x((long long)mask);
    __m256i sum[STEP / LANES] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                                 _mm256_setzero_si256()};
    size_t i = 0;
    for (; i + STEP <= n; i += STEP)
        UNROLLED(k, STEP / LANES) {
            __m256i w = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(x + i + LANES * k)), ring);
            w = _mm256_add_epi64(w, _mm256_loadu_si256((const __m256i *)(key + i + LANES * k)));
            sum[k] = _mm256_add_epi64(sum[k], _mm256_mul_epu32(w, _mm256_srli_epi64(w, 32)));
        }
    uint64_t lane[LANES];
    _mm256_storeu_si256((__m256i *)lane,
                        _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3])));
    return lane[0] + lane[1] + lane[2] + lane[3] + tf_digest_words_c(x + i, key + i, n - i, mask);
}
