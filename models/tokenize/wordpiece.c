#include "models/tokenize/wordpiece.h"

#include <string.h>

#include "models/tokenize/text.h"
#include "net/base/array.h"

/* Copies the word behind room for the prefix. A continuation's prefix is later written over bytes that
 * are done with. */
static tf_status copy_word(const tf_wordpiece *m, const char *word, size_t length, tf_tokens *out) {
    char *more = tf_grow(out->word, &out->word_capacity, m->prefix_length + length, 1);
    if (!more) return tf_text_no_memory();
    out->word = more;
    memcpy(out->word + m->prefix_length, word, length);
    return TF_OK;
}

/* The longest token at `start` of the word in out->word; returns where it ends, or `start` when there is none. */
static size_t longest_match(const tf_wordpiece *m, const tf_vocabulary *v, const tf_tokens *out, size_t start,
                            size_t length, int32_t *id) {
    const char *word = out->word + m->prefix_length, *key = start ? out->word + start : word;
    size_t prefix = start ? m->prefix_length : 0, most = v->longest;
    if (start) memcpy(out->word + start, m->prefix, m->prefix_length);
    if (most < prefix) return start;
    size_t end = length - start > most - prefix ? start + most - prefix : length;
    for (; end > start; end--) {
        if (end < length && (word[end] & 0xC0) == 0x80) continue; /* inside a character */
        if ((*id = tf_vocabulary_find(v, key, prefix + end - start)) >= 0) break;
    }
    return end;
}

tf_status tf_wordpiece_encode(const tf_wordpiece *m, const tf_vocabulary *v, const char *word, size_t length,
                              tf_tokens *out) {
    size_t characters = 0, before = out->count;
    for (size_t i = 0; i < length; i++) characters += (word[i] & 0xC0) != 0x80;
    if (characters > m->longest) return tf_tokens_add(out, m->unknown, 0, length);
    TF_TRY(copy_word(m, word, length, out));
    for (size_t start = 0, end; start < length; start = end) {
        int32_t id = -1;
        end = longest_match(m, v, out, start, length, &id);
        if (end == start) {
            out->count = before;
            return tf_tokens_add(out, m->unknown, 0, length);
        }
        TF_TRY(tf_tokens_add(out, id, start, end));
    }
    return TF_OK;
}
