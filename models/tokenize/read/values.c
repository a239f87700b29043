/* Values of JSON objects. */
#include <string.h>

#include "models/tokenize/read/read.h"
#include "net/base/file.h"

tf_status tf_read_flag(const char *path, const json_t *object, const char *key, bool fallback, bool *out) {
    const json_t *value = json_object_get(object, key);
    *out = !value || json_is_null(value) ? fallback : json_is_true(value);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is neither true nor false", path, key);
    return TF_OK;
}

tf_status tf_read_string(const char *path, const json_t *object, const char *key, const char *fallback,
                         const char **out) {
    const json_t *value = json_object_get(object, key);
    *out = !value || json_is_null(value) ? fallback : json_string_value(value);
    return *out ? TF_OK : tf_fail(TF_FORMAT, "%s: \"%s\" is not a string", path, key);
}

tf_status tf_read_id(const char *path, const json_t *value, const char *what, int32_t *id) {
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number >= TF_MAX_VOCABULARY)
        return tf_fail(TF_FORMAT, "%s: the id of %s is not an integer of 0..%d", path, what, TF_MAX_VOCABULARY - 1);
    *id = (int32_t)number;
    return TF_OK;
}

static const char *shown(const char *text) {
    return text && tf_printable(text) ? text : "missing";
}

tf_status tf_read_keys(const char *path, const json_t *object, const char *section, const char *keys) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        size_t length = strlen(key);
        const char *at = strstr(keys, key);
        while (at && ((at > keys && at[-1] != ' ') || (at[length] && at[length] != ' '))) at = strstr(at + 1, key);
        if (!at || !length)
            return tf_fail(TF_FORMAT, "%s: \"%s\" has the key \"%.60s\", which is not known", path, section,
                           shown(key));
    }
    return TF_OK;
}

tf_status tf_read_type(const char *path, const json_t *object, const char *section, const char **type) {
    *type = json_string_value(json_object_get(object, "type"));
    return *type ? TF_OK : tf_refuse_type(path, section, NULL);
}

tf_status tf_refuse_type(const char *path, const char *section, const char *type) {
    return tf_fail(TF_FORMAT, "%s: the type of \"%s\" is %.60s, which is not supported", path, section, shown(type));
}
