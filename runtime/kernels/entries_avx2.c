/**
 * Sums of chosen entries as products: an entry is cut into signed digits of 16 bits, and one vpmaddwd multiplies two
 * of an element's bits, in the halves of its lane, with two digits and adds them up. No sum of TF_SUM_ENTRIES digits
 * leaves 32 bits, and entries of few bits have one digit.
 */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"

enum {
    LANES = 8,
    STEPS = 16,
    MOST_WORDS = TF_SUM_ENTRIES / 32,
    DIGIT_BITS = 16,
    DIGITS = 32 / DIGIT_BITS,
    AT_ONCE = 4,
    BLOCK = 2 * LANES
};

typedef uint32_t vector __attribute__((vector_size(32)));
typedef vector loose __attribute__((aligned(4), may_alias));

/** A digit of all entries of a table. Bits s and s + 16 of word w choose among word[w][s]. */
typedef struct digit {
    uint32_t word[MOST_WORDS][STEPS];
    size_t table;
    unsigned shift;
} digit;

/** The digits of a table that are not all zero up to the highest; returns their number. */
static size_t split(const uint32_t *table, size_t number, size_t entries, digit *digits) {
    uint32_t rest[TF_SUM_ENTRIES], any = 0;
    for (size_t j = 0; j < entries; j++) any |= rest[j] = table[j];
    size_t d = 0;
    for (; any && d < DIGITS; d++) {
        memset(&digits[d], 0, sizeof digits[d]);
        digits[d].table = number;
        digits[d].shift = (unsigned)d * DIGIT_BITS;
        any = 0;
        for (size_t j = 0; j < entries; j++) {
            const int16_t low = (int16_t)rest[j];
            digits[d].word[j / 32][j % STEPS] |= (uint32_t)(uint16_t)low << j % 32 / STEPS * DIGIT_BITS;
            any |= rest[j] = (uint32_t)((int32_t)(rest[j] - (uint32_t)low) >> DIGIT_BITS);
        }
    }
    return d;
}

/** Adds what `count` digits, a constant where this is inlined, give for the elements of two vectors. */
INLINE void add_digits(const digit *digits, size_t count, size_t words, const uint32_t *choice, size_t stride,
                       uint32_t *sum) {
    vector sums[AT_ONCE][2] = {{{0}}};
    const vector low = (vector){} + UINT32_C(0x00010001);
    for (size_t w = 0; w < words; w++) {
        vector x[2];
        UNROLLED(v, 2) x[v] = *(const loose *)(choice + w * stride + v * LANES);
        for (size_t s = 0; s < STEPS; s++) {
            UNROLLED(d, count) {
                const vector entries = (vector){} + digits[d].word[w][s];
                UNROLLED(v, 2) sums[d][v] += (vector)_mm256_madd_epi16((__m256i)(x[v] & low), (__m256i)entries);
            }
            UNROLLED(v, 2) x[v] >>= 1;
        }
    }
    UNROLLED(d, count)
        UNROLLED(v, 2) *(loose *)(sum + digits[d].table * stride + v * LANES) += sums[d][v] << digits[d].shift;
}

/** The same for all elements. */
static void add_group(const digit *digits, size_t count, size_t words, const uint32_t *choice, size_t stride, size_t n,
                      uint32_t *sum) {
    for (size_t i = 0; i < n; i += BLOCK) {
        switch (count) {
        case 1: add_digits(digits, 1, words, choice + i, stride, sum + i); break;
        case 2: add_digits(digits, 2, words, choice + i, stride, sum + i); break;
        case 3: add_digits(digits, 3, words, choice + i, stride, sum + i); break;
        default: add_digits(digits, AT_ONCE, words, choice + i, stride, sum + i);
        }
    }
}

void tf_sum_entries_avx2(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                         size_t n, uint32_t *sum) {
    digit digits[TF_SUM_TABLES * DIGITS];
    size_t count = 0;
    for (size_t t = 0; t < tables; t++) {
        memset(sum + t * stride, 0, round_up(n, BLOCK) * sizeof *sum);
        count += split(table + t * entries, t, entries, digits + count);
    }
    for (size_t d = 0; d < count; d += AT_ONCE)
        add_group(digits + d, min(count - d, AT_ONCE), entries / 32, choice, stride, n, sum);
}
