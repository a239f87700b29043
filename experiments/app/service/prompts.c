#include "experiments/app/service/prompts.h"

#include <stdlib.h>
#include <string.h>

static tf_status encode_all(const text_list *texts, const tf_tokenizer *tokenizer, size_t context, encoded_text *out,
                            size_t *longest) {
    for (size_t i = 0; i < texts->count; i++) {
        char place[256];
        TF_TRY(text_encode(texts, i, tokenizer, context, false, &out[i]));
        if (!out[i].length) return tf_fail(TF_INVALID, "%s is empty", text_place(texts, i, place, sizeof place));
        if (out[i].length > *longest) *longest = out[i].length;
    }
    return TF_OK;
}

static tf_status pad(const encoded_text *text, size_t texts, size_t longest, prompt_list *prompts) {
    prompts->lengths = calloc(texts, sizeof *prompts->lengths);
    prompts->ids = calloc(texts * longest, sizeof *prompts->ids);
    if (!prompts->lengths || !prompts->ids) return tf_fail(TF_NOMEM, "no memory for %zu prompts", texts);
    for (size_t i = 0; i < texts; i++) {
        prompts->lengths[i] = text[i].length;
        memcpy(prompts->ids + (i + 1) * longest - text[i].length, text[i].ids, text[i].length * sizeof *text[i].ids);
    }
    prompts->batch =
        (prompt_batch){.texts = texts, .longest = longest, .lengths = prompts->lengths, .ids = prompts->ids};
    return TF_OK;
}

tf_status prompts_make(const text_list *texts, const tf_tokenizer *tokenizer, size_t context, prompt_list *prompts) {
    size_t longest = 0;
    *prompts = (prompt_list){.ids = NULL};
    encoded_text *text = calloc(texts->count + 1, sizeof *text);
    if (!text) return tf_fail(TF_NOMEM, "no memory for %zu prompts", texts->count);
    tf_status status = encode_all(texts, tokenizer, context, text, &longest);
    if (status == TF_OK) status = pad(text, texts->count, longest, prompts);
    for (size_t i = 0; i < texts->count; i++) encoded_text_free(&text[i]);
    free(text);
    if (status != TF_OK) prompts_free(prompts);
    return status;
}

void prompts_free(prompt_list *prompts) {
    free(prompts->lengths);
    free(prompts->ids);
    *prompts = (prompt_list){.ids = NULL};
}
