/* Steps that change a text: normalizers/{bert,strip,replace,prepend}.rs and pre_tokenizers/{byte_level,metaspace}.rs of
 * the tokenizers library. */
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/charsmap.h"
#include "models/tokenize/step.h"

static size_t read_code(const tf_rewriter *r, size_t at, int32_t *code) {
    return tf_utf8_read(r->in->bytes + r->start + at, r->length - at, code);
}

/* Drops characters. One that stays takes the dropped ones behind it with it, which matters to places only. */
static tf_status filter(tf_rewriter *r, bool (*drop)(int32_t)) {
    int32_t code, kept = -1;
    int dropped = 0;
    for (size_t at = 0; at < r->length;) {
        at += read_code(r, at, &code);
        if (drop(code)) {
            dropped++;
            continue;
        }
        if (kept < 0)
            tf_rewrite_skip(r, (size_t)dropped);
        else
            TF_TRY(tf_rewrite(r, kept, -dropped));
        kept = code;
        dropped = 0;
    }
    return kept < 0 ? TF_OK : tf_rewrite(r, kept, -dropped);
}

static tf_status make_spaces(tf_rewriter *r, bool (*space)(int32_t)) {
    int32_t code;
    for (size_t at = 0; at < r->length;) {
        at += read_code(r, at, &code);
        TF_TRY(tf_rewrite(r, space(code) ? ' ' : code, 0));
    }
    return TF_OK;
}

static tf_status space_ideographs(tf_rewriter *r) {
    int32_t code;
    for (size_t at = 0; at < r->length;) {
        at += read_code(r, at, &code);
        bool spaced = tf_is_ideograph(code);
        if (spaced) TF_TRY(tf_rewrite(r, ' ', 0));
        TF_TRY(tf_rewrite(r, code, spaced));
        if (spaced) TF_TRY(tf_rewrite(r, ' ', 1));
    }
    return TF_OK;
}

static tf_status lowercase(tf_rewriter *r) {
    int32_t code, lower[2];
    for (size_t at = 0; at < r->length;) {
        at += read_code(r, at, &code);
        size_t letters = tf_lowercase(code, lower);
        for (size_t i = 0; i < letters; i++) TF_TRY(tf_rewrite(r, lower[i], i > 0));
    }
    return TF_OK;
}

static tf_status strip(const tf_text_step *step, const tf_aligned *in, size_t start, size_t length, tf_aligned *out) {
    int32_t code;
    size_t first = 0, end = length;
    for (size_t size; step->left && first < length; first += size) {
        size = tf_utf8_read(in->bytes + start + first, length - first, &code);
        if (!tf_is_space(code)) break;
    }
    for (size_t before; step->right && end > first; end = before) {
        before = tf_utf8_before(in->bytes + start, end, &code);
        if (!tf_is_space(code)) break;
    }
    return tf_aligned_copy(out, in, start + first, end - first);
}

/* What replaces a match comes from the last character of the match. */
tf_status tf_replace(const tf_matcher *match, const char *text, size_t text_length, const tf_aligned *in, size_t start,
                     size_t length, tf_aligned *out) {
    tf_matches all;
    tf_status status = tf_find_matches(match, in->bytes + start, length, &all);
    for (size_t i = 0; i < all.count && status == TF_OK; i++) {
        size_t from = start + all.match[i].start, size = all.match[i].end - all.match[i].start;
        tf_origin origin = {in->from[start].start, in->from[start].start};
        if (from + size > start) origin = in->from[from + size - 1];
        status =
            all.match[i].found ? tf_aligned_add(out, text, text_length, origin) : tf_aligned_copy(out, in, from, size);
    }
    free(all.match);
    return status;
}

static bool wants_prefix(const tf_text_step *step, const tf_rewriter *r) {
    if (step->scheme == TF_PREFIX_ALWAYS) return true;
    if (step->scheme == TF_PREFIX_FIRST && r->in->from[r->start].start) return false;
    return r->length < step->length || memcmp(r->in->bytes + r->start, step->text, step->length) != 0;
}

static tf_status put_prefix(const tf_text_step *step, tf_rewriter *r) {
    int32_t code, first;
    if (wants_prefix(step, r)) {
        read_code(r, 0, &first);
        for (size_t i = 0; i < step->length;) {
            bool replaces = i == 0;
            i += tf_utf8_read(step->text + i, step->length - i, &code);
            TF_TRY(tf_rewrite(r, code, !replaces));
        }
        if (step->length) TF_TRY(tf_rewrite(r, first, 1));
    }
    return tf_aligned_copy(r->out, r->in, r->start + r->at, r->length - r->at);
}

int32_t tf_byte_character(uint8_t byte) {
    if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE) return byte;
    if (byte <= ' ') return 0x100 + byte;
    return byte < 0xAD ? 0x121 + byte - 0x7F : 0x143;
}

int tf_character_byte(int32_t code) {
    if ((code >= '!' && code <= '~') || (code >= 0xA1 && code <= 0xAC) || (code >= 0xAE && code <= 0xFF)) return code;
    if (code >= 0x100 && code <= 0x120) return code - 0x100;
    if (code >= 0x121 && code <= 0x142) return code - 0x121 + 0x7F;
    return code == 0x143 ? 0xAD : -1;
}

static tf_status show_bytes(tf_rewriter *r) {
    int32_t code;
    for (size_t at = 0; at < r->length;) {
        size_t size = read_code(r, at, &code);
        for (size_t i = 0; i < size; i++)
            TF_TRY(tf_rewrite(r, tf_byte_character((uint8_t)r->in->bytes[r->start + at + i]), i > 0));
        at += size;
    }
    return TF_OK;
}

tf_status tf_step_rewrite(const tf_text_step *step, const tf_aligned *in, size_t start, size_t length,
                          tf_aligned *out) {
    tf_rewriter r = {in, start, length, 0, out};
    if (!length) return TF_OK;
    switch (step->kind) {
    case TF_STEP_NFC:
    case TF_STEP_NFD:
    case TF_STEP_NFKC:
    case TF_STEP_NFKD: return tf_normal_form(step->kind, in, start, length, out);
    case TF_STEP_LOWERCASE: return lowercase(&r);
    case TF_STEP_FILTER: return filter(&r, step->drop);
    case TF_STEP_SPACES: return make_spaces(&r, step->drop);
    case TF_STEP_IDEOGRAPHS: return space_ideographs(&r);
    case TF_STEP_STRIP: return strip(step, in, start, length, out);
    case TF_STEP_REPLACE: return tf_replace(&step->match, step->text, step->length, in, start, length, out);
    case TF_STEP_PREFIX: return put_prefix(step, &r);
    case TF_STEP_BYTES: return show_bytes(&r);
    case TF_STEP_CHARSMAP: return tf_charsmap_rewrite(step->charsmap, &r);
    case TF_STEP_SPLIT: break;
    }
    return tf_fail(TF_INTERNAL, "a step that does not rewrite");
}

void tf_steps_free(tf_text_steps *steps) {
    for (size_t i = 0; i < steps->count; i++) {
        free(steps->step[i].text);
        free(steps->step[i].match.string);
        tf_expression_free(steps->step[i].match.expression);
        tf_charsmap_free(steps->step[i].charsmap);
    }
    free(steps->step);
    *steps = (tf_text_steps){0};
}
