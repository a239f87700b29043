#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/tokenize/expression.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/text.h"
#include "models/tokenize/unicode_tables.h"
#include "net/base/array.h"

enum { MATCH_LIMIT = 20000000, HEAP_LIMIT_KIB = 64 << 10, DEPTH_LIMIT = 100000, MAX_PATTERN = 1 << 16 };

struct tf_expression {
    pcre2_code *code;
    pcre2_match_context *limits;
    char *pattern; /* as it was given */
};

/* ---- From Oniguruma's syntax to PCRE2's ---- */

typedef struct translation {
    const char *from; /* what is left of the pattern */
    char *to;
    size_t length, capacity;
    bool in_class;
} translation;

static tf_status put(translation *t, const char *text, size_t length) {
    char *more = tf_grow(t->to, &t->capacity, t->length + length + 1, 1);
    if (!more) return tf_text_no_memory();
    t->to = more;
    memcpy(t->to + t->length, text, length);
    t->length += length;
    t->to[t->length] = '\0';
    return TF_OK;
}

static tf_status put_text(translation *t, const char *text) {
    return put(t, text, strlen(text));
}

static tf_status refuse(const char *what, size_t length) {
    return tf_fail(TF_FORMAT, "the expression has %.*s, whose meaning here is not known", (int)length, what);
}

/* White_Space, as \s means in Oniguruma; PCRE2 adds U+180E. */
#define SPACES "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

static tf_status put_range(translation *t, int32_t first, int32_t last) {
    char text[40];
    snprintf(text, sizeof text, "\\x{%x}-\\x{%x}", (unsigned)first, (unsigned)last);
    return put_text(t, text);
}

/* A general category or Han, with the characters that came to it after Unicode 14.0. */
static tf_status put_category(translation *t, const char *name, size_t length) {
    bool han = *name == 'H';
    TF_TRY(put_text(t, "\\p{"));
    if (han) TF_TRY(put_text(t, "sc:"));
    TF_TRY(put(t, name, length));
    TF_TRY(put_text(t, "}"));
    for (size_t i = 0; han && i < tf_newer_ideographs.count; i++)
        TF_TRY(put_range(t, tf_newer_ideographs.range[i].first, tf_newer_ideographs.range[i].last));
    for (size_t i = 0; !han && i < tf_newer_category_count; i++) {
        const tf_code_category *c = &tf_newer_categories[i];
        if (!strncmp(c->category, name, length)) TF_TRY(put_range(t, c->first, c->last));
    }
    return TF_OK;
}

/* \p{...} or \P{...}: a class of its own unless it stands in one. */
static tf_status put_property(translation *t) {
    static const char *const known[] = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd",
                                        "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm",
                                        "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Han"};
    const char *start = t->from, *name = start + 3, *close = start[2] == '{' ? strchr(name, '}') : NULL;
    size_t length = close ? (size_t)(close - name) : 0;
    bool negated = start[1] == 'P';
    if (!close || (negated && t->in_class)) return refuse(start, 2);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == length && !strncmp(known[i], name, length)) {
            t->from = close + 1;
            if (!t->in_class) TF_TRY(put_text(t, negated ? "[^" : "["));
            TF_TRY(put_category(t, name, length));
            return t->in_class ? TF_OK : put_text(t, "]");
        }
    return refuse(start, length > 40 ? 40 : length + 4);
}

static tf_status put_escape(translation *t) {
    char c = t->from[1];
    if (c == 'p' || c == 'P') return put_property(t);
    t->from += c ? 2 : 1;
    switch (c) {
    case 's': return put_text(t, t->in_class ? SPACES : "[" SPACES "]");
    case 'S': return t->in_class ? refuse("\\S in a class", 13) : put_text(t, "[^" SPACES "]");
    case 'd':
    case 'D':
        if (t->in_class) return c == 'd' ? put_category(t, "Nd", 2) : refuse("\\D in a class", 13);
        TF_TRY(put_text(t, c == 'd' ? "[" : "[^"));
        TF_TRY(put_category(t, "Nd", 2));
        return put_text(t, "]");
    case 'h': return put_text(t, t->in_class ? "0-9a-fA-F" : "[0-9a-fA-F]");
    case 'v': return put_text(t, "\\x0b");
    case 'r':
    case 'n':
    case 't':
    case 'f':
    case 'A':
    case 'z': return put(t, t->from - 2, 2);
    default:
        if ((unsigned char)c < 0x80 && c > ' ' &&
            !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", c))
            return put(t, t->from - 2, 2);
        return c ? refuse(t->from - 2, 2) : refuse("a \\ at its end", 14);
    }
}

static tf_status put_in_class(translation *t) {
    char c = *t->from;
    if (c == '[' || (c == '&' && t->from[1] == '&')) return refuse("a class within a class", 22);
    if (c == ']') t->in_class = false;
    return put(t, t->from++, 1);
}

/* A group: those that only bind, and looking ahead and behind. */
static tf_status put_group(translation *t) {
    static const char *const known[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    if (t->from[1] != '?') return put(t, t->from++, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(t->from, known[i], strlen(known[i]))) {
            t->from += strlen(known[i]);
            return put_text(t, known[i]);
        }
    return refuse(t->from, strnlen(t->from, 4));
}

static tf_status put_one(translation *t) {
    char c = *t->from;
    if (c == '\\') return put_escape(t);
    if (t->in_class) return put_in_class(t);
    switch (c) {
    case '(': return put_group(t);
    case '[':
        t->in_class = true;
        TF_TRY(put(t, t->from++, 1));
        if (*t->from == '^') TF_TRY(put(t, t->from++, 1));
        return *t->from == ']' ? refuse("a class that begins with ]", 26) : TF_OK;
    case '^': t->from++; return put_text(t, "(?:\\A|(?<=\\n)(?!\\z))"); /* of every line, in Ruby */
    case '$': t->from++; return put_text(t, "(?=\\n|\\z)");
    case '{':
        if (t->from[1] == ',') return refuse("{,", 2);
        break;
    case '}':
        if (t->from[1] == '+') return refuse("}+", 2);
        break;
    case '#':
    default: break;
    }
    return put(t, t->from++, 1);
}

static tf_status compile(const char *pattern, size_t length, tf_expression *e) {
    int error;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return tf_text_no_memory();
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    e->code = pcre2_compile((PCRE2_SPTR)pattern, length, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                            &offset, context);
    pcre2_compile_context_free(context);
    if (!e->code) {
        PCRE2_UCHAR text[120];
        pcre2_get_error_message(error, text, sizeof text);
        return tf_fail(TF_FORMAT, "the expression is not valid at byte %zu: %s", offset, text);
    }
    e->limits = pcre2_match_context_create(NULL);
    if (!e->limits) return tf_text_no_memory();
    pcre2_set_match_limit(e->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(e->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(e->limits, HEAP_LIMIT_KIB);
    return TF_OK;
}

tf_status tf_expression_compile(const char *pattern, tf_expression **expression) {
    *expression = NULL;
    if (strlen(pattern) > MAX_PATTERN) return tf_fail(TF_FORMAT, "the expression has more than %d bytes", MAX_PATTERN);
    translation t = {.from = pattern};
    tf_status status = put_text(&t, "");
    while (status == TF_OK && *t.from) status = put_one(&t);
    tf_expression *e = status == TF_OK ? calloc(1, sizeof *e) : NULL;
    if (status == TF_OK) status = e ? compile(t.to, t.length, e) : tf_text_no_memory();
    if (status == TF_OK && !(e->pattern = strdup(pattern))) status = tf_text_no_memory();
    free(t.to);
    if (status == TF_OK)
        *expression = e;
    else
        tf_expression_free(e);
    return status;
}

void tf_expression_free(tf_expression *expression) {
    if (!expression) return;
    pcre2_code_free(expression->code);
    pcre2_match_context_free(expression->limits);
    free(expression->pattern);
    free(expression);
}

const char *tf_expression_pattern(const tf_expression *expression) {
    return expression->pattern;
}

tf_status tf_expression_find(const tf_expression *e, const char *text, size_t length, size_t from, size_t *start,
                             size_t *end, bool *found) {
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data) return tf_text_no_memory();
    int code = pcre2_match(e->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK, data, e->limits);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
    *found = code >= 0;
    if (*found) *start = at[0], *end = at[1];
    pcre2_match_data_free(data);
    if (code >= 0 || code == PCRE2_ERROR_NOMATCH) return TF_OK;
    if (code == PCRE2_ERROR_NOMEMORY) return tf_text_no_memory();
    return tf_fail(TF_INVALID, "the tokenizer's expression takes too many steps on this text");
}
