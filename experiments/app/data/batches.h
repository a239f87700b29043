/** Batches of tokenised texts. */
#ifndef TF_APP_BATCHES_H
#define TF_APP_BATCHES_H

#include "experiments/app/data/texts.h"
#include "models/model.h"

/** A text's tokens. */
typedef struct encoded_text {
    size_t text, length; /**< which text; how many ids */
    int32_t *ids, *types;
} encoded_text;

/** Tokenises a text; a failure names its place. The caller frees. */
TF_CHECKED tf_status text_encode(const text_list *texts, size_t i, const tf_tokenizer *tokenizer, size_t positions,
                                 bool truncate, encoded_text *out);
void encoded_text_free(encoded_text *text);

/** How many texts are computed together where --batch does not say. */
enum { TEXTS_A_BATCH = 32 };

/** Batches of texts, similar lengths together so that little is padded. */
typedef struct text_batches {
    tf_batch *batch;
    size_t count, texts;
    size_t *order; /**< the text at each row of the batches, counted through */
    size_t *lengths;
    int32_t *ids, *types;
} text_batches;

/**
 * Tokenises the texts and makes batches of at most `most` of them. An empty text, invalid UTF-8 and a text longer than
 * `positions` (unless `truncate`) fail with a message that names the place.
 */
TF_CHECKED tf_status batches_make(const text_list *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                                  size_t most, bool truncate, text_batches *out);

/**
 * Drops the rows of `finished` texts, and of the batches that remain all but every `groups`-th, from the `group`-th on:
 * the share of one of several groups of parties that divide the batches among themselves.
 */
void batches_keep(text_batches *batches, const bool *finished, size_t group, size_t groups);

void batches_free(text_batches *batches);

#endif
