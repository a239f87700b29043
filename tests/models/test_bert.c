/* The BERT builder against a naive forward pass in double, one text at a time. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "models/model.h"
#include "tests/support/plain.h"

enum { HIDDEN = 12, HEADS = 3, LAYERS = 2, INNER = 20, VOCABULARY = 30, POSITIONS = 9, LABELS = 4 };

static tf_config config = {.hidden = HIDDEN,
                           .layers = LAYERS,
                           .heads = HEADS,
                           .intermediate = INNER,
                           .vocabulary = VOCABULARY,
                           .positions = POSITIONS,
                           .types = 2,
                           .layer_norm_eps = 1e-3,
                           .labels = LABELS};

static tf_approx approx;

/* Three texts of 6, 3 and 5 tokens. */
static size_t lengths[] = {6, 3, 5}, equal_lengths[] = {6, 6, 6};
static int32_t ids[] = {1, 7, 29, 3, 3, 2, 1, 9, 2, 0, 0, 0, 1, 4, 28, 0, 2, 0};
static int32_t types[] = {0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static tf_batch padded(void) {
    return (tf_batch){3, 6, lengths, ids, types, .pairs = false};
}
static tf_batch pairs(void) {
    return (tf_batch){3, 6, lengths, ids, types, .pairs = true};
}
static tf_batch equal(void) {
    return (tf_batch){3, 6, equal_lengths, ids, types, .pairs = false};
}

/* Weights that depend only on the name. Every test is a process of its own, so they are never freed. */
static const float *weight(const char *name, size_t count) {
    uint64_t seed = 14695981039346656037u;
    for (const char *c = name; *c; c++) seed = (seed ^ (uint8_t)*c) * 1099511628211u;
    bool norm = strstr(name, "LayerNorm.weight") != NULL;
    return random_array(tf_dims(count), norm ? 0.5 : -1, norm ? 1.5 : 1, seed).data;
}

/* A file with the weights of the model, whose names a graph of open weights tells: nothing is folded there. */
static tf_safetensors *write_weights(tf_batch batch) {
    static tf_tensor_source tensor[128];
    size_t count = 0;
    char path[] = "/tmp/trefoil_test_bert_XXXXXX";
    int handle = mkstemp(path);
    tf_graph graph;
    tf_safetensors *file;
    cr_assert_geq(handle, 0);
    close(handle);
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, true, &graph), TF_OK, "%s", tf_error());
    for (int i = 0; i < graph.nodes; i++) {
        const tf_node *node = &graph.node[i];
        if (node->leaf == TF_LEAF_WEIGHT || node->leaf == TF_LEAF_PUBLIC_WEIGHT)
            tensor[count++] = (tf_tensor_source){
                .name = node->name, .shape = node->shape, .data = weight(node->name, tf_shape_count(node->shape))};
    }
    cr_assert_eq(tf_safetensors_write(path, tensor, count), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_safetensors_open(path, &file), TF_OK, "%s", tf_error());
    unlink(path);
    tf_graph_free(&graph);
    return file;
}

/* y (rows x out) = x (rows x in) W^T + b */
static void linear(const char *name, const double *x, size_t rows, size_t in, size_t out, double *y) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    const float *w = weight(full, in * out);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *b = weight(full, out);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < out; o++) {
            double sum = b[o];
            for (size_t i = 0; i < in; i++) sum += x[r * in + i] * w[o * in + i];
            y[r * out + o] = sum;
        }
}

static void layer_norm(const char *name, const char *variant, double *x, size_t rows) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    const float *gamma = weight(full, HIDDEN);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *beta = weight(full, HIDDEN);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0, *row = x + r * HIDDEN;
        for (size_t i = 0; i < HIDDEN; i++) mean += row[i] / HIDDEN;
        for (size_t i = 0; i < HIDDEN; i++) variance += (row[i] - mean) * (row[i] - mean) / HIDDEN;
        double divisor = strcmp(variant, "exact") ? 1 : sqrt(variance + config.layer_norm_eps);
        for (size_t i = 0; i < HIDDEN; i++) row[i] = (row[i] - mean) / divisor * gamma[i] + beta[i];
    }
}

static double phi(double x) {
    return 0.5 * erfc(-x / sqrt(2));
}

static double activation(double x, const char *variant) {
    return strcmp(variant, "exact") ? fmax(x, 0) : x * phi(x);
}

static void attention(const double *q, const double *k, const double *v, size_t n, const char *variant, double *out) {
    enum { DEPTH = HIDDEN / HEADS };
    for (size_t head = 0; head < HEADS; head++)
        for (size_t row = 0; row < n; row++) {
            double p[POSITIONS], sum = strcmp(variant, "exact") ? 1e-3 : 0;
            for (size_t j = 0; j < n; j++) {
                double s = 0;
                for (size_t i = head * DEPTH; i < (head + 1) * DEPTH; i++) s += q[row * HIDDEN + i] * k[j * HIDDEN + i];
                s /= sqrt(DEPTH);
                sum += p[j] = strcmp(variant, "exact") ? fmax(s, 0) : exp(s);
            }
            for (size_t i = head * DEPTH; i < (head + 1) * DEPTH; i++) {
                out[row * HIDDEN + i] = 0;
                for (size_t j = 0; j < n; j++) out[row * HIDDEN + i] += p[j] / sum * v[j * HIDDEN + i];
            }
        }
}

static void encoder_layer(int layer, double *x, size_t n) {
    double q[POSITIONS * HIDDEN], k[POSITIONS * HIDDEN], v[POSITIONS * HIDDEN], y[POSITIONS * HIDDEN];
    double inner[POSITIONS * INNER];
    char name[96];
#define NAME(text) (snprintf(name, sizeof name, "encoder.layer.%d." text, layer), name)
    linear(NAME("attention.self.query"), x, n, HIDDEN, HIDDEN, q);
    linear(NAME("attention.self.key"), x, n, HIDDEN, HIDDEN, k);
    linear(NAME("attention.self.value"), x, n, HIDDEN, HIDDEN, v);
    attention(q, k, v, n, tf_approx_variant(&approx, "softmax", layer), y);
    linear(NAME("attention.output.dense"), y, n, HIDDEN, HIDDEN, q);
    for (size_t i = 0; i < n * HIDDEN; i++) x[i] += q[i];
    layer_norm(NAME("attention.output.LayerNorm"), tf_approx_variant(&approx, "layernorm1", layer), x, n);
    linear(NAME("intermediate.dense"), x, n, HIDDEN, INNER, inner);
    for (size_t i = 0; i < n * INNER; i++) inner[i] = activation(inner[i], tf_approx_variant(&approx, "gelu", layer));
    linear(NAME("output.dense"), inner, n, INNER, HIDDEN, q);
    for (size_t i = 0; i < n * HIDDEN; i++) x[i] += q[i];
    layer_norm(NAME("output.LayerNorm"), tf_approx_variant(&approx, "layernorm2", layer), x, n);
}

/* The whole model on one text without padding. */
static void forward(const int32_t *id, const int32_t *type, size_t n, double *result) {
    double x[POSITIONS * HIDDEN], y[HIDDEN] = {0}, length = 0;
    const float *words = weight("embeddings.word_embeddings.weight", VOCABULARY * HIDDEN);
    const float *positions = weight("embeddings.position_embeddings.weight", POSITIONS * HIDDEN);
    const float *kinds = weight("embeddings.token_type_embeddings.weight", 2 * HIDDEN);
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < HIDDEN; i++)
            x[t * HIDDEN + i] = (double)words[id[t] * HIDDEN + (int)i] + positions[t * HIDDEN + i] +
                                kinds[(type ? type[t] : 0) * HIDDEN + (int)i];
    layer_norm("embeddings.LayerNorm", tf_approx_variant(&approx, "layernorm", -1), x, n);
    for (int layer = 0; layer < LAYERS; layer++) encoder_layer(layer, x, n);

    if (config.head == TF_HEAD_CLASSIFIER && !config.sentence_head) {
        linear("pooler.dense", x, 1, HIDDEN, HIDDEN, y);
        for (size_t i = 0; i < HIDDEN; i++) y[i] = tanh(y[i]);
        linear("classifier", y, 1, HIDDEN, LABELS, result);
        return;
    }
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < HIDDEN; i++) y[i] += x[t * HIDDEN + i] / (double)n;
    for (size_t i = 0; i < HIDDEN; i++) length += y[i] * y[i];
    for (size_t i = 0; i < HIDDEN; i++) y[i] /= sqrt(length);
    if (config.sentence_head)
        linear("classifier", y, 1, HIDDEN, LABELS, result);
    else
        memcpy(result, y, sizeof y);
}

/* Of a result in float beside one in double. */
static double tolerance = 2e-4;

/* Both with what LayerNorms do folded into their neighbours, and as it stands. */
static void check_built(tf_batch batch, const tf_safetensors *weights, bool public_weights) {
    tf_graph graph;
    tf_array out;
    cr_assert_eq(tf_model_build(&config, &approx, &batch, weights, public_weights, &graph), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_graph_plain(&graph, &out, NULL, NULL), TF_OK, "%s", tf_error());

    size_t width = config.head == TF_HEAD_EMBEDDING && !config.sentence_head ? (size_t)HIDDEN : (size_t)LABELS;
    double *wanted = doubles(batch.texts * width);
    for (size_t i = 0; i < batch.texts; i++)
        forward(batch.ids + i * batch.length, batch.pairs ? batch.types + i * batch.length : NULL, batch.lengths[i],
                wanted + i * width);
    check_values(out, tf_dims(batch.texts, width), wanted, tolerance);
    free(wanted);
    tf_graph_free(&graph);
}

static void check(tf_batch batch, const char *approximations) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_approx_parse(approximations, &approx), TF_OK, "%s", tf_error());
    tf_safetensors *weights = write_weights(batch);
    check_built(batch, weights, false);
    check_built(batch, weights, false); /* what was folded is kept */
    check_built(batch, weights, true);
    tf_safetensors_close(weights);
}

Test(bert, classifier) {
    check(equal(), "exact");
    check(padded(), "exact");
    check(pairs(), "exact");
}

Test(bert, classifier_with_the_papers_approximations) {
    check(equal(), "paper");
    check(padded(), "paper");
    check(pairs(), "paper");
}

Test(bert, approximations_by_layer) {
    check(padded(), "gelu=relu");
    check(padded(), "paper,softmax@0=exact,gelu@1=exact");
    tolerance = 2e-3; /* a row of weights that nearly all vanish is divided by its sum: roundings count for thousands */
    check(padded(), "layernorm@1=center,softmax@1=relu");
    tolerance = 2e-4;
    check(padded(), "layernorm1@1=center,layernorm2@0=center,layernorm@-1=center");
    check(pairs(), "layernorm2=center");
}

Test(bert, embedding) {
    config.head = TF_HEAD_EMBEDDING;
    check(equal(), "exact");
    check(padded(), "exact");
    check(padded(), "paper");
}

Test(bert, sentence_head) {
    config.head = TF_HEAD_CLASSIFIER;
    config.sentence_head = true;
    check(padded(), "exact");
    check(pairs(), "paper");
}

static tf_graph build(tf_batch batch, bool public_weights) {
    tf_graph graph;
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_approx_parse("exact", &approx), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, public_weights, &graph), TF_OK, "%s", tf_error());
    return graph;
}

static const tf_node *find(const tf_graph *graph, const char *name) {
    for (int i = 0; i < graph->nodes; i++)
        if (!strcmp(graph->node[i].name, name)) return &graph->node[i];
    return NULL;
}

Test(bert, leaves_bear_the_names_of_tensors) {
    const char *names[] = {"embeddings.word_embeddings.weight.centred",
                           "embeddings.LayerNorm.bias.folded",
                           "encoder.layer.0.attention.self.query.weight.folded",
                           "encoder.layer.1.attention.output.LayerNorm.weight",
                           "encoder.layer.1.intermediate.dense.bias.folded",
                           "encoder.layer.0.output.dense.weight.folded",
                           "pooler.dense.weight.folded",
                           "classifier.bias"};
    tf_graph graph = build(padded(), false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tf_node *node = find(&graph, names[i]);
        cr_assert(node && node->leaf == TF_LEAF_WEIGHT, "%s", names[i]);
    }
    cr_assert_eq(tf_attr_get(find(&graph, "embeddings.LayerNorm"), "eps", 0), config.layer_norm_eps);
    tf_graph_free(&graph);
}

Test(bert, without_padding_there_is_no_mask_and_without_pairs_no_lookup_of_types) {
    tf_graph graph = build(equal(), false);
    cr_assert_null(find(&graph, "key_mask"));
    cr_assert_null(find(&graph, "embeddings.token_types"));
    cr_assert_eq(find(&graph, "encoder.layer.0.attention.self")->inputs, 3);
    tf_graph_free(&graph);
    graph = build(pairs(), false);
    cr_assert_not_null(find(&graph, "key_mask"));
    cr_assert_not_null(find(&graph, "embeddings.token_types"));
    cr_assert_eq(find(&graph, "encoder.layer.0.attention.self")->inputs, 4);
    tf_graph_free(&graph);
}

/* After the keys and values of the last layer a classifier needs the first token of each text alone. */
Test(bert, of_the_last_layer_what_its_head_reads) {
    tf_config own = config;
    for (int k = 0; k < 3; k++) {
        config = own;
        if (k) config.head = TF_HEAD_EMBEDDING, config.pooling = k == 1 ? TF_POOL_FIRST : TF_POOL_MEAN;
        tf_graph graph = build(equal(), false);
        for (int i = 0; i < graph.nodes; i++) {
            const tf_node *node = &graph.node[i];
            bool last = strstr(node->name, "layer.1.output.residual") && node->op;
            bool key = strstr(node->name, "layer.1.attention.self.key") && node->op;
            bool earlier = strstr(node->name, "layer.0.output.residual") && node->op;
            if (last) cr_assert_eq(node->shape.dim[1], k < 2 ? 1 : 6, "%d: %zu rows", k, node->shape.dim[1]);
            if (key || earlier) cr_assert_eq(node->shape.dim[1], 6);
        }
        tf_graph_free(&graph);
    }
    config = own;
}

Test(bert, constants_tell_tokens_from_padding) {
    config.head = TF_HEAD_EMBEDDING;
    tf_graph graph = build(padded(), false);
    const float *mask = find(&graph, "key_mask")->data, *mean = find(&graph, "mean_pool.weights")->data;
    for (size_t text = 0; text < 3; text++)
        for (size_t i = 0; i < 6; i++) {
            bool token = i < lengths[text];
            cr_assert_eq(mask[text * 6 + i], token);
            cr_assert_float_eq(mean[text * 6 + i], token ? 1.0 / (double)lengths[text] : 0, 1e-7);
        }
    tf_graph_free(&graph);
}

Test(bert, public_weights_are_those_of_linear_layers) {
    tf_graph graph = build(padded(), true);
    for (int i = 0; i < graph.nodes; i++) {
        const tf_node *node = &graph.node[i];
        if (node->leaf != TF_LEAF_WEIGHT && node->leaf != TF_LEAF_PUBLIC_WEIGHT) continue;
        bool linear_layer = !strstr(node->name, "LayerNorm") && !strstr(node->name, "embeddings");
        cr_assert_eq(node->leaf, linear_layer ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT, "%s", node->name);
    }
    tf_graph_free(&graph);
}

Test(bert, is_the_same_graph_for_a_party_without_the_texts) {
    tf_batch unknown = pairs();
    unknown.ids = unknown.types = NULL;
    tf_graph one = build(pairs(), false), other = build(unknown, false);
    cr_assert_eq(one.nodes, other.nodes);
    cr_assert_eq(one.output[0].id, other.output[0].id);
    for (int i = 0; i < one.nodes; i++) {
        const tf_node *a = &one.node[i], *b = &other.node[i];
        cr_assert_str_eq(a->name, b->name);
        cr_assert(a->op == b->op && a->leaf == b->leaf && a->inputs == b->inputs && a->attrs == b->attrs);
        cr_assert(tf_shape_equal(a->shape, b->shape));
    }
    cr_assert_not_null(find(&one, "embeddings.tokens")->tokens);
    cr_assert_null(find(&other, "embeddings.tokens")->tokens);
    tf_graph_free(&one);
    tf_graph_free(&other);
}

static void check_build_refused(tf_batch batch, const char *reason) {
    tf_graph graph;
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_approx_parse("exact", &approx), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, false, &graph), TF_INVALID);
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    cr_assert_eq(graph.nodes, 0, "nothing is left to free");
}

Test(bert, refuses_wrong_batches) {
    size_t long_lengths[] = {6, 7, 5}, zero_lengths[] = {6, 0, 5};
    int32_t wrong[18] = {0};
    tf_batch batch = padded();
    batch.texts = 0, check_build_refused(batch, "empty");
    batch = padded(), batch.length = POSITIONS + 1, check_build_refused(batch, "the model has 9 positions");
    batch = padded(), batch.lengths = long_lengths, check_build_refused(batch, "text 1 has 7 tokens");
    batch = padded(), batch.lengths = zero_lengths, check_build_refused(batch, "text 1 has 0 tokens");
    batch = pairs(), batch.types = NULL, check_build_refused(batch, "no token types");
    batch = padded(), batch.ids = wrong, wrong[17] = VOCABULARY, check_build_refused(batch, "token id");
    wrong[17] = -1, check_build_refused(batch, "token id");
    batch = pairs(), batch.types = wrong, wrong[17] = 2, check_build_refused(batch, "token type");
}

Test(bert, refuses_wrong_configurations) {
    tf_config good = config;
    config.heads = 5, check_build_refused(padded(), "cannot be divided among 5 heads"), config = good;
    config.hidden = 0, check_build_refused(padded(), "zero"), config = good;
    config.labels = 0, check_build_refused(padded(), "labels"), config = good;
    config.layers = 2000, check_build_refused(padded(), "layers"), config = good;
}

Test(bert, refuses_unknown_variants) {
    tf_graph graph;
    tf_batch batch = padded();
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_approx_parse("exact", &approx), TF_OK, "%s", tf_error());
    strcpy(approx.rule[0].variant, "quadratic");
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, false, &graph), TF_INVALID);
    cr_assert(strstr(tf_error(), "unknown variant 'quadratic' of gelu: known are exact, relu") != NULL, "%s",
              tf_error());
    cr_assert(strstr(tf_error(), "encoder.layer.0.intermediate.gelu") != NULL, "%s", tf_error());
}
