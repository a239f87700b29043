/** Batches of tokenised texts. */
#ifndef TF_APP_BATCHES_H
#define TF_APP_BATCHES_H

#include "experiments/app/data/texts.h"
#include "models/model.h"

/** A text's tokens, and where in the text each of them stands. */
typedef struct encoded_text {
    size_t text, length; /**< which text; how many ids */
    size_t padded;       /**< how many others see, at least; 0 of an empty text */
    int32_t *ids, *types;
    tf_token_place *place;
    size_t first, rows; /**< of its values; see text_batches */
} encoded_text;

/** Tokenises a text; a failure names its place. The caller frees. */
TF_CHECKED tf_status text_encode(const text_list *texts, size_t i, const tf_tokenizer *tokenizer, size_t positions,
                                 bool truncate, encoded_text *out);
void encoded_text_free(encoded_text *text);

/** How many texts, and tokens of texts, are computed together where --batch does not say: memory grows with both. */
enum { TEXTS_A_BATCH = 32, TOKENS_A_BATCH = 4096 };

/** Batches of texts, similar lengths together so that little is padded. */
typedef struct text_batches {
    encoded_text *text;                         /**< by the place in the list; without ids where the text is empty */
    enum { ROW_TEXT, ROW_TOKEN, ROW_MASK } row; /**< what has a row of values: a text, a token, a masked token */
    int32_t mask;                               /**< the masked token's id */
    size_t listed;                              /**< how many texts the list has */
    tf_batch *batch;
    size_t count, texts;
    size_t *order; /**< the text at each row of the batches, counted through */
    size_t *lengths;
    int32_t *ids, *types, *counted, *weights; /**< the last two where lengths are hidden */
    int32_t *picks;                           /**< of ROW_MASK, for all batches: see tf_batch */
} text_batches;

/** What is done with a text that has no token but special ones. */
typedef enum empty_texts {
    EMPTY_MARKED,   /**< text_item.empty is set, and no batch holds it */
    EMPTY_LEFT_OUT, /**< it is taken from the list, and a warning says so */
    EMPTY_FAILS
} empty_texts;

/** How texts are cut and put together. */
typedef struct batch_settings {
    size_t most;        /**< texts a batch */
    size_t tokens;      /**< likewise, padding included; a text may have more by itself; 0: any number */
    double round_bytes; /**< that a round less is worth; 0: as few batches as fit, see packing_limits */
    size_t longest;     /**< in tokens, longer texts are cut; 0: the model's limit */
    bool truncate;      /**< cuts texts that are longer than the model's positions; otherwise they are errors */
    empty_texts empty;
    const char *pad_to; /**< in what length those of texts are hidden, see padding_read; NULL: they are seen */
} batch_settings;

/** The most tokens of a text, and whether longer ones are cut: by the settings, or since the model's makers cut them
 *  (max_seq_length, model_max_length). */
TF_CHECKED tf_status batches_limit(const tf_config *config, const tf_tokenizer *tokenizer,
                                   const batch_settings *settings, size_t *limit, bool *cut);

/**
 * Tokenises the texts and makes batches of them. Invalid UTF-8, a text that is too long and a list of empty texts alone
 * fail with a message that names the place.
 */
TF_CHECKED tf_status batches_make(text_list *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                                  const batch_settings *settings, text_batches *out);

/**
 * Drops the rows of `finished` texts, and of the batches that remain all but every `groups`-th, from the `group`-th on:
 * the share of one of several groups of parties that divide the batches among themselves.
 */
void batches_keep(text_batches *batches, const bool *finished, size_t group, size_t groups);

/** Makes room for the values of all texts: rows x width, in the order of the list. The caller frees *values. */
TF_CHECKED tf_status batches_allocate(const text_batches *batches, const tf_config *config, float **values);

/** How many values there are. */
size_t batches_values(const text_batches *batches, const tf_config *config);

/** Where the values of a text's row (its token, or its mask) stand; NULL where none are kept. */
float *batches_row(const text_batches *batches, size_t text, size_t row, size_t width, float *values);

/** What time is about proportional to: tokens, padding included. */
double batches_work(const text_batches *batches);

void batches_free(text_batches *batches);

#endif
