/*
 * Most streams are short: a mask of a few elements for a step of one token. Setting OpenSSL's cipher to an address
 * costs more than they do, so that where the processor has AES instructions they are used directly, on eight blocks at
 * a time; OpenSSL serves where it has none.
 */
#include "runtime/party/prf.h"

#include <cpuid.h>
#include <immintrin.h>
#include <openssl/evp.h>
#include <string.h>

#include "net/base/secret.h"

enum { ROUNDS = 10, LANES = 8, ZERO_BYTES = 1 << 14 };

#define WITH_AES __attribute__((target("aes,ssse3")))

struct tf_prf {
    __m128i round[ROUNDS + 1]; /* round[0] is the key */
    bool direct;
};

/* With the processor's instructions (Intel, "Advanced Encryption Standard Instructions Set", 2012) ----------------- */

static bool has_instructions(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AES) && (c & bit_SSSE3);
}

/** The next round key, of the one before and of its last word rotated, substituted and added to a constant. */
WITH_AES static inline __m128i next_key(__m128i key, __m128i assist) {
    for (int i = 0; i < 3; i++) key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

WITH_AES static void expand(__m128i round[ROUNDS + 1]) {
    /* the constants are part of the instructions */
    round[1] = next_key(round[0], _mm_aeskeygenassist_si128(round[0], 0x01));
    round[2] = next_key(round[1], _mm_aeskeygenassist_si128(round[1], 0x02));
    round[3] = next_key(round[2], _mm_aeskeygenassist_si128(round[2], 0x04));
    round[4] = next_key(round[3], _mm_aeskeygenassist_si128(round[3], 0x08));
    round[5] = next_key(round[4], _mm_aeskeygenassist_si128(round[4], 0x10));
    round[6] = next_key(round[5], _mm_aeskeygenassist_si128(round[5], 0x20));
    round[7] = next_key(round[6], _mm_aeskeygenassist_si128(round[6], 0x40));
    round[8] = next_key(round[7], _mm_aeskeygenassist_si128(round[7], 0x80));
    round[9] = next_key(round[8], _mm_aeskeygenassist_si128(round[8], 0x1b));
    round[10] = next_key(round[9], _mm_aeskeygenassist_si128(round[9], 0x36));
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
    const __m128i step = _mm_set_epi64x(LANES, 0);
    __m128i counter = _mm_set_epi64x((long long)low, (long long)high);
    for (; words >= 2 * LANES; words -= 2 * LANES, out += 2 * LANES, counter = _mm_add_epi64(counter, step))
        eight_blocks(prf->round, counter, (__m128i *)out);
    if (!words) return;
    __m128i rest[LANES];
    eight_blocks(prf->round, counter, rest);
    memcpy(out, rest, words * sizeof *out);
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
    __m128i *at = (__m128i *)block;
    for (; blocks >= LANES; blocks -= LANES, at += LANES) hash_lanes(prf->round, at, LANES);
    if (blocks) hash_lanes(prf->round, at, (int)blocks);
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
    bool ok =
        context && EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, (const unsigned char *)prf->round, iv) == 1;
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
    bool ok =
        context && EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, (const unsigned char *)prf->round, NULL) == 1;
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
    memcpy(prf->round, key, TF_KEY_BYTES);
    prf->direct = has_instructions();
    if (prf->direct) expand(prf->round);
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
    if (!prf->direct) return openssl_words(prf, high, low, out, words);
    direct_words(prf, high, low, out, words);
    return true;
}

bool tf_prf_hash(const tf_prf *prf, uint64_t *block, size_t blocks) {
    if (!prf->direct) return openssl_hash(prf, block, blocks);
    direct_hash(prf, block, blocks);
    return true;
}
