/* Added tokens of a directory without tokenizer.json: where slow tokenizers of Hugging Face keep them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/files/json.h"
#include "models/tokenize/read/read.h"
#include "net/base/file.h"

/* A token as a string, or as an object with its flags; `token` has what the file does not say. */
static tf_status add(const char *path, const json_t *value, tf_added_token token, tf_tokenizer *t) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    const char *text = json_string_value(content);
    if (!text) return tf_fail(TF_FORMAT, "%s: an added token is neither a text nor an object with \"content\"", path);
    if (json_is_object(value)) {
        TF_TRY(tf_read_flag(path, value, "special", token.special, &token.special));
        TF_TRY(tf_read_flag(path, value, "single_word", false, &token.single_word));
        TF_TRY(tf_read_flag(path, value, "lstrip", false, &token.lstrip));
        TF_TRY(tf_read_flag(path, value, "rstrip", false, &token.rstrip));
        TF_TRY(tf_read_flag(path, value, "normalized", !token.special, &token.normalized));
    }
    const tf_added_token *known = tf_added_find(&t->added, text);
    int32_t id = known ? known->id : tf_vocabulary_find(&t->vocabulary, text, strlen(text));
    if (id >= 0 && token.id >= 0 && id != token.id)
        return tf_fail(TF_FORMAT, "%s: added token %.60s has another id than in the vocabulary", path,
                       tf_printable(text) ? text : "?");
    if (token.id < 0) token.id = id >= 0 ? id : (int32_t)t->ids; /* a new one comes behind all others */
    if (token.id >= TF_MAX_VOCABULARY) return tf_fail(TF_FORMAT, "%s: too many added tokens", path);
    if ((size_t)token.id >= t->ids) t->ids = (size_t)token.id + 1;
    tf_status status = tf_added_add(&t->added, text, token);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s", path);
}

/* Reads NAME of the directory; an empty object when it is not there. */
static tf_status open_optional(const char *directory, const char *name, char path[4096], json_t **object) {
    TF_TRY(tf_path_join(directory, name, path, 4096));
    *object = access(path, F_OK) ? json_object() : NULL;
    return *object ? TF_OK : tf_json_open(path, TF_MAX_TOKENIZER_FILE, object);
}

/* added_tokens.json: ids by token. */
static tf_status add_by_text(const char *path, const json_t *map, tf_tokenizer *t) {
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)map, text, id) {
        tf_added_token token = {.normalized = true};
        if (tf_added_find(&t->added, text)) continue; /* said in more detail elsewhere */
        TF_TRY(tf_read_id(path, id, "an added token", &token.id));
        json_t *content = json_string(text);
        tf_status status = add(path, content, token, t);
        json_decref(content);
        TF_TRY(status);
    }
    return TF_OK;
}

/* "added_tokens_decoder" of tokenizer_config.json: tokens by id. */
static tf_status add_by_id(const char *path, const json_t *map, tf_tokenizer *t) {
    const char *number;
    json_t *value;
    json_object_foreach((json_t *)map, number, value) {
        char *end;
        long id = strtol(number, &end, 10);
        if (*end || !*number || id < 0 || id >= TF_MAX_VOCABULARY)
            return tf_fail(TF_FORMAT, "%s: \"added_tokens_decoder\" has an id that is not one of 0..%d", path,
                           TF_MAX_VOCABULARY - 1);
        TF_TRY(add(path, value, (tf_added_token){.id = (int32_t)id, .normalized = true}, t));
    }
    return TF_OK;
}

static tf_status add_specials(const char *path, const json_t *from, tf_tokenizer *t) {
    const json_t *list = json_object_get(from, "additional_special_tokens");
    if (list && !json_is_null(list) && !json_is_array(list))
        return tf_fail(TF_FORMAT, "%s: \"additional_special_tokens\" is not a list", path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
        if (json_is_string(content) && tf_added_find(&t->added, json_string_value(content))) continue;
        TF_TRY(add(path, value, (tf_added_token){.id = -1, .special = true}, t));
    }
    return TF_OK;
}

tf_status tf_read_added_files(const char *directory, const json_t *config, tf_tokenizer *t) {
    char path[4096];
    json_t *added, *map;
    TF_TRY(tf_path_join(directory, "tokenizer_config.json", path, sizeof path));
    TF_TRY(add_by_id(path, json_object_get(config, "added_tokens_decoder"), t));
    TF_TRY(open_optional(directory, "added_tokens.json", path, &added));
    tf_status status = add_by_text(path, added, t);
    json_decref(added);
    TF_TRY(status);
    TF_TRY(tf_path_join(directory, "tokenizer_config.json", path, sizeof path));
    TF_TRY(add_specials(path, config, t));
    TF_TRY(open_optional(directory, "special_tokens_map.json", path, &map));
    status = add_specials(path, map, t);
    json_decref(map);
    return status;
}

/* ---- Beside tokenizer.json ---- */

/* A token of tokenizer.json keeps its id; a new one has the next. */
static tf_status merge_by_id(const char *path, const json_t *map, tf_tokenizer *t) {
    const char *number;
    json_t *value;
    json_object_foreach((json_t *)map, number, value) {
        const char *text = json_string_value(json_object_get(value, "content"));
        bool known = text && tf_tokenizer_find(t, text) >= 0;
        char *end;
        long id = strtol(number, &end, 10);
        if (!known && (*end || !*number || id < 0 || (size_t)id != t->ids))
            return tf_fail(
                TF_FORMAT,
                "%s: \"added_tokens_decoder\" has %.60s, which tokenizer.json has not, and not as the next id", path,
                number);
        if (text && *text) TF_TRY(add(path, value, (tf_added_token){.id = -1, .normalized = true}, t));
    }
    return TF_OK;
}

tf_status tf_merge_added(const char *path, const json_t *config, tf_tokenizer *t) {
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    const json_t *list = json_object_get(config, "additional_special_tokens");
    size_t count = sizeof names / sizeof *names;
    TF_TRY(merge_by_id(path, json_object_get(config, "added_tokens_decoder"), t));
    for (size_t i = 0; i < count + json_array_size(list); i++) {
        const json_t *value = i < count ? json_object_get(config, names[i]) : json_array_get(list, i - count);
        const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
        if (!text || tf_added_find(&t->added, text) || tf_tokenizer_find(t, text) < 0) continue;
        TF_TRY(add(path, value, (tf_added_token){.id = -1, .special = true}, t));
    }
    return TF_OK;
}
