/** What is found in a text by token classification: labelled words, aggregated as Hugging Face's pipeline does. */
#ifndef TF_APP_ENTITIES_H
#define TF_APP_ENTITIES_H

#include "experiments/app/data/batches.h"

/** How labels of tokens become labels of words, and these of entities ("aggregation_strategy"). */
typedef enum aggregation {
    AGGREGATE_NONE,    /**< every token by itself */
    AGGREGATE_SIMPLE,  /**< tokens in a row with labels of one kind */
    AGGREGATE_FIRST,   /**< a word has the label of its first token */
    AGGREGATE_AVERAGE, /**< the one with the largest mean score of its tokens */
    AGGREGATE_MAX      /**< the one of its token with the largest score */
} aggregation;

/** The aggregation of that name: none, simple, first, average or max. */
TF_CHECKED tf_status aggregation_find(const char *name, aggregation *out);

typedef struct entity {
    size_t label, token; /**< of the first token */
    double score;
    size_t start, end; /**< bytes of the text */
    int text;          /**< 0, or 1 for the second of a pair */
} entity;

/**
 * Finds the entities by the logits of a text's tokens, tokens x labels; the label "O" is none. The caller frees
 * *entities.
 */
TF_CHECKED tf_status entities_find(const tf_config *config, const tf_tokenizer *tokenizer, const text_item *text,
                                   const encoded_text *tokens, const float *logits, aggregation how, entity **entities,
                                   size_t *count);

/** A label without the tag that says whether an entity begins: "PER" of "B-PER". */
const char *entity_group(const char *label);

#endif
