/*
 * Most streams are short: a mask of a few elements for a step of one token. Setting OpenSSL's cipher to an address
 * costs more than they do, so that where the processor has AES instructions they are used directly, on eight blocks at
 * a time, or 32 where one instruction takes four; OpenSSL serves where it has none.
 */
#include "runtime/party/prf.h"

#include <immintrin.h>
#include <openssl/evp.h>
#include <string.h>

#include "net/base/aes.h"
#include "net/base/secret.h"

enum { ROUNDS = TF_AES_ROUNDS, LANES = 8, ZERO_BYTES = 1 << 14 };

#define WITH_AES  __attribute__((target("aes,ssse3")))
#define WITH_VAES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,vaes")))

struct tf_prf {
    tf_aes_key key;
    tf_aes_form form;
};

/* With the processor's instructions (Intel, "Advanced Encryption Standard Instructions Set", 2012) ----------------- */

static inline const __m128i *rounds_of(const tf_prf *prf) {
    return (const __m128i *)prf->key.round;
}

/** Encrypts the counters from `counter` on, which has its two halves as numbers. */
WITH_AES static inline void eight_blocks(const __m128i round[ROUNDS + 1], __m128i counter, __m128i out[LANES]) {
    const __m128i swap = _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    __m128i x[LANES];
    _Pragma("GCC unroll 8") for (int i = 0; i < LANES; i++) {
        x[i] = _mm_add_epi64(counter, _mm_set_epi64x(i, 0));
        x[i] = _mm_xor_si128(_mm_shuffle_epi8(x[i], swap), round[0]);
    }
    for (int r = 1; r < ROUNDS; r++)
        _Pragma("GCC unroll 8") for (int i = 0; i < LANES; i++) x[i] = _mm_aesenc_si128(x[i], round[r]);
    _Pragma("GCC unroll 8") for (int i = 0; i < LANES; i++)
        _mm_storeu_si128(out + i, _mm_aesenclast_si128(x[i], round[ROUNDS]));
}

WITH_AES static void direct_words(const tf_prf *prf, uint64_t high, uint64_t low, uint64_t *out, size_t words) {
    const __m128i step = _mm_set_epi64x(LANES, 0), *round = rounds_of(prf);
    __m128i counter = _mm_set_epi64x((long long)low, (long long)high);
    for (; words >= 2 * LANES; words -= 2 * LANES, out += 2 * LANES, counter = _mm_add_epi64(counter, step))
        eight_blocks(round, counter, (__m128i *)out);
    if (!words) return;
    __m128i rest[LANES];
    eight_blocks(round, counter, rest);
    memcpy(out, rest, words * sizeof *out);
}

/** The rounds after the first key was added, of `vectors` vectors, four blocks each. */
WITH_VAES static inline void rounds_wide(const __m128i round[ROUNDS + 1], __m512i *x, int vectors) {
    for (int r = 1; r < ROUNDS; r++)
        _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) x[i] =
            _mm512_aesenc_epi128(x[i], _mm512_broadcast_i32x4(round[r]));
    _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) x[i] =
        _mm512_aesenclast_epi128(x[i], _mm512_broadcast_i32x4(round[ROUNDS]));
}

/** Encrypts the counters of `vectors` vectors. */
WITH_VAES static inline void encrypt_wide(const __m128i round[ROUNDS + 1], __m512i counter, __m512i *x, int vectors) {
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) {
        x[i] = _mm512_add_epi64(counter, _mm512_broadcast_i32x4(_mm_set_epi64x(4 * i, 0)));
        x[i] = _mm512_xor_si512(_mm512_shuffle_epi8(x[i], swap), _mm512_broadcast_i32x4(round[0]));
    }
    rounds_wide(round, x, vectors);
}

/** direct_words with four blocks an instruction. */
WITH_VAES static void wide_words(const tf_prf *prf, uint64_t high, uint64_t low, uint64_t *out, size_t words) {
    enum { VECTORS = 8, WORDS = 8 };
    const __m128i *round = rounds_of(prf);
    __m512i x[VECTORS],
        counter = _mm512_add_epi64(_mm512_broadcast_i32x4(_mm_set_epi64x((long long)low, (long long)high)),
                                   _mm512_set_epi64(3, 0, 2, 0, 1, 0, 0, 0));
    const __m512i step = _mm512_broadcast_i32x4(_mm_set_epi64x(4, 0)),
                  stride = _mm512_broadcast_i32x4(_mm_set_epi64x(4 * VECTORS, 0));
    for (; words >= VECTORS * WORDS; words -= VECTORS * WORDS, out += VECTORS * WORDS) {
        encrypt_wide(round, counter, x, VECTORS);
        counter = _mm512_add_epi64(counter, stride);
        _Pragma("GCC unroll 8") for (int i = 0; i < VECTORS; i++) _mm512_storeu_si512(out + i * WORDS, x[i]);
    }
    for (; words; out += WORDS) {
        const size_t now = words < WORDS ? words : WORDS;
        encrypt_wide(round, counter, x, 1);
        counter = _mm512_add_epi64(counter, step);
        _mm512_mask_storeu_epi64(out, (__mmask8)((1u << now) - 1), x[0]);
        words -= now;
    }
}

/** Up to eight blocks. */
WITH_AES static inline void hash_lanes(const __m128i round[ROUNDS + 1], __m128i *block, int lanes) {
    __m128i x[LANES];
    for (int i = 0; i < LANES; i++)
        x[i] = _mm_xor_si128(i < lanes ? _mm_loadu_si128(block + i) : _mm_setzero_si128(), round[0]);
    for (int r = 1; r < ROUNDS; r++)
        _Pragma("GCC unroll 8") for (int i = 0; i < LANES; i++) x[i] = _mm_aesenc_si128(x[i], round[r]);
    for (int i = 0; i < lanes; i++)
        _mm_storeu_si128(block + i,
                         _mm_xor_si128(_mm_loadu_si128(block + i), _mm_aesenclast_si128(x[i], round[ROUNDS])));
}

WITH_AES static void direct_hash(const tf_prf *prf, uint64_t *block, size_t blocks) {
    const __m128i *round = rounds_of(prf);
    __m128i *at = (__m128i *)block;
    for (; blocks >= LANES; blocks -= LANES, at += LANES) hash_lanes(round, at, LANES);
    if (blocks) hash_lanes(round, at, (int)blocks);
}

/** `vectors` vectors, of which the words in the mask are there. */
WITH_VAES static inline void hash_wide(const __m128i round[ROUNDS + 1], uint64_t *block, int vectors, __mmask8 mask) {
    enum { MOST = 8, WORDS = 8 };
    __m512i seed[MOST], x[MOST];
    _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) {
        seed[i] = _mm512_maskz_loadu_epi64(mask, block + i * WORDS);
        x[i] = _mm512_xor_si512(seed[i], _mm512_broadcast_i32x4(round[0]));
    }
    rounds_wide(round, x, vectors);
    _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++)
        _mm512_mask_storeu_epi64(block + i * WORDS, mask, _mm512_xor_si512(seed[i], x[i]));
}

/** direct_hash with four blocks an instruction. */
WITH_VAES static void wide_hash(const tf_prf *prf, uint64_t *block, size_t blocks) {
    enum { VECTORS = 8, BLOCKS = 4 };
    const __m128i *round = rounds_of(prf);
    for (; blocks >= VECTORS * BLOCKS; blocks -= VECTORS * BLOCKS, block += VECTORS * BLOCKS * 2)
        hash_wide(round, block, VECTORS, 0xff);
    for (; blocks >= BLOCKS; blocks -= BLOCKS, block += BLOCKS * 2) hash_wide(round, block, 1, 0xff);
    if (blocks) hash_wide(round, block, 1, (__mmask8)((1u << 2 * blocks) - 1));
}

/* With OpenSSL ----------------------------------------------------------------------------------------------------- */

static void put64(unsigned char *at, uint64_t value) {
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (56 - 8 * i));
}

static bool openssl_words(const tf_prf *prf, uint64_t high, uint64_t low, uint64_t *out, size_t words) {
    static const unsigned char zeros[ZERO_BYTES];
    unsigned char iv[16], *bytes = (unsigned char *)out;
    put64(iv, high), put64(iv + 8, low);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context && EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, prf->key.round[0], iv) == 1;
    for (size_t left = words * sizeof *out; ok && left;) {
        int step = left < ZERO_BYTES ? (int)left : ZERO_BYTES, made;
        ok = EVP_EncryptUpdate(context, bytes, &made, zeros, step) == 1;
        bytes += step;
        left -= (size_t)step;
    }
    EVP_CIPHER_CTX_free(context); /* which wipes it */
    if (!ok) memset(out, 0, words * sizeof *out);
    return ok;
}

static bool openssl_hash(const tf_prf *prf, uint64_t *block, size_t blocks) {
    enum { AT_ONCE = 256 };
    uint64_t made[2 * AT_ONCE];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context && EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, prf->key.round[0], NULL) == 1;
    for (size_t at = 0; ok && at < blocks; at += AT_ONCE) {
        size_t count = blocks - at < AT_ONCE ? blocks - at : AT_ONCE;
        int length;
        ok = EVP_EncryptUpdate(context, (unsigned char *)made, &length, (const unsigned char *)(block + 2 * at),
                               (int)(count * 16)) == 1;
        for (size_t i = 0; i < 2 * count; i++) block[2 * at + i] ^= made[i];
    }
    EVP_CIPHER_CTX_free(context);
    if (!ok) memset(block, 0, blocks * 16);
    return ok;
}

/* Either ----------------------------------------------------------------------------------------------------------- */

tf_prf *tf_prf_new(const unsigned char key[TF_KEY_BYTES]) {
    tf_prf *prf = tf_secret_alloc(sizeof *prf);
    if (!prf) return NULL;
    prf->form = tf_aes_best();
    tf_aes_expand(prf->form, key, &prf->key);
    return prf;
}

void tf_prf_free(tf_prf *prf) {
    tf_secret_free(prf, sizeof *prf);
}

bool tf_prf_words(const tf_prf *prf, uint64_t high, unsigned purpose, uint64_t offset, uint64_t *out, size_t words) {
    const uint64_t low = (uint64_t)(purpose & 0xffff) << 48 | offset / 2;
    if (offset % 2) {
        memset(out, 0, words * sizeof *out);
        return false;
    }
    if (prf->form == TF_AES_OPENSSL) return openssl_words(prf, high, low, out, words);
    (prf->form == TF_AES_WIDE ? wide_words : direct_words)(prf, high, low, out, words);
    return true;
}

bool tf_prf_hash(const tf_prf *prf, uint64_t *block, size_t blocks) {
    if (prf->form == TF_AES_OPENSSL) return openssl_hash(prf, block, blocks);
    (prf->form == TF_AES_WIDE ? wide_hash : direct_hash)(prf, block, blocks);
    return true;
}
