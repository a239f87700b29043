#include "models/generation.h"

#include <unistd.h>

#include "net/base/file.h"

enum { MAX_FILE = 1 << 20, MOST_TOKENS = 1 << 30, MOST_ENDS = sizeof(((tf_generation *)0)->end) / sizeof(int32_t) };

static tf_status read_token(const tf_json_source *from, const char *key, const json_t *value, size_t vocabulary,
                            int32_t *out) {
    json_int_t id = json_integer_value(value);
    if (!json_is_integer(value) || id < 0 || (size_t)id >= vocabulary)
        return tf_fail(TF_FORMAT, "%s: \"%s\" is not an id below the vocabulary's size of %zu", from->path, key,
                       vocabulary);
    *out = (int32_t)id;
    return TF_OK;
}

/* One id, or a list of them. */
static tf_status read_ends(const tf_json_source *from, size_t vocabulary, tf_generation *g) {
    static const char key[] = "eos_token_id";
    const json_t *value = tf_json_lookup(from, key);
    size_t count = json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
    if (count > MOST_ENDS)
        return tf_fail(TF_FORMAT, "%s: \"%s\" lists %zu tokens; at most %d are supported", from->path, key, count,
                       (int)MOST_ENDS);
    for (g->ends = 0; g->ends < count; g->ends++)
        TF_TRY(read_token(from, key, json_is_array(value) ? json_array_get(value, g->ends) : value, vocabulary,
                          &g->end[g->ends]));
    return TF_OK;
}

static tf_status read_generation(const tf_json_source *from, size_t vocabulary, tf_generation *g) {
    const json_t *begin = tf_json_lookup(from, "bos_token_id");
    *g = (tf_generation){.begin = -1, .temperature = 1, .top_p = 1, .repetition_penalty = 1};
    if (begin) TF_TRY(read_token(from, "bos_token_id", begin, vocabulary, &g->begin));
    TF_TRY(read_ends(from, vocabulary, g));
    TF_TRY(tf_json_optional_flag(from, "do_sample", &g->sample));
    TF_TRY(tf_json_optional_size(from, "max_new_tokens", 1, MOST_TOKENS, &g->max_new_tokens));
    TF_TRY(tf_json_optional_size(from, "top_k", 0, MOST_TOKENS, &g->top_k));
    TF_TRY(tf_json_optional_real(from, "top_p", 1, &g->top_p));
    TF_TRY(tf_json_optional_real(from, "temperature", 1000, &g->temperature));
    return tf_json_optional_real(from, "repetition_penalty", 1000, &g->repetition_penalty);
}

tf_status tf_generation_read(const char *directory, const tf_json_source *from, tf_config *config) {
    char path[4096];
    json_t *json;
    TF_TRY(tf_path_join(directory, TF_GENERATION_FILE, path, sizeof path));
    if (access(path, F_OK)) return read_generation(from, config->vocabulary, &config->generation);
    TF_TRY(tf_json_open(path, MAX_FILE, &json));
    tf_status status =
        read_generation(&(tf_json_source){.path = path, .json = json}, config->vocabulary, &config->generation);
    json_decref(json);
    return status;
}
