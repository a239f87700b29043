/** Part of models/tokenize: WordPiece, the longest match first (J. Devlin et al., BERT, 2019). */
#ifndef TF_TOKENIZE_WORDPIECE_H
#define TF_TOKENIZE_WORDPIECE_H

#include "models/tokenize/model.h"
#include "models/tokenize/vocabulary.h"

typedef struct tf_wordpiece {
    char *prefix; /**< of a token that continues a word, "##" */
    size_t prefix_length;
    size_t longest; /**< in characters; longer words are unknown */
    int32_t unknown;
} tf_wordpiece;

/** Appends the tokens of a word; one unknown piece makes the whole word unknown. */
TF_CHECKED tf_status tf_wordpiece_encode(const tf_wordpiece *model, const tf_vocabulary *vocabulary, const char *word,
                                         size_t length, tf_tokens *out);

#endif
