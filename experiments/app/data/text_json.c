#include "experiments/app/data/text_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/fields.h"

enum { MOST_KEYS = 1024 };

static tf_status take_string(const json_t *value, char **text, size_t *length) {
    *length = json_string_length(value);
    return text_duplicate(json_string_value(value), *length, text);
}

/* A label: a string, a number or a truth; or a list, as JSON. SQuAD's answers are an object with a list of "text". */
static tf_status take_label(const json_t *value, char **label) {
    char number[40];
    size_t length;
    if (json_is_object(value)) value = json_object_get(value, "text");
    if (json_is_array(value)) {
        *label = json_dumps(value, JSON_COMPACT);
        return *label ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    }
    if (json_is_string(value)) return take_string(value, label, &length);
    if (json_is_boolean(value))
        snprintf(number, sizeof number, "%d", json_is_true(value));
    else if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
    else
        return TF_OK;
    return text_duplicate(number, strlen(number), label);
}

/* Whether a key matters: it has a string, or another value where a text or a label is expected; null is nothing. */
static bool matters(const char *key, const json_t *value, const char *columns) {
    if (json_is_null(value)) return false;
    return json_is_string(value) || columns || field_is_known(key, false) || field_is_known(key, true);
}

/* A text that came as words: they are put together with spaces, and where each ends is kept. */
static tf_status take_words(const json_t *list, const char *place, text_item *item) {
    size_t room = 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *word = json_array_get(list, i);
        if (!json_is_string(word)) return tf_fail(TF_FORMAT, "%s: word %zu of the text is not a string", place, i + 1);
        room += json_string_length(word) + 1;
    }
    char *to = item->first = malloc(room);
    item->word_end = calloc(json_array_size(list) + 1, sizeof *item->word_end);
    if (!item->first || !item->word_end) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *word = json_array_get(list, i);
        if (i > 0) *to++ = ' ';
        memcpy(to, json_string_value(word), json_string_length(word));
        to += json_string_length(word);
        item->word_end[item->words++] = (size_t)(to - item->first);
    }
    *to = 0;
    item->first_length = (size_t)(to - item->first);
    return TF_OK;
}

/* The key of a text that is given as words: a list beside tags of words, or where there is no text as a whole. */
static const char *key_of_words(const json_t *object, const char *columns) {
    static const char *const keys[] = {"tokens", "words"};
    bool tagged = json_is_array(json_object_get(object, "ner_tags")) || json_is_array(json_object_get(object, "tags"));
    bool whole = json_object_get(object, "text") || json_object_get(object, "sentence");
    for (size_t i = 0; i < 2 && !columns && (tagged || !whole); i++)
        if (json_is_array(json_object_get(object, keys[i]))) return keys[i];
    return NULL;
}

/* With `words` that is the text, whatever else there is. */
static tf_status find_fields(const json_t *object, const char *columns, const char *place, const char *words,
                             const json_t *field[FIELD_ROLES]) {
    const char *name[MOST_KEYS];
    const json_t *of[MOST_KEYS];
    int found[FIELD_ROLES];
    field_names names = {.where = place, .what = "it has no key", .name = name};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        bool chosen = words && !strcmp(key, words);
        bool tags = json_is_array(value) && field_is_known(key, true);
        if (words ? !chosen && !tags : !matters(key, value, columns)) continue;
        if (names.count == MOST_KEYS) return tf_fail(TF_FORMAT, "%s: more than %d keys", place, MOST_KEYS);
        of[names.count] = value;
        name[names.count++] = chosen ? "text" : key;
    }
    TF_TRY(fields_find(columns, &names, found));
    for (int role = 0; role < FIELD_ROLES; role++) field[role] = found[role] < 0 ? NULL : of[found[role]];
    return TF_OK;
}

tf_status text_from_json(const json_t *value, const char *columns, const char *place, text_item *item) {
    const json_t *field[FIELD_ROLES] = {[FIELD_FIRST] = value};
    const char *words = json_is_object(value) ? key_of_words(value, columns) : NULL;
    if (json_is_object(value)) TF_TRY(find_fields(value, columns, place, words, field));
    if (field[FIELD_LABEL]) TF_TRY(take_label(field[FIELD_LABEL], &item->label));
    const json_t *first = field[FIELD_FIRST], *second = field[FIELD_SECOND];
    if (words || (json_is_array(first) && json_is_array(field[FIELD_LABEL]))) return take_words(first, place, item);
    if (json_is_array(first) && json_array_size(first) == 2 && !second) {
        second = json_array_get(first, 1);
        first = json_array_get(first, 0);
    }
    if (second && !json_is_string(second)) return tf_fail(TF_FORMAT, "%s: the second of a pair is not a string", place);
    if (!json_is_string(first))
        return tf_fail(TF_FORMAT, "%s: neither a string, nor a pair of strings, nor an object with such a text", place);
    TF_TRY(take_string(first, &item->first, &item->first_length));
    return second ? take_string(second, &item->second, &item->second_length) : TF_OK;
}
