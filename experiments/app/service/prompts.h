/** Prompts as tokens. */
#ifndef TF_APP_PROMPTS_H
#define TF_APP_PROMPTS_H

#include "experiments/app/data/batches.h"
#include "experiments/app/service/generate.h"

/** A batch with its memory. */
typedef struct prompt_list {
    prompt_batch batch;
    size_t *lengths;
    int32_t *ids;
} prompt_list;

/** Tokenises prompts and pads them in front. An empty one, and one longer than the context, fail with their place. */
TF_CHECKED tf_status prompts_make(const text_list *texts, const tf_tokenizer *tokenizer, size_t context,
                                  prompt_list *prompts);
void prompts_free(prompt_list *prompts);

#endif
