#include "models/tokenize/parts.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"

tf_status tf_template_add(tf_template *out, tf_template_item item) {
    tf_template_item *more = tf_grow(out->item, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    out->item = more;
    out->item[out->count++] = item;
    out->specials += item.kind == TF_ITEM_SPECIAL;
    return TF_OK;
}

size_t tf_tokenizer_vocabulary(const tf_tokenizer *tokenizer) {
    return tokenizer->ids;
}

size_t tf_tokenizer_longest(const tf_tokenizer *tokenizer) {
    return tokenizer->longest;
}

const char *tf_tokenizer_token(const tf_tokenizer *t, int32_t id, size_t *length) {
    const tf_added_token *added = tf_added_of(&t->added, id);
    if (!added) return tf_vocabulary_text(&t->vocabulary, id, length);
    *length = strlen(added->content);
    return added->content;
}

bool tf_tokenizer_marks_pieces(const tf_tokenizer *t) {
    return t->model == TF_MODEL_WORDPIECE && t->wordpiece.prefix_length > 0;
}

int32_t tf_tokenizer_find(const tf_tokenizer *t, const char *token) {
    const tf_added_token *added = tf_added_find(&t->added, token);
    return added ? added->id : tf_vocabulary_find(&t->vocabulary, token, strlen(token));
}
