/* Settings of tokenizer_config.json beside tokenizer.json: transformers/tokenization_utils_fast.py and its classes. */
#include <string.h>

#include "models/tokenize/read/read.h"

static bool is_class(const json_t *config, const char *const *names) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    size_t length = name ? strlen(name) : 0;
    if (length > 4 && !strcmp(name + length - 4, "Fast")) length -= 4;
    for (; name && *names; names++)
        if (strlen(*names) == length && !strncmp(name, *names, length)) return true;
    return false;
}

static tf_status no_memory(void) {
    return tf_fail(TF_NOMEM, "no memory for the tokenizer");
}

/* ---- BERT ---- */

/* A directory that names no class says by its keys what it means. */
static tf_status merge_bert(const char *path, const json_t *config, json_t *root) {
    static const char *const classes[] = {"BertTokenizer",      "DistilBertTokenizer",         "ElectraTokenizer",
                                          "MPNetTokenizer",     "MobileBertTokenizer",         "ConvBertTokenizer",
                                          "RetriBertTokenizer", "DPRQuestionEncoderTokenizer", NULL};
    static const char *const key[][2] = {{"do_lower_case", "lowercase"},
                                         {"strip_accents", "strip_accents"},
                                         {"tokenize_chinese_chars", "handle_chinese_chars"}};
    json_t *normalizer = json_object_get(root, "normalizer");
    const char *type = json_string_value(json_object_get(normalizer, "type"));
    bool named = is_class(config, classes), flag;
    if (!type || strcmp(type, "BertNormalizer") != 0) return TF_OK;
    if (!named && json_object_get(config, "tokenizer_class")) return TF_OK;
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        const json_t *value = json_object_get(config, key[i][0]);
        bool there = value && !json_is_null(value), accents = i == 1;
        if (!there && !named) continue;
        TF_TRY(tf_read_flag(path, config, key[i][0], true, &flag));
        if (json_object_set_new(normalizer, key[i][1], accents && !there ? json_null() : json_boolean(flag)))
            return no_memory();
    }
    return TF_OK;
}

/* ---- Byte-level byte pairs ---- */

static tf_status merge_prefix(const char *path, const json_t *config, json_t *root) {
    json_t *splitter = json_object_get(root, "pre_tokenizer");
    const char *type = json_string_value(json_object_get(splitter, "type"));
    const json_t *value = json_object_get(config, "add_prefix_space");
    bool flag;
    if (!value || json_is_null(value) || !type || strcmp(type, "ByteLevel") != 0) return TF_OK;
    TF_TRY(tf_read_flag(path, config, "add_prefix_space", false, &flag));
    return json_object_set_new(splitter, "add_prefix_space", json_boolean(flag)) ? no_memory() : TF_OK;
}

/* ---- LLaMA ---- */

/* The id of a token in tokenizer.json; NULL when it has none. */
static const json_t *id_of(const json_t *root, const char *token) {
    const json_t *list = json_object_get(root, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *content = json_string_value(json_object_get(json_array_get(list, i), "content"));
        if (content && !strcmp(content, token)) return json_object_get(json_array_get(list, i), "id");
    }
    return json_object_get(json_object_get(json_object_get(root, "model"), "vocab"), token);
}

/* A special token that is put around texts: its name, or NULL when it is not. */
static tf_status read_around(const char *path, const json_t *config, const json_t *root, const char *flag, bool usual,
                             const char *key, const char *fallback, const char **token) {
    const json_t *value = json_object_get(config, key);
    const char *name = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    bool wanted;
    TF_TRY(tf_read_flag(path, config, flag, usual, &wanted));
    *token = wanted ? (name ? name : fallback) : NULL;
    if (!wanted || id_of(root, *token)) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: \"%s\" is true, and the vocabulary has no \"%s\"", path, flag, key);
}

static int add_item(json_t *list, const char *kind, const char *id, int type) {
    return id ? json_array_append_new(list, json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", type)) : 0;
}

static tf_status make_template(const json_t *root, const char *bos, const char *eos, json_t **processor) {
    json_t *single = json_array(), *pair = json_array(), *special = json_object();
    const char *const token[] = {bos, eos};
    int failed = 0;
    for (size_t i = 0; i < 2; i++)
        if (token[i])
            failed |= json_object_set_new(special, token[i], json_pack("{s:[O]}", "ids", id_of(root, token[i])));
    failed |= add_item(single, "SpecialToken", bos, 0) | add_item(single, "Sequence", "A", 0);
    failed |= add_item(single, "SpecialToken", eos, 0) | json_array_extend(pair, single);
    failed |= add_item(pair, "SpecialToken", bos, 1) | add_item(pair, "Sequence", "B", 1);
    failed |= add_item(pair, "SpecialToken", eos, 1);
    *processor = json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair,
                           "special_tokens", special);
    return failed || !*processor ? no_memory() : TF_OK;
}

static tf_status merge_llama(const char *path, const json_t *config, json_t *root) {
    static const char *const llama[] = {"LlamaTokenizer", "CodeLlamaTokenizer", NULL};
    static const char *const gemma[] = {"GemmaTokenizer", NULL};
    bool is_gemma = is_class(config, gemma);
    const char *bos, *eos;
    json_t *processor;
    if (!is_gemma && !is_class(config, llama)) return TF_OK;
    TF_TRY(read_around(path, config, root, "add_bos_token", true, "bos_token", is_gemma ? "<bos>" : "<s>", &bos));
    TF_TRY(read_around(path, config, root, "add_eos_token", false, "eos_token", is_gemma ? "<eos>" : "</s>", &eos));
    TF_TRY(make_template(root, bos, eos, &processor));
    return json_object_set_new(root, "post_processor", processor) ? no_memory() : TF_OK;
}

tf_status tf_merge_config(const char *path, const json_t *config, json_t *root) {
    TF_TRY(merge_bert(path, config, root));
    TF_TRY(merge_prefix(path, config, root));
    return merge_llama(path, config, root);
}

/* ---- Any class ---- */

tf_status tf_read_general(const char *path, const json_t *config, tf_tokenizer *t) {
    const json_t *longest = json_object_get(config, "model_max_length");
    double length = json_number_value(longest);
    bool clean;
    if (longest && !json_is_null(longest) && !(length >= 1))
        return tf_fail(TF_FORMAT, "%s: \"model_max_length\" is not a positive number", path);
    const char *side = json_string_value(json_object_get(config, "truncation_side"));
    if (side) t->cut_left = !strcmp(side, "left");
    t->longest = length <= INT32_MAX ? (size_t)length : 0;
    TF_TRY(tf_read_flag(path, config, "clean_up_tokenization_spaces", false, &clean));
    if (!clean) return TF_OK;
    TF_TRY(tf_decode_add(&t->decoder, (tf_decode_step){.kind = TF_DECODE_FUSE}, "", ""));
    return tf_decode_add_cleanup(&t->decoder, false);
}
