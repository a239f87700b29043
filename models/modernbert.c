/**
 * ModernBERT (Warner et al. 2024): normalisations before the sublayers and without shifts, rotary positions, attention
 * of which two layers in three look at near tokens alone, GeGLU.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/decoder.h"
#include "models/encoder.h"
#include "models/family.h"

static tf_status read_modernbert(const tf_json_source *from, tf_config *c) {
    const tf_json_key sizes[] = {
        {"hidden_size", 16384, &c->hidden},       {"num_hidden_layers", 128, &c->layers},
        {"num_attention_heads", 1024, &c->heads}, {"intermediate_size", 65536, &c->intermediate},
        {"vocab_size", 1 << 20, &c->vocabulary},  {"max_position_embeddings", 65536, &c->positions},
    };
    const char *pooling;
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    if (c->hidden % (2 * c->heads))
        return tf_fail(TF_FORMAT,
                       "%s: \"hidden_size\" %zu does not give each of \"num_attention_heads\" %zu an even part",
                       from->path, c->hidden, c->heads);
    size_t pad = 0;
    TF_TRY(tf_json_optional_size(from, "pad_token_id", 0, c->vocabulary - 1, &pad));
    c->pad_token = (int32_t)pad;
    c->layer_norm_eps = 1e-5;
    c->rope_theta = 160000;
    c->rope_local_theta = 10000;
    c->global_every = 3;
    c->window = 128;
    TF_TRY(tf_json_optional_real(from, "norm_eps", 0.1, &c->layer_norm_eps));
    TF_TRY(tf_json_optional_real(from, "global_rope_theta", 1e12, &c->rope_theta));
    if (tf_json_lookup(from, "rope_parameters"))
        return tf_fail(TF_FORMAT,
                       "%s: \"rope_parameters\" is not supported; \"global_rope_theta\" and "
                       "\"local_rope_theta\" are",
                       from->path);
    TF_TRY(tf_json_optional_real(from, "local_rope_theta", 1e12, &c->rope_local_theta));
    TF_TRY(tf_json_optional_size(from, "global_attn_every_n_layers", 1, 128, &c->global_every));
    TF_TRY(tf_json_optional_size(from, "local_attention", 1, 1 << 24, &c->window));
    TF_TRY(tf_json_optional_flag(from, "attention_bias", &c->attention_bias));
    TF_TRY(tf_json_optional_flag(from, "mlp_bias", &c->mlp_bias));
    TF_TRY(tf_json_optional_flag(from, "classifier_bias", &c->classifier_bias));
    TF_TRY(tf_json_text(from, "classifier_pooling", "cls", &pooling));
    c->classifier_mean = !strcmp(pooling, "mean");
    if (c->classifier_mean || !strcmp(pooling, "cls")) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: \"classifier_pooling\" is \"%.40s\"; known are \"cls\" and \"mean\"", from->path,
                   pooling);
}

/* The public constants of a batch: global layers look at all tokens, local ones at those near by. */
typedef struct public_leaves {
    tf_id angles[2], mask[2]; /* global and local */
} public_leaves;

/* texts x length x depth: depth/2 cosines, then as many sines. */
static tf_id angles(tf_builder *b, const char *name, double theta) {
    size_t texts = b->batch->texts, length = b->batch->length, depth = b->config->hidden / b->config->heads;
    float *data = calloc(texts * length * depth, sizeof *data);
    if (!data) return tf_graph_fail(b->graph, tf_fail(TF_NOMEM, "no memory for %s", name));
    for (size_t row = 0; row < texts * length; row++)
        for (size_t i = 0; i < depth / 2; i++) {
            double angle = (double)(row % length) * pow(theta, -2 * (double)i / (double)depth);
            data[row * depth + i] = (float)cos(angle);
            data[row * depth + depth / 2 + i] = (float)sin(angle);
        }
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_CONSTANT, name, tf_dims(texts, length, depth), data);
    free(data);
    return id;
}

/* texts x length x length: 1 for keys at most half a window away that are no padding. A row of padding looks at itself,
 * so that it has something to look at. */
static tf_id near_mask(tf_builder *b) {
    size_t texts = b->batch->texts, length = b->batch->length, reach = b->config->window / 2;
    float *data = calloc(texts * length * length, sizeof *data);
    if (!data) return tf_graph_fail(b->graph, tf_fail(TF_NOMEM, "no memory for the mask of near tokens"));
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < length; i++)
            for (size_t j = 0; j < length; j++) {
                bool near = (i > j ? i - j : j - i) <= reach;
                data[(text * length + i) * length + j] = i == j || (near && j < b->batch->lengths[text]);
            }
    tf_id id = tf_graph_leaf(b->graph, TF_LEAF_CONSTANT, "near_mask", tf_dims(texts, length, length), data);
    free(data);
    return id;
}

/* Where lengths are hidden the mask is a secret of keys alone, so that all tokens must be near each other. */
static public_leaves make_leaves(tf_builder *b) {
    size_t near = b->config->window / 2 + 1;
    bool local = b->config->layers > 1 && b->config->global_every > 1, hidden = b->batch->hidden;
    if (hidden && local && b->batch->length > near)
        tf_graph_fail(b->graph, tf_fail(TF_INVALID,
                                        "this model has layers that look at near tokens: lengths can be hidden in %zu "
                                        "tokens at most",
                                        near));
    public_leaves c = {.angles = {-1, -1}, .mask = {b->key_mask, b->key_mask}};
    if (b->graph->status != TF_OK) return c;
    c.angles[0] = angles(b, "angles", b->config->rope_theta);
    if (local) c.angles[1] = angles(b, "near_angles", b->config->rope_local_theta);
    if (local && !hidden) c.mask[1] = near_mask(b);
    return c;
}

static bool is_local(const tf_config *c, int layer) {
    return (size_t)layer % c->global_every != 0;
}

/* Whether only the first token's row is still wanted after the attention of this layer. */
static bool first_only(const tf_config *c, int layer) {
    return tf_encoder_reads_first(c, layer) && !is_local(c, layer);
}

static tf_id attention(tf_builder *b, const public_leaves *leaves, tf_activations x, int layer) {
    const tf_config *c = b->config;
    size_t hidden = c->hidden;
    bool local = is_local(c, layer);
    tf_fused qkv = {
        .name = "attn.Wqkv", .part = {"attn.Wqkv"}, .in = hidden, .out = {3 * hidden}, .biased = c->attention_bias};
    tf_attr heads = {"heads", (double)c->heads};
    tf_id all = tf_decoder_fused(b, x, &qkv, leaves->angles[local], 2 * hidden);
    tf_id q = tf_decoder_columns(b, "attn.query", all, 0, hidden);
    q = tf_encoder_first(b, "attn.first_query", q, first_only(c, layer));
    tf_id k = tf_decoder_columns(b, "attn.key", all, hidden, hidden);
    tf_id v = tf_decoder_columns(b, "attn.value", all, 2 * hidden, hidden), mask = leaves->mask[local];
    tf_id y = tf_block_approximated(b, "attention", "softmax", layer, "attn", mask >= 0 ? 4 : 3,
                                    (tf_id[]){q, k, v, mask}, 1, &heads);
    return tf_block_dense(
        b, tf_block_values(y),
        (tf_dense){.name = "attn.Wo", .in = hidden, .out = hidden, .centred = true, .no_bias = !c->attention_bias});
}

static tf_id feed_forward(tf_builder *b, tf_activations x, int layer) {
    const tf_config *c = b->config;
    size_t inner = c->intermediate;
    tf_fused wi = {.name = "mlp.Wi", .part = {"mlp.Wi"}, .in = c->hidden, .out = {2 * inner}, .biased = c->mlp_bias};
    tf_id both = tf_decoder_fused(b, x, &wi, -1, 0);
    tf_id up = tf_block_activation(b, "mlp.act", tf_decoder_columns(b, "mlp.up", both, 0, inner), layer);
    tf_id gate = tf_decoder_columns(b, "mlp.gate", both, inner, inner);
    tf_id y = tf_graph_op(b->graph, "multiply", "", "mlp.product", TF_IN(up, gate), TF_NO_ATTRS);
    return tf_block_dense(
        b, tf_block_values(y),
        (tf_dense){.name = "mlp.Wo", .in = inner, .out = c->hidden, .centred = true, .no_bias = !c->mlp_bias});
}

/* The sum that normalisations alone look at is kept without its mean. */
static tf_activations norm(tf_builder *b, tf_id x, const char *name, const char *place, int layer) {
    return tf_block_norm(b, x,
                         (tf_norm){.name = name, .place = place, .layer = layer, .centred = true, .no_bias = true});
}

static tf_id head(tf_builder *b, tf_activations x) {
    const tf_config *c = b->config;
    size_t hidden = c->hidden;
    tf_graph_scope(b->graph, "%s", "");
    if (c->sentence_head || c->head == TF_HEAD_EMBEDDING) return tf_encoder_head(b, x, "gelu", "exact");
    if (c->head == TF_HEAD_MASKED) x.n = tf_block_picked(b, x.n);
    if (c->head == TF_HEAD_CLASSIFIER && c->classifier_mean)
        x.n = tf_block_mean(b, x.n);
    else if (c->head == TF_HEAD_CLASSIFIER)
        x.n = tf_graph_op(b->graph, "first_token", "", "first_token", TF_IN(x.n), TF_NO_ATTRS);
    tf_id y = tf_block_dense(
        b, x,
        (tf_dense){
            .name = "head.dense", .in = hidden, .out = hidden, .centred = false, .no_bias = !c->classifier_bias});
    y = tf_graph_op(b->graph, "gelu", "exact", "head.gelu", TF_IN(y), TF_NO_ATTRS);
    x = tf_block_norm(b, y, (tf_norm){.name = "head.norm", .place = "layernorm", .layer = -1, .no_bias = true});
    if (c->head != TF_HEAD_MASKED)
        return tf_block_dense(b, x, (tf_dense){.name = "classifier", .in = hidden, .out = c->labels});
    tf_id bias = tf_block_weight(b, "decoder.bias", tf_dims(c->vocabulary));
    tf_id logits = tf_graph_op(
        b->graph, "linear", "", "decoder",
        TF_IN(tf_block_value_of(b, x, false), tf_block_find(b, "embeddings.tok_embeddings.weight"), bias), TF_NO_ATTRS);
    return tf_block_words(b, logits);
}

static tf_id build(tf_builder *b) {
    public_leaves leaves = make_leaves(b);
    tf_id table =
        tf_block_weight(b, "embeddings.tok_embeddings.weight", tf_dims(b->config->vocabulary, b->config->hidden));
    tf_id tokens = tf_block_ids(b, "tokens", false);
    tf_id words = tf_graph_op(b->graph, "embedding", "", "embeddings.tokens", TF_IN(tokens, table), TF_NO_ATTRS);
    tf_norm first = {.name = "embeddings.norm", .place = "layernorm", .layer = -1, .no_bias = true};
    tf_activations n = tf_block_norm(b, words, first);
    tf_id x = tf_block_value_of(b, n, true);
    for (int layer = 0; layer < (int)b->config->layers; layer++) {
        tf_graph_scope(b->graph, "layers.%d.", layer);
        if (layer > 0) n = norm(b, x, "attn_norm", "layernorm1", layer);
        tf_id y = attention(b, &leaves, n, layer);
        x = tf_block_add(b, "attn.residual", y, tf_encoder_first(b, "first_token", x, first_only(b->config, layer)));
        n = norm(b, x, "mlp_norm", "layernorm2", layer);
        x = tf_block_add(b, "mlp.residual", feed_forward(b, n, layer), x);
    }
    tf_graph_scope(b->graph, "%s", "");
    return head(b, norm(b, x, "final_norm", "layernorm", -1));
}

const tf_family tf_modernbert_family = {
    .name = "modernbert",
    .model_types = (const char *const[]){"modernbert", NULL},
    .prefixes = (const char *const[]){"model.", NULL},
    .activation_key = "hidden_activation",
    .read = read_modernbert,
    .only = (const tf_json_only[]){{"norm_bias", "false"},
                                   {"classifier_activation", "gelu"},
                                   {"decoder_bias", "true"},
                                   {"is_decoder", "false"},
                                   {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"ModernBertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"ModernBertForTokenClassification", TF_HEAD_TOKENS},
                                             {"ModernBertForMaskedLM", TF_HEAD_MASKED},
                                             {"ModernBertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .build = build,
};
