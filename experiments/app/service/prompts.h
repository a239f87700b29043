/** Prompts as tokens. */
#ifndef TF_APP_PROMPTS_H
#define TF_APP_PROMPTS_H

#include "experiments/app/data/batches.h"
#include "experiments/app/service/generate.h"
#include "models/chat/chat.h"

/** Prompts in batches, with their memory; similar lengths together, so that little is padded. */
typedef struct prompt_list {
    prompt_batch *batch;
    size_t batches, texts, longest;
    size_t *order; /**< the text at each row of the batches, counted through */
    size_t *lengths;
    int32_t *ids;
} prompt_list;

/** Tokenises prompts, each by itself or (`chat` not NULL) as what a user says first in a conversation, makes batches of
 * at most `most` (0: all in one) and pads each in front. An empty prompt, and one longer than the context, fail with
 * their place. */
TF_CHECKED tf_status prompts_make(const text_list *texts, const tf_tokenizer *tokenizer, const tf_chat *chat,
                                  size_t context, size_t most, prompt_list *prompts);

/** Makes batches of at least one prompt that is tokenised already, each of which says which one it is (`text`); sorts
 *  them by length. */
TF_CHECKED tf_status prompts_pack(encoded_text *text, size_t texts, size_t most, prompt_list *prompts);
void prompts_free(prompt_list *prompts);

#endif
