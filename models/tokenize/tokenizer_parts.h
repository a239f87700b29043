/** Part of models/: what a tokenizer consists of, between the reader of its files and its algorithm. */
#ifndef TF_TOKENIZER_PARTS_H
#define TF_TOKENIZER_PARTS_H

#include <stdbool.h>

#include "models/tokenize/tokenizer.h"
#include "models/tokenize/vocabulary.h"

/** A token such as [MASK] that is found in the text before it is split into words. */
typedef struct tf_added_token {
    char *text;
    size_t length;
    int32_t id;
    bool single_word;    /**< only where no word character stands beside it */
    bool lstrip, rstrip; /**< takes the white space on that side with it */
    bool normalized;     /**< looked for in the normalised text (and normalised itself) */
} tf_added_token;

/** The steps of Hugging Face's BertNormalizer. */
typedef struct tf_normalizer {
    bool clean_text, ideographs, strip_accents, lowercase;
} tf_normalizer;

struct tf_tokenizer {
    tf_normalizer normalizer;
    tf_vocabulary vocabulary;
    size_t ids;   /**< the largest id of a token, added ones included, plus one */
    char *prefix; /**< of a token that continues a word, "##" */
    size_t prefix_length;
    size_t longest_word; /**< in characters; longer words are unknown */
    int32_t unknown, cls, sep;
    tf_added_token *added;
    size_t addeds;
};

/** Normalises UTF-8 text. The caller frees *out. */
TF_CHECKED tf_status tf_normalize(const tf_normalizer *normalizer, const char *text, size_t length, char **out,
                                  size_t *out_length);

#endif
