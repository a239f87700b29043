/** The best of many: spans of a context that answer a question, and words for a mask. */
#ifndef TF_APP_ANSWERS_H
#define TF_APP_ANSWERS_H

#include "experiments/app/data/batches.h"

/** A span of the context, or a token of the vocabulary, with its probability. */
typedef struct answer {
    double score;
    size_t start, end; /**< bytes of the context */
    size_t token;
} answer;

/**
 * Finds the `top` best spans of the second text, of at most 15 tokens, by the logits of starts and ends (tokens x 2),
 * as Hugging Face's pipeline does: both are softmaxes over the context and the first token, and a span has their
 * product. Spans are widened to whole words. *none is the score of the first token, which stands for no answer. `out`
 * has room for `top`; *count are found.
 */
void answers_find(const text_item *text, const encoded_text *tokens, const float *logits, size_t top, answer *out,
                  size_t *count, double *none);

/** Finds the `top` likeliest tokens by the logits over a vocabulary. */
void tokens_find(const float *logits, size_t vocabulary, size_t top, answer *out, size_t *count);

#endif
