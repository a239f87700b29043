#include "models/encoder.h"

tf_stream tf_encoder_embeddings(tf_builder *b) {
    const tf_batch *batch = b->batch;
    size_t hidden = b->config->hidden;
    tf_graph *g = b->graph;
    tf_graph_scope(g, "embeddings.");
    tf_id words = tf_block_weight(b, "word_embeddings.weight", tf_dims(b->config->vocabulary, hidden));
    tf_id positions = tf_block_weight(b, "position_embeddings.weight", tf_dims(b->config->positions, hidden));
    tf_id types = tf_block_weight(b, "token_type_embeddings.weight", tf_dims(b->config->types, hidden));

    tf_id token = tf_block_ids(b, "tokens", false);
    tf_id word = tf_graph_op(g, "embedding", "", "word_embeddings", TF_IN(token, words), TF_NO_ATTRS);
    tf_id position =
        tf_graph_op(g, "rows", "", "position_embeddings", TF_IN(positions), TF_ATTRS({"count", (double)batch->length}));
    tf_id x;
    if (batch->pairs) {
        tf_id type = tf_block_ids(b, "token_types", true);
        tf_id chosen = tf_graph_op(g, "embedding", "", "token_type_embeddings", TF_IN(type, types), TF_NO_ATTRS);
        x = tf_block_add(b, "sum", tf_block_add(b, "sum_of_words_and_types", word, chosen), position);
    } else {
        tf_id first = tf_graph_op(g, "rows", "", "token_type_embeddings", TF_IN(types), TF_ATTRS({"count", 1}));
        x = tf_block_add(b, "sum", word, tf_block_add(b, "sum_of_positions_and_types", position, first));
    }
    return tf_block_norm(b, x, (tf_norm){.name = "LayerNorm", .place = "layernorm", .layer = -1});
}

/* The sum of a block's output and its input, normalised; all means are taken before, where they delay nothing. */
static tf_stream residual(tf_builder *b, tf_stream in, tf_dense dense, const char *sum, tf_stream x, tf_norm norm) {
    dense.centred = norm.centred = true;
    tf_id y = tf_block_dense(b, in, dense);
    return tf_block_norm(b, tf_block_add(b, sum, y, tf_block_value_of(b, x, true)), norm);
}

tf_stream tf_encoder_layer(tf_builder *b, tf_stream x, int layer) {
    size_t hidden = b->config->hidden, intermediate = b->config->intermediate;
    tf_graph_scope(b->graph, "encoder.layer.%d.", layer);

    tf_id q = tf_block_dense(b, x, (tf_dense){.name = "attention.self.query", .in = hidden, .out = hidden});
    tf_id k = tf_block_dense(b, x, (tf_dense){.name = "attention.self.key", .in = hidden, .out = hidden});
    tf_id v = tf_block_dense(b, x, (tf_dense){.name = "attention.self.value", .in = hidden, .out = hidden});
    tf_id context = tf_block_attention(b, "attention.self", q, k, v, layer);
    x = residual(b, tf_block_values(context), (tf_dense){.name = "attention.output.dense", .in = hidden, .out = hidden},
                 "attention.output.residual", x,
                 (tf_norm){.name = "attention.output.LayerNorm", .place = "layernorm1", .layer = layer});

    tf_id inner = tf_block_dense(b, x, (tf_dense){.name = "intermediate.dense", .in = hidden, .out = intermediate});
    inner = tf_block_activation(b, "intermediate.gelu", inner, layer);
    return residual(b, tf_block_values(inner), (tf_dense){.name = "output.dense", .in = intermediate, .out = hidden},
                    "output.residual", x, (tf_norm){.name = "output.LayerNorm", .place = "layernorm2", .layer = layer});
}

tf_stream tf_encoder_layers(tf_builder *b, tf_stream x) {
    for (size_t layer = 0; layer < b->config->layers; layer++) x = tf_encoder_layer(b, x, (int)layer);
    return x;
}

tf_id tf_sentence_embedding(tf_builder *b, tf_id x) {
    tf_id weights = tf_block_padding(b, "mean_pool.weights", true);
    tf_id mean = tf_graph_op(b->graph, "mean_pool", "", "mean_pool", TF_IN(x, weights), TF_NO_ATTRS);
    return tf_graph_op(b->graph, "l2norm", "", "l2norm", TF_IN(mean), TF_NO_ATTRS);
}
