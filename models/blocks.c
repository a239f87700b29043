#include "models/blocks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/activation.h"
#include "models/fold.h"

static const char *leaf_scope(const tf_builder *b) {
    return *b->shared ? b->shared : b->graph->scope;
}

static tf_id find_node(const tf_graph *graph, const char *name) {
    for (int i = 0; i < graph->nodes; i++)
        if (!strcmp(graph->node[i].name, name)) return i;
    return -1;
}

tf_id tf_block_find(tf_builder *b, const char *name) {
    if (b->graph->status != TF_OK) return -1;
    tf_id id = find_node(b->graph, name);
    return id >= 0 ? id : tf_graph_fail(b->graph, tf_fail(TF_INTERNAL, "the graph has no node %s", name));
}

/* A scope that is entered for a while. */
typedef struct scope {
    char text[sizeof((tf_graph *)0)->scope];
} scope;

/* Returns the scope that is left, to be put back. */
static scope enter_scope(tf_graph *graph, const char *name, const char *end) {
    scope former;
    memcpy(former.text, graph->scope, sizeof former.text);
    tf_graph_scope(graph, "%s%s", name, end);
    return former;
}

static void put_back(tf_graph *graph, const scope *former) {
    tf_graph_scope(graph, "%s", former->text);
}

/* A leaf below the scope of leaves: the one that is there, where layers share their weights. */
static tf_id add_leaf(tf_builder *b, tf_leaf leaf, const char *name, tf_shape shape, const float *data) {
    tf_graph *g = b->graph;
    if (!*b->shared || g->status != TF_OK) return tf_graph_leaf(g, leaf, name, shape, data);
    char full[sizeof g->scope + 96];
    snprintf(full, sizeof full, "%s%s", b->shared, name);
    tf_id id = find_node(g, full);
    if (id >= 0) return id;
    const scope former = enter_scope(g, b->shared, "");
    id = tf_graph_leaf(g, leaf, name, shape, data);
    put_back(g, &former);
    return id;
}

static tf_id tensor(tf_builder *b, tf_leaf leaf, const char *name, tf_shape shape) {
    if (b->graph->status != TF_OK) return -1;
    const float *data = NULL;
    if (b->tensors.file) {
        char full[224];
        snprintf(full, sizeof full, "%.126s%s", leaf_scope(b), name);
        tf_status status = tf_tensors_floats(&b->tensors, full, shape, TF_WEIGHT_LIMIT, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return add_leaf(b, leaf, name, shape, data);
}

tf_id tf_block_weight(tf_builder *b, const char *name, tf_shape shape) {
    return tensor(b, TF_LEAF_WEIGHT, name, shape);
}

tf_id tf_block_table(tf_builder *b, const char *name, tf_shape shape, bool centred) {
    if (!centred) return tf_block_weight(b, name, shape);
    const float *data = NULL;
    char full[224], own[96];
    snprintf(full, sizeof full, "%.126s%s", leaf_scope(b), name);
    snprintf(own, sizeof own, "%s.centred", name);
    if (b->graph->status == TF_OK && b->tensors.file) {
        tf_status status = tf_fold_rows(&b->tensors, full, shape, TF_WEIGHT_LIMIT, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return add_leaf(b, TF_LEAF_WEIGHT, own, shape, data);
}

tf_activations tf_block_values(tf_id x) {
    return (tf_activations){.n = x};
}

/* A linear layer's weight, and its bias or -1. */
typedef struct dense_leaves {
    tf_id weight, bias;
} dense_leaves;

/* As the file has them. */
static dense_leaves plain_leaves(tf_builder *b, tf_dense d, tf_leaf leaf) {
    char weight[80], bias[80];
    snprintf(weight, sizeof weight, "%s.weight", d.name);
    snprintf(bias, sizeof bias, "%s.bias", d.name);
    dense_leaves leaves = {tensor(b, leaf, weight, tf_dims(d.out, d.in)), -1};
    if (!d.no_bias) leaves.bias = tensor(b, leaf, bias, tf_dims(d.out));
    return leaves;
}

/* With the normalisation that x leaves undone folded in. */
static dense_leaves leaves_after(tf_builder *b, tf_activations x, tf_dense d) {
    tf_leaf leaf = b->public_weights ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    if (!*x.norm && !(d.centred && b->fold)) return plain_leaves(b, d, leaf);
    char full[224], weight[80], bias[80];
    tf_fold fold = {.name = full,
                    .norm = x.norm,
                    .in = d.in,
                    .out = d.out,
                    .biased = !d.no_bias,
                    .shifted = x.shifted,
                    .centred = d.centred};
    /* shared weights that follow a normalisation of another group of layers are leaves of their own */
    const char *after = *b->shared && *x.norm && strncmp(x.norm, b->shared, strlen(b->shared)) ? "entering" : "folded";
    snprintf(full, sizeof full, "%.126s%s", leaf_scope(b), d.name);
    snprintf(weight, sizeof weight, "%s.weight.%s", d.name, after);
    snprintf(bias, sizeof bias, "%s.bias.%s", d.name, after);
    if (b->graph->status == TF_OK && b->tensors.file) {
        tf_status status = tf_fold_linear(&b->tensors, TF_WEIGHT_LIMIT, &fold);
        if (status != TF_OK) tf_graph_fail(b->graph, status);
    }
    dense_leaves leaves = {add_leaf(b, leaf, weight, tf_dims(d.out, d.in), fold.weight), -1};
    if (fold.biased || fold.shifted) leaves.bias = add_leaf(b, leaf, bias, tf_dims(d.out), fold.bias);
    return leaves;
}

tf_id tf_block_dense(tf_builder *b, tf_activations x, tf_dense d) {
    dense_leaves leaves = leaves_after(b, x, d);
    int inputs = !d.no_bias || (*x.norm && x.shifted) ? 3 : 2;
    return tf_graph_op(b->graph, "linear", "", d.name, inputs, (tf_id[]){x.n, leaves.weight, leaves.bias}, TF_NO_ATTRS);
}

tf_id tf_block_add(tf_builder *b, const char *name, tf_id x, tf_id y) {
    return tf_graph_op(b->graph, "add", "", name, TF_IN(x, y), TF_NO_ATTRS);
}

tf_id tf_block_approximated(tf_builder *b, const char *kind, const char *place, int layer, const char *name, int inputs,
                            const tf_id *input, int attrs, const tf_attr *own) {
    const tf_approx_rule *rule = tf_approx_find(b->approx, place, layer);
    tf_attr attr[TF_MAX_ATTRS];
    const tf_op *op = tf_registry_find(kind, rule->variant);
    for (int i = 0; i < attrs; i++) attr[i] = own[i];
    if (rule->parameter != 0 && op && op->parameter) attr[attrs++] = (tf_attr){op->parameter, rule->parameter};
    return tf_graph_op(b->graph, kind, rule->variant, name, inputs, input, attrs, attr);
}

static void make_zeros(const void *context, float *out) {
    memset(out, 0, *(const size_t *)context * sizeof *out);
}

/* Zeros, in the place of the shift that a normalisation does not have. */
static tf_id no_shift(tf_builder *b, const char *name, size_t width) {
    const float *data = NULL;
    if (b->graph->status == TF_OK && b->tensors.file) {
        tf_status status =
            tf_safetensors_derive(b->tensors.file, name, width, TF_WEIGHT_LIMIT, make_zeros, &width, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return add_leaf(b, TF_LEAF_WEIGHT, name, tf_dims(width), data);
}

tf_activations tf_block_norm(tf_builder *b, tf_id x, tf_norm norm) {
    enum { COARSER = 2 }; /* a row's norm is the root of its length, that of its readers' weights some 1 */
    tf_attr attr[] = {{"eps", b->config->layer_norm_eps}, {"coarser", norm.coarser ? COARSER : 0}, {"centred", 1}};
    tf_activations out = {.shifted = !norm.no_bias, .width = norm.width ? norm.width : b->config->hidden};
    if (b->fold) {
        snprintf(out.norm, sizeof out.norm, "%.64s%.60s", leaf_scope(b), norm.name);
        snprintf(out.node, sizeof out.node, "%.64s%.60s", b->graph->scope, norm.name);
        out.n = tf_block_approximated(b, "layernorm", norm.place, norm.layer, norm.name, TF_IN(x), norm.centred ? 3 : 2,
                                      attr);
        return out;
    }
    char gamma[64], beta[64];
    snprintf(gamma, sizeof gamma, "%s.weight", norm.name);
    snprintf(beta, sizeof beta, "%s.bias", norm.name);
    tf_id in[] = {x, tf_block_weight(b, gamma, tf_dims(out.width)), -1};
    in[2] = norm.no_bias ? no_shift(b, beta, out.width) : tf_block_weight(b, beta, tf_dims(out.width));
    out.n = tf_block_approximated(b, "layernorm", norm.place, norm.layer, norm.name, 3, in, 1, attr);
    return out;
}

/* A LayerNorm's shift less its mean. */
static tf_id centred_shift(tf_builder *b, const tf_activations *x) {
    const float *data = NULL;
    if (b->graph->status == TF_OK && b->tensors.file) {
        tf_status status = tf_fold_shift(&b->tensors, x->norm, x->width, TF_WEIGHT_LIMIT, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return add_leaf(b, TF_LEAF_WEIGHT, "bias.folded", tf_dims(x->width), data);
}

/* The leaves by which a normalisation is scaled and shifted. */
typedef struct affine_leaves {
    tf_id gamma, beta;
} affine_leaves;

static affine_leaves affine_of(tf_builder *b, const tf_activations *x, bool centred) {
    affine_leaves leaves;
    char shared[sizeof b->shared];
    const scope former = enter_scope(b->graph, x->node, ".");
    snprintf(shared, sizeof shared, "%s", b->shared);
    snprintf(b->shared, sizeof b->shared, strcmp(x->norm, x->node) ? "%s." : "", x->norm);
    leaves.gamma = tf_block_weight(b, "weight", tf_dims(x->width));
    leaves.beta = !x->shifted ? no_shift(b, "no_shift", x->width)
                  : centred   ? centred_shift(b, x)
                              : tf_block_weight(b, "bias", tf_dims(x->width));
    put_back(b->graph, &former);
    snprintf(b->shared, sizeof b->shared, "%s", shared);
    return leaves;
}

static const tf_attr centred_attr[] = {{"centred", 1}};

tf_id tf_block_value_of(tf_builder *b, tf_activations x, bool centred) {
    if (!*x.norm) return x.n;
    affine_leaves leaves = affine_of(b, &x, centred);
    const scope former = enter_scope(b->graph, x.node, ".");
    tf_id y = tf_graph_op(b->graph, "affine", "", "affine", TF_IN(x.n, leaves.gamma, leaves.beta), centred ? 1 : 0,
                          centred_attr);
    put_back(b->graph, &former);
    return y;
}

tf_id tf_block_residual(tf_builder *b, tf_activations in, tf_dense dense, const char *sum, tf_activations x) {
    if (!*x.norm) return tf_block_add(b, sum, tf_block_dense(b, in, dense), x.n);
    dense_leaves linear = leaves_after(b, in, dense);
    affine_leaves affine = affine_of(b, &x, dense.centred);
    tf_id inputs[] = {in.n, linear.weight, x.n, affine.gamma, affine.beta, linear.bias};
    return tf_graph_op(b->graph, "residual", "", sum, linear.bias >= 0 ? 6 : 5, inputs, dense.centred ? 1 : 0,
                       centred_attr);
}

tf_id tf_block_activation(tf_builder *b, const char *name, tf_id x, int layer) {
    const tf_activation *own = tf_activation_find(b->config->activation);
    bool exact = !strcmp(tf_approx_variant(b->approx, "gelu", layer), "exact"); /* the model's own, whatever it is */
    if (exact && own && !strcmp(own->kind, "gelu") && strcmp(own->variant, "exact"))
        return tf_graph_op(b->graph, own->kind, own->variant, name, TF_IN(x), TF_NO_ATTRS);
    const char *kind = exact && own ? own->kind : "gelu";
    return tf_block_approximated(b, kind, kind, layer, name, TF_IN(x), TF_NO_ATTRS);
}

tf_id tf_block_attention(tf_builder *b, const char *name, tf_id q, tf_id k, tf_id v, int layer) {
    const tf_attr attr[] = {{"heads", (double)b->config->heads}, {"relative", 1}};
    tf_id in[5] = {q, k, v};
    int inputs = 3, attrs = 1;
    if (b->key_mask >= 0) in[inputs++] = b->key_mask;
    if (b->config->buckets) {
        in[inputs++] = tf_block_find(b, "encoder.relative_attention_bias.weight");
        attrs++;
    }
    return tf_block_approximated(b, "attention", "softmax", layer, name, inputs, in, attrs, attr);
}

tf_id tf_block_ids(tf_builder *b, const char *name, bool types) {
    const tf_batch *batch = b->batch;
    tf_shape shape = tf_dims(batch->texts, batch->length);
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_TOKENS, name, shape, types ? batch->types : batch->ids);
    if (id >= 0) b->graph->node[id].selection = types ? batch->shared_types : batch->shared_ids;
    return id;
}

/* The weight of a token in a pooled embedding, or 1 in a mask. */
float tf_token_weight(tf_pooling pooling, size_t token, size_t length) {
    double n = (double)length;
    switch (pooling) {
    case TF_POOL_MEAN: return 1.0f / (float)length;
    case TF_POOL_MEAN_SQRT: return (float)(1 / sqrt(n));
    case TF_POOL_WEIGHTED_MEAN: return (float)((double)(token + 1) / (n * (n + 1) / 2));
    case TF_POOL_FIRST: return token == 0;
    case TF_POOL_LAST: return token + 1 == length;
    case TF_POOL_MAX: break;
    }
    return 1;
}

/* Integers that the data owner puts in, in units of 2^-frac and at most 1; where this party holds
 * none, without data. */
static tf_id hidden_weights(tf_builder *b, const char *name, const int32_t *data, int frac) {
    char given[64];
    snprintf(given, sizeof given, "%s.given", name);
    tf_id leaf = tf_graph_leaf(b->graph, TF_LEAF_TOKENS, given, tf_dims(b->batch->texts, b->batch->length), data);
    return tf_graph_op(b->graph, "given", "", name, TF_IN(leaf), TF_ATTRS({"frac", frac}, {"bound", 1}));
}

tf_id tf_block_picked(tf_builder *b, tf_id x) {
    const tf_batch *batch = b->batch;
    if (!batch->picks) return x;
    tf_id leaf = tf_graph_leaf(b->graph, TF_LEAF_TOKENS, "picked.given",
                               tf_dims(batch->texts, batch->picks, batch->length), batch->pick);
    tf_id weights =
        tf_graph_op(b->graph, "given", "", "picked.weights", TF_IN(leaf), TF_ATTRS({"frac", 0}, {"bound", 1}));
    return tf_graph_op(b->graph, "mean_pool", "", "picked", TF_IN(x, weights), TF_NO_ATTRS);
}

tf_id tf_block_words(tf_builder *b, tf_id logits) {
    enum { LOGIT_BITS = 8 }; /* to 1/256: logits are farther off than that */
    if (!b->config->best_only) return logits;
    return tf_graph_op(b->graph, "argmax", "", "best_words", TF_IN(logits), TF_ATTRS({"frac", LOGIT_BITS}));
}

/* texts x length, 0 at padding: a public constant, or secret. */
static tf_id token_weights(tf_builder *b, const char *name, tf_pooling pooling) {
    size_t texts = b->batch->texts, length = b->batch->length;
    if (b->batch->hidden && pooling == TF_POOL_MAX)
        return b->key_mask >= 0 ? b->key_mask : hidden_weights(b, name, b->batch->mask, 0);
    if (b->batch->hidden) return hidden_weights(b, name, b->batch->weights, TF_HIDDEN_FRACTION);
    if (b->graph->status != TF_OK) return -1;
    float *data = calloc(texts * length, sizeof *data);
    if (!data) return tf_graph_fail(b->graph, tf_fail(TF_NOMEM, "no memory for %s", name));
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < b->batch->lengths[text]; i++)
            data[text * length + i] = tf_token_weight(pooling, i, b->batch->lengths[text]);
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_CONSTANT, name, tf_dims(texts, length), data);
    free(data);
    return id;
}

tf_id tf_block_key_mask(tf_builder *b, const char *name) {
    return token_weights(b, name, TF_POOL_MAX);
}

tf_id tf_block_mean(tf_builder *b, tf_id x) {
    return tf_graph_op(b->graph, "mean_pool", "", "mean_pool",
                       TF_IN(x, token_weights(b, "mean_pool.weights", TF_POOL_MEAN)), TF_NO_ATTRS);
}

/* Whether what is pooled may be scaled and shifted afterwards: weights add up to 1. */
static bool pools_evenly(tf_pooling pooling) {
    return pooling != TF_POOL_MAX && pooling != TF_POOL_MEAN_SQRT;
}

tf_id tf_block_sentence(tf_builder *b, tf_activations x) {
    static const char *const names[] = {
        [TF_POOL_MEAN] = "mean_pool",           [TF_POOL_FIRST] = "first_token",
        [TF_POOL_LAST] = "last_token",          [TF_POOL_MAX] = "max_pool",
        [TF_POOL_MEAN_SQRT] = "mean_sqrt_pool", [TF_POOL_WEIGHTED_MEAN] = "weighted_pool"};
    tf_pooling pooling = b->config->pooling;
    const char *name = names[pooling];
    char weights[48];
    snprintf(weights, sizeof weights, "%s.weights", name);
    tf_activations from = pools_evenly(pooling) ? x : tf_block_values(tf_block_value_of(b, x, false));
    if (pooling == TF_POOL_FIRST)
        from.n = tf_graph_op(b->graph, "first_token", "", name, TF_IN(from.n), TF_NO_ATTRS);
    else
        from.n = tf_graph_op(b->graph, pooling == TF_POOL_MAX ? "max_pool" : "mean_pool", "", name,
                             TF_IN(from.n, token_weights(b, weights, pooling)), *from.norm ? 1 : 0,
                             (tf_attr[]){{"scaled", 1}});
    tf_id pooled = tf_block_value_of(b, from, false);
    const tf_config *c = b->config;
    if (c->sentence_width) {
        tf_dense dense = {
            .name = "2_Dense.linear", .in = c->hidden, .out = c->sentence_width, .no_bias = c->sentence_no_bias};
        pooled = tf_block_dense(b, tf_block_values(pooled), dense);
        if (c->sentence_tanh) pooled = tf_graph_op(b->graph, "tanh", "", "2_Dense.tanh", TF_IN(pooled), TF_NO_ATTRS);
    }
    return c->unnormalised ? pooled : tf_graph_op(b->graph, "l2norm", "", "l2norm", TF_IN(pooled), TF_NO_ATTRS);
}

bool tf_batch_is_padded(const tf_batch *batch) {
    for (size_t i = 0; i < batch->texts; i++)
        if (batch->lengths[i] < batch->length) return true;
    return false;
}
