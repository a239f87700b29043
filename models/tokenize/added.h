/** Part of models/tokenize: tokens such as [MASK] that are found in a text before it is split into words. */
#ifndef TF_TOKENIZE_ADDED_H
#define TF_TOKENIZE_ADDED_H

#include <stdbool.h>

#include "models/tokenize/prefix.h"
#include "models/tokenize/step.h"

enum { TF_MAX_ADDED_LENGTH = 1024 };

typedef struct tf_added_token {
    char *content; /**< as it is written out */
    char *text;    /**< as it is looked for: normalised when `normalized` */
    size_t length; /**< of `text`, 1..TF_MAX_ADDED_LENGTH; 0 when normalising leaves nothing, which is never found */
    int32_t id;
    bool special;        /**< left out of decoded text on request */
    bool single_word;    /**< only where no word character stands beside it */
    bool lstrip, rstrip; /**< takes the white space on that side with it */
    bool normalized;     /**< looked for in the normalised text */
} tf_added_token;

typedef struct tf_added {
    tf_added_token *token; /**< in the order of the file */
    size_t count, capacity;
    tf_prefixes index[2]; /**< of those as they are, and of the normalised ones: places in `token` */
    size_t *by_id;        /**< places in `token`, sorted by id */
} tf_added;

/** Adds a token, or replaces the one of the same content; `flags` has id and flags. An empty one is left out. */
TF_CHECKED tf_status tf_added_add(tf_added *added, const char *content, tf_added_token flags);
/** The token of this content; NULL when there is none. */
const tf_added_token *tf_added_find(const tf_added *added, const char *content);
/** The token of this id, once the tokens are prepared; the last one where several have it; NULL when there is none. */
const tf_added_token *tf_added_of(const tf_added *added, int32_t id);
/** Normalises and sorts the tokens. Once, when all are there and the normaliser is. */
TF_CHECKED tf_status tf_added_prepare(tf_added *added, const tf_text_steps *normalizer);
void tf_added_free(tf_added *added);

/**
 * Cuts the pieces at the added tokens of one kind: the longest at each place, from left to right, as
 * tokenizer/added_vocabulary.rs of the tokenizers library. Special ones are passed over where a byte of theirs comes
 * from a place of the given text that `literal` marks; NULL for none.
 */
TF_CHECKED tf_status tf_added_split(const tf_added *added, bool normalized, const unsigned char *literal,
                                    tf_text_pieces *pieces);

#endif
