#include "models/tokenize/text.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/unicode.h"
#include "net/base/array.h"

tf_status tf_text_no_memory(void) {
    return tf_fail(TF_NOMEM, "no memory to tokenise a text");
}

static tf_status reserve(tf_aligned *out, size_t more) {
    size_t need = out->length + more, bytes = out->capacity, places = out->capacity;
    if (need <= out->capacity) return TF_OK;
    if (need > INT32_MAX) return tf_fail(TF_INVALID, "the text grows beyond %d bytes", INT32_MAX);
    char *text = tf_grow(out->bytes, &bytes, need, 1);
    if (!text) return tf_text_no_memory();
    out->bytes = text;
    tf_origin *from = tf_grow(out->from, &places, need, sizeof *from);
    if (!from) return tf_text_no_memory();
    out->from = from;
    out->capacity = places;
    return TF_OK;
}

tf_status tf_aligned_add(tf_aligned *out, const char *bytes, size_t length, tf_origin from) {
    TF_TRY(reserve(out, length));
    memcpy(out->bytes + out->length, bytes, length);
    for (size_t i = 0; i < length; i++) out->from[out->length++] = from;
    return TF_OK;
}

tf_status tf_aligned_copy(tf_aligned *out, const tf_aligned *in, size_t start, size_t length) {
    if (!length) return TF_OK;
    TF_TRY(reserve(out, length));
    memcpy(out->bytes + out->length, in->bytes + start, length);
    memcpy(out->from + out->length, in->from + start, length * sizeof *in->from);
    out->length += length;
    return TF_OK;
}

void tf_aligned_free(tf_aligned *text) {
    free(text->bytes);
    free(text->from);
    *text = (tf_aligned){0};
}

tf_status tf_pieces_of(const char *text, size_t length, tf_text_pieces *out) {
    *out = (tf_text_pieces){0};
    if (length > INT32_MAX)
        return tf_fail(TF_INVALID, "a text of %zu bytes; at most %d are possible", length, INT32_MAX);
    for (size_t i = 0, size; i < length; i += size) {
        int32_t code;
        size = tf_utf8_read(text + i, length - i, &code);
        TF_TRY(tf_aligned_add(&out->text, text + i, size, (tf_origin){(uint32_t)i, (uint32_t)(i + size)}));
    }
    return tf_pieces_add(out, 0, length, -1);
}

tf_status tf_pieces_add(tf_text_pieces *out, size_t start, size_t length, int32_t id) {
    if (!length) return TF_OK;
    tf_text_piece *more = tf_grow(out->piece, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    out->piece = more;
    out->piece[out->count++] = (tf_text_piece){start, length, id};
    return TF_OK;
}

void tf_pieces_free(tf_text_pieces *pieces) {
    tf_aligned_free(&pieces->text);
    free(pieces->piece);
    *pieces = (tf_text_pieces){0};
}

void tf_rewrite_skip(tf_rewriter *r, size_t characters) {
    for (; characters && r->at < r->length; characters--) {
        int32_t old;
        r->at += tf_utf8_read(r->in->bytes + r->start + r->at, r->length - r->at, &old);
    }
}

tf_status tf_rewrite(tf_rewriter *r, int32_t code, int change) {
    char bytes[4];
    const tf_origin *from = r->in->from + r->start;
    tf_origin origin = {from[0].start, from[0].start};
    if (change <= 0 && r->at < r->length)
        origin = from[r->at];
    else if (r->at)
        origin = from[r->at - 1];
    if (change <= 0) tf_rewrite_skip(r, 1 + (size_t)-change);
    return tf_aligned_add(r->out, bytes, tf_utf8_write(code, bytes), origin);
}
