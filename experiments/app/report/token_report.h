/** Results of models with an output for each token: entities, answers, words for masks. */
#ifndef TF_APP_TOKEN_REPORT_H
#define TF_APP_TOKEN_REPORT_H

#include "experiments/app/report/entities.h"
#include "experiments/app/report/form.h"

/** How they are shown. */
typedef struct token_settings {
    aggregation how;
    size_t top; /**< answers, or words for a mask; 0: 1 answer, 5 words */
} token_settings;

/** What one text's result is made of; `values` are the text's rows. */
typedef struct token_result {
    const tf_config *config;
    const tf_tokenizer *tokenizer;
    const token_settings *settings;
    const text_item *text;
    const encoded_text *tokens;
    const float *values;
} token_result;

/** Adds "entities", "answers" and "no_answer", or "masks" to a result's object. */
TF_CHECKED tf_status token_result_json(const token_result *result, json_t *object);

/** Prints a line for each of them. */
TF_CHECKED tf_status token_result_print(const token_result *result);

#endif
