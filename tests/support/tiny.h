/** A tiny BERT with random weights, run in sessions of three parties, for tests. */
#ifndef TF_TESTS_TINY_H
#define TF_TESTS_TINY_H

#include <criterion/criterion.h>
#include <math.h>

#include "models/model.h"
#include "ops/ops.h"
#include "runtime/session/session.h"
#include "tests/support/three.h"

enum { TINY_TEXTS = 3, TINY_LENGTH = 6, TINY_LABELS = 4, TINY_MODEL_OWNER = 0, TINY_DATA_OWNER = 1 };

static const tf_config tiny_config = {.hidden = 16,
                                      .layers = 2,
                                      .heads = 2,
                                      .intermediate = 24,
                                      .vocabulary = 70,
                                      .positions = 9,
                                      .types = 2,
                                      .layer_norm_eps = 1e-5,
                                      .labels = TINY_LABELS};

static const size_t tiny_lengths[TINY_TEXTS] = {6, 3, 5};
static const int32_t tiny_ids[TINY_TEXTS * TINY_LENGTH] = {1, 7, 69, 3, 3, 2, 1, 9, 2, 0, 0, 0, 1, 4, 68, 0, 2, 0};

/** Weights that depend on their name alone. They live as long as the process, and a leak checker finds them here. */
static inline const float *tiny_weight(const char *name, size_t count) {
    static float *kept[4096];
    static _Atomic unsigned number;
    uint64_t seed = UINT64_C(14695981039346656037);
    for (const char *c = name; *c; c++) seed = (seed ^ (uint8_t)*c) * UINT64_C(1099511628211);
    bool norm = strstr(name, "LayerNorm.weight") != NULL;
    float *data = malloc(count * sizeof *data);
    for (size_t i = 0; i < count; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        data[i] = (float)((norm ? 1 : 0) + 0.5 * (ldexp((double)(seed >> 11), -52) - 1));
    }
    return kept[number++ % 4096] = data;
}

/** The graph of one batch as party `id` builds it (-1: with everything). The first `texts` texts. */
static inline tf_status tiny_graph(tf_graph *graph, const char *approximations, size_t texts, const int32_t *ids,
                                   int id) {
    tf_approx approx;
    tf_batch batch = {.texts = texts,
                      .length = TINY_LENGTH,
                      .lengths = tiny_lengths,
                      .ids = id == TINY_DATA_OWNER || id < 0 ? ids : NULL};
    TF_TRY(tf_approx_parse(approximations, &approx));
    TF_TRY(tf_model_build(&tiny_config, &approx, &batch, NULL, false, graph));
    for (int i = 0; i < graph->nodes && (id == TINY_MODEL_OWNER || id < 0); i++)
        if (graph->node[i].leaf == TF_LEAF_WEIGHT)
            graph->node[i].data = tiny_weight(graph->node[i].name, tf_shape_count(graph->node[i].shape));
    return TF_OK;
}

/** The greatest difference between private logits and those in floating point. */
static inline double tiny_error(const double *logits, const char *approximations, size_t texts, const int32_t *ids) {
    tf_graph graph;
    tf_array plain = {.data = NULL};
    double worst = 0;
    cr_assert_eq(tiny_graph(&graph, approximations, texts, ids, -1), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_graph_plain(&graph, &plain, NULL, NULL), TF_OK, "%s", tf_error());
    for (size_t i = 0; i < texts * TINY_LABELS; i++) worst = fmax(worst, fabs(logits[i] - plain.data[i]));
    free(plain.data);
    tf_graph_free(&graph);
    return worst;
}

#endif
