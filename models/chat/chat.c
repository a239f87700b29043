#include "models/chat/chat.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/chat/render.h"
#include "models/files/json.h"
#include "models/tokenize/unicode.h"
#include "net/base/file.h"

enum { MAX_TEMPLATE = 1 << 20, MAX_CONFIG = 256 << 20 };

static const char *const special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                            "pad_token", "cls_token", "mask_token"};
enum { SPECIALS = sizeof special_names / sizeof *special_names };

struct tf_chat {
    tf_tags tags;
    char *special[SPECIALS]; /* NULL: undefined */
};

/* ---- Files ---- */

/* NAME of the directory; an empty object when it is not there. */
static tf_status open_optional(const char *directory, const char *name, json_t **object) {
    char path[4096];
    TF_TRY(tf_path_join(directory, name, path, sizeof path));
    *object = access(path, F_OK) ? json_object() : NULL;
    return *object ? TF_OK : tf_json_open(path, MAX_CONFIG, object);
}

/* Special tokens are texts, or objects with "content". */
static tf_status read_specials(const json_t *from, tf_chat *chat) {
    for (size_t i = 0; i < SPECIALS; i++) {
        const json_t *value = json_object_get(from, special_names[i]);
        const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
        if (!text || chat->special[i]) continue;
        chat->special[i] = strdup(text);
        if (!chat->special[i]) return tf_fail(TF_NOMEM, "no memory for a chat template");
    }
    return TF_OK;
}

static tf_status read_tags(const char *directory, const char *text, size_t length, tf_chat *chat) {
    size_t offset;
    if (!tf_utf8_valid(text, length, &offset))
        return tf_fail(TF_FORMAT, "%s: the chat template is not valid UTF-8 at byte %zu", directory, offset);
    tf_status status = tf_tags_read(text, length, &chat->tags);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s: chat template", directory);
}

/* "chat_template" of tokenizer_config.json, without a copy; NULL where there is none. */
static tf_status find_in_config(const char *directory, const json_t *config, const char **text, size_t *length) {
    const json_t *value = json_object_get(config, "chat_template");
    *text = NULL;
    if (!value || json_is_null(value)) return TF_OK;
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && !strcmp(name, "default")) value = json_object_get(entry, "template");
    }
    if (!json_is_string(value))
        return tf_fail(TF_FORMAT,
                       "%s/tokenizer_config.json: \"chat_template\" is neither a text nor a list with one named "
                       "\"default\"",
                       directory);
    *text = json_string_value(value);
    *length = json_string_length(value);
    if (*length <= MAX_TEMPLATE) return TF_OK;
    return tf_fail(TF_FORMAT, "%s/tokenizer_config.json: a chat template of more than %d bytes", directory,
                   MAX_TEMPLATE);
}

/* The template's text, a copy; NULL where there is none. */
static tf_status read_template(const char *directory, const json_t *config, char **text, size_t *length) {
    char path[4096];
    const char *found;
    *text = NULL;
    TF_TRY(tf_path_join(directory, "chat_template.jinja", path, sizeof path));
    if (!access(path, F_OK)) return tf_file_read(path, MAX_TEMPLATE, text, length);
    TF_TRY(find_in_config(directory, config, &found, length));
    if (!found) return TF_OK;
    *text = malloc(*length + 1);
    if (!*text) return tf_fail(TF_NOMEM, "no memory for a chat template");
    memcpy(*text, found, *length + 1);
    return TF_OK;
}

/* The special tokens, and the template's text: NULL where there is none. */
static tf_status read_all(const char *directory, tf_chat *chat, char **text, size_t *length) {
    json_t *config, *map;
    *text = NULL;
    TF_TRY(open_optional(directory, "tokenizer_config.json", &config));
    tf_status status = read_template(directory, config, text, length);
    if (status == TF_OK) status = read_specials(config, chat);
    json_decref(config);
    TF_TRY(status);
    TF_TRY(open_optional(directory, "special_tokens_map.json", &map));
    status = read_specials(map, chat);
    json_decref(map);
    return status;
}

static tf_status open_chat(const char *directory, tf_chat *chat) {
    char *text;
    size_t length;
    tf_status status = read_all(directory, chat, &text, &length);
    if (status == TF_OK && !text)
        status = tf_fail(
            TF_INVALID, "%s: no chat template, neither in chat_template.jinja nor in tokenizer_config.json", directory);
    if (status == TF_OK) status = read_tags(directory, text, length, chat);
    free(text);
    return status;
}

tf_status tf_chat_open(const char *directory, tf_chat **chat) {
    *chat = NULL;
    tf_chat *c = calloc(1, sizeof *c);
    if (!c) return tf_fail(TF_NOMEM, "no memory for a chat template");
    tf_status status = open_chat(directory, c);
    if (status == TF_OK)
        *chat = c;
    else
        tf_chat_close(c);
    return status;
}

void tf_chat_close(tf_chat *chat) {
    if (!chat) return;
    for (size_t i = 0; i < SPECIALS; i++) free(chat->special[i]);
    tf_tags_free(&chat->tags);
    free(chat);
}

tf_status tf_chat_digest(const char *directory, tf_digest *digest) {
    tf_chat chat = {0};
    tf_hash hash;
    char *text;
    size_t length;
    tf_status status = read_all(directory, &chat, &text, &length);
    *digest = (tf_digest){{0}};
    if (status == TF_OK && text) {
        tf_hash_begin(&hash);
        tf_hash_add_text(&hash, "trefoil chat template 1");
        tf_hash_add(&hash, text, length);
        for (size_t i = 0; i < SPECIALS; i++) {
            tf_hash_add_text(&hash, special_names[i]);
            tf_hash_add_text(&hash, chat.special[i] ? chat.special[i] : "");
        }
        status = tf_hash_end(&hash, digest);
    }
    free(text);
    for (size_t i = 0; i < SPECIALS; i++) free(chat.special[i]);
    return status;
}

/* ---- Rendering ---- */

static tf_status literal_text(tf_rendering *r, const char *what, const char *text, size_t length, tf_value *value) {
    void *literal;
    size_t offset;
    if (!tf_utf8_valid(text, length, &offset))
        return tf_fail(TF_FORMAT, "the %s of a message is not valid UTF-8 at byte %zu", what, offset);
    TF_TRY(tf_rendering_alloc(r, length, 1, &literal));
    memset(literal, 1, length);
    *value = tf_value_text(text, length);
    value->literal = literal;
    return TF_OK;
}

static tf_status set_message(tf_rendering *r, const tf_chat_message *message, tf_value *value) {
    tf_value role, content;
    TF_TRY(literal_text(r, "role", message->role, strlen(message->role), &role));
    TF_TRY(literal_text(r, "content", message->content, message->length, &content));
    TF_TRY(tf_dictionary_new(r, value));
    TF_TRY(tf_dictionary_set(value->dictionary, "role", 4, role));
    return tf_dictionary_set(value->dictionary, "content", 7, content);
}

/* What Hugging Face lets a template see. */
static tf_status set_variables(const tf_chat *chat, tf_rendering *r, const tf_chat_message *messages, size_t count,
                               bool generate) {
    void *item;
    TF_TRY(tf_rendering_alloc(r, count, sizeof(tf_value), &item));
    for (size_t i = 0; i < count; i++) TF_TRY(set_message(r, &messages[i], (tf_value *)item + i));
    for (size_t i = 0; i < SPECIALS; i++)
        if (chat->special[i])
            TF_TRY(tf_variable_set(r, special_names[i], strlen(special_names[i]),
                                   tf_value_text(chat->special[i], strlen(chat->special[i]))));
    TF_TRY(tf_variable_set(r, "tools", 5, (tf_value){.kind = TF_VALUE_NONE}));
    TF_TRY(tf_variable_set(r, "documents", 9, (tf_value){.kind = TF_VALUE_NONE}));
    TF_TRY(tf_variable_set(r, "messages", 8, (tf_value){.kind = TF_VALUE_LIST, .item = item, .count = count}));
    return tf_variable_set(r, "add_generation_prompt", 21, tf_value_boolean(generate));
}

static tf_status copy_text(const tf_value *value, tf_chat_text *out) {
    out->text = malloc(value->count + 1);
    out->literal = malloc(value->count + 1);
    if (!out->text || !out->literal) {
        tf_chat_text_free(out);
        return tf_fail(TF_NOMEM, "no memory to render a conversation");
    }
    memcpy(out->text, value->text, value->count);
    memcpy(out->literal, value->literal, value->count);
    out->text[value->count] = '\0';
    out->length = value->count;
    return TF_OK;
}

tf_status tf_chat_render(const tf_chat *chat, const tf_chat_message *messages, size_t count, bool generate,
                         tf_chat_text *out) {
    tf_value value;
    *out = (tf_chat_text){.text = NULL};
    tf_rendering *r = calloc(1, sizeof *r);
    if (!r) return tf_fail(TF_NOMEM, "no memory to render a conversation");
    tf_status status = set_variables(chat, r, messages, count, generate);
    if (status == TF_OK) status = tf_tags_render(&chat->tags, r, &value);
    if (status == TF_OK) status = copy_text(&value, out);
    tf_rendering_free(r);
    free(r);
    return status;
}

void tf_chat_text_free(tf_chat_text *text) {
    free(text->text);
    free(text->literal);
    *text = (tf_chat_text){.text = NULL};
}

tf_status tf_chat_encode(const tf_chat *chat, const tf_tokenizer *tokenizer, const tf_chat_message *messages,
                         size_t count, bool generate, size_t limit, tf_encoding *encoding) {
    tf_chat_text text;
    *encoding = (tf_encoding){0};
    TF_TRY(tf_chat_render(chat, messages, count, generate, &text));
    const tf_encode_request request = {
        .first = text.text, .first_length = text.length, .literal = text.literal, .limit = limit, .bare = true};
    tf_status status = tf_tokenizer_encode(tokenizer, &request, encoding);
    tf_chat_text_free(&text);
    return status;
}
