/** Part of models/: from tokens to ids. Open addressing, as one text makes thousands of look-ups. */
#ifndef TF_VOCABULARY_H
#define TF_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

enum { TF_MAX_VOCABULARY = 1 << 20, TF_MAX_ADDED = 1 << 14 };

typedef struct tf_vocabulary {
    struct tf_word_entry {
        size_t start, length; /* in `bytes` */
        int32_t id;
    } * token;
    char *bytes;
    uint32_t *slot; /* index into `token` plus one; 0: free */
    size_t tokens, capacity, used, room, slots;
    size_t longest;  /* bytes of the longest token */
    size_t ids;      /* the largest id plus one */
    uint32_t *by_id; /* index into `token` plus one; 0: no token has this id. NULL before tf_vocabulary_number */
} tf_vocabulary;

/** Makes room for `tokens` tokens of together `bytes` bytes; TF_FORMAT above TF_MAX_VOCABULARY tokens. */
TF_CHECKED tf_status tf_vocabulary_init(tf_vocabulary *vocabulary, size_t tokens, size_t bytes);
void tf_vocabulary_free(tf_vocabulary *vocabulary);

/** Adds a token, or gives it another id if it is there. Ids are 0..TF_MAX_VOCABULARY-1. */
TF_CHECKED tf_status tf_vocabulary_add(tf_vocabulary *vocabulary, const char *text, size_t length, int32_t id);

/** The id of a token; -1 when there is none. */
int32_t tf_vocabulary_find(const tf_vocabulary *vocabulary, const char *text, size_t length);

/** Makes the way back, from ids to tokens, when all tokens are there. */
TF_CHECKED tf_status tf_vocabulary_number(tf_vocabulary *vocabulary);

/** The text of an id; NULL when no token has it. */
const char *tf_vocabulary_text(const tf_vocabulary *vocabulary, int32_t id, size_t *length);

#endif
