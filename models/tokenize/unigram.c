#include "models/tokenize/unigram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/text.h"
#include "models/tokenize/unicode.h"

static const double unknown_penalty = 10; /* sentencepiece/src/unigram_model.cc */

void tf_unigram_free(tf_unigram *model) {
    tf_prefixes_free(&model->tokens);
    free(model->score);
}

/* The best way to a place in the text: the token that ends there, and where that starts. */
typedef struct way {
    double score;
    uint32_t start;
    int32_t id; /* -1: no way leads here; -2: an unknown character */
} way;

static void offer(way *to, double score, size_t start, int32_t id) {
    if (to->id == -1 || score > to->score) *to = (way){score, (uint32_t)start, id};
}

static void find_ways(const tf_unigram *m, const char *text, size_t length, way *best) {
    for (size_t start = 0, size; start < length; start += size) {
        int32_t code;
        bool single = false;
        tf_prefix_cursor cursor = {0};
        size = tf_utf8_read(text + start, length - start, &code);
        for (size_t end = start; end < length && (end == start || cursor.low < cursor.high);) {
            int32_t id = tf_prefix_read(&m->tokens, &cursor, (unsigned char)text[end++]);
            if (id < 0) continue;
            offer(&best[end], best[start].score + m->score[id], start, id);
            single = single || end == start + size;
        }
        if (!single) offer(&best[start + size], best[start].score + m->least - unknown_penalty, start, -2);
    }
}

static tf_status add_unknown(const tf_unigram *m, const tf_vocabulary *v, const char *text, size_t start, size_t end,
                             tf_tokens *out) {
    size_t before = out->count;
    bool all = m->byte_fallback;
    for (size_t i = start; i < end && all; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(unsigned char)text[i]);
        int32_t id = tf_vocabulary_find(v, name, 6);
        all = id >= 0;
        if (all) TF_TRY(tf_tokens_add(out, id, start, end));
    }
    if (all) return TF_OK;
    out->count = before;
    if (m->unknown < 0) return tf_fail(TF_INVALID, "the text has characters that the tokenizer does not know");
    return tf_tokens_add(out, m->unknown, start, end);
}

/* Goes back over the best ways and turns them round; neighbouring unknown characters are one token. */
static tf_status add_tokens(const tf_unigram *m, const tf_vocabulary *v, const char *text, size_t length, way *best,
                            tf_tokens *out) {
    size_t next = length;
    for (size_t end = length; end > 0;) { /* best[start].start becomes the end of the token that starts there */
        size_t start = best[end].start;
        bool unknown = best[end].id == -2 || best[end].id == m->unknown;
        while (unknown && start && (best[start].id == -2 || best[start].id == m->unknown)) start = best[start].start;
        next = end;
        end = start;
        best[start].score = (double)next;
    }
    for (size_t start = 0, end; start < length; start = end) {
        end = (size_t)best[start].score;
        int32_t id = tf_vocabulary_find(v, text + start, end - start);
        TF_TRY(id >= 0 ? tf_tokens_add(out, id, start, end) : add_unknown(m, v, text, start, end, out));
    }
    return TF_OK;
}

tf_status tf_unigram_encode(const tf_unigram *model, const tf_vocabulary *vocabulary, const char *text, size_t length,
                            tf_tokens *out) {
    way *best = malloc((length + 1) * sizeof *best);
    if (!best) return tf_text_no_memory();
    for (size_t i = 0; i <= length; i++) best[i] = (way){0, 0, -1};
    find_ways(model, text, length, best);
    tf_status status = add_tokens(model, vocabulary, text, length, best, out);
    free(best);
    return status;
}
