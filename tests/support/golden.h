/** Decoders whose continuations are known from float64, from reference data that is not part of the project. */
#ifndef TF_TESTS_GOLDEN_H
#define TF_TESTS_GOLDEN_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/decoding.h"
#include "models/model.h"
#include "ops/ops.h"

typedef struct golden_model {
    const char *name, *directory, *file;
} golden_model;

/** Where reference data lie; one of four buffers in turn. */
static inline const char *golden_path(const char *name) {
    static char path[4][512];
    static int next;
    const char *shared = getenv("TREFOIL_SHARED");
    char *to = path[next++ % 4];
    if (!strncmp(name, ".cache", 6))
        snprintf(to, sizeof path[0], "%s/%s", TREFOIL_SOURCE_DIR, name);
    else
        snprintf(to, sizeof path[0], "%s/%s", shared ? shared : TREFOIL_SOURCE_DIR "/../shared", name);
    return to;
}

static const golden_model golden_models[] = {
    {"gpt2-tiny-random", "models/gpt2-tiny-random", "models/gpt2-tiny-random/golden.json"},
    {"llama-gqa-tiny-random", "models/llama-gqa-tiny-random", "models/llama-gqa-tiny-random/golden.json"},
    {"stories15M", ".cache/stories15m", "data/generation_golden/stories15M.json"},
};
enum { GOLDEN_MODELS = sizeof golden_models / sizeof *golden_models };

/** A model with its weights and what it should say. */
typedef struct golden {
    const char *name;
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    json_t *cases;
} golden;

/** False where model or reference are not there. */
static inline bool golden_open(const golden_model *model, golden *g) {
    const char *file = golden_path(model->file), *directory = golden_path(model->directory);
    char weights[600];
    snprintf(weights, sizeof weights, "%s/model.safetensors", directory);
    if (access(file, R_OK) || access(weights, R_OK)) return false;
    *g = (golden){.name = model->name, .cases = json_load_file(file, 0, NULL)};
    cr_assert(json_is_array(g->cases), "%s is no list", file);
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_config_read(directory, &g->config), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_approx_parse("exact", &g->approx), TF_OK);
    cr_assert_eq(tf_safetensors_open(weights, &g->weights), TF_OK, "%s", tf_error());
    return true;
}

static inline void golden_close(golden *g) {
    json_decref(g->cases);
    tf_safetensors_close(g->weights);
    tf_config_free(&g->config);
}

/** A list of integers of a case; the caller frees. */
static inline int32_t *golden_ids(const golden *g, size_t number, const char *key, size_t *count) {
    const json_t *list = json_object_get(json_array_get(g->cases, number), key);
    *count = json_array_size(list);
    int32_t *ids = calloc(*count + 1, sizeof *ids);
    for (size_t i = 0; i < *count; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

/** The largest difference of the ten best logits of a case's first step. */
static inline double golden_error(const golden *g, size_t number, const float *logits) {
    const json_t *top = json_object_get(json_array_get(g->cases, number), "first_top10");
    double worst = 0;
    cr_assert_eq(json_array_size(top), 10);
    for (size_t i = 0; i < 10; i++) {
        const json_t *pair = json_array_get(top, i);
        double error =
            (double)logits[json_integer_value(json_array_get(pair, 0))] - json_number_value(json_array_get(pair, 1));
        if (error < 0) error = -error;
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

/** How far the best logit of a step was above the second. */
static inline double golden_margin(const golden *g, size_t number, size_t step) {
    const json_t *margins = json_object_get(json_array_get(g->cases, number), "margins");
    return json_number_value(json_array_get(margins, step));
}

#endif
