/** Part of models/tokenize: what every model makes of a piece of text. */
#ifndef TF_TOKENIZE_MODEL_H
#define TF_TOKENIZE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

/** A token of bytes start..end-1: of the piece first, then of the given text. */
typedef struct tf_token {
    int32_t id;
    size_t start, end;
} tf_token;

typedef struct tf_tokens {
    tf_token *token;
    size_t count, capacity;
    char *word; /**< scratch of WordPiece: a continuation's prefix, then the word */
    size_t word_capacity;
} tf_tokens;

TF_CHECKED tf_status tf_tokens_add(tf_tokens *out, int32_t id, size_t start, size_t end);
void tf_tokens_free(tf_tokens *tokens);

#endif
