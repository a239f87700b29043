#include "models/encoder.h"

#include <stdio.h>
#include <string.h>

tf_status tf_encoder_read(const tf_json_source *from, double default_eps, tf_config *c) {
    const tf_json_key sizes[] = {
        {"hidden_size", 16384, &c->hidden},       {"num_hidden_layers", 128, &c->layers},
        {"num_attention_heads", 1024, &c->heads}, {"intermediate_size", 65536, &c->intermediate},
        {"vocab_size", 1 << 20, &c->vocabulary},  {"max_position_embeddings", 65536, &c->positions},
    };
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    if (c->hidden % c->heads)
        return tf_fail(TF_FORMAT, "%s: \"hidden_size\" %zu is not a multiple of \"num_attention_heads\" %zu",
                       from->path, c->hidden, c->heads);
    size_t pad = (size_t)c->pad_token;
    TF_TRY(tf_json_optional_size(from, "pad_token_id", 0, c->vocabulary - 1, &pad));
    c->pad_token = (int32_t)pad;
    c->layer_norm_eps = default_eps; /* as Hugging Face: files of 2019 lack it */
    return tf_json_optional_real(from, "layer_norm_eps", 0.1, &c->layer_norm_eps);
}

tf_status tf_encoder_offset_positions(const tf_json_source *from, tf_config *c) {
    size_t unused = (size_t)c->pad_token + 1;
    if (c->positions <= unused)
        return tf_fail(TF_FORMAT, "%s: \"max_position_embeddings\" is %zu; positions begin after \"pad_token_id\" %zu",
                       from->path, c->positions, unused - 1);
    c->positions -= unused;
    return TF_OK;
}

/* Entries are small, and a LayerNorm scales them up: their tables have room for bits more. */
static tf_attr finer(const tf_builder *b) {
    enum { MORE_BITS = 2 };
    return (tf_attr){"finer", strcmp(tf_approx_variant(b->approx, "layernorm", -1), "exact") ? 0 : MORE_BITS};
}

static tf_id rows(tf_builder *b, const char *name, tf_id table, size_t count) {
    return tf_graph_op(b->graph, "rows", "", name, TF_IN(table), TF_ATTRS({"count", (double)count}, finer(b)));
}

/* The embeddings of token and position, and of the token type where there is one; `centred`: less their means. */
static tf_id embedding_sum(tf_builder *b, size_t width, bool centred) {
    const tf_batch *batch = b->batch;
    tf_graph *g = b->graph;
    tf_id words = tf_block_table(b, "word_embeddings.weight", tf_dims(b->config->vocabulary, width), centred),
          types = -1;
    tf_id positions = tf_block_table(b, "position_embeddings.weight", tf_dims(b->config->positions, width), centred);
    if (b->config->types)
        types = tf_block_table(b, "token_type_embeddings.weight", tf_dims(b->config->types, width), centred);

    tf_id token = tf_block_ids(b, "tokens", false);
    tf_id word = tf_graph_op(g, "embedding", "", "word_embeddings", TF_IN(token, words), TF_ATTRS(finer(b)));
    tf_id position = rows(b, "position_embeddings", positions, batch->length);
    if (!b->config->types) return tf_block_add(b, "sum", word, position);
    if (batch->pairs && b->config->types > 1) {
        tf_id type = tf_block_ids(b, "token_types", true);
        tf_id chosen = tf_graph_op(g, "embedding", "", "token_type_embeddings", TF_IN(type, types), TF_ATTRS(finer(b)));
        return tf_block_add(b, "sum", tf_block_add(b, "sum_of_words_and_types", word, chosen), position);
    }
    tf_id first = rows(b, "token_type_embeddings", types, 1);
    return tf_block_add(b, "sum", word, tf_block_add(b, "sum_of_positions_and_types", position, first));
}

tf_activations tf_encoder_embeddings(tf_builder *b) {
    size_t hidden = b->config->hidden, width = b->config->embedding ? b->config->embedding : hidden;
    tf_graph_scope(b->graph, "embeddings.");
    /* a masked word's head reads the table too, as it is */
    bool centred = b->fold && b->config->head != TF_HEAD_MASKED;
    tf_norm norm = {
        .name = "LayerNorm", .width = width, .place = "layernorm", .layer = -1, .centred = centred, .coarser = true};
    tf_activations x = tf_block_norm(b, embedding_sum(b, width, centred), norm);
    if (!b->config->embedding) return x;
    return tf_block_values(tf_block_dense(b, x, (tf_dense){.name = "projection", .in = width, .out = hidden}));
}

/* The sum of a block's output and its input, normalised; all means are taken before, where they delay nothing. */
static tf_activations residual(tf_builder *b, tf_activations in, tf_dense dense, const char *sum, tf_activations x,
                               tf_norm norm) {
    dense.centred = norm.centred = *x.norm; /* values' means are not known */
    norm.coarser = true;
    return tf_block_norm(b, tf_block_residual(b, in, dense, sum, x), norm);
}

bool tf_encoder_reads_first(const tf_config *c, int layer) {
    if ((size_t)layer + 1 < c->layers || c->buckets) return false;
    if (c->sentence_head || c->head == TF_HEAD_EMBEDDING) return c->pooling == TF_POOL_FIRST;
    return c->head == TF_HEAD_CLASSIFIER && !c->classifier_mean;
}

tf_id tf_encoder_first(tf_builder *b, const char *name, tf_id x, bool first) {
    return first ? tf_graph_op(b->graph, "first_tokens", "", name, TF_IN(x), TF_ATTRS({"count", 1})) : x;
}

tf_activations tf_encoder_layer(tf_builder *b, tf_activations x, int layer) {
    size_t hidden = b->config->hidden, intermediate = b->config->intermediate, groups = b->config->groups;
    tf_graph_scope(b->graph, "encoder.layer.%d.", layer);
    if (groups) {
        size_t group = (size_t)layer * groups / b->config->layers;
        snprintf(b->shared, sizeof b->shared, "encoder.group.%zu.", group);
    }
    tf_activations read = x; /* by the query, and what follows it */
    read.n = tf_encoder_first(b, "first_token", x.n, tf_encoder_reads_first(b->config, layer));
    tf_id q = tf_block_dense(b, read, (tf_dense){.name = "attention.self.query", .in = hidden, .out = hidden});
    tf_id k = tf_block_dense(b, x, (tf_dense){.name = "attention.self.key", .in = hidden, .out = hidden});
    tf_id v = tf_block_dense(b, x, (tf_dense){.name = "attention.self.value", .in = hidden, .out = hidden});
    tf_id context = tf_block_attention(b, "attention.self", q, k, v, layer);
    x = residual(b, tf_block_values(context), (tf_dense){.name = "attention.output.dense", .in = hidden, .out = hidden},
                 "attention.output.residual", read,
                 (tf_norm){.name = "attention.output.LayerNorm", .place = "layernorm1", .layer = layer});

    tf_id inner = tf_block_dense(b, x, (tf_dense){.name = "intermediate.dense", .in = hidden, .out = intermediate});
    inner = tf_block_activation(b, "intermediate.gelu", inner, layer);
    x = residual(b, tf_block_values(inner), (tf_dense){.name = "output.dense", .in = intermediate, .out = hidden},
                 "output.residual", x, (tf_norm){.name = "output.LayerNorm", .place = "layernorm2", .layer = layer});
    *b->shared = '\0';
    return x;
}

tf_activations tf_encoder_layers(tf_builder *b, tf_activations x) {
    for (size_t layer = 0; layer < b->config->layers; layer++) x = tf_encoder_layer(b, x, (int)layer);
    return x;
}

/* Logits over the vocabulary for tokens that are meant: a transformed vector times the word embeddings themselves. */
static tf_id masked_head(tf_builder *b, tf_activations x) {
    size_t hidden = b->config->hidden, width = b->config->embedding ? b->config->embedding : hidden;
    int last = (int)b->config->layers - 1;
    tf_graph_scope(b->graph, "masked.");
    x.n = tf_block_picked(b, x.n);
    tf_id y = tf_block_dense(b, x, (tf_dense){.name = "dense", .in = hidden, .out = width});
    y = tf_block_activation(b, "gelu", y, last);
    tf_norm norm = {.name = "LayerNorm", .width = width, .place = "layernorm", .layer = -1};
    y = tf_block_value_of(b, tf_block_norm(b, y, norm), false);
    tf_id bias = tf_block_weight(b, "bias", tf_dims(b->config->vocabulary));
    tf_id logits = tf_graph_op(b->graph, "linear", "", "decoder",
                               TF_IN(y, tf_block_find(b, "embeddings.word_embeddings.weight"), bias), TF_NO_ATTRS);
    return tf_block_words(b, logits);
}

tf_id tf_encoder_head(tf_builder *b, tf_activations x, const char *kind, const char *variant) {
    const tf_config *c = b->config;
    size_t hidden = c->hidden;
    tf_dense classifier = {.name = "classifier", .in = hidden, .out = c->labels};
    tf_graph_scope(b->graph, "%s", "");
    if (c->sentence_head || c->head == TF_HEAD_EMBEDDING) {
        tf_id sentence = tf_block_sentence(b, x);
        if (c->sentence_width) classifier.in = c->sentence_width;
        return c->sentence_head ? tf_block_dense(b, tf_block_values(sentence), classifier) : sentence;
    }
    if (c->head == TF_HEAD_TOKENS) return tf_block_dense(b, x, classifier);
    if (c->head == TF_HEAD_SPAN) return tf_block_dense(b, x, (tf_dense){.name = "qa_outputs", .in = hidden, .out = 2});
    if (c->head == TF_HEAD_MASKED) return masked_head(b, x);
    x.n = tf_graph_op(b->graph, "first_token", "", "pooler.first_token", TF_IN(x.n), TF_NO_ATTRS);
    tf_id pooled = tf_block_dense(b, x, (tf_dense){.name = "pooler.dense", .in = hidden, .out = hidden});
    char name[32];
    snprintf(name, sizeof name, "pooler.%s", *variant && strcmp(variant, "exact") ? variant : kind);
    pooled = tf_graph_op(b->graph, kind, variant, name, TF_IN(pooled), TF_NO_ATTRS);
    return tf_block_dense(b, tf_block_values(pooled), classifier);
}

tf_id tf_encoder_build(tf_builder *b, const char *kind, const char *variant) {
    return tf_encoder_head(b, tf_encoder_layers(b, tf_encoder_embeddings(b)), kind, variant);
}

void tf_rename_leaf(const tf_rename *table, size_t entries, tf_tensor_place *place) {
    char old[sizeof place->name];
    for (size_t i = 0; i < entries; i++) {
        const char *at = strstr(place->name, table[i].from);
        if (!at) continue;
        size_t before = (size_t)(at - place->name);
        strcpy(old, place->name);
        snprintf(place->name, sizeof place->name, "%.*s%s%s", (int)before, old, table[i].to,
                 old + before + strlen(table[i].from));
    }
}
