#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/activation.h"
#include "models/approx.h"
#include "models/config.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/generation.h"
#include "models/sentence.h"
#include "net/base/file.h"

enum { MAX_CONFIG = 16 << 20, MAX_LABELS = 1 << 16 };

/* The family that "model_type" names. */
static tf_status find_family(const tf_json_source *from, tf_config *config) {
    const char *type;
    char known[256] = "";
    TF_TRY(tf_json_text(from, "model_type", NULL, &type));
    config->family = tf_family_find(type);
    if (config->family) return TF_OK;
    for (size_t i = 0; tf_family_at(i); i++)
        for (const char *const *name = tf_family_at(i)->model_types; *name; name++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s\"%s\"", *known ? ", " : "", *name);
    return tf_fail(TF_FORMAT, "%s: \"model_type\" is \"%.40s\"; supported are %s", from->path, type, known);
}

static tf_status refuse_activation(const tf_json_source *from, const tf_config *config, const char *key,
                                   const char *activation) {
    char known[256] = "";
    const char *const *own = config->family->activations;
    for (int i = 0; own ? own[i] != NULL : tf_activation_at(i) != NULL; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "\"%s\", ",
                 own ? own[i] : tf_activation_at(i)->name);
    return tf_fail(TF_FORMAT, "%s: \"%s\" is \"%.40s\"; supported are %sand what \"trefoil_approx\" puts in its place",
                   from->path, key, activation, known);
}

static tf_status read_activation(const tf_json_source *from, tf_config *config) {
    const char *approx, *activation;
    TF_TRY(tf_json_text(from, "trefoil_approx", "", &approx));
    tf_approx scanned;
    if (strlen(approx) >= sizeof config->approx)
        return tf_fail(TF_FORMAT, "%s: \"trefoil_approx\" is too long", from->path);
    strcpy(config->approx, approx);
    if (tf_approx_scan(*approx ? approx : "exact", &scanned))
        return tf_fail_in(TF_FORMAT, "%s: \"trefoil_approx\"", from->path);

    const char *key = config->family->activation_key ? config->family->activation_key : "hidden_act";
    const char *const *own = config->family->activations;
    TF_TRY(tf_json_text(from, key, own ? own[0] : NULL, &activation));
    bool known = *activation && tf_activation_find(activation), stands_in = false;
    if (own && known)
        for (known = false; *own; own++) known |= !strcmp(*own, activation);
    if (known)
        strcpy(config->activation, activation);
    else
        stands_in = *approx && !strcmp(activation, tf_approx_variant(&scanned, "gelu", 0));
    return known || stands_in ? TF_OK : refuse_activation(from, config, key, activation);
}

/* "architectures": one name, or none, which stands for the bare encoder. */
static tf_status read_architecture(const tf_json_source *from, tf_config *config) {
    const json_t *list = tf_json_lookup(from, "architectures");
    const struct tf_family_head *head = config->family->heads;
    const char *name = NULL;
    char known[512] = "";
    config->head = TF_HEAD_EMBEDDING;
    config->head_guessed = !list;
    if (!list) return TF_OK;
    name = json_array_size(list) == 1 ? json_string_value(json_array_get(list, 0)) : NULL;
    if (!name || !tf_printable(name))
        return tf_fail(TF_FORMAT, "%s: \"architectures\" is not a list of one name", from->path);
    for (; head->architecture && strcmp(head->architecture, name); head++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s\"%s\"", *known ? ", " : "",
                 head->architecture);
    if (!head->architecture)
        return tf_fail(TF_FORMAT, "%s: \"architectures\" names \"%.60s\"; supported are %s", from->path, name, known);
    config->head = head->head;
    return TF_OK;
}

/* What `trefoil fit-head` puts in the place of sentence-transformers' files. */
static tf_status read_sentence_keys(const tf_json_source *from, tf_config *config) {
    const char *pooling;
    bool normalise = true;
    TF_TRY(tf_json_text(from, "trefoil_pooling", "mean", &pooling));
    TF_TRY(tf_json_optional_flag(from, "trefoil_normalise", &normalise));
    config->unnormalised = !normalise;
    if (tf_pooling_find(pooling, &config->pooling)) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: \"trefoil_pooling\" is \"%.40s\"; it is not known", from->path, pooling);
}

static tf_status read_head(const tf_json_source *from, tf_config *config) {
    const char *head;
    TF_TRY(read_architecture(from, config));
    TF_TRY(tf_json_text(from, "trefoil_head", "", &head));
    if (!*head) return TF_OK;
    if (strcmp(head, "sentence_linear"))
        return tf_fail(TF_FORMAT, "%s: \"trefoil_head\" is \"%.40s\"; only \"sentence_linear\" is known", from->path,
                       head);
    config->head = TF_HEAD_CLASSIFIER;
    config->sentence_head = true;
    return read_sentence_keys(from, config);
}

static tf_status read_label(const tf_json_source *from, const json_t *names, tf_config *config, size_t i) {
    char key[24];
    snprintf(key, sizeof key, "%zu", i);
    const char *name = json_string_value(json_object_get(names, key));
    if (!name || !tf_printable(name))
        return tf_fail(TF_FORMAT, "%s: \"id2label\" has no printable label \"%s\", though it has %zu labels",
                       from->path, key, config->labels);
    config->label[i] = strdup(name);
    return config->label[i] ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the labels", from->path);
}

static tf_status read_labels(const tf_json_source *from, tf_config *config) {
    const json_t *names = tf_json_lookup(from, "id2label");
    size_t count = json_object_size(names);
    if (names && (!json_is_object(names) || count < 1 || count > MAX_LABELS))
        return tf_fail(TF_FORMAT, "%s: \"id2label\" is not an object of 1..%d labels", from->path, MAX_LABELS);
    config->labels = names ? count : 2; /* Hugging Face leaves two unnamed labels out of the file */
    TF_TRY(tf_json_optional_size(from, "num_labels", 1, MAX_LABELS, &config->labels));
    if (!names) return TF_OK;
    if (config->labels != count)
        return tf_fail(TF_FORMAT, "%s: \"num_labels\" is %zu, but \"id2label\" has %zu labels", from->path,
                       config->labels, count);
    config->label = calloc(count, sizeof *config->label);
    if (!config->label) return tf_fail(TF_NOMEM, "%s: no memory for the labels", from->path);
    for (size_t i = 0; i < count; i++) TF_TRY(read_label(from, names, config, i));
    return TF_OK;
}

/* "problem_type"; where it is missing one label means a value, several mean one of them. */
static tf_status read_problem(const tf_json_source *from, tf_config *config) {
    static const char *const names[] = {[TF_PROBLEM_SINGLE] = "single_label_classification",
                                        [TF_PROBLEM_REGRESSION] = "regression",
                                        [TF_PROBLEM_MULTI] = "multi_label_classification"};
    const char *name;
    config->problem = config->labels == 1 ? TF_PROBLEM_REGRESSION : TF_PROBLEM_SINGLE;
    TF_TRY(tf_json_text(from, "problem_type", "", &name));
    if (!*name) return TF_OK;
    for (int i = 0; i < 3; i++)
        if (!strcmp(names[i], name)) return config->problem = (tf_problem)i, TF_OK;
    return tf_fail(TF_FORMAT, "%s: \"problem_type\" is \"%.40s\"; known are %s, %s and %s", from->path, name, names[0],
                   names[1], names[2]);
}

static tf_status read_config(const tf_json_source *from, tf_config *config) {
    TF_TRY(find_family(from, config));
    TF_TRY(read_activation(from, config));
    size_t keys = 0;
    while (config->family->only && config->family->only[keys].key) keys++;
    TF_TRY(tf_json_check_only(from, config->family->only, keys));
    TF_TRY(config->family->read(from, config));
    TF_TRY(read_head(from, config));
    bool labelled = config->head == TF_HEAD_CLASSIFIER || config->head == TF_HEAD_TOKENS;
    if (labelled) TF_TRY(read_labels(from, config));
    if (labelled) TF_TRY(read_problem(from, config));
    if (config->head == TF_HEAD_MASKED)
        TF_TRY(tf_json_check_only(from, &(tf_json_only){"tie_word_embeddings", "true"}, 1));
    return TF_OK;
}

static tf_status read_object(const char *directory, const tf_json_source *from, tf_config *config) {
    if (!from->seen) return tf_fail(TF_NOMEM, "%s: no memory for its keys", from->path);
    TF_TRY(read_config(from, config));
    if (config->head == TF_HEAD_CAUSAL) TF_TRY(tf_generation_read(directory, from, config));
    return tf_config_check_keys(from, config);
}

tf_status tf_config_read(const char *directory, tf_config *config) {
    *config = (tf_config){.labels = 0};
    char path[4096];
    json_t *json;
    TF_TRY(tf_path_join(directory, "config.json", path, sizeof path));
    TF_TRY(tf_json_open(path, MAX_CONFIG, &json));
    json_t *seen = json_object();
    tf_status status = read_object(directory, &(tf_json_source){path, json, seen}, config);
    json_decref(seen);
    json_decref(json);
    if (status == TF_OK) status = tf_sentence_read(directory, config);
    if (status != TF_OK) tf_config_free(config);
    return status;
}

void tf_config_free(tf_config *config) {
    for (size_t i = 0; config->label && i < config->labels; i++) free(config->label[i]);
    free(config->label);
    *config = (tf_config){.labels = 0};
}

/* GPT-2's and LLaMA's own sizes. */
static bool find_decoder(const char *name, tf_config *config) {
    static const struct {
        const char *name;
        const tf_family *family;
        size_t layers, hidden, heads, kv_heads, intermediate, vocabulary, positions;
        bool tied;
    } known[] = {
        {"gpt2", &tf_gpt2_family, 12, 768, 12, 12, 3072, 50257, 1024, true},
        {"gpt2-medium", &tf_gpt2_family, 24, 1024, 16, 16, 4096, 50257, 1024, true},
        {"gpt2-large", &tf_gpt2_family, 36, 1280, 20, 20, 5120, 50257, 1024, true},
        {"stories15m", &tf_llama_family, 6, 288, 6, 6, 768, 32000, 256, true},
        {"tinyllama-1.1b", &tf_llama_family, 22, 2048, 32, 4, 5632, 32000, 2048, false},
        {"llama-7b", &tf_llama_family, 32, 4096, 32, 32, 11008, 32000, 2048, false},
        {"llama-13b", &tf_llama_family, 40, 5120, 40, 40, 13824, 32000, 2048, false},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        bool gpt2 = known[i].family == &tf_gpt2_family;
        *config = (tf_config){.family = known[i].family,
                              .hidden = known[i].hidden,
                              .layers = known[i].layers,
                              .heads = known[i].heads,
                              .kv_heads = known[i].kv_heads,
                              .intermediate = known[i].intermediate,
                              .vocabulary = known[i].vocabulary,
                              .positions = known[i].positions,
                              .rope_theta = gpt2 ? 0 : 10000,
                              .layer_norm_eps = 1e-5,
                              .tie_word_embeddings = known[i].tied,
                              .head = TF_HEAD_CAUSAL};
        strcpy(config->activation, gpt2 ? "gelu_new" : "silu");
        return true;
    }
    return false;
}

tf_status tf_config_named(const char *name, tf_config *config) {
    static const struct {
        const char *name;
        size_t layers, hidden, heads, intermediate;
    } known[] = {
        {"bert-tiny", 2, 128, 2, 512},    {"bert-mini", 4, 256, 4, 1024},   {"bert-small", 4, 512, 8, 2048},
        {"bert-medium", 8, 512, 8, 2048}, {"bert-base", 12, 768, 12, 3072}, {"bert-large", 24, 1024, 16, 4096},
    };
    if (find_decoder(name, config)) return TF_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        *config = (tf_config){.family = &tf_bert_family,
                              .hidden = known[i].hidden,
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
                   "unknown architecture '%s'; known are bert-tiny, -mini, -small, -medium, -base and -large, gpt2, "
                   "gpt2-medium, gpt2-large, stories15m, tinyllama-1.1b, llama-7b and llama-13b",
                   name);
}

#define WRITE_SIZE(name)          fprintf(out, " " #name "=%zu", c->name);
#define WRITE_REAL(name)          fprintf(out, " " #name "=%.17g", c->name);
#define WRITE_FLAG(name)          fprintf(out, " " #name "=%d", (int)c->name);
#define WRITE_INTEGER(type, name) fprintf(out, " " #name "=%lld", (long long)c->name);
#define WRITE_NAME(name)          fprintf(out, " " #name "=%s", c->name);

tf_status tf_architecture_digest(const tf_config *c, tf_digest *digest) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out) return tf_fail(TF_NOMEM, "no memory for the architecture");
    fprintf(out, "family=%s", tf_family_of(c)->name);
    TF_CONFIG_FIELDS(WRITE_SIZE, WRITE_REAL, WRITE_FLAG, WRITE_INTEGER, WRITE_NAME)
    bool written = !fclose(out);
    if (written) *digest = tf_digest_of(text, length);
    free(text);
    return written ? TF_OK : tf_fail(TF_NOMEM, "no memory for the architecture");
}
