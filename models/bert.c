/** The graph of a BERT-family model (Devlin et al. 2019, post-LayerNorm), from config.json and the texts' lengths. */
#include <stdio.h>
#include <stdlib.h>

#include "models/fold.h"
#include "models/model.h"

/* Larger weights would leave too little of the ring for products. */
static const double weight_limit = 1 << 14;

typedef struct builder {
    const tf_config *config;
    const tf_approx *approx;
    const tf_batch *batch;
    const tf_safetensors *weights;
    bool public_weights;
    bool fold; /* LayerNorms' scales and shifts into the layers that follow, means into those before */
    tf_graph *graph;
    tf_id key_mask; /* texts x length, 1 for tokens and 0 for padding; -1 where there is no padding */
} builder;

static tf_status check_config(const tf_config *c) {
    if (!c->hidden || !c->layers || !c->heads || !c->intermediate || !c->vocabulary || !c->positions || !c->types)
        return tf_fail(TF_INVALID, "a size of the model is zero");
    if (c->layers > 1024) return tf_fail(TF_INVALID, "%zu layers; at most 1024 are supported", c->layers);
    if (c->hidden % c->heads)
        return tf_fail(TF_INVALID, "a hidden size of %zu cannot be divided among %zu heads", c->hidden, c->heads);
    if ((c->head == TF_HEAD_CLASSIFIER || c->sentence_head) && !c->labels)
        return tf_fail(TF_INVALID, "a classifier without labels");
    return TF_OK;
}

static tf_status check_ids(const char *what, const int32_t *ids, size_t count, size_t limit) {
    for (size_t i = 0; ids && i < count; i++) /* only the owner of the ids has them */
        if (ids[i] < 0 || (size_t)ids[i] >= limit)
            return tf_fail(TF_INVALID, "a %s is not below %zu: model and tokenizer do not fit together", what, limit);
    return TF_OK;
}

static tf_status check_batch(const tf_config *config, const tf_batch *batch) {
    size_t count;
    if (!batch->texts || !batch->length || !batch->lengths) return tf_fail(TF_INVALID, "the batch is empty");
    if (batch->length > config->positions)
        return tf_fail(TF_INVALID, "a text has %zu tokens; the model has %zu positions", batch->length,
                       config->positions);
    if (__builtin_mul_overflow(batch->texts, batch->length, &count)) return tf_fail(TF_INVALID, "too many texts");
    for (size_t i = 0; i < batch->texts; i++)
        if (batch->lengths[i] < 1 || batch->lengths[i] > batch->length)
            return tf_fail(TF_INVALID, "text %zu has %zu tokens in a batch of length %zu", i, batch->lengths[i],
                           batch->length);
    if (batch->pairs && batch->ids && !batch->types) return tf_fail(TF_INVALID, "a batch of pairs has no token types");
    TF_TRY(check_ids("token id", batch->ids, count, config->vocabulary));
    return batch->pairs ? check_ids("token type", batch->types, count, config->types) : TF_OK;
}

static tf_id tensor(builder *b, tf_leaf leaf, const char *name, tf_shape shape) {
    if (b->graph->status != TF_OK) return -1;
    const float *data = NULL;
    if (b->weights) {
        char full[sizeof b->graph->scope + 64];
        snprintf(full, sizeof full, "%s%s", b->graph->scope, name);
        tf_status status = tf_safetensors_floats(b->weights, full, shape, weight_limit, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return tf_graph_leaf(b->graph, leaf, name, shape, data);
}

static tf_id secret(builder *b, const char *name, tf_shape shape) {
    return tensor(b, TF_LEAF_WEIGHT, name, shape);
}

/* Activations as a LayerNorm leaves them: n, to be scaled by gamma and shifted by beta, the weight and bias of the
 * tensors named `norm`; or the values themselves, where `norm` is empty. */
typedef struct stream {
    tf_id n;
    char norm[80];
} stream;

static stream values(tf_id x) {
    return (stream){.n = x};
}

/* A linear layer on gamma n + beta; with `centred` its output less the output's mean, which a LayerNorm would take. */
static tf_id linear_on(builder *b, const char *name, stream x, size_t in, size_t out, bool centred) {
    tf_leaf leaf = b->public_weights ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    bool plain = !*x.norm && !(centred && b->fold);
    const char *how = plain ? "" : ".folded";
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight%s", name, how);
    snprintf(bias, sizeof bias, "%s.bias%s", name, how);
    tf_id w, v;
    if (plain) {
        w = tensor(b, leaf, weight, tf_dims(out, in)), v = tensor(b, leaf, bias, tf_dims(out));
    } else {
        tf_fold fold = {.in = in, .out = out, .centred = centred};
        char full[sizeof b->graph->scope + 64];
        snprintf(full, sizeof full, "%s%s", b->graph->scope, name);
        if (b->graph->status == TF_OK && b->weights) {
            tf_status status = tf_fold_linear(b->weights, full, x.norm, weight_limit, &fold);
            if (status != TF_OK) return tf_graph_fail(b->graph, status);
        }
        w = tf_graph_leaf(b->graph, leaf, weight, tf_dims(out, in), fold.weight);
        v = tf_graph_leaf(b->graph, leaf, bias, tf_dims(out), fold.bias);
    }
    return tf_graph_op(b->graph, "linear", "", name, TF_IN(x.n, w, v), TF_NO_ATTRS);
}

static tf_id linear(builder *b, const char *name, tf_id x, size_t in, size_t out) {
    return linear_on(b, name, values(x), in, out, false);
}

static tf_id add(builder *b, const char *name, tf_id x, tf_id y) {
    return tf_graph_op(b->graph, "add", "", name, TF_IN(x, y), TF_NO_ATTRS);
}

/* An op whose variant `rule` says, with attributes of its own and the variant's parameter. */
static tf_id approximated(builder *b, const char *kind, const tf_approx_rule *rule, const char *name, int inputs,
                          const tf_id *input, int attrs, const tf_attr *own) {
    tf_attr attr[TF_MAX_ATTRS];
    const tf_op *op = tf_registry_find(kind, rule->variant);
    for (int i = 0; i < attrs; i++) attr[i] = own[i];
    if (rule->parameter != 0 && op && op->parameter) attr[attrs++] = (tf_attr){op->parameter, rule->parameter};
    return tf_graph_op(b->graph, kind, rule->variant, name, inputs, input, attrs, attr);
}

/* `place`: "layernorm1", "layernorm2", or "layernorm" for the embedding's. `centred`: x's mean is zero already. */
static stream layer_norm(builder *b, const char *place, const char *name, tf_id x, int layer, bool centred) {
    const tf_approx_rule *rule = tf_approx_find(b->approx, place, layer);
    tf_attr attr[] = {{"eps", b->config->layer_norm_eps}, {"centred", 1}};
    stream out = {0};
    if (b->fold) {
        snprintf(out.norm, sizeof out.norm, "%s%s", b->graph->scope, name);
        out.n = approximated(b, "layernorm", rule, name, TF_IN(x), centred ? 2 : 1, attr);
        return out;
    }
    char gamma[64], beta[64];
    snprintf(gamma, sizeof gamma, "%s.weight", name);
    snprintf(beta, sizeof beta, "%s.bias", name);
    tf_shape width = tf_dims(b->config->hidden);
    tf_id g = secret(b, gamma, width), v = secret(b, beta, width);
    out.n = approximated(b, "layernorm", rule, name, TF_IN(x, g, v), 1, attr);
    return out;
}

/* gamma n + beta, less its mean if `centred`, which the LayerNorm after a residual would take. */
static tf_id value_of(builder *b, stream x, bool centred) {
    if (!*x.norm) return x.n;
    char scope[sizeof b->graph->scope];
    snprintf(scope, sizeof scope, "%s", b->graph->scope);
    tf_graph_scope(b->graph, "%s.", x.norm);
    tf_shape width = tf_dims(b->config->hidden);
    tf_id gamma = secret(b, "weight", width), beta;
    if (centred) {
        const float *data = NULL;
        if (b->graph->status == TF_OK && b->weights) {
            tf_status status = tf_fold_shift(b->weights, x.norm, b->config->hidden, weight_limit, &data);
            if (status != TF_OK) return tf_graph_fail(b->graph, status);
        }
        beta = tf_graph_leaf(b->graph, TF_LEAF_WEIGHT, "bias.folded", width, data);
    } else {
        beta = secret(b, "bias", width);
    }
    tf_id y = tf_graph_op(b->graph, "affine", "", "affine", TF_IN(x.n, gamma, beta), centred ? 1 : 0,
                          (tf_attr[]){{"centred", 1}});
    tf_graph_scope(b->graph, "%s", scope);
    return y;
}

/* A leaf of ids, as this party holds them: as they are, as shares, or not at all. */
static tf_id id_leaf(builder *b, const char *name, const int32_t *ids, const tf_selection *shared) {
    tf_shape shape = tf_dims(b->batch->texts, b->batch->length);
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_TOKENS, name, shape, ids);
    if (id >= 0) b->graph->node[id].selection = shared;
    return id;
}

/* texts x length x hidden: the embeddings of token, position and token type, normalised. */
static stream embeddings(builder *b) {
    const tf_batch *batch = b->batch;
    size_t hidden = b->config->hidden;
    tf_graph *g = b->graph;
    tf_graph_scope(g, "embeddings.");
    tf_id words = secret(b, "word_embeddings.weight", tf_dims(b->config->vocabulary, hidden));
    tf_id positions = secret(b, "position_embeddings.weight", tf_dims(b->config->positions, hidden));
    tf_id types = secret(b, "token_type_embeddings.weight", tf_dims(b->config->types, hidden));

    tf_id token = id_leaf(b, "tokens", batch->ids, batch->shared_ids);
    tf_id word = tf_graph_op(g, "embedding", "", "word_embeddings", TF_IN(token, words), TF_NO_ATTRS);
    tf_id position =
        tf_graph_op(g, "rows", "", "position_embeddings", TF_IN(positions), TF_ATTRS({"count", (double)batch->length}));
    tf_id x;
    if (batch->pairs) {
        tf_id type = id_leaf(b, "token_types", batch->types, batch->shared_types);
        tf_id chosen = tf_graph_op(g, "embedding", "", "token_type_embeddings", TF_IN(type, types), TF_NO_ATTRS);
        x = add(b, "sum", add(b, "sum_of_words_and_types", word, chosen), position);
    } else {
        tf_id first = tf_graph_op(g, "rows", "", "token_type_embeddings", TF_IN(types), TF_ATTRS({"count", 1}));
        x = add(b, "sum", word, add(b, "sum_of_positions_and_types", position, first));
    }
    return layer_norm(b, "layernorm", "LayerNorm", x, -1, false);
}

/* The sum of a layer's output and its input, normalised; all means are taken before, where they delay nothing. */
static stream residual(builder *b, const char *place, const char *dense, const char *sum, const char *norm, stream in,
                       size_t width, stream x, int layer) {
    tf_id y = linear_on(b, dense, in, width, b->config->hidden, true);
    return layer_norm(b, place, norm, add(b, sum, y, value_of(b, x, true)), layer, true);
}

/* texts x length x hidden in and out. */
static stream encoder_layer(builder *b, stream x, int layer) {
    size_t hidden = b->config->hidden, intermediate = b->config->intermediate;
    tf_attr heads = {"heads", (double)b->config->heads};
    tf_graph_scope(b->graph, "encoder.layer.%d.", layer);

    tf_id q = linear_on(b, "attention.self.query", x, hidden, hidden, false);
    tf_id k = linear_on(b, "attention.self.key", x, hidden, hidden, false);
    tf_id v = linear_on(b, "attention.self.value", x, hidden, hidden, false);
    tf_id context = approximated(b, "attention", tf_approx_find(b->approx, "softmax", layer), "attention.self",
                                 b->key_mask >= 0 ? 4 : 3, (tf_id[]){q, k, v, b->key_mask}, 1, &heads);
    x = residual(b, "layernorm1", "attention.output.dense", "attention.output.residual", "attention.output.LayerNorm",
                 values(context), hidden, x, layer);

    tf_id inner = linear_on(b, "intermediate.dense", x, hidden, intermediate, false);
    inner =
        approximated(b, "gelu", tf_approx_find(b->approx, "gelu", layer), "intermediate.gelu", TF_IN(inner), 0, NULL);
    return residual(b, "layernorm2", "output.dense", "output.residual", "output.LayerNorm", values(inner), intermediate,
                    x, layer);
}

/* A public texts x length constant: 1, or 1/length for a mean, at tokens and 0 at padding. */
static tf_id padded(builder *b, const char *name, bool mean) {
    size_t texts = b->batch->texts, length = b->batch->length;
    if (b->graph->status != TF_OK) return -1;
    float *data = calloc(texts * length, sizeof *data);
    if (!data) return tf_graph_fail(b->graph, tf_fail(TF_NOMEM, "no memory for %s", name));
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < b->batch->lengths[text]; i++)
            data[text * length + i] = mean ? 1.0f / (float)b->batch->lengths[text] : 1;
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_CONSTANT, name, tf_dims(texts, length), data);
    free(data);
    return id;
}

static bool has_padding(const tf_batch *batch) {
    for (size_t i = 0; i < batch->texts; i++)
        if (batch->lengths[i] < batch->length) return true;
    return false;
}

/* texts x hidden: the mean over the tokens, of length 1. */
static tf_id sentence_embedding(builder *b, tf_id x) {
    tf_id weights = padded(b, "mean_pool.weights", true);
    tf_id mean = tf_graph_op(b->graph, "mean_pool", "", "mean_pool", TF_IN(x, weights), TF_NO_ATTRS);
    return tf_graph_op(b->graph, "l2norm", "", "l2norm", TF_IN(mean), TF_NO_ATTRS);
}

static tf_id head(builder *b, stream x) {
    size_t hidden = b->config->hidden, labels = b->config->labels;
    tf_graph_scope(b->graph, "%s", "");
    if (b->config->sentence_head)
        return linear(b, "classifier", sentence_embedding(b, value_of(b, x, false)), hidden, labels);
    if (b->config->head == TF_HEAD_EMBEDDING) return sentence_embedding(b, value_of(b, x, false));
    x.n = tf_graph_op(b->graph, "first_token", "", "pooler.first_token", TF_IN(x.n), TF_NO_ATTRS);
    tf_id pooled = linear_on(b, "pooler.dense", x, hidden, hidden, false);
    pooled = tf_graph_op(b->graph, "tanh", "", "pooler.tanh", TF_IN(pooled), TF_NO_ATTRS);
    return linear(b, "classifier", pooled, hidden, labels);
}

tf_status tf_bert_build(const tf_config *config, const tf_approx *approx, const tf_batch *batch,
                        const tf_safetensors *weights, bool public_weights, tf_graph *graph) {
    tf_graph_init(graph);
    TF_TRY(check_config(config));
    TF_TRY(check_batch(config, batch));
    builder b = {config, approx, batch, weights, public_weights, !public_weights, graph, -1};
    if (has_padding(batch)) b.key_mask = padded(&b, "key_mask", false);
    stream x = embeddings(&b);
    for (size_t layer = 0; layer < config->layers; layer++) x = encoder_layer(&b, x, (int)layer);
    tf_status status = tf_graph_finish(graph, head(&b, x));
    if (status != TF_OK) tf_graph_free(graph);
    return status;
}
