#include "models/tokenize/unicode.h"

#include <utf8proc.h>

/* A set of categories as a mask, as utf8proc numbers them from 0 to 29. */
#define CATEGORY(name) (1u << UTF8PROC_CATEGORY_##name)

enum {
    LETTERS = CATEGORY(LU) | CATEGORY(LL) | CATEGORY(LT) | CATEGORY(LM) | CATEGORY(LO),
    PUNCTUATION =
        CATEGORY(PC) | CATEGORY(PD) | CATEGORY(PS) | CATEGORY(PE) | CATEGORY(PI) | CATEGORY(PF) | CATEGORY(PO),
    CONTROLS = CATEGORY(CC) | CATEGORY(CF) | CATEGORY(CO),
    WORD = LETTERS | CATEGORY(MN) | CATEGORY(MC) | CATEGORY(ME) | CATEGORY(ND) | CATEGORY(NL) | CATEGORY(PC),
    CASED = CATEGORY(LU) | CATEGORY(LL) | CATEGORY(LT),
    CASE_IGNORABLE = CATEGORY(MN) | CATEGORY(ME) | CATEGORY(CF) | CATEGORY(LM) | CATEGORY(SK)
};

static bool in(int32_t code, unsigned categories) {
    return categories >> utf8proc_category(code) & 1;
}

static bool between(int32_t code, int32_t first, int32_t last) {
    return code >= first && code <= last;
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
    return between(code, 0x09, 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           between(code, 0x2000, 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
           code == 0x3000;
}

bool tf_is_control(int32_t code) {
    return in(code, CONTROLS) && code != '\t' && code != '\n' && code != '\r';
}

bool tf_is_punctuation(int32_t code) {
    return in(code, PUNCTUATION) || between(code, '!', '/') || between(code, ':', '@') || between(code, '[', '`') ||
           between(code, '{', '~');
}

bool tf_is_mark(int32_t code) {
    return in(code, CATEGORY(MN));
}

bool tf_is_ideograph(int32_t code) {
    return between(code, 0x3400, 0x4DBF) || between(code, 0x4E00, 0x9FFF) || between(code, 0xF900, 0xFAFF);
}

/* Circled and squared letters: symbols, but alphabetic and cased. */
static bool is_letter_symbol(int32_t code) {
    return between(code, 0x24B6, 0x24E9) || between(code, 0x1F130, 0x1F149) || between(code, 0x1F150, 0x1F169) ||
           between(code, 0x1F170, 0x1F189);
}

bool tf_is_word(int32_t code) {
    return in(code, WORD) || is_letter_symbol(code) || code == 0x200C || code == 0x200D; /* and the joiners */
}

/* The property Case_Ignorable: what may stand between letters of one word. */
static bool is_case_ignorable(int32_t code) {
    switch (code) {
    case '\'':
    case '.':
    case ':':
    case 0xB7:
    case 0x387:
    case 0x55F:
    case 0x5F4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xFE13:
    case 0xFE52:
    case 0xFE55:
    case 0xFF07:
    case 0xFF0E:
    case 0xFF1A: return true;
    default: return in(code, CASE_IGNORABLE);
    }
}

/* The property Cased, of a character that is not case-ignorable. */
static bool is_cased(int32_t code) {
    return in(code, CASED) || is_letter_symbol(code) || code == 0xAA || code == 0xBA || between(code, 0x2160, 0x217F);
}

/* The condition Final_Sigma of the Unicode standard, section 3.13. */
static bool is_final(const int32_t *text, size_t count, size_t i) {
    size_t before = i, after = i + 1;
    while (before > 0 && is_case_ignorable(text[before - 1])) before--;
    while (after < count && is_case_ignorable(text[after])) after++;
    return before > 0 && is_cased(text[before - 1]) && !(after < count && is_cased(text[after]));
}

size_t tf_lowercase(const int32_t *text, size_t count, size_t i, int32_t out[2]) {
    out[0] = utf8proc_tolower(text[i]);
    if (text[i] == 0x3A3 && is_final(text, count, i)) out[0] = 0x3C2;
    if (text[i] != 0x130) return 1;
    out[0] = 'i'; /* the only letter with a longer small form: i and a dot above */
    out[1] = 0x307;
    return 2;
}

size_t tf_decompose(int32_t code, int32_t out[TF_MAX_DECOMPOSITION]) {
    utf8proc_ssize_t size = utf8proc_decompose_char(code, out, TF_MAX_DECOMPOSITION, UTF8PROC_DECOMPOSE, NULL);
    if (size > 0 && size <= TF_MAX_DECOMPOSITION) return (size_t)size;
    out[0] = code; /* not reached: the longest decomposition has four characters */
    return 1;
}

int tf_combining_class(int32_t code) {
    return utf8proc_get_property(code)->combining_class;
}
