/**
 * Keys of a comparison: of a secret number alpha, and an element `payload`, one party makes two keys. Who holds one of
 * them computes for any point q it likes, alone, a share of the payload if alpha < q, else of zero. Boyle, Chandran,
 * Gilboa, Gupta, Ishai, Kumar and Rathee 2021 ("Function secret sharing for mixed-mode and fixed-point secure
 * computation", 3); here the payload is added where the path to q turns right and that to alpha left.
 *
 * Both keys have one body, and each a root of its own. To a holder who does not know the other root the body is
 * uniform: every word of it is masked by what the hash makes of a seed on the other key's path.
 */
#ifndef TF_COMPARISON_KEY_H
#define TF_COMPARISON_KEY_H

#include "runtime/party/prf.h"
#include "runtime/party/wide.h"

/** Elements of a payload; words of a body, which has a level for each bit of alpha and one more; points at most. */
enum { TF_PAYLOAD = 4, TF_KEY_LEVEL_WORDS = 2 + 2 * TF_PAYLOAD, TF_KEY_POINTS = 640 };

/** The permutation that the hash is made of: AES under a public key. */
tf_prf *tf_comparison_hash(void);

/** Makes the body of the keys with these roots (two words each) for alpha of `bits` bits, 63 at most; false on a
 * failure of the cipher. */
bool tf_comparison_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits,
                        uint64_t alpha, const tf_wide payload[TF_PAYLOAD], uint64_t *body);

/** The point base + offset mod 2^bits, of which, as of alpha, `low` bits at most are not looked at; low < length of the
 *  offset, which is not zero. */
typedef struct tf_comparison_point {
    uint64_t offset;
    unsigned low;
} tf_comparison_point;

/**
 * What holder 0 or 1 has: share[0] of the payload itself, share[1] of the point `base`, share[2 + j] of point j. What
 * holder 0 has less what holder 1 has is the payload if alpha < q, else zero. Offsets fall, and low does not rise with
 * j. Its time depends on the offsets, not on base.
 */
bool tf_comparison_at(const tf_prf *hash, int holder, const uint64_t *root, unsigned bits, const uint64_t *body,
                      uint64_t base, size_t points, const tf_comparison_point *point, tf_wide (*share)[TF_PAYLOAD]);

/** @name Keys of an equality: shares of 1 where a point is alpha, else of 0, mod 2^64. Boyle, Gilboa and Ishai 2016
 * ("Function secret sharing: improvements and extensions", 3): the same tree, but only its leaves are worth anything.
 * @{
 */

/** Words of a body; points that are looked at together at most. */
static inline size_t tf_equality_words(unsigned bits) {
    return 2 * (size_t)bits + 1;
}
enum { TF_EQUALITY_POINTS = 64 };

/** As tf_comparison_make, for alpha of 1 to 64 bits. */
bool tf_equality_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits, uint64_t alpha,
                      uint64_t *body);

/** What holder 0 or 1 has at one point for each of `count` keys, whose roots (two words) and bodies lie one after the
 *  other: what holder 0 has less what holder 1 has is 1 if alpha is the point, else 0. Its time depends on no point. */
bool tf_equality_at(const tf_prf *hash, int holder, size_t count, const uint64_t *root, unsigned bits,
                    const uint64_t *body, const uint64_t *point, uint64_t *share);

/** @} */

#endif
