/**
 * ALBERT (Lan et al. 2020): BERT's encoder; layers share their weights, each of which is shared with the parties once,
 * and the embeddings are narrower than the hidden size.
 */
#include "models/encoder.h"
#include "models/family.h"

static tf_status read_albert(const tf_json_source *from, tf_config *c) {
    TF_TRY(tf_encoder_read(from, 1e-12, c));
    TF_TRY(tf_json_size(from, "type_vocab_size", 1, 1024, &c->types));
    c->embedding = 128;
    c->groups = 1;
    TF_TRY(tf_json_optional_size(from, "embedding_size", 1, 16384, &c->embedding));
    return tf_json_optional_size(from, "num_hidden_groups", 1, c->layers, &c->groups);
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {
        {"embeddings.projection", "encoder.embedding_hidden_mapping_in"},
        {"encoder.group.", "encoder.albert_layer_groups."},
        {".attention.self.", ".albert_layers.0.attention."},
        {".attention.output.", ".albert_layers.0.attention."},
        {".intermediate.dense", ".albert_layers.0.ffn"},
        {".output.dense", ".albert_layers.0.ffn_output"},
        {".output.LayerNorm", ".albert_layers.0.full_layer_layer_norm"},
        {"pooler.dense", "pooler"},
        {"masked.", "predictions."},
    };
    tf_rename_leaf(names, sizeof names / sizeof *names, place);
}

static tf_id build(tf_builder *b) {
    return tf_encoder_build(b, "tanh", "");
}

const tf_family tf_albert_family = {
    .name = "albert",
    .model_types = (const char *const[]){"albert", NULL},
    .prefixes = (const char *const[]){"albert.", NULL},
    .read = read_albert,
    .only = (const tf_json_only[]){TF_ENCODER_ONLY, {"inner_group_num", "1"}, {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"AlbertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"AlbertForTokenClassification", TF_HEAD_TOKENS},
                                             {"AlbertForQuestionAnswering", TF_HEAD_SPAN},
                                             {"AlbertForMaskedLM", TF_HEAD_MASKED},
                                             {"AlbertForPreTraining", TF_HEAD_EMBEDDING},
                                             {"AlbertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
