#include "models/config_read.h"

#include <stdio.h>
#include <string.h>

#include "net/base/file.h"

const json_t *tf_config_lookup(const tf_config_source *from, const char *key) {
    const json_t *value = json_object_get(from->json, key);
    return json_is_null(value) ? NULL : value; /* a null key counts as missing, as in Hugging Face's own reader */
}

tf_status tf_config_size(const tf_config_source *from, const char *key, size_t least, size_t most, size_t *out) {
    const json_t *value = tf_config_lookup(from, key);
    if (!value) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not an integer", from->path, key);
    if (number < (json_int_t)least || number > (json_int_t)most)
        return tf_fail(TF_FORMAT, "%s: \"%s\" is %lld, outside %zu..%zu", from->path, key, (long long)number, least,
                       most);
    *out = (size_t)number;
    return TF_OK;
}

tf_status tf_config_optional_size(const tf_config_source *from, const char *key, size_t least, size_t most,
                                  size_t *out) {
    return tf_config_lookup(from, key) ? tf_config_size(from, key, least, most, out) : TF_OK;
}

tf_status tf_config_optional_real(const tf_config_source *from, const char *key, double most, double *out) {
    const json_t *value = tf_config_lookup(from, key);
    if (!value) return TF_OK;
    if (!json_is_number(value)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a number", from->path, key);
    double number = json_number_value(value);
    if (!(number > 0 && number <= most))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is %g, outside 0..%g", from->path, key, number, most);
    *out = number;
    return TF_OK;
}

tf_status tf_config_optional_flag(const tf_config_source *from, const char *key, bool *out) {
    const json_t *value = tf_config_lookup(from, key);
    if (value && !json_is_boolean(value))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is neither true nor false", from->path, key);
    if (value) *out = json_is_true(value);
    return TF_OK;
}

tf_status tf_config_text(const tf_config_source *from, const char *key, const char *fallback, const char **out) {
    const json_t *value = tf_config_lookup(from, key);
    *out = value ? json_string_value(value) : fallback;
    if (!value && !fallback) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    if (!*out) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a string", from->path, key);
    if (!tf_printable(*out)) return tf_fail(TF_FORMAT, "%s: \"%s\" holds control characters", from->path, key);
    return TF_OK;
}

tf_status tf_config_sizes(const tf_config_source *from, const tf_config_key *key, size_t keys) {
    for (size_t i = 0; i < keys; i++) TF_TRY(tf_config_size(from, key[i].key, 1, key[i].most, key[i].out));
    return TF_OK;
}

/* A scalar's text, as tf_config_only has it; "another value" for lists and objects. */
static const char *scalar_text(const json_t *value, char *buffer, size_t size) {
    if (json_is_string(value)) return tf_printable(json_string_value(value)) ? json_string_value(value) : "?";
    if (json_is_boolean(value)) return json_is_true(value) ? "true" : "false";
    if (!json_is_number(value)) return "another value";
    snprintf(buffer, size, "%.15g", json_number_value(value));
    return buffer;
}

tf_status tf_config_check_only(const tf_config_source *from, const tf_config_only *only, size_t keys) {
    char buffer[32];
    for (size_t i = 0; i < keys; i++) {
        const json_t *value = tf_config_lookup(from, only[i].key);
        const char *text = value ? scalar_text(value, buffer, sizeof buffer) : only[i].value;
        const char *quote = json_is_string(value) ? "\"" : "";
        if (strcmp(text, only[i].value))
            return tf_fail(TF_FORMAT, "%s: \"%s\" is %s%.40s%s; only %s%s%s is supported", from->path, only[i].key,
                           quote, text, quote, quote, only[i].value, quote);
    }
    return TF_OK;
}
