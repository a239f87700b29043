#include "models/sentence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/files/json.h"
#include "net/base/file.h"

enum { PATH_SIZE = 4096, MOST_BYTES = 16 << 20, MODULES = 4 };

static const struct mode {
    const char *name, *key;
    tf_pooling pooling;
} modes[] = {
    {"mean", "pooling_mode_mean_tokens", TF_POOL_MEAN},
    {"cls", "pooling_mode_cls_token", TF_POOL_FIRST},
    {"max", "pooling_mode_max_tokens", TF_POOL_MAX},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", TF_POOL_MEAN_SQRT},
    {"weightedmean", "pooling_mode_weightedmean_tokens", TF_POOL_WEIGHTED_MEAN},
    {"lasttoken", "pooling_mode_lasttoken", TF_POOL_LAST},
};

enum { MODES = sizeof modes / sizeof *modes };

const char *tf_pooling_name(tf_pooling pooling) {
    for (int i = 0; i < MODES; i++)
        if (modes[i].pooling == pooling) return modes[i].name;
    return "";
}

bool tf_pooling_find(const char *name, tf_pooling *pooling) {
    for (int i = 0; i < MODES; i++)
        if (!strcmp(modes[i].name, name)) return *pooling = modes[i].pooling, true;
    return false;
}

/* A file below a model's directory, where it is there. */
typedef struct file {
    char path[PATH_SIZE];
    json_t *json; /* NULL where it is not */
} file;

static tf_status open_below(const char *directory, const char *part, const char *name, file *f) {
    char folder[PATH_SIZE];
    *f = (file){.json = NULL};
    TF_TRY(tf_path_join(directory, part, folder, sizeof folder));
    TF_TRY(tf_path_join(*part ? folder : directory, name, f->path, sizeof f->path));
    if (access(f->path, F_OK) && errno == ENOENT) return TF_OK;
    return tf_json_open(f->path, MOST_BYTES, &f->json);
}

static tf_status read_pooling(const file *f, tf_config *config) {
    const tf_json_source from = {.path = f->path, .json = f->json};
    size_t width = config->hidden;
    int chosen = 0;
    const char *name;
    TF_TRY(tf_json_optional_size(&from, "word_embedding_dimension", config->hidden, config->hidden, &width));
    for (int i = 0; i < MODES; i++) {
        bool set = false;
        TF_TRY(tf_json_optional_flag(&from, modes[i].key, &set));
        if (set) config->pooling = modes[i].pooling;
        chosen += set;
    }
    TF_TRY(tf_json_text(&from, "pooling_mode", "", &name));
    if (*name && !tf_pooling_find(name, &config->pooling))
        return tf_fail(TF_FORMAT, "%s: \"pooling_mode\" is \"%.40s\"; it is not known", f->path, name);
    chosen += *name != '\0';
    if (chosen != 1)
        return tf_fail(TF_FORMAT, "%s: %d pooling modes (\"pooling_mode_...\") are true; exactly one is supported",
                       f->path, chosen);
    return TF_OK;
}

static tf_status read_dense(const file *f, const char *folder, tf_config *config) {
    const tf_json_source from = {.path = f->path, .json = f->json};
    const char *activation;
    size_t in;
    bool bias = true;
    if (strcmp(folder, "2_Dense"))
        return tf_fail(TF_FORMAT, "%s: a dense layer in \"%.40s\"; it is expected in 2_Dense", f->path, folder);
    TF_TRY(tf_json_size(&from, "in_features", config->hidden, config->hidden, &in));
    TF_TRY(tf_json_size(&from, "out_features", 1, 65536, &config->sentence_width));
    TF_TRY(tf_json_optional_flag(&from, "bias", &bias));
    TF_TRY(tf_json_text(&from, "activation_function", "torch.nn.modules.activation.Tanh", &activation));
    config->sentence_no_bias = !bias;
    config->sentence_tanh = !strcmp(activation, "torch.nn.modules.activation.Tanh");
    if (!config->sentence_tanh && strcmp(activation, "torch.nn.modules.linear.Identity"))
        return tf_fail(TF_FORMAT, "%s: \"activation_function\" is \"%.60s\"; only Tanh and Identity are supported",
                       f->path, activation);
    return TF_OK;
}

/* The modules in their order; each kind may come once. */
static const char *const kinds[MODULES] = {"Transformer", "Pooling", "Dense", "Normalize"};

static tf_status read_module(const char *directory, const char *path, const json_t *module, int *next, bool *seen,
                             tf_config *config) {
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *folder = json_string_value(json_object_get(module, "path"));
    if (!type || !folder || !tf_printable(type) || !tf_printable(folder) || strchr(folder, '/'))
        return tf_fail(TF_FORMAT, "%s: a module without \"type\" or with a \"path\" that is no folder", path);
    const char *kind = strrchr(type, '.') ? strrchr(type, '.') + 1 : type;
    int found = *next;
    while (found < MODULES && strcmp(kinds[found], kind)) found++;
    if (found == MODULES)
        return tf_fail(
            TF_FORMAT,
            "%s: module \"%.60s\" is not supported here; known are Transformer, Pooling, Dense and Normalize, "
            "in this order",
            path, type);
    *next = found + 1;
    seen[found] = true;
    if (found == 0 || found == 3) return TF_OK;
    file f;
    TF_TRY(open_below(directory, folder, "config.json", &f));
    if (!f.json) return tf_fail(TF_IO, "%s: is missing, though modules.json names it", f.path);
    tf_status status = found == 1 ? read_pooling(&f, config) : read_dense(&f, folder, config);
    json_decref(f.json);
    return status;
}

static tf_status read_modules(const char *directory, tf_config *config) {
    char path[PATH_SIZE];
    json_t *list;
    bool seen[MODULES] = {false};
    int next = 0;
    TF_TRY(tf_path_join(directory, "modules.json", path, sizeof path));
    if (access(path, F_OK) && errno == ENOENT) return TF_OK;
    TF_TRY(tf_json_open_list(path, MOST_BYTES, &list));
    tf_status status = TF_OK;
    for (size_t i = 0; i < json_array_size(list) && status == TF_OK; i++)
        status = read_module(directory, path, json_array_get(list, i), &next, seen, config);
    json_decref(list);
    if (status == TF_OK && !(seen[0] && seen[1]))
        status = tf_fail(TF_FORMAT, "%s: has no Transformer or no Pooling module", path);
    config->unnormalised = !seen[3];
    return status;
}

static tf_status read_settings(const char *directory, tf_config *config) {
    file f;
    TF_TRY(open_below(directory, "", "sentence_bert_config.json", &f));
    if (f.json) {
        const tf_json_source from = {.path = f.path, .json = f.json};
        const tf_json_only only[] = {{"do_lower_case", "false"}};
        tf_status status = tf_json_check_only(&from, only, 1);
        if (status == TF_OK)
            status = tf_json_optional_size(&from, "max_seq_length", 1, SIZE_MAX / 2, &config->longest_text);
        json_decref(f.json);
        TF_TRY(status);
    }
    TF_TRY(open_below(directory, "", "config_sentence_transformers.json", &f));
    if (!f.json) return TF_OK;
    const tf_json_source from = {.path = f.path, .json = f.json};
    tf_status status = TF_OK;
    if (tf_json_lookup(&from, "default_prompt_name"))
        status =
            tf_fail(TF_FORMAT,
                    "%s: \"default_prompt_name\" puts a prompt before every text, which is not supported: set it to "
                    "null and put it there yourself",
                    f.path);
    json_decref(f.json);
    return status;
}

tf_status tf_sentence_read(const char *directory, tf_config *config) {
    TF_TRY(read_modules(directory, config));
    return read_settings(directory, config);
}
