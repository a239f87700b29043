/*
 * Counter mode on four blocks an instruction, and GHASH as a sum of products: 32 blocks times falling powers of H make
 * 256-bit products, whose sum is reduced once. GHASH writes polynomials with the lowest power first; here bytes are
 * reversed when they are loaded, and one factor is stored times x, so that the product of such numbers needs no shift
 * (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode", 2014).
 */
#include "net/base/gcm_wide.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { ROUNDS = TF_AES_ROUNDS, VECTOR = 64, VECTORS = TF_GCM_GROUP / 4, GROUP_BYTES = TF_GCM_GROUP * TF_AES_BLOCK };

/* How far ahead lines of the cache are asked for: what is read may lie in another core's, and so may what is written,
 * which the peer has read before. */
enum { AHEAD = 4 * GROUP_BYTES };

#define WITH_VAES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,aes,pclmul,vaes,vpclmulqdq,prfchw")))
#define UNROLLED  _Pragma("GCC unroll 8")

WITH_VAES static inline __m512i four(__m128i block) {
    return _mm512_broadcast_i32x4(block);
}

/** Each block with its bytes in reverse. */
WITH_VAES static inline __m512i reverse(__m512i blocks) {
    return _mm512_shuffle_epi8(blocks, four(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

WITH_VAES static inline __m128i reverse_one(__m128i block) {
    return _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/** The bytes of a vector that `left` more bytes fill. */
static inline __mmask64 bytes_of(size_t left) {
    return left >= VECTOR ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

WITH_VAES static inline __m512i round_key(const tf_gcm_wide *gcm, int round) {
    return four(_mm_load_si128((const __m128i *)gcm->key.round[round]));
}

/* GHASH ------------------------------------------------------------------------------------------------------------ */

/** Sums of products that are not reduced yet: of lower halves, of upper ones, of one with the other. */
typedef struct products {
    __m512i low, middle, high;
} products;

WITH_VAES static inline __m512i sum_of(__m512i a, __m512i b, __m512i c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

WITH_VAES static inline void add_products(products *p, __m512i blocks, __m512i powers) {
    p->low = _mm512_xor_si512(p->low, _mm512_clmulepi64_epi128(blocks, powers, 0x00));
    p->high = _mm512_xor_si512(p->high, _mm512_clmulepi64_epi128(blocks, powers, 0x11));
    p->middle = sum_of(p->middle, _mm512_clmulepi64_epi128(blocks, powers, 0x01),
                       _mm512_clmulepi64_epi128(blocks, powers, 0x10));
}

WITH_VAES static inline __m128i add_lanes(__m512i x) {
    const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/** Reduces modulo x^128 + x^7 + x^2 + x + 1: the low quarter is added to the two above it, then the next one. */
WITH_VAES static inline __m128i reduce(const products *p) {
    const __m128i polynomial = _mm_set_epi64x(0, (long long)0xc200000000000000);
    __m128i low = add_lanes(p->low), middle = add_lanes(p->middle), high = add_lanes(p->high);
    middle =
        _mm_xor_si128(middle, _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x00)));
    return _mm_xor_si128(
        high, _mm_xor_si128(_mm_shuffle_epi32(middle, 0x4e), _mm_clmulepi64_si128(middle, polynomial, 0x00)));
}

/** GHASH goes on with a group of blocks at most, of which the last one is filled with zeros. */
WITH_VAES static inline __m128i absorb(const tf_gcm_wide *gcm, __m128i hash, const unsigned char *data, size_t size) {
    const unsigned char *power = gcm->power[TF_GCM_GROUP - (size + TF_AES_BLOCK - 1) / TF_AES_BLOCK];
    products p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i before = _mm512_zextsi128_si512(hash);
    for (size_t at = 0; at < size; at += VECTOR) {
        __m512i blocks = reverse(_mm512_maskz_loadu_epi8(bytes_of(size - at), data + at));
        add_products(&p, _mm512_xor_si512(blocks, before), _mm512_loadu_si512(power + at));
        before = _mm512_setzero_si512();
    }
    return reduce(&p);
}

WITH_VAES static __m128i absorb_all(const tf_gcm_wide *gcm, __m128i hash, const unsigned char *data, size_t size) {
    for (; size > GROUP_BYTES; size -= GROUP_BYTES, data += GROUP_BYTES) hash = absorb(gcm, hash, data, GROUP_BYTES);
    return size ? absorb(gcm, hash, data, size) : hash;
}

/* Counter mode ----------------------------------------------------------------------------------------------------- */

/** The counters from `counter` on, which are reversed, four a vector, on their way through the first round. */
WITH_VAES static inline void begin(const tf_gcm_wide *gcm, __m512i counter, __m512i *x, int vectors) {
    UNROLLED
        for (int i = 0; i < vectors; i++) {
            x[i] = reverse(_mm512_add_epi32(counter, four(_mm_set_epi32(0, 0, 0, 4 * i))));
            x[i] = _mm512_xor_si512(x[i], round_key(gcm, 0));
        }
}

/** The key stream of a vector. */
WITH_VAES static inline __m512i encrypt(const tf_gcm_wide *gcm, __m512i counter) {
    __m512i x;
    begin(gcm, counter, &x, 1);
    for (int r = 1; r < ROUNDS; r++) x = _mm512_aesenc_epi128(x, round_key(gcm, r));
    return _mm512_aesenclast_epi128(x, round_key(gcm, ROUNDS));
}

/** A value of its own: the memory that it came from, or goes to, is not read for it again. */
WITH_VAES static inline __m512i once(__m512i x) {
    __asm__ volatile("" : "+v"(x));
    return x;
}

/** GHASH of a group that is in registers. */
WITH_VAES static inline __m128i absorb_group(const tf_gcm_wide *gcm, __m128i hash, const __m512i text[VECTORS]) {
    __m512i before = _mm512_zextsi128_si512(hash);
    products p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    UNROLLED
        for (int k = 0; k < VECTORS; k++) {
            add_products(&p, _mm512_xor_si512(reverse(text[k]), before), _mm512_load_si512(gcm->power[4 * k]));
            before = _mm512_setzero_si512();
        }
    return reduce(&p);
}

/** A whole group; in passing, between the rounds, GHASH: of this group if it is opened, else of the one before, which
 *  `text` still holds. `text` becomes what is encrypted of this one. */
WITH_VAES static inline __m128i crypt_group(const tf_gcm_wide *gcm, bool seals, __m512i counter, __m128i hash,
                                            __m512i text[VECTORS], const unsigned char *in, unsigned char *out) {
    __m512i x[VECTORS], before = _mm512_zextsi128_si512(hash);
    products p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    begin(gcm, counter, x, VECTORS);
    UNROLLED
        for (int k = 0; k < VECTORS; k++) {
            __builtin_prefetch(in + AHEAD + k * VECTOR, 0);
            __builtin_prefetch(out + AHEAD + k * VECTOR, 1);
            if (!seals) text[k] = once(_mm512_loadu_si512(in + k * VECTOR));
            UNROLLED
                for (int i = 0; i < VECTORS; i++) x[i] = _mm512_aesenc_epi128(x[i], round_key(gcm, k + 1));
            add_products(&p, _mm512_xor_si512(reverse(text[k]), before), _mm512_load_si512(gcm->power[4 * k]));
            before = _mm512_setzero_si512();
        }
    UNROLLED
        for (int i = 0; i < VECTORS; i++) {
            x[i] = _mm512_aesenc_epi128(x[i], round_key(gcm, ROUNDS - 1));
            x[i] = _mm512_aesenclast_epi128(x[i], round_key(gcm, ROUNDS));
            x[i] = _mm512_xor_si512(x[i], seals ? _mm512_loadu_si512(in + i * VECTOR) : text[i]);
            if (seals) text[i] = once(x[i]);
            _mm512_storeu_si512(out + i * VECTOR, x[i]);
        }
    return reduce(&p);
}

/** Less than a group, and GHASH of it. */
WITH_VAES static inline __m128i crypt_rest(const tf_gcm_wide *gcm, bool seals, __m512i counter, __m128i hash,
                                           const unsigned char *in, size_t size, unsigned char *out) {
    const unsigned char *power = gcm->power[TF_GCM_GROUP - (size + TF_AES_BLOCK - 1) / TF_AES_BLOCK];
    products p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i before = _mm512_zextsi128_si512(hash);
    for (size_t at = 0; at < size; at += VECTOR) {
        const __mmask64 mask = bytes_of(size - at);
        const __m512i read = once(_mm512_maskz_loadu_epi8(mask, in + at));
        const __m512i made = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(encrypt(gcm, counter), read));
        const __m512i text = seals ? once(made) : read;
        _mm512_mask_storeu_epi8(out + at, mask, made);
        add_products(&p, _mm512_xor_si512(reverse(text), before), _mm512_loadu_si512(power + at));
        before = _mm512_setzero_si512();
        counter = _mm512_add_epi32(counter, four(_mm_set_epi32(0, 0, 0, 4)));
    }
    return reduce(&p);
}

/** The first group that is sealed: there is nothing to hash yet. */
WITH_VAES static inline void seal_first(const tf_gcm_wide *gcm, __m512i counter, __m512i text[VECTORS],
                                        const unsigned char *in, unsigned char *out) {
    UNROLLED
        for (int i = 0; i < VECTORS; i++) {
            const __m512i at = _mm512_add_epi32(counter, four(_mm_set_epi32(0, 0, 0, 4 * i)));
            const __m512i made = _mm512_xor_si512(encrypt(gcm, at), _mm512_loadu_si512(in + i * VECTOR));
            text[i] = once(made);
            _mm512_storeu_si512(out + i * VECTOR, made);
        }
}

/** GHASH is a group behind where it has to wait for what is encrypted. */
WITH_VAES static inline __m128i crypt_all(const tf_gcm_wide *gcm, bool seals, __m512i counter, __m128i hash,
                                          const unsigned char *in, size_t size, unsigned char *out) {
    const __m512i stride = four(_mm_set_epi32(0, 0, 0, TF_GCM_GROUP));
    const bool behind = seals && size >= GROUP_BYTES;
    __m512i text[VECTORS] = {_mm512_setzero_si512()};
    if (behind) {
        seal_first(gcm, counter, text, in, out);
        counter = _mm512_add_epi32(counter, stride);
        in += GROUP_BYTES, out += GROUP_BYTES, size -= GROUP_BYTES;
    }
    for (; size >= GROUP_BYTES; size -= GROUP_BYTES, in += GROUP_BYTES, out += GROUP_BYTES) {
        hash = crypt_group(gcm, seals, counter, hash, text, in, out);
        counter = _mm512_add_epi32(counter, stride);
    }
    if (behind) hash = absorb_group(gcm, hash, text);
    return size ? crypt_rest(gcm, seals, counter, hash, in, size, out) : hash;
}

/* Both ------------------------------------------------------------------------------------------------------------- */

WITH_VAES void tf_gcm_wide_crypt(const tf_gcm_wide *gcm, bool seals, const unsigned char nonce[TF_GCM_NONCE],
                                 tf_gcm_extra extra, const unsigned char *in, size_t size, unsigned char *out,
                                 unsigned char tag[TF_GCM_TAG]) {
    unsigned char block[TF_AES_BLOCK] = {0};
    memcpy(block, nonce, TF_GCM_NONCE);
    __m512i counter = four(reverse_one(_mm_loadu_si128((const __m128i *)block)));
    counter = _mm512_add_epi32(counter, _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1));
    const __m512i first = encrypt(gcm, counter); /* of which block 1 masks the tag; the text begins at 2 */
    counter = _mm512_add_epi32(counter, four(_mm_set_epi32(0, 0, 0, 1)));

    __m128i hash = absorb_all(gcm, _mm_setzero_si128(), extra.data, extra.size);
    hash = seals ? crypt_all(gcm, true, counter, hash, in, size, out)
                 : crypt_all(gcm, false, counter, hash, in, size, out);
    const __m128i bits = _mm_set_epi64x((long long)(8 * (uint64_t)extra.size), (long long)(8 * (uint64_t)size));
    _mm_storeu_si128((__m128i *)block, reverse_one(bits));
    hash = reverse_one(absorb(gcm, hash, block, sizeof block));
    _mm_storeu_si128((__m128i *)tag, _mm_xor_si128(hash, _mm512_castsi512_si128(first)));
}

/** Times x: a shift by a bit, and what leaves it comes back as x^127 + x^126 + x^121 + 1, reversed. */
WITH_VAES static __m128i times_x(__m128i h) {
    const __m128i sign = _mm_srai_epi32(_mm_shuffle_epi32(h, 0xff), 31);
    const __m128i carries = _mm_slli_si128(_mm_srli_epi64(h, 63), 8);
    const __m128i polynomial = _mm_set_epi64x((long long)0xc200000000000000, 1);
    return _mm_xor_si128(_mm_or_si128(_mm_slli_epi64(h, 1), carries), _mm_and_si128(sign, polynomial));
}

WITH_VAES void tf_gcm_wide_set_key(tf_gcm_wide *gcm, const unsigned char key[TF_GCM_KEY]) {
    tf_aes_expand(TF_AES_WIDE, key, &gcm->key);
    memset(gcm->power, 0, sizeof gcm->power);
    const __m128i zero = _mm512_castsi512_si128(encrypt(gcm, _mm512_setzero_si512())), h = times_x(reverse_one(zero));
    __m128i power = h;
    for (int k = 1; k <= TF_GCM_GROUP; k++) {
        _mm_store_si128((__m128i *)gcm->power[TF_GCM_GROUP - k], power);
        products p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
        add_products(&p, _mm512_zextsi128_si512(power), _mm512_zextsi128_si512(h));
        power = reduce(&p);
    }
}
