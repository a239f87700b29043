#include "models/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#include "models/fold.h"

static tf_id tensor(tf_builder *b, tf_leaf leaf, const char *name, tf_shape shape) {
    if (b->graph->status != TF_OK) return -1;
    const float *data = NULL;
    if (b->tensors.file) {
        char full[sizeof b->graph->scope + 64];
        snprintf(full, sizeof full, "%s%s", b->graph->scope, name);
        tf_status status = tf_tensors_floats(&b->tensors, full, shape, TF_WEIGHT_LIMIT, &data);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    return tf_graph_leaf(b->graph, leaf, name, shape, data);
}

tf_id tf_block_weight(tf_builder *b, const char *name, tf_shape shape) {
    return tensor(b, TF_LEAF_WEIGHT, name, shape);
}

tf_stream tf_block_values(tf_id x) {
    return (tf_stream){.n = x};
}

/* As the file has it. */
static tf_id plain_dense(tf_builder *b, tf_stream x, tf_dense d, tf_leaf leaf) {
    char weight[80], bias[80];
    snprintf(weight, sizeof weight, "%s.weight", d.name);
    snprintf(bias, sizeof bias, "%s.bias", d.name);
    tf_id in[] = {x.n, tensor(b, leaf, weight, tf_dims(d.out, d.in)), -1};
    if (!d.no_bias) in[2] = tensor(b, leaf, bias, tf_dims(d.out));
    return tf_graph_op(b->graph, "linear", "", d.name, d.no_bias ? 2 : 3, in, TF_NO_ATTRS);
}

tf_id tf_block_dense(tf_builder *b, tf_stream x, tf_dense d) {
    tf_leaf leaf = b->public_weights ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    if (!*x.norm && !(d.centred && b->fold)) return plain_dense(b, x, d, leaf);
    char full[sizeof b->graph->scope + 64], weight[80], bias[80];
    tf_fold fold = {.name = full,
                    .norm = x.norm,
                    .in = d.in,
                    .out = d.out,
                    .biased = !d.no_bias,
                    .shifted = x.shifted,
                    .centred = d.centred};
    snprintf(full, sizeof full, "%s%s", b->graph->scope, d.name);
    snprintf(weight, sizeof weight, "%s.weight.folded", d.name);
    snprintf(bias, sizeof bias, "%s.bias.folded", d.name);
    if (b->graph->status == TF_OK && b->tensors.file) {
        tf_status status = tf_fold_linear(&b->tensors, TF_WEIGHT_LIMIT, &fold);
        if (status != TF_OK) return tf_graph_fail(b->graph, status);
    }
    tf_id in[] = {x.n, tf_graph_leaf(b->graph, leaf, weight, tf_dims(d.out, d.in), fold.weight), -1};
    bool biased = fold.biased || fold.shifted;
    if (biased) in[2] = tf_graph_leaf(b->graph, leaf, bias, tf_dims(d.out), fold.bias);
    return tf_graph_op(b->graph, "linear", "", d.name, biased ? 3 : 2, in, TF_NO_ATTRS);
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

tf_stream tf_block_norm(tf_builder *b, tf_id x, tf_norm norm) {
    tf_attr attr[] = {{"eps", b->config->layer_norm_eps}, {"centred", 1}};
    tf_stream out = {.shifted = !norm.no_bias};
    if (b->fold) {
        snprintf(out.norm, sizeof out.norm, "%s%s", b->graph->scope, norm.name);
        out.n = tf_block_approximated(b, "layernorm", norm.place, norm.layer, norm.name, TF_IN(x), norm.centred ? 2 : 1,
                                      attr);
        return out;
    }
    char gamma[64], beta[64];
    snprintf(gamma, sizeof gamma, "%s.weight", norm.name);
    snprintf(beta, sizeof beta, "%s.bias", norm.name);
    tf_shape width = tf_dims(b->config->hidden);
    tf_id in[] = {x, tf_block_weight(b, gamma, width), -1};
    if (!norm.no_bias) in[2] = tf_block_weight(b, beta, width);
    out.n = tf_block_approximated(b, "layernorm", norm.place, norm.layer, norm.name, norm.no_bias ? 2 : 3, in, 1, attr);
    return out;
}

tf_id tf_block_value_of(tf_builder *b, tf_stream x, bool centred) {
    if (!*x.norm) return x.n;
    char scope[sizeof b->graph->scope];
    snprintf(scope, sizeof scope, "%s", b->graph->scope);
    tf_graph_scope(b->graph, "%s.", x.norm);
    tf_shape width = tf_dims(b->config->hidden);
    tf_id gamma = tf_block_weight(b, "weight", width), beta;
    if (centred) {
        const float *data = NULL;
        if (b->graph->status == TF_OK && b->tensors.file) {
            tf_status status = tf_fold_shift(&b->tensors, x.norm, b->config->hidden, TF_WEIGHT_LIMIT, &data);
            if (status != TF_OK) return tf_graph_fail(b->graph, status);
        }
        beta = tf_graph_leaf(b->graph, TF_LEAF_WEIGHT, "bias.folded", width, data);
    } else {
        beta = tf_block_weight(b, "bias", width);
    }
    tf_id y = tf_graph_op(b->graph, "affine", "", "affine", TF_IN(x.n, gamma, beta), centred ? 1 : 0,
                          (tf_attr[]){{"centred", 1}});
    tf_graph_scope(b->graph, "%s", scope);
    return y;
}

tf_id tf_block_activation(tf_builder *b, const char *name, tf_id x, int layer) {
    const char *kind = *b->config->activation ? b->config->activation : "gelu";
    return tf_block_approximated(b, kind, "gelu", layer, name, TF_IN(x), TF_NO_ATTRS);
}

tf_id tf_block_attention(tf_builder *b, const char *name, tf_id q, tf_id k, tf_id v, int layer) {
    tf_attr heads = {"heads", (double)b->config->heads};
    return tf_block_approximated(b, "attention", "softmax", layer, name, b->key_mask >= 0 ? 4 : 3,
                                 (tf_id[]){q, k, v, b->key_mask}, 1, &heads);
}

tf_id tf_block_ids(tf_builder *b, const char *name, bool types) {
    const tf_batch *batch = b->batch;
    tf_shape shape = tf_dims(batch->texts, batch->length);
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_TOKENS, name, shape, types ? batch->types : batch->ids);
    if (id >= 0) b->graph->node[id].selection = types ? batch->shared_types : batch->shared_ids;
    return id;
}

tf_id tf_block_padding(tf_builder *b, const char *name, bool mean) {
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

bool tf_batch_is_padded(const tf_batch *batch) {
    for (size_t i = 0; i < batch->texts; i++)
        if (batch->lengths[i] < batch->length) return true;
    return false;
}
