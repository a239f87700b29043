/* tokenizer.json as the tokenizers library writes it, or vocab.txt as BERT was published with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/tokenize/tokenizer_parts.h"
#include "models/tokenize/unicode.h"
#include "net/base/file.h"

enum { MAX_FILE = 256 << 20, MAX_WORD = 10000 };

/* Strings and flags of JSON objects. A null counts as missing. */
static tf_status read_flag(const char *path, const json_t *object, const char *key, bool fallback, bool *out) {
    const json_t *value = json_object_get(object, key);
    *out = !value || json_is_null(value) ? fallback : json_is_true(value);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return tf_fail(TF_FORMAT, "%s: \"%s\" is neither true nor false", path, key);
    return TF_OK;
}

static tf_status read_string(const char *path, const json_t *object, const char *key, const char *fallback,
                             const char **out) {
    const json_t *value = json_object_get(object, key);
    *out = !value || json_is_null(value) ? fallback : json_string_value(value);
    return *out ? TF_OK : tf_fail(TF_FORMAT, "%s: \"%s\" is not a string", path, key);
}

static tf_status check_type(const char *path, const json_t *object, const char *key, const char *expected) {
    const char *type = json_string_value(json_object_get(json_object_get(object, key), "type"));
    if (type && !strcmp(type, expected)) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: the type of \"%s\" is %.60s; only %s is supported", path, key,
                   type && tf_printable(type) ? type : "missing", expected);
}

static tf_status read_id(const char *path, const json_t *value, const char *what, int32_t *id) {
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number >= TF_MAX_VOCABULARY)
        return tf_fail(TF_FORMAT, "%s: the id of %s is not an integer of 0..%d", path, what, TF_MAX_VOCABULARY - 1);
    *id = (int32_t)number;
    return TF_OK;
}

static tf_status required_id(const char *path, const tf_tokenizer *t, const char *token, int32_t *id) {
    *id = tf_vocabulary_find(&t->vocabulary, token, strlen(token));
    return *id >= 0 ? TF_OK : tf_fail(TF_FORMAT, "%s: token %.60s is not in the vocabulary", path, token);
}

/* Room for `count` added tokens more. */
static tf_status reserve_added(const char *path, tf_tokenizer *t, size_t count) {
    if (count > TF_MAX_VOCABULARY) return tf_fail(TF_FORMAT, "%s: %zu added tokens are too many", path, count);
    t->added = calloc(count + 1, sizeof *t->added);
    return t->added ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the added tokens", path);
}

static tf_status add_token(const char *path, tf_tokenizer *t, const char *text, tf_added_token token) {
    tf_status status = TF_OK;
    if (token.normalized)
        status = tf_normalize(&t->normalizer, text, strlen(text), &token.text, &token.length);
    else if ((token.text = strdup(text)))
        token.length = strlen(text);
    else
        status = tf_fail(TF_NOMEM, "%s: no memory for the added tokens", path);
    if (status == TF_OK && token.length)
        t->added[t->addeds++] = token;
    else
        free(token.text);
    return status;
}

static tf_status read_added(const char *path, const json_t *list, tf_tokenizer *t) {
    if (list && !json_is_array(list)) return tf_fail(TF_FORMAT, "%s: \"added_tokens\" is not a list", path);
    TF_TRY(reserve_added(path, t, json_array_size(list)));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(entry, "content"));
        bool special;
        tf_added_token token = {.id = 0};
        if (!text) return tf_fail(TF_FORMAT, "%s: added token %zu has no \"content\"", path, i);
        if (!*text) continue; /* as Hugging Face: it would be found everywhere */
        TF_TRY(read_id(path, json_object_get(entry, "id"), "an added token", &token.id));
        TF_TRY(read_flag(path, entry, "special", false, &special));
        TF_TRY(read_flag(path, entry, "single_word", false, &token.single_word));
        TF_TRY(read_flag(path, entry, "lstrip", false, &token.lstrip));
        TF_TRY(read_flag(path, entry, "rstrip", false, &token.rstrip));
        TF_TRY(read_flag(path, entry, "normalized", !special, &token.normalized));
        int32_t known = tf_vocabulary_find(&t->vocabulary, text, strlen(text));
        if (known >= 0 && known != token.id)
            return tf_fail(TF_FORMAT, "%s: added token %zu has another id than in the vocabulary", path, i);
        if ((size_t)token.id >= t->ids) t->ids = (size_t)token.id + 1;
        TF_TRY(add_token(path, t, text, token));
    }
    return TF_OK;
}

static tf_status read_vocabulary(const char *path, const json_t *vocab, tf_tokenizer *t) {
    if (!json_object_size(vocab))
        return tf_fail(TF_FORMAT, "%s: \"vocab\" of \"model\" is not an object with tokens", path);
    const char *token;
    json_t *id;
    size_t bytes = 0;
    json_object_foreach((json_t *)vocab, token, id) bytes += strlen(token);
    tf_status status = tf_vocabulary_init(&t->vocabulary, json_object_size(vocab), bytes);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    json_object_foreach((json_t *)vocab, token, id) {
        int32_t number = 0;
        TF_TRY(read_id(path, id, "a token of the vocabulary", &number));
        TF_TRY(tf_vocabulary_add(&t->vocabulary, token, strlen(token), number));
    }
    t->ids = t->vocabulary.ids;
    return TF_OK;
}

static tf_status set_prefix(const char *path, tf_tokenizer *t, const char *prefix) {
    t->prefix = strdup(prefix);
    t->prefix_length = strlen(prefix);
    return t->prefix ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the tokenizer", path);
}

static tf_status read_model(const char *path, const json_t *root, tf_tokenizer *t) {
    const json_t *model = json_object_get(root, "model"), *added = json_object_get(root, "added_tokens");
    const char *unknown, *prefix;
    TF_TRY(check_type(path, root, "model", "WordPiece"));
    TF_TRY(read_string(path, model, "unk_token", "[UNK]", &unknown));
    TF_TRY(read_string(path, model, "continuing_subword_prefix", "##", &prefix));
    TF_TRY(set_prefix(path, t, prefix));
    const json_t *longest = json_object_get(model, "max_input_chars_per_word");
    json_int_t characters = longest ? json_integer_value(longest) : 100;
    if (characters < 1 || characters > MAX_WORD)
        return tf_fail(TF_FORMAT, "%s: \"max_input_chars_per_word\" is not an integer of 1..%d", path, MAX_WORD);
    t->longest_word = (size_t)characters;
    TF_TRY(read_vocabulary(path, json_object_get(model, "vocab"), t));
    TF_TRY(required_id(path, t, unknown, &t->unknown)); /* of the model's own vocabulary */
    return read_added(path, added, t);
}

static tf_status read_normalizer(const char *path, const json_t *root, tf_normalizer *n) {
    const json_t *from = json_object_get(root, "normalizer");
    TF_TRY(check_type(path, root, "normalizer", "BertNormalizer"));
    TF_TRY(read_flag(path, from, "clean_text", true, &n->clean_text));
    TF_TRY(read_flag(path, from, "handle_chinese_chars", true, &n->ideographs));
    TF_TRY(read_flag(path, from, "lowercase", true, &n->lowercase));
    return read_flag(path, from, "strip_accents", n->lowercase, &n->strip_accents);
}

/* The id that a template gives to a special token's name. */
static tf_status template_id(const char *path, const json_t *processor, const char *name, int32_t *id) {
    const json_t *ids = json_object_get(json_object_get(json_object_get(processor, "special_tokens"), name), "ids");
    if (json_array_size(ids) != 1)
        return tf_fail(TF_FORMAT, "%s: a special token of \"post_processor\" has no single id", path);
    return read_id(path, json_array_get(ids, 0), "a special token of \"post_processor\"", id);
}

/* Whether item i of a template is of this kind, with this name (unless NULL) and token type; returns its name. */
static const char *template_item(const json_t *list, size_t i, const char *kind, const char *name, int type) {
    const json_t *item = json_object_get(json_array_get(list, i), kind), *type_id = json_object_get(item, "type_id");
    const char *id = json_string_value(json_object_get(item, "id"));
    if (!id || !json_is_integer(type_id) || json_integer_value(type_id) != type) return NULL;
    return !name || !strcmp(id, name) ? id : NULL;
}

static tf_status read_template(const char *path, const json_t *processor, tf_tokenizer *t) {
    const json_t *one = json_object_get(processor, "single"), *two = json_object_get(processor, "pair");
    static const char special[] = "SpecialToken", text[] = "Sequence";
    const char *cls = template_item(one, 0, special, NULL, 0), *sep = template_item(one, 2, special, NULL, 0);
    if (!cls || !sep || json_array_size(one) != 3 || !template_item(one, 1, text, "A", 0) ||
        json_array_size(two) != 5 || !template_item(two, 0, special, cls, 0) || !template_item(two, 1, text, "A", 0) ||
        !template_item(two, 2, special, sep, 0) || !template_item(two, 3, text, "B", 1) ||
        !template_item(two, 4, special, sep, 1))
        return tf_fail(TF_FORMAT, "%s: the template of \"post_processor\" is not BERT's [CLS] A [SEP] B [SEP]", path);
    TF_TRY(template_id(path, processor, cls, &t->cls));
    return template_id(path, processor, sep, &t->sep);
}

static tf_status read_processor(const char *path, const json_t *root, tf_tokenizer *t) {
    const json_t *processor = json_object_get(root, "post_processor");
    const char *type = json_string_value(json_object_get(processor, "type"));
    if (!type || strcmp(type, "BertProcessing")) {
        TF_TRY(check_type(path, root, "post_processor", "TemplateProcessing"));
        TF_TRY(read_template(path, processor, t));
    } else {
        TF_TRY(read_id(path, json_array_get(json_object_get(processor, "cls"), 1), "\"cls\"", &t->cls));
        TF_TRY(read_id(path, json_array_get(json_object_get(processor, "sep"), 1), "\"sep\"", &t->sep));
    }
    if ((size_t)t->cls >= t->ids || (size_t)t->sep >= t->ids)
        return tf_fail(TF_FORMAT, "%s: an id of \"post_processor\" is not in the vocabulary", path);
    return TF_OK;
}

static tf_status read_json(const char *path, tf_tokenizer *t) {
    json_t *root;
    TF_TRY(tf_json_read(path, MAX_FILE, &root));
    tf_status status = read_normalizer(path, root, &t->normalizer);
    if (status == TF_OK) status = check_type(path, root, "pre_tokenizer", "BertPreTokenizer");
    if (status == TF_OK) status = read_model(path, root, t);
    if (status == TF_OK) status = read_processor(path, root, t);
    json_decref(root);
    return status;
}

/* One token a line; its id is the number of lines before it. */
static tf_status read_lines(const char *path, const char *data, size_t size, tf_tokenizer *t) {
    size_t lines = 0, offset;
    for (const char *c = data; (c = memchr(c, '\n', (size_t)(data + size - c))); c++) lines++;
    tf_status status = tf_vocabulary_init(&t->vocabulary, lines + 1, size);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    int64_t id = 0;
    for (const char *line = data, *end = data + size; line < end; id++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        if (length && line[length - 1] == '\r') length--;
        if (!tf_utf8_valid(line, length, &offset))
            return tf_fail(TF_FORMAT, "%s: line %lld is not valid UTF-8", path, (long long)id + 1);
        TF_TRY(tf_vocabulary_add(&t->vocabulary, line, length, (int32_t)id));
        line = stop ? stop + 1 : end;
    }
    t->ids = t->vocabulary.ids;
    return TF_OK;
}

/* A special token's text in tokenizer_config.json: a string, or an object with "content". */
static const char *special_token(const json_t *config, const char *key, const char *fallback) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_is_string(value) ? json_string_value(value) : fallback;
}

/* `config` is tokenizer_config.json, or an empty object. */
static tf_status read_text_options(const char *path, const json_t *config, const char *vocabulary, tf_tokenizer *t) {
    t->longest_word = 100;
    t->normalizer.clean_text = true;
    TF_TRY(set_prefix(path, t, "##"));
    TF_TRY(read_flag(path, config, "do_lower_case", true, &t->normalizer.lowercase));
    TF_TRY(read_flag(path, config, "strip_accents", t->normalizer.lowercase, &t->normalizer.strip_accents));
    TF_TRY(read_flag(path, config, "tokenize_chinese_chars", true, &t->normalizer.ideographs));
    const char *token[] = {special_token(config, "unk_token", "[UNK]"), special_token(config, "cls_token", "[CLS]"),
                           special_token(config, "sep_token", "[SEP]"), special_token(config, "pad_token", "[PAD]"),
                           special_token(config, "mask_token", "[MASK]")};
    TF_TRY(required_id(vocabulary, t, token[0], &t->unknown));
    TF_TRY(required_id(vocabulary, t, token[1], &t->cls));
    TF_TRY(required_id(vocabulary, t, token[2], &t->sep));
    TF_TRY(reserve_added(path, t, sizeof token / sizeof *token));
    for (size_t i = 0; i < sizeof token / sizeof *token; i++) {
        int32_t id = tf_vocabulary_find(&t->vocabulary, token[i], strlen(token[i]));
        if (id >= 0) TF_TRY(add_token(path, t, token[i], (tf_added_token){.id = id}));
    }
    return TF_OK;
}

static tf_status read_text(const char *directory, const char *vocabulary, tf_tokenizer *t) {
    char path[4096], *data;
    size_t size;
    TF_TRY(tf_path_join(directory, "tokenizer_config.json", path, sizeof path));
    TF_TRY(tf_file_read(vocabulary, MAX_FILE, &data, &size));
    tf_status status = read_lines(vocabulary, data, size, t);
    free(data);
    TF_TRY(status);
    json_t *config = access(path, F_OK) ? json_object() : NULL;
    if (!config) TF_TRY(tf_json_read(path, MAX_FILE, &config));
    status = read_text_options(path, config, vocabulary, t);
    json_decref(config);
    return status;
}

tf_status tf_tokenizer_open(const char *directory, tf_tokenizer **tokenizer) {
    *tokenizer = NULL;
    char json[4096], text[4096];
    TF_TRY(tf_path_join(directory, "tokenizer.json", json, sizeof json));
    TF_TRY(tf_path_join(directory, "vocab.txt", text, sizeof text));
    bool has_json = !access(json, F_OK);
    if (!has_json && access(text, F_OK))
        return tf_fail(TF_IO, "%s: holds neither tokenizer.json nor vocab.txt", directory);
    tf_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return tf_fail(TF_NOMEM, "%s: no memory for the tokenizer", directory);
    tf_status status = has_json ? read_json(json, t) : read_text(directory, text, t);
    if (status == TF_OK)
        *tokenizer = t;
    else
        tf_tokenizer_close(t);
    return status;
}

void tf_tokenizer_close(tf_tokenizer *t) {
    if (!t) return;
    for (size_t i = 0; i < t->addeds; i++) free(t->added[i].text);
    free(t->added);
    free(t->prefix);
    tf_vocabulary_free(&t->vocabulary);
    free(t);
}

size_t tf_tokenizer_vocabulary(const tf_tokenizer *tokenizer) {
    return tokenizer->ids;
}
