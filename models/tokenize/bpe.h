/** Part of models/tokenize: byte-pair encoding (R. Sennrich et al., 2016) as models/bpe of the tokenizers library. */
#ifndef TF_TOKENIZE_BPE_H
#define TF_TOKENIZE_BPE_H

#include <stdbool.h>

#include "models/tokenize/model.h"
#include "models/tokenize/vocabulary.h"

/** Two neighbours that become one token; the lowest rank first. */
typedef struct tf_merge {
    int32_t left, right, made;
    uint32_t rank;
} tf_merge;

typedef struct tf_bpe {
    tf_merge *merge; /**< open addressing by (left, right); left -1: free */
    size_t slots;
    char *prefix, *suffix; /**< of characters inside a word, and of its last one; "" for none */
    int32_t unknown;       /**< -1: none, and what is not known is left out */
    bool refuses_unknown;  /**< the file names an unknown token that does not exist */
    bool fuse_unknown;     /**< one unknown token for a run of unknown characters */
    bool byte_fallback;    /**< a character that is not known becomes the tokens of its bytes */
    bool ignore_merges;    /**< a whole word that is a token is that token */
    int32_t byte[256];     /**< the tokens <0x00> to <0xFF>; -1: not there */
} tf_bpe;

/** Makes room for `merges` merges; TF_FORMAT when they are too many. */
TF_CHECKED tf_status tf_bpe_reserve(tf_bpe *bpe, size_t merges);
/** Adds a merge; of a pair that is there already the rank and token are replaced. */
void tf_bpe_add(tf_bpe *bpe, int32_t left, int32_t right, int32_t made, uint32_t rank);
void tf_bpe_free(tf_bpe *bpe);

/** Appends the tokens of one piece; O(n log n). */
TF_CHECKED tf_status tf_bpe_encode(const tf_bpe *bpe, const tf_vocabulary *vocabulary, const char *text, size_t length,
                                   tf_tokens *out);

#endif
