#include "models/chat/evaluate.h"

#include <limits.h>
#include <string.h>

#include "models/chat/operate.h"

static const tf_value undefined = {.kind = TF_VALUE_UNDEFINED};

/* ---- Literals ---- */

/* A text with its escapes undone. */
static tf_status unescape(tf_reader *r, tf_value *value) {
    static const char from[] = "n\nt\tr\r\\\\'\'\"\"";
    const tf_word *word = &r->word;
    void *bytes;
    size_t count = 0;
    *value = tf_value_text(word->text, word->length);
    if (!memchr(word->text, '\\', word->length)) return TF_OK;
    TF_TRY(tf_rendering_alloc(r->rendering, word->length, 1, &bytes));
    for (size_t i = 0; i < word->length; i++) {
        char c = word->text[i];
        if (c == '\\') {
            const char *known = word->text[++i] ? strchr("ntr\\'\"", word->text[i]) : NULL;
            if (!known) return tf_fail(TF_FORMAT, "an escape in a text that is none of \\n \\t \\r \\\\ \\' \\\"");
            c = strchr(from, word->text[i])[1];
        }
        ((char *)bytes)[count++] = c;
    }
    *value = tf_value_text(bytes, count);
    return TF_OK;
}

/* 'a' 'b' is one text. */
static tf_status evaluate_text(tf_reader *r, tf_value *value) {
    *value = tf_value_text("", 0);
    while (r->word.kind == TF_WORD_TEXT) {
        tf_value part;
        TF_TRY(unescape(r, &part));
        TF_TRY(tf_value_join(r->rendering, value, &part, value));
        TF_TRY(tf_reader_next(r));
    }
    return TF_OK;
}

static tf_status evaluate_integer(tf_reader *r, tf_value *value) {
    long long number = 0;
    for (size_t i = 0; i < r->word.length; i++) {
        char c = r->word.text[i];
        number = 10 * number + (c - '0');
        if (c < '0' || c > '9' || number > INT_MAX) return tf_fail(TF_FORMAT, "a number that is not supported");
    }
    *value = tf_value_integer(number);
    return tf_reader_next(r);
}

static tf_status evaluate_list(tf_reader *r, tf_value *value) {
    void *items;
    size_t count = 0;
    TF_TRY(tf_reader_next(r));
    TF_TRY(tf_rendering_alloc(r->rendering, TF_CHAT_ARGUMENTS, sizeof(tf_value), &items));
    while (!tf_reader_sees(r, "]")) {
        if (count == TF_CHAT_ARGUMENTS) return tf_fail(TF_FORMAT, "a list of more than %d", TF_CHAT_ARGUMENTS);
        TF_TRY(tf_evaluate(r, true, &((tf_value *)items)[count++]));
        if (!tf_reader_sees(r, "]")) TF_TRY(tf_reader_expect(r, ","));
    }
    *value = (tf_value){.kind = TF_VALUE_LIST, .item = items, .count = count};
    return tf_reader_next(r);
}

/* ---- What follows a value ---- */

static tf_status read_arguments(tf_reader *r, tf_arguments *arguments) {
    *arguments = (tf_arguments){.count = 0};
    TF_TRY(tf_reader_expect(r, "("));
    while (!tf_reader_sees(r, ")")) {
        if (arguments->count == TF_CHAT_ARGUMENTS)
            return tf_fail(TF_FORMAT, "more than %d arguments", TF_CHAT_ARGUMENTS);
        tf_entry *entry = &arguments->entry[arguments->count++];
        tf_reader before = *r;
        if (r->word.kind == TF_WORD_NAME) TF_TRY(tf_reader_next(r));
        if (before.word.kind == TF_WORD_NAME && tf_reader_sees(r, "=")) {
            *entry = (tf_entry){.key = before.word.text, .length = before.word.length};
            TF_TRY(tf_reader_next(r));
        } else {
            *r = before;
        }
        TF_TRY(tf_evaluate(r, true, &entry->value));
        if (!tf_reader_sees(r, ")")) TF_TRY(tf_reader_expect(r, ","));
    }
    return tf_reader_next(r);
}

static tf_status evaluate_dot(tf_reader *r, tf_value *value) {
    tf_word name;
    tf_arguments arguments;
    TF_TRY(tf_reader_next(r));
    TF_TRY(tf_reader_name(r, &name));
    if (tf_reader_sees(r, "(")) {
        TF_TRY(read_arguments(r, &arguments));
        return r->live ? tf_value_method(r->rendering, name.text, name.length, &arguments, value) : TF_OK;
    }
    tf_value from = *value;
    return r->live ? tf_value_member(&from, name.text, name.length, value) : TF_OK;
}

static tf_status evaluate_subscript(tf_reader *r, tf_value *value) {
    tf_value part[3] = {undefined, undefined, undefined}, from = *value;
    int parts = 0;
    TF_TRY(tf_reader_next(r));
    while (true) {
        if (!tf_reader_sees(r, ":") && !tf_reader_sees(r, "]")) TF_TRY(tf_evaluate(r, true, &part[parts]));
        if (!tf_reader_sees(r, ":") || parts == 2) break;
        parts++;
        TF_TRY(tf_reader_next(r));
    }
    TF_TRY(tf_reader_expect(r, "]"));
    if (!r->live) return TF_OK;
    return parts ? tf_value_slices(r->rendering, part, value) : tf_value_at(&from, &part[0], value);
}

static tf_status evaluate_filter(tf_reader *r, tf_value *value) {
    tf_word name;
    tf_arguments arguments = {.count = 0};
    TF_TRY(tf_reader_next(r));
    TF_TRY(tf_reader_name(r, &name));
    if (tf_reader_sees(r, "(")) TF_TRY(read_arguments(r, &arguments));
    return r->live ? tf_value_filter(r->rendering, name.text, name.length, &arguments, value) : TF_OK;
}

static tf_status evaluate_test(tf_reader *r, tf_value *value) {
    tf_word name;
    bool holds = false;
    TF_TRY(tf_reader_next(r));
    bool inverted = tf_reader_sees(r, "not");
    if (inverted) TF_TRY(tf_reader_next(r));
    TF_TRY(tf_reader_name(r, &name));
    if (r->live) TF_TRY(tf_value_test(name.text, name.length, value, &holds));
    *value = tf_value_boolean(holds != inverted);
    return TF_OK;
}

static tf_status evaluate_postfix(tf_reader *r, tf_value *value) {
    tf_arguments arguments;
    while (true) {
        if (tf_reader_sees(r, ".")) {
            TF_TRY(evaluate_dot(r, value));
        } else if (tf_reader_sees(r, "[")) {
            TF_TRY(evaluate_subscript(r, value));
        } else if (tf_reader_sees(r, "(")) {
            TF_TRY(read_arguments(r, &arguments));
            if (r->live) TF_TRY(tf_value_call(r->rendering, &arguments, value));
        } else if (tf_reader_sees(r, "|")) {
            TF_TRY(evaluate_filter(r, value));
        } else if (tf_reader_sees(r, "is")) {
            TF_TRY(evaluate_test(r, value));
        } else {
            return TF_OK;
        }
    }
}

/* ---- From the closest binding to the loosest ---- */

static tf_value named_value(const tf_reader *r) {
    static const char *const functions[] = {"namespace", "raise_exception", "strftime_now"};
    const tf_value *variable = tf_variable_find(r->rendering, r->word.text, r->word.length);
    if (tf_reader_sees(r, "true") || tf_reader_sees(r, "True")) return tf_value_boolean(true);
    if (tf_reader_sees(r, "false") || tf_reader_sees(r, "False")) return tf_value_boolean(false);
    if (tf_reader_sees(r, "none") || tf_reader_sees(r, "None")) return (tf_value){.kind = TF_VALUE_NONE};
    for (size_t i = 0; !variable && i < sizeof functions / sizeof *functions; i++)
        if (tf_reader_sees(r, functions[i]))
            return (tf_value){.kind = TF_VALUE_FUNCTION, .text = functions[i], .count = strlen(functions[i])};
    return variable ? *variable : undefined;
}

static tf_status evaluate_primary(tf_reader *r, tf_value *value) {
    if (r->word.kind == TF_WORD_TEXT) return evaluate_text(r, value);
    if (r->word.kind == TF_WORD_INTEGER) return evaluate_integer(r, value);
    if (tf_reader_sees(r, "[")) return evaluate_list(r, value);
    if (tf_reader_sees(r, "(")) {
        TF_TRY(tf_reader_next(r));
        TF_TRY(tf_evaluate(r, true, value));
        return tf_reader_expect(r, ")");
    }
    *value = named_value(r);
    return tf_reader_name(r, &(tf_word){.kind = TF_WORD_END});
}

static tf_status evaluate_unary(tf_reader *r, tf_value *value) {
    bool negative = tf_reader_sees(r, "-");
    if (negative) TF_TRY(tf_reader_next(r));
    TF_TRY(evaluate_primary(r, value));
    if (negative && r->live && value->kind != TF_VALUE_INTEGER)
        return tf_fail(TF_FORMAT, "minus before %s", tf_value_name(value));
    if (negative) value->number = -value->number;
    return evaluate_postfix(r, value);
}

static tf_status evaluate_product(tf_reader *r, tf_value *value) {
    TF_TRY(evaluate_unary(r, value));
    while (tf_reader_sees(r, "%") || tf_reader_sees(r, "*")) {
        char sign = *r->word.text;
        tf_value other;
        TF_TRY(tf_reader_next(r));
        TF_TRY(evaluate_unary(r, &other));
        if (r->live) TF_TRY(tf_value_combine(r->rendering, sign, &other, value));
    }
    return TF_OK;
}

static tf_status evaluate_concat(tf_reader *r, tf_value *value) {
    TF_TRY(evaluate_product(r, value));
    while (tf_reader_sees(r, "~")) {
        tf_value other;
        TF_TRY(tf_reader_next(r));
        TF_TRY(evaluate_product(r, &other));
        if (!r->live) continue;
        TF_TRY(tf_value_print(r->rendering, value, value));
        TF_TRY(tf_value_print(r->rendering, &other, &other));
        TF_TRY(tf_value_join(r->rendering, value, &other, value));
    }
    return TF_OK;
}

static tf_status evaluate_sum(tf_reader *r, tf_value *value) {
    TF_TRY(evaluate_concat(r, value));
    while (tf_reader_sees(r, "+") || tf_reader_sees(r, "-")) {
        char sign = *r->word.text;
        tf_value other;
        TF_TRY(tf_reader_next(r));
        TF_TRY(evaluate_concat(r, &other));
        if (r->live) TF_TRY(tf_value_combine(r->rendering, sign, &other, value));
    }
    return TF_OK;
}

/* "not in" where it comes next. */
static tf_status see_not_in(tf_reader *r, bool *seen) {
    tf_reader before = *r;
    *seen = false;
    if (!tf_reader_sees(r, "not")) return TF_OK;
    TF_TRY(tf_reader_next(r));
    *seen = tf_reader_sees(r, "in");
    if (!*seen) *r = before;
    return TF_OK;
}

/* a < b == c is a < b and b == c. */
static tf_status evaluate_comparison(tf_reader *r, tf_value *value) {
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">"};
    bool all = true, compared = false;
    tf_value left, right;
    TF_TRY(evaluate_sum(r, &left));
    while (true) {
        const char *sign = NULL;
        bool inverted, holds = false;
        for (size_t i = 0; i < sizeof signs / sizeof *signs && !sign; i++)
            if (tf_reader_sees(r, signs[i])) sign = signs[i];
        TF_TRY(see_not_in(r, &inverted));
        if (!sign && !tf_reader_sees(r, "in")) break;
        TF_TRY(tf_reader_next(r));
        TF_TRY(evaluate_sum(r, &right));
        if (r->live)
            TF_TRY(sign ? tf_value_compare(&left, sign, &right, &holds)
                        : tf_value_contains(r->rendering, &right, &left, &holds));
        all = all && holds != inverted;
        compared = true;
        left = right;
    }
    *value = compared ? tf_value_boolean(all) : left;
    return TF_OK;
}

static tf_status evaluate_not(tf_reader *r, tf_value *value) {
    bool any = false, inverted = false;
    for (; tf_reader_sees(r, "not"); inverted = !inverted) {
        any = true;
        TF_TRY(tf_reader_next(r));
    }
    TF_TRY(evaluate_comparison(r, value));
    if (any) *value = tf_value_boolean(tf_value_truth(value) != inverted);
    return TF_OK;
}

/* What the first value decides is not evaluated further. */
static tf_status evaluate_and(tf_reader *r, tf_value *value) {
    bool live = r->live;
    TF_TRY(evaluate_not(r, value));
    while (tf_reader_sees(r, "and")) {
        tf_value other;
        TF_TRY(tf_reader_next(r));
        r->live = live && tf_value_truth(value);
        TF_TRY(evaluate_not(r, &other));
        if (r->live) *value = other;
        r->live = live;
    }
    return TF_OK;
}

static tf_status evaluate_or(tf_reader *r, tf_value *value) {
    bool live = r->live;
    TF_TRY(evaluate_and(r, value));
    while (tf_reader_sees(r, "or")) {
        tf_value other;
        TF_TRY(tf_reader_next(r));
        r->live = live && !tf_value_truth(value);
        TF_TRY(evaluate_and(r, &other));
        if (r->live) *value = other;
        r->live = live;
    }
    return TF_OK;
}

/* Whether an "if" belongs to the expression that comes: outside of all parentheses, before it ends. */
static tf_status find_condition(tf_reader ahead, bool *found) {
    int open = 0;
    *found = false;
    while (ahead.word.kind != TF_WORD_END && open >= 0 && !*found) {
        if (tf_reader_sees(&ahead, "(") || tf_reader_sees(&ahead, "[")) open++;
        if (tf_reader_sees(&ahead, ")") || tf_reader_sees(&ahead, "]")) open--;
        if (!open && (tf_reader_sees(&ahead, ",") || tf_reader_sees(&ahead, ":") || tf_reader_sees(&ahead, "else")))
            return TF_OK;
        *found = !open && tf_reader_sees(&ahead, "if");
        TF_TRY(tf_reader_next(&ahead));
    }
    return TF_OK;
}

/* a if b else c: b is known only after a was read. */
static tf_status evaluate_condition(tf_reader *r, tf_value *value) {
    bool found, live = r->live;
    tf_reader first = *r, after;
    tf_value condition, other = undefined;
    TF_TRY(find_condition(*r, &found));
    if (!found) return evaluate_or(r, value);
    r->live = false;
    TF_TRY(evaluate_or(r, value));
    r->live = live;
    TF_TRY(tf_reader_expect(r, "if"));
    TF_TRY(evaluate_or(r, &condition));
    bool holds = live && tf_value_truth(&condition);
    r->live = live && !holds;
    if (tf_reader_sees(r, "else")) {
        TF_TRY(tf_reader_next(r));
        TF_TRY(tf_evaluate(r, true, &other));
    }
    r->live = live;
    after = *r;
    *r = first;
    if (holds) TF_TRY(evaluate_or(r, value));
    *r = after;
    if (!holds) *value = other;
    return TF_OK;
}

tf_status tf_evaluate(tf_reader *r, bool conditional, tf_value *value) {
    if (r->depth == TF_CHAT_DEPTH) return tf_fail(TF_FORMAT, "more than %d parentheses in each other", TF_CHAT_DEPTH);
    r->depth++;
    TF_TRY(conditional ? evaluate_condition(r, value) : evaluate_or(r, value));
    r->depth--;
    return TF_OK;
}
