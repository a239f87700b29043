#define _GNU_SOURCE /* memmem */
#include "models/chat/methods.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "models/tokenize/unicode.h"
#include "net/base/file.h"

static bool named(const char *name, size_t length, const char *wanted) {
    return strlen(wanted) == length && !memcmp(name, wanted, length);
}

/* ---- The ends of texts ---- */

/* What Python's str.strip() takes for white space. */
static bool is_space(int32_t code) {
    return tf_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

/* Whether a character is one of those to strip; white space when there is no text of them. */
static bool strips(int32_t code, const tf_value *set) {
    if (!set) return is_space(code);
    for (size_t i = 0; i < set->count;) {
        int32_t one;
        i += tf_utf8_read(set->text + i, set->count - i, &one);
        if (one == code) return true;
    }
    return false;
}

static tf_status strip(tf_rendering *r, bool left, bool right, const tf_value *set, tf_value *text) {
    size_t start = 0, end = text->count;
    int32_t code;
    TF_TRY(tf_rendering_step(r, text->count));
    while (left && start < end) {
        size_t size = tf_utf8_read(text->text + start, end - start, &code);
        if (!strips(code, set)) break;
        start += size;
    }
    while (right && end > start) {
        size_t before = tf_utf8_before(text->text, end, &code);
        if (!strips(code, set)) break;
        end = before;
    }
    *text = tf_value_slice(text, start, end - start);
    return TF_OK;
}

/* ---- Filters ---- */

tf_status tf_value_filter(tf_rendering *r, const char *name, size_t length, const tf_arguments *arguments,
                          tf_value *value) {
    if (named(name, length, "trim") && !arguments->count) {
        TF_TRY(tf_value_print(r, value, value));
        return strip(r, true, true, NULL, value);
    }
    if ((named(name, length, "length") || named(name, length, "count")) && !arguments->count) {
        size_t count = value->count;
        if (value->kind == TF_VALUE_TEXT)
            for (size_t i = 0; i < value->count; i++) count -= ((unsigned char)value->text[i] & 0xC0) == 0x80;
        else if (value->kind != TF_VALUE_LIST)
            return tf_fail(TF_FORMAT, "the length of %s", tf_value_name(value));
        *value = tf_value_integer((long long)count);
        return TF_OK;
    }
    if (named(name, length, "string") && !arguments->count) return tf_value_print(r, value, value);
    if (named(name, length, "default") && arguments->count == 1 && !arguments->entry[0].key) {
        if (value->kind == TF_VALUE_UNDEFINED) *value = arguments->entry[0].value;
        return TF_OK;
    }
    return tf_fail(TF_FORMAT, "the filter %.*s with %zu arguments is not supported", (int)length, name,
                   arguments->count);
}

/* ---- Tests ---- */

tf_status tf_value_test(const char *name, size_t length, const tf_value *value, bool *holds) {
    static const struct {
        const char *name;
        unsigned kinds;
    } known[] = {
        {"defined", ~(1u << TF_VALUE_UNDEFINED)},
        {"undefined", 1u << TF_VALUE_UNDEFINED},
        {"none", 1u << TF_VALUE_NONE},
        {"string", 1u << TF_VALUE_TEXT},
        {"boolean", 1u << TF_VALUE_BOOLEAN},
        {"mapping", 1u << TF_VALUE_DICTIONARY},
        {"iterable", 1u << TF_VALUE_TEXT | 1u << TF_VALUE_LIST | 1u << TF_VALUE_DICTIONARY | 1u << TF_VALUE_UNDEFINED}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (named(name, length, known[i].name)) {
            *holds = known[i].kinds >> value->kind & 1;
            return TF_OK;
        }
    bool wanted = named(name, length, "true");
    if (!wanted && !named(name, length, "false"))
        return tf_fail(TF_FORMAT, "the test \"is %.*s\" is not supported", (int)length, name);
    *holds = value->kind == TF_VALUE_BOOLEAN && value->number == wanted;
    return TF_OK;
}

/* ---- Methods ---- */

static tf_status split(tf_rendering *r, const tf_value *separator, tf_value *value) {
    size_t count = 1, at = 0;
    const char *text = value->text, *end = text + value->count, *next;
    void *items;
    if (!separator->count) return tf_fail(TF_FORMAT, "split with an empty text");
    TF_TRY(tf_rendering_step(r, value->count));
    for (const char *c = text; (c = memmem(c, (size_t)(end - c), separator->text, separator->count));
         c += separator->count)
        count++;
    TF_TRY(tf_rendering_alloc(r, count, sizeof(tf_value), &items));
    for (tf_value *item = items;; item++) {
        next = memmem(text + at, value->count - at, separator->text, separator->count);
        *item = tf_value_slice(value, at, (next ? (size_t)(next - text) : value->count) - at);
        if (!next) break;
        at = (size_t)(next - text) + separator->count;
    }
    *value = (tf_value){.kind = TF_VALUE_LIST, .item = items, .count = count};
    return TF_OK;
}

tf_status tf_value_method(tf_rendering *r, const char *name, size_t length, const tf_arguments *arguments,
                          tf_value *value) {
    const tf_value *first = arguments->count ? &arguments->entry[0].value : NULL;
    bool known = value->kind == TF_VALUE_TEXT && arguments->count <= 1 &&
                 (!first || (first->kind == TF_VALUE_TEXT && !arguments->entry[0].key));
    if (known && named(name, length, "strip")) return strip(r, true, true, first, value);
    if (known && named(name, length, "lstrip")) return strip(r, true, false, first, value);
    if (known && named(name, length, "rstrip")) return strip(r, false, true, first, value);
    if (known && first && named(name, length, "split")) return split(r, first, value);
    if (known && first && (named(name, length, "startswith") || named(name, length, "endswith"))) {
        bool fits = first->count <= value->count;
        size_t from = fits && *name == 'e' ? value->count - first->count : 0;
        *value = tf_value_boolean(fits && !memcmp(value->text + from, first->text, first->count));
        return TF_OK;
    }
    if (value->kind == TF_VALUE_UNDEFINED)
        return tf_fail(TF_FORMAT, "method %.*s of what is not defined", (int)length, name);
    return tf_fail(TF_FORMAT, "method %.*s of %s with %zu arguments is not supported", (int)length, name,
                   tf_value_name(value), arguments->count);
}

/* ---- Functions ---- */

static tf_status raise(const tf_arguments *arguments) {
    char text[400];
    const tf_value *message = &arguments->entry[0].value;
    if (arguments->count != 1 || message->kind != TF_VALUE_TEXT)
        return tf_fail(TF_FORMAT, "raise_exception without a message");
    snprintf(text, sizeof text, "%.*s", (int)(message->count < 300 ? message->count : 300), message->text);
    return tf_fail(TF_INVALID, "it refuses the conversation: %s", tf_printable(text) ? text : "without a reason");
}

static tf_status make_namespace(tf_rendering *r, const tf_arguments *arguments, tf_value *value) {
    TF_TRY(tf_dictionary_new(r, value));
    for (size_t i = 0; i < arguments->count; i++) {
        const tf_entry *entry = &arguments->entry[i];
        if (!entry->key) return tf_fail(TF_FORMAT, "a namespace of something without a name");
        TF_TRY(tf_dictionary_set(value->dictionary, entry->key, entry->length, entry->value));
    }
    return TF_OK;
}

/* Today's date, as Hugging Face gives it to templates. */
static tf_status date(tf_rendering *r, const tf_arguments *arguments, tf_value *value) {
    char format[64] = "";
    void *text;
    struct tm now;
    time_t seconds = time(NULL);
    const tf_value *first = &arguments->entry[0].value;
    if (arguments->count != 1 || first->kind != TF_VALUE_TEXT || first->count >= sizeof format)
        return tf_fail(TF_FORMAT, "strftime_now without a short format");
    memcpy(format, first->text, first->count);
    TF_TRY(tf_rendering_alloc(r, 256, 1, &text));
    size_t length = localtime_r(&seconds, &now) ? strftime(text, 256, format, &now) : 0;
    *value = tf_value_text(text, length);
    return TF_OK;
}

tf_status tf_value_call(tf_rendering *r, const tf_arguments *arguments, tf_value *value) {
    if (value->kind != TF_VALUE_FUNCTION) return tf_fail(TF_FORMAT, "%s is called", tf_value_name(value));
    if (named(value->text, value->count, "raise_exception")) return raise(arguments);
    if (named(value->text, value->count, "strftime_now")) return date(r, arguments, value);
    return make_namespace(r, arguments, value);
}
