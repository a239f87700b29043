#define _GNU_SOURCE /* memmem */
#include "models/chat/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"

/* ---- Memory ---- */

static tf_status no_memory(void) {
    return tf_fail(TF_NOMEM, "no memory to render a conversation");
}

tf_status tf_rendering_alloc(tf_rendering *r, size_t count, size_t size, void **memory) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > TF_CHAT_BYTES - r->bytes)
        return tf_fail(TF_INVALID, "the chat template makes texts of more than %d bytes", TF_CHAT_BYTES);
    void **more = tf_grow(r->block, &r->capacity, r->blocks + 1, sizeof *more);
    if (!more) return no_memory();
    r->block = more;
    *memory = calloc(bytes + 1, 1);
    if (!*memory) return no_memory();
    r->block[r->blocks++] = *memory;
    r->bytes += bytes;
    return TF_OK;
}

void tf_rendering_free(tf_rendering *r) {
    for (size_t i = 0; i < r->blocks; i++) free(r->block[i]);
    free(r->block);
    *r = (tf_rendering){0};
}

tf_status tf_rendering_step(tf_rendering *r, size_t work) {
    if (work > TF_CHAT_STEPS - r->steps)
        return tf_fail(TF_INVALID, "the chat template takes more than %d steps", TF_CHAT_STEPS);
    r->steps += work;
    return TF_OK;
}

/* ---- Values ---- */

tf_value tf_value_text(const char *text, size_t length) {
    return (tf_value){.kind = TF_VALUE_TEXT, .text = text, .count = length};
}

tf_value tf_value_integer(long long number) {
    return (tf_value){.kind = TF_VALUE_INTEGER, .number = number};
}

tf_value tf_value_boolean(bool truth) {
    return (tf_value){.kind = TF_VALUE_BOOLEAN, .number = truth};
}

tf_value tf_value_slice(const tf_value *text, size_t first, size_t count) {
    tf_value part = *text;
    part.text += first;
    if (part.literal) part.literal += first;
    part.count = count;
    return part;
}

bool tf_value_truth(const tf_value *value) {
    switch (value->kind) {
    case TF_VALUE_UNDEFINED:
    case TF_VALUE_NONE: return false;
    case TF_VALUE_BOOLEAN:
    case TF_VALUE_INTEGER: return value->number != 0;
    case TF_VALUE_TEXT:
    case TF_VALUE_LIST: return value->count > 0;
    case TF_VALUE_DICTIONARY:
    case TF_VALUE_FUNCTION: break;
    }
    return true;
}

const char *tf_value_name(const tf_value *value) {
    static const char *const name[] = {"undefined", "None",   "a boolean",    "a number",
                                       "a text",    "a list", "a dictionary", "a function"};
    return name[value->kind];
}

static bool is_number(const tf_value *value) {
    return value->kind == TF_VALUE_INTEGER || value->kind == TF_VALUE_BOOLEAN;
}

bool tf_value_equal(const tf_value *a, const tf_value *b) {
    if (is_number(a) && is_number(b)) return a->number == b->number;
    if (a->kind != b->kind) return false;
    if (a->kind == TF_VALUE_TEXT) return a->count == b->count && !memcmp(a->text, b->text, a->count);
    if (a->kind == TF_VALUE_LIST) {
        bool equal = a->count == b->count;
        for (size_t i = 0; equal && i < a->count; i++)
            equal = a->item[i].kind != TF_VALUE_LIST && tf_value_equal(&a->item[i], &b->item[i]);
        return equal;
    }
    return a->kind == TF_VALUE_DICTIONARY ? a->dictionary == b->dictionary : true;
}

tf_status tf_value_print(tf_rendering *r, const tf_value *value, tf_value *text) {
    void *digits;
    switch (value->kind) {
    case TF_VALUE_UNDEFINED: *text = tf_value_text("", 0); return TF_OK;
    case TF_VALUE_NONE: *text = tf_value_text("None", 4); return TF_OK;
    case TF_VALUE_BOOLEAN: *text = value->number ? tf_value_text("True", 4) : tf_value_text("False", 5); return TF_OK;
    case TF_VALUE_TEXT: *text = *value; return TF_OK;
    case TF_VALUE_INTEGER:
        TF_TRY(tf_rendering_alloc(r, 32, 1, &digits));
        *text = tf_value_text(digits, (size_t)snprintf(digits, 32, "%lld", value->number));
        return TF_OK;
    default: return tf_fail(TF_FORMAT, "%s cannot be written out", tf_value_name(value));
    }
}

tf_status tf_value_join(tf_rendering *r, const tf_value *a, const tf_value *b, tf_value *text) {
    void *bytes, *literal = NULL;
    size_t count = a->count + b->count;
    if (!a->count || !b->count) {
        *text = a->count ? *a : *b;
        return TF_OK;
    }
    TF_TRY(tf_rendering_alloc(r, count, 1, &bytes));
    memcpy(bytes, a->text, a->count);
    memcpy((char *)bytes + a->count, b->text, b->count);
    if (a->literal || b->literal) TF_TRY(tf_rendering_alloc(r, count, 1, &literal));
    if (a->literal) memcpy(literal, a->literal, a->count);
    if (b->literal) memcpy((char *)literal + a->count, b->literal, b->count);
    *text = tf_value_text(bytes, count); /* which may be one of the two */
    text->literal = literal;
    return TF_OK;
}

tf_status tf_value_contains(tf_rendering *r, const tf_value *value, const tf_value *needle, bool *found) {
    *found = false;
    if (value->kind == TF_VALUE_LIST) {
        for (size_t i = 0; i < value->count && !*found; i++) *found = tf_value_equal(&value->item[i], needle);
        return tf_rendering_step(r, value->count);
    }
    if (needle->kind == TF_VALUE_TEXT && value->kind == TF_VALUE_DICTIONARY) {
        *found = tf_dictionary_find(value->dictionary, needle->text, needle->count);
        return TF_OK;
    }
    if (needle->kind != TF_VALUE_TEXT || value->kind != TF_VALUE_TEXT)
        return tf_fail(TF_FORMAT, "\"in\" of %s and %s", tf_value_name(needle), tf_value_name(value));
    *found = !needle->count || memmem(value->text, value->count, needle->text, needle->count);
    return tf_rendering_step(r, value->count);
}

/* ---- Names ---- */

static bool has_name(const tf_entry *entry, const char *name, size_t length) {
    return entry->length == length && !memcmp(entry->key, name, length);
}

tf_entry *tf_dictionary_find(tf_dictionary *dictionary, const char *key, size_t length) {
    for (size_t i = 0; i < dictionary->count; i++)
        if (has_name(&dictionary->entry[i], key, length)) return &dictionary->entry[i];
    return NULL;
}

tf_status tf_dictionary_set(tf_dictionary *dictionary, const char *key, size_t length, tf_value value) {
    tf_entry *entry = tf_dictionary_find(dictionary, key, length);
    if (!entry && dictionary->count == TF_CHAT_KEYS)
        return tf_fail(TF_FORMAT, "a namespace of more than %d names", TF_CHAT_KEYS);
    if (!entry) entry = &dictionary->entry[dictionary->count++];
    *entry = (tf_entry){key, length, value};
    return TF_OK;
}

tf_status tf_dictionary_new(tf_rendering *r, tf_value *value) {
    void *dictionary;
    TF_TRY(tf_rendering_alloc(r, 1, sizeof(tf_dictionary), &dictionary));
    *value = (tf_value){.kind = TF_VALUE_DICTIONARY, .dictionary = dictionary};
    return TF_OK;
}

const tf_value *tf_variable_find(const tf_rendering *r, const char *name, size_t length) {
    for (size_t i = r->variables; i-- > 0;)
        if (has_name(&r->variable[i], name, length)) return &r->variable[i].value;
    return NULL;
}

tf_status tf_variable_set(tf_rendering *r, const char *name, size_t length, tf_value value) {
    size_t i = r->variables;
    while (i > r->frame && !has_name(&r->variable[i - 1], name, length)) i--;
    if (i > r->frame) {
        r->variable[i - 1].value = value;
        return TF_OK;
    }
    if (r->variables == TF_CHAT_VARIABLES) return tf_fail(TF_FORMAT, "more than %d variables", TF_CHAT_VARIABLES);
    r->variable[r->variables++] = (tf_entry){name, length, value};
    return TF_OK;
}
