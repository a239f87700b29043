#include "models/unicode.h"

#include <utf8proc.h>

#include "models/unicode_tables.h"

#define CONTAINS(table, code) contains(table, sizeof table / sizeof *table, code)

static bool contains(const struct range *table, size_t ranges, int32_t code) {
    size_t low = 0, high = ranges; /* the range, if any, is in [low, high) */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code < table[middle].first)
            high = middle;
        else if (code > table[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

size_t tf_utf8_read(const char *text, size_t length, int32_t *code) {
    /* At most four bytes are looked at, and a length must not become negative. */
    return (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text, length < 4 ? (utf8proc_ssize_t)length : 4, code);
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
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
           code == 0x3000;
}

bool tf_is_control(int32_t code) {
    return CONTAINS(controls, code);
}

bool tf_is_punctuation(int32_t code) {
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') ||
               (code >= '{' && code <= '~');
    return CONTAINS(punctuation, code);
}

bool tf_is_mark(int32_t code) {
    return CONTAINS(marks, code);
}

bool tf_is_ideograph(int32_t code) {
    return (code >= 0x3400 && code <= 0x4DBF) || (code >= 0x4E00 && code <= 0x9FFF) ||
           (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x20000 && code <= 0x2A6DF) ||
           (code >= 0x2A700 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
           (code >= 0x2F800 && code <= 0x2FA1F);
}

bool tf_is_word(int32_t code) {
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: /* the joiners, and the circled and squared letters, which are symbols and alphabetic */
        return code == 0x200C || code == 0x200D || (code >= 0x24B6 && code <= 0x24E9) ||
               (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
               (code >= 0x1F170 && code <= 0x1F189);
    }
}

size_t tf_lowercase(int32_t code, int32_t out[2]) {
    out[0] = utf8proc_tolower(code);
    if (code == 0x130) { /* the only letter with a longer small form: i and a dot above */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < sizeof late_capitals / sizeof *late_capitals; i++) {
        const struct case_range *r = &late_capitals[i];
        if (code >= r->first && code <= r->last && (code - r->first) % r->step == 0) out[0] = code + r->distance;
    }
    return 1;
}

size_t tf_decompose(int32_t code, int32_t out[TF_MAX_DECOMPOSITION]) {
    out[0] = code;
    if (code < 0xC0 || CONTAINS(undecomposed, code)) return 1;
    utf8proc_ssize_t size = utf8proc_decompose_char(code, out, TF_MAX_DECOMPOSITION, UTF8PROC_DECOMPOSE, NULL);
    if (size > 0 && size <= TF_MAX_DECOMPOSITION) return (size_t)size;
    out[0] = code; /* not reached: the longest decomposition has four characters */
    return 1;
}

int tf_combining_class(int32_t code) {
    if (code < 0x300 || CONTAINS(undecomposed, code)) return 0;
    return utf8proc_get_property(code)->combining_class;
}
