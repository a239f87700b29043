/** Part of models/tokenize: the unigram language model (T. Kudo, 2018), as models/unigram of the tokenizers library. */
#ifndef TF_TOKENIZE_UNIGRAM_H
#define TF_TOKENIZE_UNIGRAM_H

#include <stdbool.h>

#include "models/tokenize/model.h"
#include "models/tokenize/prefix.h"
#include "models/tokenize/vocabulary.h"

enum { TF_MAX_UNIGRAM_TOKEN = 1024 };

typedef struct tf_unigram {
    tf_prefixes tokens;
    double *score; /**< log-probabilities by id */
    double least;
    int32_t unknown;    /**< -1: none, and a text with unknown characters is refused */
    bool byte_fallback; /**< what is not known becomes the tokens of its bytes */
} tf_unigram;

void tf_unigram_free(tf_unigram *model);

/** Appends the tokens of the most probable segmentation; O(n) times the longest token. */
TF_CHECKED tf_status tf_unigram_encode(const tf_unigram *model, const tf_vocabulary *vocabulary, const char *text,
                                       size_t length, tf_tokens *out);

#endif
