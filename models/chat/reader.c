/* The words of Jinja's tags. */
#include <ctype.h>
#include <string.h>

#include "models/chat/evaluate.h"

static tf_status refuse_word(const tf_reader *r) {
    if (r->word.kind == TF_WORD_END) return tf_fail(TF_FORMAT, "the tag ends too early");
    return tf_fail(TF_FORMAT, "\"%.*s\" is not supported here", (int)(r->word.length < 40 ? r->word.length : 40),
                   r->word.text);
}

static bool is_name(char c, bool first) {
    return c == '_' || (first ? isalpha((unsigned char)c) : isalnum((unsigned char)c));
}

static tf_status read_text(tf_reader *r) {
    char quote = *r->at++;
    const char *start = r->at;
    for (; r->at < r->end && *r->at != quote; r->at++)
        if (*r->at == '\\' && r->at + 1 < r->end) r->at++;
    if (r->at >= r->end) return tf_fail(TF_FORMAT, "a text without its closing quote");
    r->word = (tf_word){TF_WORD_TEXT, start, (size_t)(r->at++ - start)};
    return TF_OK;
}

static tf_status read_sign(tf_reader *r) {
    static const char *const known[] = {"==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "|",
                                        ".",  ",",  ":",  "(",  ")",  "[",  "]", "{", "}", "<", ">", "="};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i]);
        if (length > (size_t)(r->end - r->at) || memcmp(r->at, known[i], length) != 0) continue;
        r->word = (tf_word){TF_WORD_SIGN, r->at, length};
        r->at += length;
        return TF_OK;
    }
    return tf_fail(TF_FORMAT, "byte 0x%02X in a tag is not understood", (unsigned char)*r->at);
}

tf_status tf_reader_next(tf_reader *r) {
    const char *start;
    while (r->at < r->end && (*r->at == ' ' || (*r->at >= '\t' && *r->at <= '\r'))) r->at++;
    start = r->at;
    r->word = (tf_word){TF_WORD_END, start, 0};
    TF_TRY(tf_rendering_step(r->rendering, 1));
    if (start == r->end) return TF_OK;
    if (*start == '\'' || *start == '"') return read_text(r);
    bool number = isdigit((unsigned char)*start);
    if (!number && !is_name(*start, true)) return read_sign(r);
    while (r->at < r->end && is_name(*r->at, false)) r->at++;
    r->word = (tf_word){number ? TF_WORD_INTEGER : TF_WORD_NAME, start, (size_t)(r->at - start)};
    return TF_OK;
}

tf_status tf_reader_start(tf_rendering *rendering, const char *text, size_t length, tf_reader *r) {
    *r = (tf_reader){.rendering = rendering, .at = text, .end = text + length, .live = true};
    return tf_reader_next(r);
}

bool tf_reader_sees(const tf_reader *r, const char *word) {
    return (r->word.kind == TF_WORD_NAME || r->word.kind == TF_WORD_SIGN) && strlen(word) == r->word.length &&
           !memcmp(r->word.text, word, r->word.length);
}

tf_status tf_reader_expect(tf_reader *r, const char *word) {
    return tf_reader_sees(r, word) ? tf_reader_next(r) : refuse_word(r);
}

tf_status tf_reader_name(tf_reader *r, tf_word *name) {
    if (r->word.kind != TF_WORD_NAME) return refuse_word(r);
    *name = r->word;
    return tf_reader_next(r);
}

tf_status tf_reader_finish(const tf_reader *r) {
    return r->word.kind == TF_WORD_END ? TF_OK : refuse_word(r);
}
