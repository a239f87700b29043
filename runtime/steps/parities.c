#include "runtime/steps/parities.h"

#include "runtime/kernels/multiversion.h"

enum { TRIPLES = 8, QUADS = 4, SECOND_QUADS = 3, LAST = 3, MOST_BITS = 7, SETS = 16 };
enum { OF_TRIPLE = 4, OF_QUAD = 11 }; /* products of two and more masks */

/*
 * The first set has all columns; the others are the bits of a^c, a^3c and a^5c for column c, a being a root of x^13 +
 * x^4 + x^3 + x + 1 over GF(2), whose powers are all of GF(2^13) but zero. This is the check matrix of an extended BCH
 * code of distance 8: of up to 8191 columns, no 7 or fewer, no odd number of them, and no run of neighbours has all
 * parities zero; of other sets of an even number one in 2^39. The sets are fixed: what has parities of zero does not
 * depend on a run.
 */
void tf_parity_sets(size_t columns, uint64_t (*member)[TF_PARITIES]) {
    enum { DEGREE = 13, POLYNOMIAL = 0x201b };
    uint64_t power[3] = {1, 1, 1};
    for (size_t c = 0; c < columns; c++) {
        member[c][0] = ~UINT64_C(0);
        for (int k = 0; k < 3; k++) {
            for (int bit = 0; bit < DEGREE; bit++) member[c][1 + k * DEGREE + bit] = -(power[k] >> bit & 1);
            for (int times = 0; times <= 2 * k; times++)
                power[k] = (power[k] << 1) ^ (power[k] >> (DEGREE - 1) ? POLYNOMIAL : 0);
        }
    }
}

TF_MULTIVERSION void tf_parities(size_t columns, uint64_t (*member)[TF_PARITIES], const uint64_t *bucket, uint64_t both,
                                 uint64_t *wire) {
    const uint64_t row = (UINT64_C(1) << TF_BUCKETS) - 1;
    uint64_t sum[TF_PARITIES] = {0};
    for (size_t i = 0; i < columns; i++)
        for (int k = 0; k < TF_PARITIES; k++) sum[k] ^= bucket[i] & member[i][k];
    for (int k = 0; k < TF_PARITIES; k++) {
        uint64_t x = sum[k];
        for (int by = 1; by < TF_BUCKETS; by *= 2) x ^= x >> by & (row >> by << TF_BUCKETS | row >> by);
        wire[k] = x ^ both;
    }
}

/** The products of two and more of `size` masks; returns where the next ones go. */
static uint64_t *products_of(int size, const uint64_t *mask, uint64_t *out) {
    uint64_t of[SETS] = {~UINT64_C(0)};
    for (size_t set = 1; set < (size_t)1 << size; set++) {
        of[set] = of[set & (set - 1)] & mask[__builtin_ctzll(set)];
        if (set & (set - 1)) *out++ = of[set];
    }
    return out;
}

void tf_and_deal(const uint64_t *mask, uint64_t product[TF_AND_PRODUCTS]) {
    for (int k = 0; k < TRIPLES; k++, mask += 3) product = products_of(3, mask, product);
    for (int k = 0; k < QUADS + SECOND_QUADS; k++, mask += 4) product = products_of(4, mask, product);
}

/* Numbers lie in planes, a word for each bit of those of all lanes, and are added up bit by bit. */

void tf_and_deal_numbers(unsigned bits, const uint64_t *mask, uint64_t *plane) {
    for (size_t set = 1; set < (size_t)1 << LAST; set++, plane += bits) {
        uint64_t of = ~UINT64_C(0), carry = ~UINT64_C(0);
        for (int i = 0; i < LAST; i++)
            if (set >> i & 1) of &= mask[i];
        for (unsigned b = 0; b < bits; b++, of = 0) { /* of + ~number + 1 */
            uint64_t x = ~plane[b];
            plane[b] = x ^ of ^ carry;
            carry = (x & of) | (carry & (x | of));
        }
    }
}

/** A share of the AND of `size` wires: the product of d ^ mask over them, as combine_any of compare_tree.c makes it. */
static uint64_t and_of(int size, const uint64_t *opened, const uint64_t *mask, const uint64_t *product, uint64_t both) {
    uint64_t of[SETS] = {both};
    for (size_t set = 1; set < (size_t)1 << size; set++)
        of[set] = set & (set - 1) ? *product++ : mask[__builtin_ctzll(set)];
    for (int i = size; i-- > 0;)
        for (size_t set = 0; set < (size_t)1 << i; set++) of[set] = of[set + ((size_t)1 << i)] ^ (opened[i] & of[set]);
    return of[0];
}

void tf_and_groups(int level, const uint64_t *opened, const uint64_t *mask, const uint64_t *product, uint64_t both,
                   uint64_t *wire) {
    int triples = level ? 0 : TRIPLES, quads = level ? SECOND_QUADS : QUADS;
    if (level) product += TRIPLES * OF_TRIPLE + QUADS * OF_QUAD;
    for (int k = 0; k < triples; k++, opened += 3, mask += 3, product += OF_TRIPLE)
        *wire++ = and_of(3, opened, mask, product, both);
    for (int k = 0; k < quads; k++, opened += 4, mask += 4, product += OF_QUAD)
        *wire++ = and_of(4, opened, mask, product, both);
}

/* All are zero where the product of d ^ m = d + (1 - 2 d) m over the last wires is one: a sum over sets of products of
 * the masks m, whose coefficients, 0 or 1 or -1, follow from the d. */
void tf_and_count(unsigned bits, const uint64_t *opened, const uint64_t *plane, uint64_t both, uint8_t part[2]) {
    const uint64_t row = (UINT64_C(1) << TF_BUCKETS) - 1;
    uint64_t none[MOST_BITS] = {both}; /* of each lane, whether all are zero: this side's part */
    for (int i = 0; i < LAST; i++) none[0] &= opened[i];
    for (size_t set = 1; set < (size_t)1 << LAST; set++, plane += bits) {
        uint64_t counts = ~UINT64_C(0), negative = 0;
        for (int i = 0; i < LAST; i++) {
            counts &= set >> i & 1 ? ~UINT64_C(0) : opened[i];
            negative ^= set >> i & 1 ? opened[i] : 0;
        }
        uint64_t carry = negative & counts;
        for (unsigned b = 0; b < bits; b++) {
            uint64_t x = (plane[b] ^ negative) & counts, y = none[b];
            none[b] = x ^ y ^ carry;
            carry = (x & y) | (carry & (x | y));
        }
    }
    for (int r = 0; r < 2; r++) {
        unsigned sum = 0;
        for (unsigned b = 0; b < bits; b++) sum += (unsigned)__builtin_popcountll(none[b] >> r * TF_BUCKETS & row) << b;
        part[r] = (uint8_t)(TF_BUCKETS * (both & 1) - sum);
    }
}
