/**
 * Keys of a comparison whose payload is a bit: of a secret number alpha one party makes two keys. Who holds one of them
 * computes for any point q it likes, alone, a share by XOR of [alpha <= q]. They are keys as in comparison_key.h, of
 * Boyle et al. 2021, with three differences: what a point's turn to the right is worth is one bit of the hash that the
 * path takes anyway; the last seven levels are one block, of a bit for each of their 128 leaves; and so a body has 16
 * bytes for each other level. To a holder who does not know the other root the body is uniform likewise.
 */
#ifndef TF_BIT_KEY_H
#define TF_BIT_KEY_H

#include "runtime/party/comparison_key.h"

enum { TF_BIT_KEY_LEAF = 7, TF_BIT_KEY_MOST = 63 }; /* bits of a leaf's number; of alpha, at most */

/** Words of a body for alpha of so many bits. */
static inline size_t tf_bit_key_words(unsigned bits) {
    return 2 * (bits > TF_BIT_KEY_LEAF ? (size_t)bits - TF_BIT_KEY_LEAF + 1 : 1);
}

/** Makes the body of the keys with these roots (two words each); `hash` is tf_comparison_hash. False on a failure of
 *  the cipher. */
bool tf_bit_key_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits, uint64_t alpha,
                     uint64_t *body);

/**
 * What holder 0 or 1 has of each point q = base + offset mod 2^bits. Of a point whose `low` is TF_BIT_KEY_LEAF or more,
 * as of alpha, those bits are not looked at, and the share is of [alpha < q]. Offsets fall and low does not rise with
 * j; no offset is zero. Its time depends on the offsets, not on base.
 */
bool tf_bit_key_at(const tf_prf *hash, int holder, const uint64_t *root, unsigned bits, const uint64_t *body,
                   uint64_t base, size_t points, const tf_comparison_point *point, uint8_t *share);

#endif
