#include "models/tokenize/unicode.h"

#include <utf8proc.h>

#include "models/tokenize/unicode_tables.h"

static bool between(int32_t code, int32_t first, int32_t last) {
    return code >= first && code <= last;
}

size_t tf_utf8_read(const char *text, size_t length, int32_t *code) {
    /* At most four bytes are looked at, and a length must not become negative. */
    return (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text, length < 4 ? (utf8proc_ssize_t)length : 4, code);
}

size_t tf_utf8_before(const char *text, size_t end, int32_t *code) {
    size_t start = end - 1;
    while (start && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    tf_utf8_read(text + start, end - start, code);
    return start;
}

size_t tf_utf8_write(int32_t code, char *text) {
    return (size_t)utf8proc_encode_char(code, (utf8proc_uint8_t *)text);
}

bool tf_utf8_valid(const char *text, size_t length, size_t *offset) {
    for (*offset = 0; *offset < length;) {
        int32_t code;
        size_t rest = length - *offset;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text + *offset, rest < 4 ? (utf8proc_ssize_t)rest : 4, &code);
        if (size <= 0) return false;
        *offset += (size_t)size;
    }
    return true;
}

bool tf_is_space(int32_t code) {
    return between(code, 0x09, 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           between(code, 0x2000, 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
           code == 0x3000;
}

static bool in(int32_t code, const tf_code_table *table) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t half = low + (high - low) / 2;
        if (table->range[half].last < code)
            low = half + 1;
        else
            high = half;
    }
    return low < table->count && table->range[low].first <= code;
}

bool tf_is_dropped(int32_t code) {
    return code == 0xFFFD || (in(code, &tf_others_8) && code != '\t' && code != '\n' && code != '\r');
}

bool tf_is_punctuation(int32_t code) {
    return between(code, '!', '/') || between(code, ':', '@') || between(code, '[', '`') || between(code, '{', '~') ||
           (code > '~' && in(code, &tf_punctuation_8));
}

bool tf_is_mark(int32_t code) {
    return code >= 0x300 && in(code, &tf_marks_8);
}

bool tf_is_combining(int32_t code) {
    return code >= 0x300 && in(code, &tf_combining_9);
}

bool tf_is_number(int32_t code) {
    return in(code, &tf_numbers_17);
}

bool tf_is_word(int32_t code) {
    return in(code, &tf_words_16);
}

/* normalizers/bert.rs of the tokenizers library, which writes 2B920 where the block starts at 2B820. */
bool tf_is_ideograph(int32_t code) {
    return between(code, 0x3400, 0x4DBF) || between(code, 0x4E00, 0x9FFF) || between(code, 0xF900, 0xFAFF) ||
           between(code, 0x20000, 0x2A6DF) || between(code, 0x2A700, 0x2B73F) || between(code, 0x2B740, 0x2B81F) ||
           between(code, 0x2B920, 0x2CEAF) || between(code, 0x2F800, 0x2FA1F);
}

size_t tf_lowercase(int32_t code, int32_t out[2]) {
    out[0] = code == 0x130 ? 'i' : utf8proc_tolower(code);
    for (size_t i = 0; code >= 0x1000 && i < tf_newer_lowercases; i++)
        if (between(code, tf_newer_lowercase[i].first, tf_newer_lowercase[i].last))
            out[0] = code + tf_newer_lowercase[i].shift;
    out[1] = 0x307; /* the only letter with a longer small form: i and a dot above */
    return code == 0x130 ? 2 : 1;
}

size_t tf_decompose(int32_t code, bool compatible, int32_t out[TF_MAX_DECOMPOSITION]) {
    if (code < 0xA0 || in(code, &tf_undecomposed_9)) {
        out[0] = code;
        return 1;
    }
    int how = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t size = utf8proc_decompose_char(code, out, TF_MAX_DECOMPOSITION, how, NULL);
    if (size > 0 && size <= TF_MAX_DECOMPOSITION) return (size_t)size;
    out[0] = code; /* not reached: the longest decomposition has 18 characters */
    return 1;
}

int32_t tf_compose(int32_t starter, int32_t code) {
    utf8proc_int32_t pair[2] = {starter, code};
    bool joined = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1;
    return joined && !in(pair[0], &tf_undecomposed_9) ? pair[0] : -1;
}

int tf_combining_class(int32_t code) {
    return tf_is_combining(code) ? utf8proc_get_property(code)->combining_class : 0;
}
