#include "runtime/steps/compare_flat.h"

#include "runtime/kernels/multiversion.h"

/*
 * The masks of eq_1 .. eq_m are numbered from 0, so that sets of them are bit masks; those of gt_0 .. gt_(m-1) follow.
 * Products come in this order: of the sets of two and more eq; then for each gt_j, times each set but the empty one of
 * eq_(j+1) .. eq_m, whose number is shifted by j.
 */
enum { SETS = 1 << (TF_FLAT_LEAVES - 1) };

size_t tf_flat_wires(int leaves) {
    return 2 * (size_t)(leaves - 1);
}

size_t tf_flat_products(int leaves) {
    size_t above = (size_t)(leaves - 1);
    return ((size_t)1 << above) - 1 - above + ((size_t)2 << above) - 2 - above;
}

/** Whether a set has one element or none: its product is a mask, or 1. */
static int is_small(size_t set) {
    return !(set & (set - 1));
}

TF_MULTIVERSION void tf_flat_deal(int leaves, size_t words, const uint64_t *mask, uint64_t *product) {
    int above = leaves - 1;
    for (size_t w = 0; w < words; w++) {
        uint64_t of[SETS] = {~UINT64_C(0)}, *out = product + w;
        for (size_t set = 1; set < (size_t)1 << above; set++) {
            of[set] = of[set & (set - 1)] & mask[(size_t)__builtin_ctzll(set) * words + w];
            if (!is_small(set)) *out = of[set], out += words;
        }
        for (int j = 0; j < above; j++)
            for (size_t set = 1; set < (size_t)1 << (above - j); set++, out += words)
                *out = of[set << j] & mask[(size_t)(above + j) * words + w];
    }
}

/* A term is the product of d ^ mask over its wires: what is dealt of every set, times the d of the others. */
TF_MULTIVERSION void tf_flat_combine(int leaves, size_t words, const uint64_t *d, const uint64_t *m,
                                     const uint64_t *product, uint64_t both, uint64_t *gt) {
    int above = leaves - 1;
    for (size_t w = 0; w < words; w++) {
        const uint64_t *dealt = product + w;
        uint64_t of[SETS] = {both}, term[SETS], sum = 0;
        for (size_t set = 1; set < (size_t)1 << above; set++) {
            of[set] = is_small(set) ? m[(size_t)__builtin_ctzll(set) * words + w] : *dealt;
            if (!is_small(set)) dealt += words;
        }
        for (int j = 0; j < above; j++) {
            size_t wire = (size_t)(above + j) * words + w, sets = (size_t)1 << (above - j);
            term[0] = m[wire] ^ (d[wire] & of[0]);
            for (size_t set = 1; set < sets; set++, dealt += words) term[set] = *dealt ^ (d[wire] & of[set << j]);
            for (int i = leaves - 2; sets > 1; i--) {
                sets /= 2;
                for (size_t set = 0; set < sets; set++)
                    term[set] = term[set + sets] ^ (d[(size_t)i * words + w] & term[set]);
            }
            sum ^= term[0];
        }
        gt[w] ^= sum;
    }
}
