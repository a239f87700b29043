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

/* A label: a string, a number or a truth. */
static tf_status take_label(const json_t *value, char **label) {
    char number[40];
    size_t length;
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

static tf_status find_fields(const json_t *object, const char *columns, const char *place,
                             const json_t *field[FIELD_ROLES]) {
    const char *name[MOST_KEYS];
    int found[FIELD_ROLES];
    field_names names = {.where = place, .what = "it has no key", .name = name};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        if (!matters(key, value, columns)) continue;
        if (names.count == MOST_KEYS) return tf_fail(TF_FORMAT, "%s: more than %d keys", place, MOST_KEYS);
        name[names.count++] = key;
    }
    TF_TRY(fields_find(columns, &names, found));
    for (int role = 0; role < FIELD_ROLES; role++)
        field[role] = found[role] < 0 ? NULL : json_object_get(object, name[found[role]]);
    return TF_OK;
}

tf_status text_from_json(const json_t *value, const char *columns, const char *place, text_item *item) {
    const json_t *field[FIELD_ROLES] = {[FIELD_FIRST] = value};
    if (json_is_object(value)) TF_TRY(find_fields(value, columns, place, field));
    const json_t *first = field[FIELD_FIRST], *second = field[FIELD_SECOND];
    if (json_is_array(first) && json_array_size(first) == 2 && !second) {
        second = json_array_get(first, 1);
        first = json_array_get(first, 0);
    }
    if (second && !json_is_string(second)) return tf_fail(TF_FORMAT, "%s: the second of a pair is not a string", place);
    if (!json_is_string(first))
        return tf_fail(TF_FORMAT, "%s: neither a string, nor a pair of strings, nor an object with such a text", place);
    TF_TRY(take_string(first, &item->first, &item->first_length));
    if (second) TF_TRY(take_string(second, &item->second, &item->second_length));
    return field[FIELD_LABEL] ? take_label(field[FIELD_LABEL], &item->label) : TF_OK;
}
