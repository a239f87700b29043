#define _GNU_SOURCE /* memmem */
#include "models/tokenize/decode.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/parts.h"
#include "net/base/array.h"

/* ---- The steps ---- */

tf_status tf_decode_add(tf_decode_steps *steps, tf_decode_step step, const char *text, const char *content) {
    if (steps->count == TF_MAX_DECODE_STEPS)
        return tf_fail(TF_FORMAT, "more than %d steps of decoding", TF_MAX_DECODE_STEPS);
    if (strlen(text) > TF_MAX_DECODE_PATTERN || strlen(content) > TF_MAX_DECODE_PATTERN)
        return tf_fail(TF_FORMAT, "a text of a decoder has more than %d bytes", TF_MAX_DECODE_PATTERN);
    step.text = strdup(text);
    step.content = strdup(content);
    steps->step[steps->count++] = step;
    return step.text && step.content ? TF_OK : tf_fail(TF_NOMEM, "no memory for a decoder");
}

tf_status tf_decode_add_cleanup(tf_decode_steps *steps, bool do_not) {
    static const char *const pair[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                          {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                          {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (do_not || strcmp(pair[i][0], " do not") != 0)
            TF_TRY(tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_REPLACE}, pair[i][0], pair[i][1]));
    return TF_OK;
}

void tf_decode_steps_free(tf_decode_steps *steps) {
    for (size_t i = 0; i < steps->count; i++) free(steps->step[i].text), free(steps->step[i].content);
    steps->count = 0;
}

/* ---- Stages ---- */

typedef struct bytes {
    char *byte;
    size_t count, capacity;
} bytes;

/* What a step remembers of the tokens so far. Text comes in parts of whole characters. */
typedef struct stage {
    const tf_decode_step *step; /* NULL: the end of the chain, which gathers the text in `held` */
    bytes held;                 /* of the current token, or bytes that wait for more */
    bytes previous;             /* the token before */
    size_t tokens, at; /* tokens that ended; REPLACE: bytes that match; STRIP: characters dropped at the start */
    size_t trailing;   /* STRIP: characters that may be dropped at the end */
    bool inside;       /* STRIP: something else has come */
} stage;

static tf_status append(bytes *out, const char *text, size_t length) {
    char *more = tf_grow(out->byte, &out->capacity, out->count + length + 1, 1);
    if (!more) return tf_fail(TF_NOMEM, "no memory to decode tokens");
    out->byte = more;
    memcpy(out->byte + out->count, text, length);
    out->count += length;
    out->byte[out->count] = '\0';
    return TF_OK;
}

static tf_status take(stage *s, const char *text, size_t length);
static tf_status end_token(stage *s);

static tf_status pass(stage *s, const char *text, size_t length) {
    return take(s + 1, text, length);
}

static tf_status pass_token(stage *s, const char *text, size_t length) {
    TF_TRY(take(s + 1, text, length));
    return end_token(s + 1);
}

/* Passes on a text with every `text` of the step replaced. */
static tf_status pass_replaced(stage *s, const char *text, size_t length, const char *content) {
    size_t pattern = strlen(s->step->text), done = 0;
    for (const char *at; pattern && (at = memmem(text + done, length - done, s->step->text, pattern));) {
        TF_TRY(pass(s, text + done, (size_t)(at - text) - done));
        TF_TRY(pass(s, content, strlen(content)));
        done = (size_t)(at - text) + pattern;
    }
    return pass(s, text + done, length - done);
}

/* One byte more: the bytes that match so far wait; when they do not match after all, the first one goes on. */
static tf_status replace_byte(stage *s, char byte) {
    const char *pattern = s->step->text;
    size_t length = strlen(pattern), shift;
    if (!length) return pass(s, &byte, 1);
    for (; s->at && pattern[s->at] != byte; s->at -= shift) { /* the next shorter start that still fits */
        for (shift = 1; shift < s->at && memcmp(pattern, pattern + shift, s->at - shift) != 0; shift++) continue;
        TF_TRY(pass(s, pattern, shift));
    }
    if (pattern[s->at] != byte) return pass(s, &byte, 1);
    if (++s->at < length) return TF_OK;
    s->at = 0;
    return pass(s, s->step->content, strlen(s->step->content));
}

static tf_status strip(stage *s, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == *s->step->text && !s->inside && s->at < s->step->start) {
            s->at++;
        } else if (text[i] == *s->step->text && s->step->stop) {
            s->inside = true;
            s->trailing++;
        } else {
            s->inside = true;
            for (; s->trailing; s->trailing--) TF_TRY(pass(s, s->step->text, 1));
            TF_TRY(pass(s, text + i, 1));
        }
    }
    return TF_OK;
}

static tf_status take(stage *s, const char *text, size_t length) {
    if (!length) return TF_OK;
    if (!s->step) return append(&s->held, text, length);
    switch (s->step->kind) {
    case TF_DECODE_REPLACE:
        for (size_t i = 0; i < length; i++) TF_TRY(replace_byte(s, text[i]));
        return TF_OK;
    case TF_DECODE_STRIP: return strip(s, text, length);
    case TF_DECODE_FUSE: return pass(s, text, length);
    default: return append(&s->held, text, length);
    }
}

/* ---- Bytes ---- */

/* The length of the valid start of a character: it is whole when *whole. At least 1. */
static size_t valid_start(const unsigned char *text, size_t length, bool *whole) {
    unsigned char first = text[0], low = 0x80, high = 0xBF;
    size_t wanted = first < 0x80   ? 1
                    : first < 0xC2 ? 0
                    : first < 0xE0 ? 2
                    : first < 0xF0 ? 3
                    : first < 0xF5 ? 4
                                   : 0,
           n = 1;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (; n < wanted && n < length && text[n] >= low && text[n] <= high; n++) low = 0x80, high = 0xBF;
    *whole = n == wanted;
    return n;
}

static const char unknown_character[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Passes on the characters that are whole, and U+FFFD for what never becomes one, as from_utf8_lossy of Rust; what may
 * still become one waits unless this is the end. */
static tf_status pass_characters(stage *s, bytes *waiting, bool end) {
    size_t done = 0;
    while (done < waiting->count) {
        bool whole;
        size_t n = valid_start((unsigned char *)waiting->byte + done, waiting->count - done, &whole);
        bool possible = (unsigned char)waiting->byte[done] >= 0xC2 && (unsigned char)waiting->byte[done] < 0xF5;
        if (!whole && !end && possible && done + n == waiting->count) break;
        TF_TRY(whole ? pass(s, waiting->byte + done, n) : pass(s, unknown_character, 3));
        done += n;
    }
    if (done) memmove(waiting->byte, waiting->byte + done, waiting->count - done);
    waiting->count -= done;
    return TF_OK;
}

/* A token whose characters all stand for bytes is those bytes; another one is taken as it is. */
static tf_status end_byte_level(stage *s) {
    bool all = true;
    int32_t code;
    for (size_t i = 0; i < s->held.count && all;) {
        i += tf_utf8_read(s->held.byte + i, s->held.count - i, &code);
        all = tf_character_byte(code) >= 0;
    }
    if (!all) TF_TRY(append(&s->previous, s->held.byte, s->held.count));
    for (size_t i = 0; i < s->held.count && all;) {
        i += tf_utf8_read(s->held.byte + i, s->held.count - i, &code);
        TF_TRY(append(&s->previous, &(char){(char)tf_character_byte(code)}, 1));
    }
    s->held.count = 0;
    return pass_characters(s, &s->previous, false);
}

static tf_status end_bytes(stage *s) {
    size_t offset, count = s->previous.count;
    s->previous.count = 0;
    if (!count) return TF_OK;
    if (tf_utf8_valid(s->previous.byte, count, &offset)) return pass_token(s, s->previous.byte, count);
    for (size_t i = 0; i < count; i++) TF_TRY(pass_token(s, unknown_character, 3));
    return TF_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of <0x41>; -1 when the token is no byte. */
static int byte_of(const char *text, size_t length) {
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

static tf_status end_fallback(stage *s) {
    int byte = byte_of(s->held.byte, s->held.count);
    size_t count = s->held.count;
    s->held.count = 0;
    if (byte >= 0) return append(&s->previous, &(char){(char)byte}, 1);
    TF_TRY(end_bytes(s));
    return pass_token(s, s->held.byte, count);
}

/* ---- The ends of tokens ---- */

static tf_status end_wordpiece(stage *s) {
    const char *prefix = s->step->text;
    size_t length = strlen(prefix), cut = 0;
    if (s->tokens) {
        if (s->held.count >= length && (!length || !memcmp(s->held.byte, prefix, length)))
            cut = length;
        else
            TF_TRY(pass(s, " ", 1));
    }
    return pass_token(s, s->held.byte + cut, s->held.count - cut);
}

static tf_status end_suffix(stage *s, const char *content) {
    if (s->tokens) {
        TF_TRY(pass_replaced(s, s->previous.byte, s->previous.count, content));
        TF_TRY(end_token(s + 1));
    }
    bytes swap = s->previous;
    s->previous = s->held;
    s->held = swap;
    return TF_OK;
}

static tf_status end_kind(stage *s) {
    switch (s->step->kind) {
    case TF_DECODE_REPLACE:
        TF_TRY(pass(s, s->step->text, s->at));
        s->at = 0;
        return end_token(s + 1);
    case TF_DECODE_STRIP:
        for (; s->trailing > s->step->stop; s->trailing--) TF_TRY(pass(s, s->step->text, 1));
        s->trailing = s->at = 0;
        s->inside = false;
        return end_token(s + 1);
    case TF_DECODE_METASPACE:
        TF_TRY(pass_replaced(s, s->held.byte, s->held.count, s->tokens || !s->step->prefixed ? " " : ""));
        return end_token(s + 1);
    case TF_DECODE_WORDPIECE: return end_wordpiece(s);
    case TF_DECODE_BYTE_FALLBACK: return end_fallback(s);
    case TF_DECODE_BYTE_LEVEL: return end_byte_level(s);
    case TF_DECODE_SUFFIX: return end_suffix(s, " ");
    case TF_DECODE_JOIN:
        if (s->tokens) TF_TRY(pass(s, " ", 1));
        return pass_token(s, s->held.byte, s->held.count);
    case TF_DECODE_FUSE: break;
    }
    return TF_OK;
}

static tf_status end_token(stage *s) {
    if (!s->step) return TF_OK;
    TF_TRY(append(&s->held, "", 0));
    tf_status status = end_kind(s);
    s->held.count = 0;
    s->tokens++;
    return status;
}

/* The end of all tokens: what waits goes on, and what was made one token ends. */
static tf_status finish(stage *s) {
    for (; s->step; s++) {
        if (s->step->kind == TF_DECODE_BYTE_FALLBACK) TF_TRY(end_bytes(s));
        if (s->step->kind == TF_DECODE_SUFFIX) TF_TRY(end_suffix(s, ""));
        if (s->step->kind == TF_DECODE_BYTE_LEVEL) TF_TRY(pass_characters(s, &s->previous, true));
        if (s->step->kind == TF_DECODE_BYTE_LEVEL || s->step->kind == TF_DECODE_FUSE) TF_TRY(end_token(s + 1));
    }
    return TF_OK;
}

/* ---- The decoder ---- */

struct tf_decoder {
    const tf_tokenizer *tokenizer;
    bool skip_special;
    size_t stages;
    stage stage[TF_MAX_DECODE_STEPS + 1];
};

tf_status tf_decoder_open(const tf_tokenizer *tokenizer, bool skip_special, tf_decoder **decoder) {
    tf_decoder *d = *decoder = calloc(1, sizeof *d);
    if (!d) return tf_fail(TF_NOMEM, "no memory for a decoder");
    d->tokenizer = tokenizer;
    d->skip_special = skip_special;
    d->stages = tokenizer->decoder.count;
    for (size_t i = 0; i < d->stages; i++) d->stage[i].step = &tokenizer->decoder.step[i];
    return TF_OK;
}

static tf_status give(tf_decoder *d, tf_status status, const char **text, size_t *length) {
    bytes *out = &d->stage[d->stages].held;
    if (status == TF_OK) status = append(out, "", 0);
    *text = status == TF_OK ? out->byte : "";
    *length = status == TF_OK ? out->count : 0;
    return status;
}

tf_status tf_decoder_push(tf_decoder *d, int32_t id, const char **text, size_t *length) {
    size_t size = 0;
    const tf_added_token *added = tf_added_of(&d->tokenizer->added, id);
    const char *token = tf_tokenizer_token(d->tokenizer, id, &size);
    d->stage[d->stages].held.count = 0;
    if (!token || (added && added->special && d->skip_special)) return give(d, TF_OK, text, length);
    tf_status status = take(d->stage, token, size);
    if (status == TF_OK) status = end_token(d->stage);
    return give(d, status, text, length);
}

tf_status tf_decoder_finish(tf_decoder *d, const char **text, size_t *length) {
    d->stage[d->stages].held.count = 0;
    return give(d, finish(d->stage), text, length);
}

void tf_decoder_close(tf_decoder *d) {
    if (!d) return;
    for (size_t i = 0; i <= d->stages; i++) free(d->stage[i].held.byte), free(d->stage[i].previous.byte);
    free(d);
}

tf_status tf_tokenizer_decode(const tf_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                              char **text, size_t *length) {
    tf_decoder *d;
    bytes all = {0};
    *text = NULL;
    TF_TRY(tf_decoder_open(tokenizer, skip_special, &d));
    tf_status status = TF_OK;
    for (size_t i = 0; i <= count && status == TF_OK; i++) {
        const char *part;
        size_t size;
        status = i < count ? tf_decoder_push(d, ids[i], &part, &size) : tf_decoder_finish(d, &part, &size);
        if (status == TF_OK) status = append(&all, part, size);
    }
    tf_decoder_close(d);
    if (status == TF_OK) {
        *text = all.byte;
        *length = all.count;
    } else {
        free(all.byte);
    }
    return status;
}
