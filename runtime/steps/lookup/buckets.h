/**
 * Buckets for the tokens of a lookup, after batch codes by cuckoo hashing (Angel, Chen, Laine and Setty 2018): each row
 * of the table lies in four buckets, by hashes that all parties know, and each token gets one of its row's for itself.
 */
#ifndef TF_BUCKETS_H
#define TF_BUCKETS_H

#include "net/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TF_CHOICES = 4,       /**< buckets in which a row lies, one in each quarter of them */
    TF_BATCH_LEAST = 16,  /**< tokens that are worth buckets: of fewer, each adds up the table for itself */
    TF_BATCH_GROUP = 128, /**< tokens at most that share buckets */
};

/** The tokens of a lookup in groups, each of which has buckets of its own; what one group has. */
typedef struct tf_buckets {
    size_t tokens; /**< of all groups */
    size_t groups;
    size_t group;   /**< tokens of each group; the last may have fewer */
    size_t quarter; /**< a quarter of a group's buckets */
    size_t count;   /**< a group's buckets */
} tf_buckets;

/**
 * Tokens and buckets so that with a probability of 2^-48 at most over the hashes, for each group, no assignment is
 * found; tests/reference/buckets.py derives it.
 */
tf_buckets tf_buckets_of(size_t tokens);

/** The bucket of choice j of a row with this hash word. */
static inline size_t tf_bucket_of(uint64_t word, size_t j, size_t quarter) {
    return j * quarter + ((word >> 16 * j & 0xffff) * quarter >> 16);
}

/**
 * Gives each distinct one of a group's tokens a bucket among its choices: want[b] is the token of bucket b, or -1.
 * word[i]: the hash word of token i's row. *found: 1, or 0 where there is no assignment. No branch, address or duration
 * depends on tokens or words.
 */
TF_CHECKED tf_status tf_assign_buckets(const int32_t *token, const uint64_t *word, size_t tokens,
                                       const tf_buckets *buckets, int32_t *want, uint32_t *found);

/* What follows tokens further, in no branch, address or duration either: */

/** found[i], zero before, becomes the hash word of row token[i], for which all `rows` words are looked through. */
void tf_find_words(const uint64_t *word, size_t rows, const int32_t *token, size_t tokens, uint64_t *found);

/** Flips, for each bucket of a group, the bit of the row that it wants: in the vector, of `words` words, of the choice
 *  by which the row lies there. positive[b], zero before, becomes all ones where that bit was set: bucket b's sign. */
void tf_flip_bits(const uint64_t *word, size_t rows, const tf_buckets *buckets, const int32_t *want, uint64_t *vector,
                  size_t words, uint64_t *positive);

/** row[b] = the sign, 1 or -1 mod 2^64, where bucket b wants the token, else 0. */
void tf_fill_row(const int32_t *want, const uint64_t *positive, int32_t token, size_t buckets, uint64_t *row);

#endif
