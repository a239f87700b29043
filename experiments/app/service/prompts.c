#include "experiments/app/service/prompts.h"

#include <stdlib.h>
#include <string.h>

static tf_status encode_turn(const text_list *texts, size_t i, const tf_tokenizer *tokenizer, const tf_chat *chat,
                             size_t context, encoded_text *out) {
    const text_item *text = &texts->item[i];
    char place[256];
    tf_encoding encoding;
    tf_chat_message turn = {.role = "user", .content = text->first, .length = text->first_length};
    tf_status status = tf_chat_encode(chat, tokenizer, &turn, 1, true, context, &encoding);
    if (status != TF_OK) return tf_fail_in(status, "%s", text_place(texts, i, place, sizeof place));
    *out = (encoded_text){
        .text = i, .length = encoding.count, .ids = encoding.ids, .types = encoding.types, .place = encoding.place};
    return TF_OK;
}

static tf_status encode_all(const text_list *texts, const tf_tokenizer *tokenizer, const tf_chat *chat, size_t context,
                            encoded_text *out) {
    for (size_t i = 0; i < texts->count; i++) {
        char place[256];
        TF_TRY(chat ? encode_turn(texts, i, tokenizer, chat, context, &out[i])
                    : text_encode(texts, i, tokenizer, context, false, &out[i]));
        if (!out[i].length) return tf_fail(TF_INVALID, "%s is empty", text_place(texts, i, place, sizeof place));
    }
    return TF_OK;
}

static int longer(const void *a, const void *b) {
    const encoded_text *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? 1 : -1;
    return x->text < y->text ? -1 : x->text > y->text;
}

/* A batch is as long as its first text. */
static tf_status lay_out(const encoded_text *text, size_t texts, size_t most, prompt_list *p) {
    size_t cells = 0, room = most && most < texts ? most : texts, offset = 0;
    for (size_t i = 0; i < texts; i++) cells += text[i / room * room].length;
    *p = (prompt_list){.texts = texts, .batches = (texts + room - 1) / room, .longest = text[0].length};
    p->batch = calloc(p->batches, sizeof *p->batch);
    p->order = calloc(texts, sizeof *p->order);
    p->lengths = calloc(texts, sizeof *p->lengths);
    p->ids = calloc(cells, sizeof *p->ids);
    if (!p->batch || !p->order || !p->lengths || !p->ids) return tf_fail(TF_NOMEM, "no memory for %zu prompts", texts);
    for (size_t i = 0; i < texts; i++) {
        prompt_batch *b = &p->batch[i / room];
        if (i % room == 0)
            *b = (prompt_batch){
                .first = i, .longest = text[i].length, .lengths = p->lengths + i, .ids = p->ids + offset};
        b->texts++;
        offset += b->longest;
        p->order[i] = text[i].text;
        p->lengths[i] = text[i].length;
        memcpy(p->ids + offset - text[i].length, text[i].ids, text[i].length * sizeof *text[i].ids);
    }
    return TF_OK;
}

tf_status prompts_pack(encoded_text *text, size_t texts, size_t most, prompt_list *prompts) {
    *prompts = (prompt_list){.ids = NULL};
    qsort(text, texts, sizeof *text, longer);
    tf_status status = lay_out(text, texts, most, prompts);
    if (status != TF_OK) prompts_free(prompts);
    return status;
}

tf_status prompts_make(const text_list *texts, const tf_tokenizer *tokenizer, const tf_chat *chat, size_t context,
                       size_t most, prompt_list *prompts) {
    *prompts = (prompt_list){.ids = NULL};
    if (!texts->count) return tf_fail(TF_INVALID, "there are no prompts");
    encoded_text *text = calloc(texts->count, sizeof *text);
    if (!text) return tf_fail(TF_NOMEM, "no memory for %zu prompts", texts->count);
    tf_status status = encode_all(texts, tokenizer, chat, context, text);
    if (status == TF_OK) status = prompts_pack(text, texts->count, most, prompts);
    for (size_t i = 0; i < texts->count; i++) encoded_text_free(&text[i]);
    free(text);
    return status;
}

void prompts_free(prompt_list *p) {
    free(p->batch);
    free(p->order);
    free(p->lengths);
    free(p->ids);
    *p = (prompt_list){.ids = NULL};
}
