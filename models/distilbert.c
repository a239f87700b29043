/** DistilBERT (Sanh et al. 2019): BERT's encoder without token types; keys and tensors have names of their own. */
#include "models/encoder.h"
#include "models/family.h"

static tf_status read_distilbert(const tf_json_source *from, tf_config *c) {
    const tf_json_key sizes[] = {{"dim", 16384, &c->hidden},
                                 {"n_layers", 128, &c->layers},
                                 {"n_heads", 1024, &c->heads},
                                 {"hidden_dim", 65536, &c->intermediate},
                                 {"vocab_size", 1 << 20, &c->vocabulary},
                                 {"max_position_embeddings", 65536, &c->positions}};
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    if (c->hidden % c->heads)
        return tf_fail(TF_FORMAT, "%s: \"dim\" %zu is not a multiple of \"n_heads\" %zu", from->path, c->hidden,
                       c->heads);
    size_t pad = 0;
    TF_TRY(tf_json_optional_size(from, "pad_token_id", 0, c->vocabulary - 1, &pad));
    c->pad_token = (int32_t)pad;
    c->layer_norm_eps = 1e-12; /* in the definition itself: no key sets it */
    return TF_OK;
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {
        {"encoder.layer.", "transformer.layer."},
        {"attention.self.query", "attention.q_lin"},
        {"attention.self.key", "attention.k_lin"},
        {"attention.self.value", "attention.v_lin"},
        {"attention.output.dense", "attention.out_lin"},
        {"attention.output.LayerNorm", "sa_layer_norm"},
        {"intermediate.dense", "ffn.lin1"},
        {".output.dense", ".ffn.lin2"},
        {".output.LayerNorm", ".output_layer_norm"},
        {"pooler.dense", "pre_classifier"},
        {"masked.dense", "vocab_transform"},
        {"masked.LayerNorm", "vocab_layer_norm"},
        {"masked.bias", "vocab_projector.bias"},
    };
    tf_rename_leaf(names, sizeof names / sizeof *names, place);
}

static tf_id build(tf_builder *b) {
    return tf_encoder_build(b, "gelu", "relu");
}

const tf_family tf_distilbert_family = {
    .name = "distilbert",
    .model_types = (const char *const[]){"distilbert", NULL},
    .prefixes = (const char *const[]){"distilbert.", NULL},
    .activation_key = "activation",
    .read = read_distilbert,
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"DistilBertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"DistilBertForTokenClassification", TF_HEAD_TOKENS},
                                             {"DistilBertForQuestionAnswering", TF_HEAD_SPAN},
                                             {"DistilBertForMaskedLM", TF_HEAD_MASKED},
                                             {"DistilBertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
