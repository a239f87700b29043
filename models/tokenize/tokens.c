#include <stdlib.h>

#include "models/tokenize/model.h"
#include "models/tokenize/text.h"
#include "net/base/array.h"

tf_status tf_tokens_add(tf_tokens *out, int32_t id, size_t start, size_t end) {
    tf_token *more = tf_grow(out->token, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    out->token = more;
    out->token[out->count++] = (tf_token){id, start, end};
    return TF_OK;
}

void tf_tokens_free(tf_tokens *tokens) {
    free(tokens->token);
    free(tokens->word);
    *tokens = (tf_tokens){0};
}
