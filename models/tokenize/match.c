/* Where a text matches: tokenizers/src/tokenizer/pattern.rs of the tokenizers library. */
#define _GNU_SOURCE /* memmem */
#include <string.h>

#include "models/tokenize/step.h"
#include "net/base/array.h"

static tf_status add(tf_matches *out, size_t start, size_t end, bool found) {
    tf_match *more = tf_grow(out->match, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    out->match = more;
    out->match[out->count++] = (tf_match){start, end, found};
    return TF_OK;
}

/* The next match at or after `from`. */
static tf_status next(const tf_matcher *m, const char *text, size_t length, size_t from, tf_match *out) {
    out->found = false;
    if (m->kind == TF_MATCH_EXPRESSION)
        return tf_expression_find(m->expression, text, length, from, &out->start, &out->end, &out->found);
    if (m->kind == TF_MATCH_STRING) {
        const char *at = m->length ? memmem(text + from, length - from, m->string, m->length) : NULL;
        if (at) *out = (tf_match){(size_t)(at - text), (size_t)(at - text) + m->length, true};
        return TF_OK;
    }
    for (size_t size; from < length && !out->found; from += size) {
        int32_t code;
        size = tf_utf8_read(text + from, length - from, &code);
        if (m->character ? m->character(code) : code == m->code) *out = (tf_match){from, from + size, true};
    }
    return TF_OK;
}

tf_status tf_find_matches(const tf_matcher *matcher, const char *text, size_t length, tf_matches *out) {
    *out = (tf_matches){0};
    size_t from = 0, done = 0;
    bool any = false;
    while (from <= length) {
        tf_match m;
        TF_TRY(next(matcher, text, length, from, &m));
        if (!m.found) break;
        if (m.start == m.end && any && m.end == done) { /* an empty match beside the last one does not count */
            int32_t code;
            from += from < length ? tf_utf8_read(text + from, length - from, &code) : 1;
            continue;
        }
        if (m.start > done) TF_TRY(add(out, done, m.start, false));
        TF_TRY(add(out, m.start, m.end, true));
        any = true;
        from = done = m.end;
    }
    return done < length ? add(out, done, length, false) : TF_OK;
}
