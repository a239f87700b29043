#include "models/tokenize/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

tf_status tf_vocabulary_init(tf_vocabulary *vocabulary, size_t tokens, size_t bytes) {
    *vocabulary = (tf_vocabulary){.capacity = tokens, .room = bytes, .slots = 16};
    if (tokens > TF_MAX_VOCABULARY)
        return tf_fail(TF_FORMAT, "a vocabulary of %zu tokens; at most %d are supported", tokens, TF_MAX_VOCABULARY);
    while (vocabulary->slots < 2 * tokens) vocabulary->slots *= 2;
    vocabulary->token = calloc(tokens + 1, sizeof *vocabulary->token);
    vocabulary->bytes = malloc(bytes + 1);
    vocabulary->slot = calloc(vocabulary->slots, sizeof *vocabulary->slot);
    if (vocabulary->token && vocabulary->bytes && vocabulary->slot) return TF_OK;
    tf_vocabulary_free(vocabulary);
    return tf_fail(TF_NOMEM, "no memory for a vocabulary of %zu tokens", tokens);
}

void tf_vocabulary_free(tf_vocabulary *vocabulary) {
    free(vocabulary->token);
    free(vocabulary->bytes);
    free(vocabulary->slot);
    free(vocabulary->by_id);
    *vocabulary = (tf_vocabulary){.slots = 0};
}

/* The slot that holds the token, or the free one where it belongs. At least half of the slots are free. */
static uint32_t *place(const tf_vocabulary *vocabulary, const char *text, size_t length) {
    for (size_t i = XXH3_64bits(text, length);; i++) {
        uint32_t *slot = &vocabulary->slot[i & (vocabulary->slots - 1)];
        if (!*slot) return slot;
        const struct tf_word_entry *token = &vocabulary->token[*slot - 1];
        if (token->length == length && !memcmp(vocabulary->bytes + token->start, text, length)) return slot;
    }
}

tf_status tf_vocabulary_add(tf_vocabulary *vocabulary, const char *text, size_t length, int32_t id) {
    uint32_t *slot = place(vocabulary, text, length);
    if (!*slot) {
        if (id < 0 || id >= TF_MAX_VOCABULARY || vocabulary->tokens == vocabulary->capacity ||
            length > vocabulary->room - vocabulary->used)
            return tf_fail(TF_INTERNAL, "a token that the vocabulary has no room for");
        memcpy(vocabulary->bytes + vocabulary->used, text, length);
        vocabulary->token[vocabulary->tokens++] = (struct tf_word_entry){.start = vocabulary->used, .length = length};
        vocabulary->used += length;
        *slot = (uint32_t)vocabulary->tokens;
    }
    vocabulary->token[*slot - 1].id = id;
    if (length > vocabulary->longest) vocabulary->longest = length;
    if ((size_t)id >= vocabulary->ids) vocabulary->ids = (size_t)id + 1;
    return TF_OK;
}

int32_t tf_vocabulary_find(const tf_vocabulary *vocabulary, const char *text, size_t length) {
    uint32_t slot = *place(vocabulary, text, length);
    return slot ? vocabulary->token[slot - 1].id : -1;
}

tf_status tf_vocabulary_number(tf_vocabulary *vocabulary) {
    vocabulary->by_id = calloc(vocabulary->ids + 1, sizeof *vocabulary->by_id);
    if (!vocabulary->by_id) return tf_fail(TF_NOMEM, "no memory for a vocabulary of %zu tokens", vocabulary->tokens);
    for (size_t i = 0; i < vocabulary->tokens; i++) vocabulary->by_id[vocabulary->token[i].id] = (uint32_t)i + 1;
    return TF_OK;
}

const char *tf_vocabulary_text(const tf_vocabulary *vocabulary, int32_t id, size_t *length) {
    uint32_t place = id >= 0 && (size_t)id < vocabulary->ids ? vocabulary->by_id[id] : 0;
    if (!place) return NULL;
    *length = vocabulary->token[place - 1].length;
    return vocabulary->bytes + vocabulary->token[place - 1].start;
}
