#include "models/files/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/file.h"

/* What Python writes and JSON does not know, and what stands for it here. */
static const char *const words[][2] = {{"NaN", "null"}, {"-Infinity", "-1e308"}, {"Infinity", "1e308"}};

static bool begins(const char *text, const char *word) {
    return !strncmp(text, word, strlen(word));
}

/* A string from its first quote on: its length with both quotes, or up to the end of the text. */
static size_t string_length(const char *text) {
    size_t length = 1;
    while (text[length] && text[length] != '"') length += text[length] == '\\' && text[length + 1] ? 2 : 1;
    return length + (text[length] == '"');
}

/* A number's length; *wide tells whether it is an integer that 64 bits cannot hold, which takes 19 digits at least. */
static size_t number_length(const char *text, bool *wide) {
    enum { MANY = 19 };
    size_t length = strspn(text, "+-0123456789.eE");
    *wide = false;
    if (length < MANY || strspn(text, "-0123456789") != length) return length;
    errno = 0;
    (void)!strtoll(text, NULL, 10);
    *wide = errno == ERANGE;
    return length;
}

/* The word that a text begins with, or NULL. Most characters begin none. */
static const char *const *word_at(const char *text) {
    if (*text != 'N' && *text != 'I' && *text != '-') return NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(text, words[i][0])) return words[i];
    return NULL;
}

/* Copies `text` as JSON knows it; `out` has room for twice its length. */
static void rewrite(const char *text, char *out) {
    while (*text) {
        bool wide = false;
        const char *const *word = word_at(text), *put = word ? word[1] : text;
        size_t taken = word ? strlen(word[0]) : 1, length = word ? strlen(put) : taken;
        if (*text == '"')
            length = taken = string_length(text);
        else if (!word && (*text == '-' || (*text >= '0' && *text <= '9')))
            length = taken = number_length(text, &wide);
        memcpy(out, put, length);
        out += length;
        if (wide) {
            memcpy(out, ".0", 2);
            out += 2;
        }
        text += taken;
    }
    *out = '\0';
}

bool tf_is_lfs_pointer(const char *data, size_t size) {
    static const char first[] = "version https://git-lfs.github.com/spec/";
    return size >= sizeof first - 1 && !memcmp(data, first, sizeof first - 1);
}

tf_status tf_lfs_pointer_found(const char *path) {
    return tf_fail(TF_FORMAT, "%s: a git-lfs pointer, not the file itself: run git lfs pull where it was cloned", path);
}

/* Reads a file and rewrites it into `text`, which the caller frees; `before` is put in front and `after` behind. */
static tf_status read_text(const char *path, size_t limit, const char *before, const char *after, char **text) {
    char *data;
    size_t size;
    *text = NULL;
    TF_TRY(tf_file_read(path, limit, &data, &size));
    tf_status status = TF_OK;
    if (tf_is_lfs_pointer(data, size))
        status = tf_lfs_pointer_found(path);
    else if (strlen(data) < size)
        status = tf_fail(TF_FORMAT, "%s: not JSON: it holds a zero byte", path);
    else if (!(*text = malloc(2 * size + strlen(before) + strlen(after) + 1)))
        status = tf_fail(TF_NOMEM, "%s: no memory to read it", path);
    if (status == TF_OK) {
        strcpy(*text, before);
        rewrite(data, *text + strlen(before));
        strcat(*text, after);
    }
    free(data);
    return status;
}

tf_status tf_json_open(const char *path, size_t limit, json_t **object) {
    char *text;
    TF_TRY(read_text(path, limit, "", "", &text));
    tf_status status = tf_json_parse(path, text, strlen(text), object);
    free(text);
    return status;
}

tf_status tf_json_open_list(const char *path, size_t limit, json_t **list) {
    char *text;
    json_t *object;
    TF_TRY(read_text(path, limit, "{\"list\":", "}", &text)); /* the parser takes objects */
    tf_status status = tf_json_parse(path, text, strlen(text), &object);
    free(text);
    TF_TRY(status);
    *list = json_incref(json_object_get(object, "list"));
    bool fits = json_object_size(object) == 1 && json_is_array(*list);
    json_decref(object);
    if (fits) return TF_OK;
    json_decref(*list);
    *list = NULL;
    return tf_fail(TF_FORMAT, "%s: not a JSON list", path);
}

const json_t *tf_json_lookup(const tf_json_source *from, const char *key) {
    const json_t *value = json_object_get(from->json, key);
    if (from->seen) json_object_set_new(from->seen, key, json_true());
    return json_is_null(value) ? NULL : value; /* a null key counts as missing, as in Hugging Face's own reader */
}

tf_status tf_json_size(const tf_json_source *from, const char *key, size_t least, size_t most, size_t *out) {
    const json_t *value = tf_json_lookup(from, key);
    if (!value) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not an integer", from->path, key);
    if (number < (json_int_t)least || number > (json_int_t)most)
        return tf_fail(TF_FORMAT, "%s: \"%s\" is %lld, outside %zu..%zu", from->path, key, (long long)number, least,
                       most);
    *out = (size_t)number;
    return TF_OK;
}

tf_status tf_json_optional_size(const tf_json_source *from, const char *key, size_t least, size_t most, size_t *out) {
    return tf_json_lookup(from, key) ? tf_json_size(from, key, least, most, out) : TF_OK;
}

tf_status tf_json_optional_real(const tf_json_source *from, const char *key, double most, double *out) {
    const json_t *value = tf_json_lookup(from, key);
    if (!value) return TF_OK;
    if (!json_is_number(value)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a number", from->path, key);
    double number = json_number_value(value);
    if (!(number > 0 && number <= most))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is %g, outside 0..%g", from->path, key, number, most);
    *out = number;
    return TF_OK;
}

tf_status tf_json_optional_flag(const tf_json_source *from, const char *key, bool *out) {
    const json_t *value = tf_json_lookup(from, key);
    if (value && !json_is_boolean(value))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is neither true nor false", from->path, key);
    if (value) *out = json_is_true(value);
    return TF_OK;
}

tf_status tf_json_text(const tf_json_source *from, const char *key, const char *fallback, const char **out) {
    const json_t *value = tf_json_lookup(from, key);
    *out = value ? json_string_value(value) : fallback;
    if (!value && !fallback) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    if (!*out) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a string", from->path, key);
    if (!tf_printable(*out)) return tf_fail(TF_FORMAT, "%s: \"%s\" holds control characters", from->path, key);
    return TF_OK;
}

tf_status tf_json_sizes(const tf_json_source *from, const tf_json_key *key, size_t keys) {
    for (size_t i = 0; i < keys; i++) TF_TRY(tf_json_size(from, key[i].key, 1, key[i].most, key[i].out));
    return TF_OK;
}

/* A scalar's text, as tf_json_only has it; "another value" for lists and objects. */
static const char *scalar_text(const json_t *value, char *buffer, size_t size) {
    if (json_is_string(value)) return tf_printable(json_string_value(value)) ? json_string_value(value) : "?";
    if (json_is_boolean(value)) return json_is_true(value) ? "true" : "false";
    if (!json_is_number(value)) return "another value";
    snprintf(buffer, size, "%.15g", json_number_value(value));
    return buffer;
}

tf_status tf_json_check_only(const tf_json_source *from, const tf_json_only *only, size_t keys) {
    char buffer[32];
    for (size_t i = 0; i < keys; i++) {
        const json_t *value = tf_json_lookup(from, only[i].key);
        const char *text = value ? scalar_text(value, buffer, sizeof buffer) : only[i].value;
        const char *quote = json_is_string(value) ? "\"" : "";
        if (strcmp(text, only[i].value))
            return tf_fail(TF_FORMAT, "%s: \"%s\" is %s%.40s%s; only %s%s%s is supported", from->path, only[i].key,
                           quote, text, quote, quote, only[i].value, quote);
    }
    return TF_OK;
}

tf_status tf_json_check_seen(const tf_json_source *from, const char *what) {
    const char *key;
    json_t *value;
    json_object_foreach(
        (json_t *)from->json, key,
        value) if (!json_is_null(value) &&
                   !json_object_get(from->seen, key)) return tf_fail(TF_FORMAT, "%s: \"%.60s\" of %s is not known",
                                                                     from->path, tf_printable(key) ? key : "?", what);
    return TF_OK;
}
