/**
 * LLaMA 1 to 3 (Touvron et al. 2023, Grattafiori et al. 2024) and what is built like it: Mistral (sliding windows),
 * Qwen2 (biases of queries, keys and values), Qwen3 (queries and keys normalised by head), TinyLlama, SmolLM.
 */
#include <stdio.h>
#include <string.h>

#include "models/decoder.h"
#include "models/family.h"

/* config.json ------------------------------------------------------------------------------------------------------ */

static tf_status read_scaling_object(const tf_json_source *from, tf_config *c) {
    const char *type;
    size_t original = c->positions;
    TF_TRY(tf_json_optional_real(from, "rope_theta", 1e12, &c->rope_theta));
    TF_TRY(tf_json_text(from, "type", "default", &type));
    TF_TRY(tf_json_text(from, "rope_type", type, &type));
    if (!strcmp(type, "default")) return TF_OK;
    if (strcmp(type, "linear") && strcmp(type, "llama3") && strcmp(type, "yarn"))
        return tf_fail(TF_FORMAT,
                       "%s: \"rope_scaling\" is of type \"%.40s\"; supported are \"linear\", \"llama3\" and \"yarn\"",
                       from->path, type);
    snprintf(c->rope_scaling, sizeof c->rope_scaling, "%s", type);
    c->rope_factor = c->rope_low_freq_factor = c->rope_beta_slow = 1;
    c->rope_high_freq_factor = 4;
    c->rope_beta_fast = 32;
    TF_TRY(tf_json_optional_real(from, "factor", 1e6, &c->rope_factor));
    TF_TRY(tf_json_optional_real(from, "low_freq_factor", 1e6, &c->rope_low_freq_factor));
    TF_TRY(tf_json_optional_real(from, "high_freq_factor", 1e6, &c->rope_high_freq_factor));
    TF_TRY(tf_json_optional_real(from, "beta_fast", 1e6, &c->rope_beta_fast));
    TF_TRY(tf_json_optional_real(from, "beta_slow", 1e6, &c->rope_beta_slow));
    TF_TRY(tf_json_optional_real(from, "attention_factor", TF_ANGLE_BOUND, &c->rope_attention_factor));
    TF_TRY(tf_json_optional_size(from, "original_max_position_embeddings", 1, 1 << 24, &original));
    c->rope_original_positions = original;
    return TF_OK;
}

static tf_status read_scaling(const tf_json_source *from, tf_config *c) {
    const json_t *json = tf_json_lookup(from, "rope_scaling");
    if (!json) json = tf_json_lookup(from, "rope_parameters");
    if (!json) return TF_OK;
    if (!json_is_object(json)) return tf_fail(TF_FORMAT, "%s: \"rope_scaling\" is not an object", from->path);
    const tf_json_source scaling = {from->path, json, json_object()};
    tf_status status = scaling.seen ? read_scaling_object(&scaling, c) : tf_fail(TF_NOMEM, "no memory for its keys");
    if (status == TF_OK) status = tf_json_check_seen(&scaling, "\"rope_scaling\"");
    json_decref(scaling.seen);
    return status;
}

static tf_status read_attention(const tf_json_source *from, tf_config *c) {
    c->kv_heads = c->heads;
    TF_TRY(tf_json_optional_size(from, "num_key_value_heads", 1, 1024, &c->kv_heads));
    TF_TRY(tf_json_optional_size(from, "head_dim", 2, TF_MAX_HEAD_DIM, &c->head_dim));
    if (!c->head_dim && c->hidden % c->heads)
        return tf_fail(TF_FORMAT, "%s: \"hidden_size\" %zu is not a multiple of \"num_attention_heads\" %zu",
                       from->path, c->hidden, c->heads);
    if (c->heads % c->kv_heads)
        return tf_fail(TF_FORMAT, "%s: \"num_attention_heads\" %zu is not a multiple of \"num_key_value_heads\" %zu",
                       from->path, c->heads, c->kv_heads);
    if (tf_head_dim(c) % 2 || tf_head_dim(c) > TF_MAX_HEAD_DIM)
        return tf_fail(TF_FORMAT, "%s: heads of %zu elements cannot be rotated; \"head_dim\" is even and at most %d",
                       from->path, tf_head_dim(c), TF_MAX_HEAD_DIM);
    c->rope_theta = 10000;
    TF_TRY(tf_json_optional_real(from, "rope_theta", 1e12, &c->rope_theta));
    return read_scaling(from, c);
}

static tf_status read_llama(const tf_json_source *from, tf_config *c) {
    const tf_json_key sizes[] = {
        {"hidden_size", 16384, &c->hidden},       {"num_hidden_layers", 128, &c->layers},
        {"num_attention_heads", 1024, &c->heads}, {"intermediate_size", 1 << 18, &c->intermediate},
        {"vocab_size", 1 << 20, &c->vocabulary},  {"max_position_embeddings", 1 << 24, &c->positions},
    };
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    TF_TRY(read_attention(from, c));
    TF_TRY(tf_json_optional_flag(from, "tie_word_embeddings", &c->tie_word_embeddings));
    TF_TRY(tf_json_optional_flag(from, "attention_bias", &c->attention_bias));
    TF_TRY(tf_json_optional_flag(from, "mlp_bias", &c->mlp_bias));
    c->layer_norm_eps = 1e-6;
    return tf_json_optional_real(from, "rms_norm_eps", 0.1, &c->layer_norm_eps);
}

static tf_status read_mistral(const tf_json_source *from, tf_config *c) {
    TF_TRY(read_llama(from, c));
    return tf_json_optional_size(from, "sliding_window", 1, 1 << 24, &c->window);
}

static tf_status read_qwen2(const tf_json_source *from, tf_config *c) {
    TF_TRY(read_llama(from, c));
    c->attention_bias = true;
    return TF_OK;
}

static tf_status read_qwen3(const tf_json_source *from, tf_config *c) {
    c->head_dim = 128;
    return read_llama(from, c);
}

/* The graph -------------------------------------------------------------------------------------------------------- */

static tf_norm norm(const char *name, const char *place, int layer) {
    return (tf_norm){.name = name, .place = place, .layer = layer, .no_bias = true};
}

/* Queries and keys of Qwen3, each head normalised before it is turned; values as they are. */
static tf_id normalised_heads(tf_builder *b, const tf_decoder_pass *pass, const char *name, tf_id x) {
    char part[48], gamma[48];
    tf_attr eps = {"eps", b->config->layer_norm_eps};
    size_t depth = tf_head_dim(b->config);
    snprintf(gamma, sizeof gamma, "%s.weight", name);
    tf_id g = tf_block_weight(b, gamma, tf_dims(depth));
    snprintf(part, sizeof part, "%s.heads", name);
    x = tf_graph_op(b->graph, "split_heads", "", part, TF_IN(x), TF_ATTRS({"depth", (double)depth}));
    x = tf_graph_op(b->graph, "rmsnorm", "exact", name, TF_IN(x, g), 1, &eps);
    snprintf(part, sizeof part, "%s.turned", name);
    return tf_graph_op(b->graph, "rotary", "", part, TF_IN(x, pass->angles), TF_NO_ATTRS);
}

static tf_id attention(tf_builder *b, const tf_decoder_pass *pass, tf_activations n, int layer) {
    const tf_config *c = b->config;
    size_t depth = tf_head_dim(c), query = c->heads * depth, key = c->kv_heads * depth;
    bool by_head = c->family == &tf_qwen3_family;
    tf_fused qkv = {.name = "self_attn.qkv_proj",
                    .part = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                    .in = c->hidden,
                    .out = {query, key, key},
                    .biased = c->attention_bias};
    tf_id x = tf_decoder_fused(b, n, &qkv, by_head ? -1 : pass->angles, query + key);
    tf_heads heads = {.query = tf_decoder_columns(b, "query", x, 0, query),
                      .key = tf_decoder_columns(b, "key", x, query, key),
                      .value = tf_decoder_columns(b, "value", x, query + key, key)};
    if (by_head) {
        heads.query = normalised_heads(b, pass, "self_attn.q_norm", heads.query);
        heads.key = normalised_heads(b, pass, "self_attn.k_norm", heads.key);
    }
    tf_id y = tf_decoder_attention(b, pass, "self_attn", heads, layer);
    return tf_block_dense(b, tf_block_values(y),
                          (tf_dense){.name = "self_attn.o_proj",
                                     .in = query,
                                     .out = c->hidden,
                                     .no_bias = !c->attention_bias || c->family == &tf_qwen2_family});
}

/* SwiGLU (Shazeer 2020): silu(gate) * up, then down. */
static tf_id feed_forward(tf_builder *b, tf_activations n, int layer) {
    const tf_config *c = b->config;
    size_t inner = c->intermediate;
    tf_fused gate_up = {.name = "mlp.gate_up_proj",
                        .part = {"mlp.gate_proj", "mlp.up_proj"},
                        .in = c->hidden,
                        .out = {inner, inner},
                        .biased = c->mlp_bias};
    tf_id both = tf_decoder_fused(b, n, &gate_up, -1, 0);
    tf_id gate = tf_decoder_columns(b, "mlp.gate", both, 0, inner);
    tf_id up = tf_decoder_columns(b, "mlp.up", both, inner, inner);
    gate = tf_block_approximated(b, "silu", "gelu", layer, "mlp.act", TF_IN(gate), TF_NO_ATTRS);
    tf_id y = tf_graph_op(b->graph, "multiply", "", "mlp.product", TF_IN(gate, up), TF_NO_ATTRS);
    return tf_block_dense(b, tf_block_values(y),
                          (tf_dense){.name = "mlp.down_proj", .in = inner, .out = c->hidden, .no_bias = !c->mlp_bias});
}

static tf_id layer(tf_builder *b, const tf_decoder_pass *pass, tf_id x, int number) {
    tf_graph_scope(b->graph, "layers.%d.", number);
    tf_activations n = tf_decoder_rms_norm(b, x, norm("input_layernorm", "layernorm1", number));
    tf_id y = attention(b, pass, n, number);
    x = tf_decoder_last_token(b, "last_token", x, tf_decoder_last_only(b, number));
    x = tf_block_add(b, "self_attn.residual", y, x);
    n = tf_decoder_rms_norm(b, x, norm("post_attention_layernorm", "layernorm2", number));
    return tf_block_add(b, "mlp.residual", feed_forward(b, n, number), x);
}

static tf_id build(tf_builder *b) {
    tf_decoder_pass pass = tf_decoder_begin(b);
    tf_id x = tf_decoder_tokens(b, "embed_tokens.weight");
    for (size_t i = 0; i < b->config->layers; i++) x = layer(b, &pass, x, (int)i);
    tf_graph_scope(b->graph, "%s", "");
    return tf_decoder_head(b, tf_decoder_rms_norm(b, x, norm("norm", "layernorm", -1)), "embed_tokens");
}

static const tf_json_only llama_only[] = {{"pretraining_tp", "1"}, {NULL, NULL}};
static const tf_json_only qwen2_only[] = {{"use_sliding_window", "false"}, {"pretraining_tp", "1"}, {NULL, NULL}};
static const tf_json_only qwen3_only[] = {
    {"use_sliding_window", "false"}, {"attention_bias", "false"}, {"pretraining_tp", "1"}, {NULL, NULL}};

#define FAMILY(name_, architecture_, reader, tried_, only_, ...)                                                       \
    {                                                                                                                  \
        .name = name_, .model_types = (const char *const[]){__VA_ARGS__, NULL},                                        \
        .prefixes = (const char *const[]){"model.", NULL}, .activations = (const char *const[]){"silu", NULL},         \
        .read = reader, .only = only_, .tried = tried_,                                                                \
        .heads = (const struct tf_family_head[]){{architecture_, TF_HEAD_CAUSAL}, {NULL, 0}}, .build = build           \
    }

const tf_family tf_llama_family =
    FAMILY("llama", "LlamaForCausalLM", read_llama,
           "tiny random models and stories15M against float64, in the open and in private", llama_only, "llama");
const tf_family tf_mistral_family =
    FAMILY("mistral", "MistralForCausalLM", read_mistral,
           "tiny random models against float64, in the open and in private", llama_only, "mistral");
const tf_family tf_qwen2_family =
    FAMILY("qwen2", "Qwen2ForCausalLM", read_qwen2, "tiny random models against float64, in the open and in private",
           qwen2_only, "qwen2");
const tf_family tf_qwen3_family =
    FAMILY("qwen3", "Qwen3ForCausalLM", read_qwen3, "tiny random models against float64, in the open and in private",
           qwen3_only, "qwen3");
