#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/approx.h"
#include "models/model.h"
#include "net/base/file.h"

enum { MAX_CONFIG = 16 << 20, MAX_LABELS = 1 << 16 };

/* Where a key was read, for messages. */
typedef struct source {
    const char *path;
    const json_t *json;
} source;

static const json_t *lookup(const source *from, const char *key) {
    const json_t *value = json_object_get(from->json, key);
    return json_is_null(value) ? NULL : value; /* a null key counts as missing, as in Hugging Face's own reader */
}

static tf_status read_size(const source *from, const char *key, size_t least, size_t most, size_t *out) {
    const json_t *value = lookup(from, key);
    if (!value) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not an integer", from->path, key);
    if (number < (json_int_t)least || number > (json_int_t)most)
        return tf_fail(TF_FORMAT, "%s: \"%s\" is %lld, outside %zu..%zu", from->path, key, (long long)number, least,
                       most);
    *out = (size_t)number;
    return TF_OK;
}

/* *out stays as it is when the key is missing. */
static tf_status read_optional_size(const source *from, const char *key, size_t least, size_t most, size_t *out) {
    return lookup(from, key) ? read_size(from, key, least, most, out) : TF_OK;
}

/* A string, or `fallback` when the key is missing; an error when missing and there is none. */
static tf_status read_text(const source *from, const char *key, const char *fallback, const char **out) {
    const json_t *value = lookup(from, key);
    *out = value ? json_string_value(value) : fallback;
    if (!value && !fallback) return tf_fail(TF_FORMAT, "%s: \"%s\" is missing", from->path, key);
    if (!*out) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a string", from->path, key);
    if (!tf_printable(*out)) return tf_fail(TF_FORMAT, "%s: \"%s\" holds control characters", from->path, key);
    return TF_OK;
}

static tf_status read_sizes(const source *from, tf_config *config) {
    const struct {
        const char *key;
        size_t most, *out;
    } sizes[] = {
        {"hidden_size", 16384, &config->hidden},       {"num_hidden_layers", 128, &config->layers},
        {"num_attention_heads", 1024, &config->heads}, {"intermediate_size", 65536, &config->intermediate},
        {"vocab_size", 1 << 20, &config->vocabulary},  {"max_position_embeddings", 65536, &config->positions},
        {"type_vocab_size", 1024, &config->types},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        TF_TRY(read_size(from, sizes[i].key, 1, sizes[i].most, sizes[i].out));
    if (config->hidden % config->heads)
        return tf_fail(TF_FORMAT, "%s: \"hidden_size\" %zu is not a multiple of \"num_attention_heads\" %zu",
                       from->path, config->hidden, config->heads);
    size_t pad = 0;
    TF_TRY(read_optional_size(from, "pad_token_id", 0, config->vocabulary - 1, &pad));
    config->pad_token = (int32_t)pad;

    const json_t *eps = lookup(from, "layer_norm_eps");
    config->layer_norm_eps = eps ? json_number_value(eps) : 1e-12; /* as Hugging Face: files of 2019 lack it */
    if (eps && !json_is_number(eps)) return tf_fail(TF_FORMAT, "%s: \"layer_norm_eps\" is not a number", from->path);
    if (!(config->layer_norm_eps > 0 && config->layer_norm_eps <= 0.1))
        return tf_fail(TF_FORMAT, "%s: \"layer_norm_eps\" is %g, outside 0..0.1", from->path, config->layer_norm_eps);
    return TF_OK;
}

/* What would make this another network than the one that is built. */
static tf_status check_kind(const source *from, tf_config *config) {
    const char *type, *position, *approx, *activation;
    TF_TRY(read_text(from, "model_type", NULL, &type));
    if (strcmp(type, "bert"))
        return tf_fail(TF_FORMAT, "%s: \"model_type\" is \"%.40s\"; only \"bert\" is supported", from->path, type);
    TF_TRY(read_text(from, "position_embedding_type", "absolute", &position));
    if (strcmp(position, "absolute"))
        return tf_fail(TF_FORMAT, "%s: \"position_embedding_type\" is \"%.40s\"; only \"absolute\" is supported",
                       from->path, position);

    TF_TRY(read_text(from, "trefoil_approx", "", &approx));
    tf_approx scanned;
    if (strlen(approx) >= sizeof config->approx)
        return tf_fail(TF_FORMAT, "%s: \"trefoil_approx\" is too long", from->path);
    strcpy(config->approx, approx);
    if (tf_approx_scan(*approx ? approx : "exact", &scanned))
        return tf_fail_in(TF_FORMAT, "%s: \"trefoil_approx\"", from->path);

    TF_TRY(read_text(from, "hidden_act", NULL, &activation));
    if (strcmp(activation, "gelu") && (!*approx || strcmp(activation, tf_approx_variant(&scanned, "gelu", 0))))
        return tf_fail(
            TF_FORMAT,
            "%s: \"hidden_act\" is \"%.40s\"; only \"gelu\" is supported, or what \"trefoil_approx\" puts in "
            "its place",
            from->path, activation);
    return TF_OK;
}

static tf_status read_head(const source *from, tf_config *config) {
    const json_t *list = lookup(from, "architectures");
    const char *name = "BertModel", *head;
    if (list) {
        name = json_array_size(list) == 1 ? json_string_value(json_array_get(list, 0)) : NULL;
        if (!name || !tf_printable(name))
            return tf_fail(TF_FORMAT, "%s: \"architectures\" is not a list of one name", from->path);
    }
    if (!strcmp(name, "BertForSequenceClassification"))
        config->head = TF_HEAD_CLASSIFIER;
    else if (!strcmp(name, "BertModel"))
        config->head = TF_HEAD_EMBEDDING;
    else
        return tf_fail(
            TF_FORMAT,
            "%s: \"architectures\" names \"%.60s\"; only \"BertModel\" and \"BertForSequenceClassification\" "
            "are supported",
            from->path, name);
    TF_TRY(read_text(from, "trefoil_head", "", &head));
    if (!*head) return TF_OK;
    if (strcmp(head, "sentence_linear"))
        return tf_fail(TF_FORMAT, "%s: \"trefoil_head\" is \"%.40s\"; only \"sentence_linear\" is known", from->path,
                       head);
    config->head = TF_HEAD_CLASSIFIER;
    config->sentence_head = true;
    return TF_OK;
}

static tf_status read_label(const source *from, const json_t *names, tf_config *config, size_t i) {
    char key[24];
    snprintf(key, sizeof key, "%zu", i);
    const char *name = json_string_value(json_object_get(names, key));
    if (!name || !tf_printable(name))
        return tf_fail(TF_FORMAT, "%s: \"id2label\" has no printable label \"%s\", though it has %zu labels",
                       from->path, key, config->labels);
    config->label[i] = strdup(name);
    return config->label[i] ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the labels", from->path);
}

static tf_status read_labels(const source *from, tf_config *config) {
    const json_t *names = lookup(from, "id2label");
    size_t count = json_object_size(names);
    if (names && (!json_is_object(names) || count < 1 || count > MAX_LABELS))
        return tf_fail(TF_FORMAT, "%s: \"id2label\" is not an object of 1..%d labels", from->path, MAX_LABELS);
    config->labels = names ? count : 2; /* Hugging Face leaves two unnamed labels out of the file */
    TF_TRY(read_optional_size(from, "num_labels", 1, MAX_LABELS, &config->labels));
    if (!names) return TF_OK;
    if (config->labels != count)
        return tf_fail(TF_FORMAT, "%s: \"num_labels\" is %zu, but \"id2label\" has %zu labels", from->path,
                       config->labels, count);
    config->label = calloc(count, sizeof *config->label);
    if (!config->label) return tf_fail(TF_NOMEM, "%s: no memory for the labels", from->path);
    for (size_t i = 0; i < count; i++) TF_TRY(read_label(from, names, config, i));
    return TF_OK;
}

static tf_status read_config(const source *from, tf_config *config) {
    TF_TRY(check_kind(from, config));
    TF_TRY(read_sizes(from, config));
    TF_TRY(read_head(from, config));
    return config->head == TF_HEAD_CLASSIFIER ? read_labels(from, config) : TF_OK;
}

tf_status tf_config_read(const char *directory, tf_config *config) {
    *config = (tf_config){.labels = 0};
    char path[4096];
    json_t *json;
    TF_TRY(tf_path_join(directory, "config.json", path, sizeof path));
    TF_TRY(tf_json_read(path, MAX_CONFIG, &json));
    tf_status status = read_config(&(source){path, json}, config);
    json_decref(json);
    if (status != TF_OK) tf_config_free(config);
    return status;
}

void tf_config_free(tf_config *config) {
    for (size_t i = 0; config->label && i < config->labels; i++) free(config->label[i]);
    free(config->label);
    *config = (tf_config){.labels = 0};
}

tf_status tf_config_named(const char *name, tf_config *config) {
    static const struct {
        const char *name;
        size_t layers, hidden, heads, intermediate;
    } known[] = {
        {"bert-tiny", 2, 128, 2, 512},    {"bert-mini", 4, 256, 4, 1024},   {"bert-small", 4, 512, 8, 2048},
        {"bert-medium", 8, 512, 8, 2048}, {"bert-base", 12, 768, 12, 3072}, {"bert-large", 24, 1024, 16, 4096},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        *config = (tf_config){.hidden = known[i].hidden,
                              .layers = known[i].layers,
                              .heads = known[i].heads,
                              .intermediate = known[i].intermediate,
                              .vocabulary = 30522,
                              .positions = 512,
                              .types = 2,
                              .layer_norm_eps = 1e-12,
                              .head = TF_HEAD_EMBEDDING};
        return TF_OK;
    }
    return tf_fail(TF_INVALID,
                   "unknown architecture '%s'; known are bert-tiny, -mini, -small, -medium, -base and -large", name);
}
