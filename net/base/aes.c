#include "net/base/aes.h"

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static tf_aes_form found, most = TF_AES_WIDE;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void tf_aes_limit(tf_aes_form widest) {
    most = widest;
}

static void ask_processor(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AES) || !(c & bit_SSSE3)) return;
    found = TF_AES_NARROW;
    __builtin_cpu_init(); /* which asks the system for AVX-512, too */
    const bool vectors = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (vectors && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_VAES) && (c & bit_VPCLMULQDQ))
        found = TF_AES_WIDE;
}

tf_aes_form tf_aes_best(void) {
    pthread_once(&once, ask_processor); /* once: in a virtual machine the question takes as long as a short stream */
    return found < most ? found : most;
}

#define WITH_AES __attribute__((target("aes,ssse3")))

/** The next round key, of the one before and of its last word rotated, substituted and added to a constant. */
WITH_AES static inline __m128i next_key(__m128i key, __m128i assist) {
    for (int i = 0; i < 3; i++) key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

WITH_AES static void expand(__m128i round[TF_AES_ROUNDS + 1]) {
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

void tf_aes_expand(tf_aes_form form, const unsigned char key[TF_AES_KEY], tf_aes_key *expanded) {
    memcpy(expanded->round, key, TF_AES_KEY);
    if (form != TF_AES_OPENSSL) expand((__m128i *)expanded->round);
}
