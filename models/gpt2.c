/** GPT-2 (Radford et al. 2019): learned positions, LayerNorms before the sublayers, weights stored in x out. */
#include <string.h>

#include "models/decoder.h"
#include "models/family.h"

static tf_status read_gpt2(const tf_json_source *from, tf_config *c) {
    const tf_json_key sizes[] = {
        {"n_embd", 16384, &c->hidden},           {"n_layer", 128, &c->layers},          {"n_head", 1024, &c->heads},
        {"vocab_size", 1 << 20, &c->vocabulary}, {"n_positions", 65536, &c->positions},
    };
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    if (c->hidden % c->heads)
        return tf_fail(TF_FORMAT, "%s: \"n_embd\" %zu is not a multiple of \"n_head\" %zu", from->path, c->hidden,
                       c->heads);
    c->intermediate = 4 * c->hidden;
    TF_TRY(tf_json_optional_size(from, "n_inner", 1, 1 << 18, &c->intermediate));
    c->tie_word_embeddings = true;
    TF_TRY(tf_json_optional_flag(from, "tie_word_embeddings", &c->tie_word_embeddings));
    c->layer_norm_eps = 1e-5;
    return tf_json_optional_real(from, "layer_norm_epsilon", 0.1, &c->layer_norm_eps);
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), last = strlen(end);
    return length >= last && !strcmp(text + length - last, end);
}

static void place(const tf_config *config, const char *leaf, tf_tensor_place *place) {
    static const char *const stored_transposed[] = {"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight",
                                                    "mlp.c_proj.weight"};
    for (size_t i = 0; i < sizeof stored_transposed / sizeof *stored_transposed; i++)
        if (ends_with(leaf, stored_transposed[i])) place->transposed = true;
}

/* A sublayer's output and what is added up of them have zero mean, so that no LayerNorm takes one; see fold.h. */
static tf_id layer(tf_builder *b, const tf_decoder_pass *pass, tf_id x, int number) {
    size_t hidden = b->config->hidden, inner = b->config->intermediate;
    bool last = tf_decoder_last_only(b, number);
    tf_graph_scope(b->graph, "h.%d.", number);
    tf_activations n =
        tf_block_norm(b, x, (tf_norm){.name = "ln_1", .place = "layernorm1", .layer = number, .centred = true});
    tf_id qkv = tf_block_dense(b, n, (tf_dense){.name = "attn.c_attn", .in = hidden, .out = 3 * hidden});
    tf_heads heads = {.query = tf_decoder_columns(b, "query", qkv, 0, hidden),
                      .key = tf_decoder_columns(b, "key", qkv, hidden, hidden),
                      .value = tf_decoder_columns(b, "value", qkv, 2 * hidden, hidden)};
    tf_id y = tf_decoder_attention(b, pass, "attn", heads, number);
    y = tf_block_dense(b, tf_block_values(y),
                       (tf_dense){.name = "attn.c_proj", .in = hidden, .out = hidden, .centred = true});
    x = tf_block_add(b, "attn.residual", y, tf_decoder_last_token(b, "last_token", x, last));

    n = tf_block_norm(b, x, (tf_norm){.name = "ln_2", .place = "layernorm2", .layer = number, .centred = true});
    y = tf_block_dense(b, n, (tf_dense){.name = "mlp.c_fc", .in = hidden, .out = inner});
    y = tf_block_activation(b, "mlp.act", y, number);
    y = tf_block_dense(b, tf_block_values(y),
                       (tf_dense){.name = "mlp.c_proj", .in = inner, .out = hidden, .centred = true});
    return tf_block_add(b, "mlp.residual", y, x);
}

static tf_id embeddings(tf_builder *b) {
    const tf_decoding *d = b->batch->decoding;
    tf_graph *g = b->graph;
    tf_id word = tf_decoder_tokens(b, "wte.weight");
    tf_id table = tf_block_weight(b, "wpe.weight", tf_dims(b->config->positions, b->config->hidden));
    /* public, but looked up like tokens: that takes the same rounds, and few bytes */
    tf_id positions =
        tf_graph_leaf(g, TF_LEAF_TOKENS, "positions", tf_dims(d->texts, d->rows), b->batch->ids ? d->positions : NULL);
    tf_id position =
        tf_graph_op(g, "embedding", "", "embedded_positions", TF_IN(positions, table), TF_ATTRS({"singly", 1}));
    tf_id x = tf_block_add(b, "embeddings", word, position);
    return b->fold ? tf_graph_op(g, "layernorm", "center", "centred_embeddings", TF_IN(x), TF_NO_ATTRS) : x;
}

static tf_id build(tf_builder *b) {
    tf_decoder_pass pass = tf_decoder_begin(b);
    tf_id x = embeddings(b);
    for (size_t i = 0; i < b->config->layers; i++) x = layer(b, &pass, x, (int)i);
    tf_graph_scope(b->graph, "%s", "");
    tf_activations n =
        tf_block_norm(b, x, (tf_norm){.name = "ln_f", .place = "layernorm", .layer = -1, .centred = true});
    return tf_decoder_head(b, n, "wte");
}

const tf_family tf_gpt2_family = {
    .name = "gpt2",
    .model_types = (const char *const[]){"gpt2", NULL},
    .prefixes = (const char *const[]){"transformer.", NULL},
    .activation_key = "activation_function",
    .activations = (const char *const[]){"gelu_new", "gelu", NULL},
    .read = read_gpt2,
    .only = (const tf_json_only[]){{"scale_attn_weights", "true"},
                                   {"scale_attn_by_inverse_layer_idx", "false"},
                                   {"add_cross_attention", "false"},
                                   {NULL, NULL}},
    .tried = "a tiny random model against float64, in the open and in private",
    .heads = (const struct tf_family_head[]){{"GPT2LMHeadModel", TF_HEAD_CAUSAL}, {NULL, 0}},
    .place = place,
    .build = build,
};
