/* tokenizer.json as the tokenizers library writes it, or vocab.txt as BERT was published with. */
#include "models/tokenize/read/read.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/files/json.h"
#include "net/base/file.h"

/* ---- tokenizer.json ---- */

static tf_status read_root(const char *path, const json_t *root, tf_tokenizer *t) {
    TF_TRY(
        tf_read_keys(path, root, "tokenizer.json",
                     "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model"));
    const char *side = json_string_value(json_object_get(json_object_get(root, "truncation"), "direction"));
    t->cut_left = side && !strcmp(side, "Left");
    TF_TRY(tf_read_normalizer(path, json_object_get(root, "normalizer"), &t->normalizer));
    TF_TRY(tf_read_splitter(path, json_object_get(root, "pre_tokenizer"), &t->splitter));
    TF_TRY(tf_read_model(path, json_object_get(root, "model"), t));
    TF_TRY(tf_read_added(path, json_object_get(root, "added_tokens"), t));
    TF_TRY(tf_read_processor(path, json_object_get(root, "post_processor"), t));
    tf_status status = tf_read_decoder(path, json_object_get(root, "decoder"), &t->decoder);
    return status == TF_OK || strstr(tf_error(), path) ? status : tf_fail_in(status, "%s", path);
}

/* tokenizer_config.json of the directory; an empty object when it is not there. */
static tf_status open_config(const char *directory, char path[4096], json_t **config) {
    TF_TRY(tf_path_join(directory, "tokenizer_config.json", path, 4096));
    *config = access(path, F_OK) ? json_object() : NULL;
    return *config ? TF_OK : tf_json_open(path, TF_MAX_TOKENIZER_FILE, config);
}

static tf_status read_json(const char *directory, const char *path, tf_tokenizer *t) {
    char beside[4096];
    json_t *root, *config;
    TF_TRY(tf_json_open(path, TF_MAX_TOKENIZER_FILE, &root));
    tf_status status = open_config(directory, beside, &config);
    if (status == TF_OK) {
        status = tf_merge_config(beside, config, root);
        if (status == TF_OK) status = read_root(path, root, t);
        if (status == TF_OK) status = tf_merge_added(beside, config, t);
        if (status == TF_OK) status = tf_read_general(beside, config, t);
        json_decref(config);
    }
    json_decref(root);
    return status;
}

/* ---- vocab.txt ---- */

static tf_status read_line_tokens(const char *path, const char *data, size_t size, tf_vocabulary *v) {
    size_t lines = 0, offset;
    for (const char *c = data; (c = memchr(c, '\n', (size_t)(data + size - c))); c++) lines++;
    tf_status status = tf_vocabulary_init(v, lines + 1, size);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    int64_t id = 0;
    for (const char *line = data, *end = data + size; line < end; id++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        if (length && line[length - 1] == '\r') length--;
        if (!tf_utf8_valid(line, length, &offset))
            return tf_fail(TF_FORMAT, "%s: line %lld is not valid UTF-8", path, (long long)id + 1);
        TF_TRY(tf_vocabulary_add(v, line, length, (int32_t)id));
        line = stop ? stop + 1 : end;
    }
    return tf_vocabulary_number(v);
}

tf_status tf_read_lines(const char *path, tf_vocabulary *vocabulary) {
    char *data;
    size_t size;
    TF_TRY(tf_file_read(path, TF_MAX_TOKENIZER_FILE, &data, &size));
    tf_status status = read_line_tokens(path, data, size, vocabulary);
    free(data);
    return status;
}

/* A special token's text in tokenizer_config.json: a string, or an object with "content". */
static const char *special_token(const json_t *config, const char *key, const char *fallback) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_is_string(value) ? json_string_value(value) : fallback;
}

static tf_status required_id(const char *path, const tf_tokenizer *t, const char *token, int32_t *id) {
    *id = tf_vocabulary_find(&t->vocabulary, token, strlen(token));
    return *id >= 0 ? TF_OK : tf_fail(TF_FORMAT, "%s: token %.60s is not in the vocabulary", path, token);
}

/* MPNet's vocabulary has RoBERTa's special tokens but for the unknown one, and its pairs. */
static bool is_mpnet(const json_t *config) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    return name && (!strcmp(name, "MPNetTokenizer") || !strcmp(name, "MPNetTokenizerFast"));
}

/* `config` is tokenizer_config.json, or an empty object. */
static tf_status read_text_options(const char *path, const json_t *config, const char *vocabulary, tf_tokenizer *t) {
    bool lowercase, strip_accents, ideographs, mpnet = is_mpnet(config);
    int32_t cls, sep;
    t->model = TF_MODEL_WORDPIECE;
    t->wordpiece.longest = 100;
    t->wordpiece.prefix = strdup("##");
    t->wordpiece.prefix_length = 2;
    if (!t->wordpiece.prefix) return tf_text_no_memory();
    TF_TRY(tf_read_flag(path, config, "do_lower_case", true, &lowercase));
    TF_TRY(tf_read_flag(path, config, "strip_accents", lowercase, &strip_accents));
    TF_TRY(tf_read_flag(path, config, "tokenize_chinese_chars", true, &ideographs));
    TF_TRY(tf_add_bert_normalizer(true, ideographs, strip_accents, lowercase, &t->normalizer));
    TF_TRY(tf_add_bert_splitter(&t->splitter));
    const char *token[] = {special_token(config, "unk_token", "[UNK]"),
                           special_token(config, "cls_token", mpnet ? "<s>" : "[CLS]"),
                           special_token(config, "sep_token", mpnet ? "</s>" : "[SEP]"),
                           special_token(config, "pad_token", mpnet ? "<pad>" : "[PAD]"),
                           special_token(config, "mask_token", mpnet ? "<mask>" : "[MASK]")};
    TF_TRY(required_id(vocabulary, t, token[0], &t->wordpiece.unknown));
    TF_TRY(required_id(vocabulary, t, token[1], &cls));
    TF_TRY(required_id(vocabulary, t, token[2], &sep));
    for (size_t i = 0; i < sizeof token / sizeof *token; i++) {
        int32_t id = tf_vocabulary_find(&t->vocabulary, token[i], strlen(token[i]));
        if (id >= 0) TF_TRY(tf_added_add(&t->added, token[i], (tf_added_token){.id = id, .special = true}));
    }
    TF_TRY(tf_make_bert_template(cls, sep, mpnet, t));
    TF_TRY(tf_decode_add(&t->decoder, (tf_decode_step){.kind = TF_DECODE_WORDPIECE}, "##", ""));
    return tf_decode_add_cleanup(&t->decoder, true);
}

static tf_status read_text(const char *directory, const char *vocabulary, tf_tokenizer *t) {
    char path[4096];
    json_t *config;
    TF_TRY(tf_read_lines(vocabulary, &t->vocabulary));
    t->ids = t->vocabulary.ids;
    TF_TRY(open_config(directory, path, &config));
    tf_status status = read_text_options(path, config, vocabulary, t);
    if (status == TF_OK) status = tf_read_added_files(directory, config, t);
    if (status == TF_OK) status = tf_read_general(path, config, t);
    json_decref(config);
    return status;
}

/* ---- Opening ---- */

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
    tf_status status = has_json ? read_json(directory, json, t) : read_text(directory, text, t);
    if (status == TF_OK) status = tf_added_prepare(&t->added, &t->normalizer);
    if (status == TF_OK)
        *tokenizer = t;
    else
        tf_tokenizer_close(t);
    return status;
}

void tf_tokenizer_close(tf_tokenizer *t) {
    if (!t) return;
    tf_steps_free(&t->normalizer);
    tf_steps_free(&t->splitter);
    tf_added_free(&t->added);
    tf_vocabulary_free(&t->vocabulary);
    tf_bpe_free(&t->bpe);
    tf_unigram_free(&t->unigram);
    tf_decode_steps_free(&t->decoder);
    free(t->wordpiece.prefix);
    free(t->single.item);
    free(t->pair.item);
    free(t);
}
