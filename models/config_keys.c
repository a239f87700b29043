#include "models/config_keys.h"

#include <stdio.h>
#include <string.h>

#include "net/base/file.h"

/* What Hugging Face's PretrainedConfig, training and older versions of the families leave in a file. None of it changes
 * what comes out. */
static const char *const harmless[] = {
    /* names and versions */
    "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "torch_dtype", "dtype", "use_bfloat16",
    "tokenizer_class", "processor_class", "_num_labels", "name", "finetuning_task", "task_specific_params", "label2id",
    "license", "language", "languages", "model_max_length", "max_seq_length", "prefix", "sentence_transformers",
    "sbert_ce_default_activation_function", "_attn_implementation", "_attn_implementation_autoset",
    "attn_implementation", "torchscript", "tf_legacy_loss", "use_cache", "output_past", "output_attentions",
    "output_hidden_states", "return_dict", "use_return_dict", "chunk_size_feed_forward", "reference_compile",
    "deterministic_flash_attn", "repad_logits_with_grad", "use_flash_attn", "fused_mlp", "fused_bias_fc",
    "fused_dropout_add_ln", "_flash_attn_2_enabled", "tokenizer_type",
    /* tokens */
    "bos_token_id", "eos_token_id", "eos_token_ids", "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id",
    "unk_token_id", "decoder_start_token_id",
    /* training */
    "attention_probs_dropout_prob", "hidden_dropout_prob", "attention_dropout", "hidden_dropout", "dropout",
    "qa_dropout", "seq_classif_dropout", "classifier_dropout", "classifier_dropout_prob", "cls_dropout",
    "embedding_dropout", "mlp_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "layerdrop", "initializer_range",
    "initializer_factor", "initializer_cutoff_factor", "gradient_checkpointing", "sparse_prediction",
    "sparse_pred_ignore_index", "sinusoidal_pos_embds", "tie_weights_", "tie_word_embeddings", "tie_encoder_decoder",
    "tied_word_embeddings",
    /* looked at where a head or a family has something to do with them, as Hugging Face does */
    "problem_type", "id2label", "num_labels", "layer_norm_eps", "sliding_window", "type_vocab_size",
    /* parts of checkpoints that these heads do not use */
    "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
    "pooler_type", "summary_activation", "summary_first_dropout", "summary_last_dropout", "summary_proj_to_labels",
    "summary_type", "summary_use_proj", "net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor",
    "n_ctx", "predict_special_tokens", "cross_attention_hidden_size", "max_window_layers", "reorder_and_upcast_attn",
    /* a generation's defaults */
    "max_length", "min_length", "max_new_tokens", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
    "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens"};

/* What would make another network of a model whose family does not know it, unless it has this value. */
static const tf_json_only matters[] = {
    {"position_embedding_type", "absolute"},
    {"is_decoder", "false"},
    {"is_encoder_decoder", "false"},
    {"add_cross_attention", "false"},
    {"attention_type", "original_full"},
    {"relative_attention", "false"},
    {"position_biased_input", "true"},
    {"use_bias", "true"},
    {"no_bias", "false"},
    {"parallel_attn", "false"},
    {"use_parallel_residual", "false"},
    {"use_sliding_window", "false"},
    {"use_qk_norm", "false"},
    {"qk_layernorm", "false"},
    {"partial_rotary_factor", "1"},
    {"logits_scaling", "1"},
    {"attention_multiplier", "1"},
    {"residual_multiplier", "1"},
    {"embedding_multiplier", "1"},
    {"pretraining_tp", "1"},
};

/* Parts of names that have to do with the network: only nothing at all is harmless under them. */
static const char *const suspicious[] = {"quantiz",     "compression_config",
                                         "rope",        "rotary",
                                         "alibi",       "softcap",
                                         "scale_",      "_scale",
                                         "_scalar",     "pruned_heads",
                                         "pos_att",     "adapter",
                                         "lora",        "experts",
                                         "moe_",        "relative_",
                                         "window",      "sparse",
                                         "layer_types", "_type"};

static bool is_listed(const char *key, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(key, list[i])) return true;
    return false;
}

/* false, an empty list or object, or layers that are all of the ordinary kind. */
static bool is_nothing(const json_t *value) {
    if (json_is_array(value)) {
        size_t ordinary = 0;
        for (size_t i = 0; i < json_array_size(value); i++) {
            const char *kind = json_string_value(json_array_get(value, i));
            ordinary += kind && !strcmp(kind, "full_attention");
        }
        return ordinary == json_array_size(value);
    }
    return json_is_false(value) || (json_is_object(value) && !json_object_size(value));
}

static tf_status check_key(const tf_json_source *from, const char *key, const json_t *value, bool *known) {
    *known = json_is_null(value) || is_listed(key, harmless, sizeof harmless / sizeof *harmless);
    for (size_t i = 0; i < sizeof matters / sizeof *matters && !*known; i++)
        if (!strcmp(key, matters[i].key)) {
            *known = true;
            TF_TRY(tf_json_check_only(from, &matters[i], 1));
        }
    for (size_t i = 0; i < sizeof suspicious / sizeof *suspicious && !*known; i++) {
        if (!strstr(key, suspicious[i])) continue;
        if (!is_nothing(value))
            return tf_fail(TF_FORMAT,
                           "%s: \"%.60s\" is not known to models of this type and may change what they compute; "
                           "remove it if it does not",
                           from->path, tf_printable(key) ? key : "?");
        *known = true;
    }
    return TF_OK;
}

tf_status tf_config_check_keys(const tf_json_source *from, tf_config *config) {
    const char *key;
    json_t *value;
    size_t more = 0, at = 0, room = sizeof config->unknown - sizeof " and 1234567 more";
    json_object_foreach((json_t *)from->json, key, value) {
        bool known = json_object_get(from->seen, key) != NULL;
        if (!known) TF_TRY(check_key(from, key, value, &known));
        if (known) continue;
        bool fits = tf_printable(key) && at + strlen(key) + 4 < room;
        if (fits)
            at += (size_t)snprintf(config->unknown + at, room - at, "%s\"%s\"", at ? ", " : "", key);
        else
            more += more < 1000000;
    }
    if (more) snprintf(config->unknown + at, sizeof config->unknown - at, "%s%zu more", at ? " and " : "", more);
    return TF_OK;
}
