/**
 * MPNet (Song et al. 2020): BERT's encoder without token types; positions count from pad_token_id + 1, and attention
 * has biases by distance, a table that all layers share.
 */
#include <string.h>

#include "models/encoder.h"
#include "models/family.h"

enum { DISTANCES = 32 }; /* rows of the table: Hugging Face's encoder knows no other number */

static tf_status read_mpnet(const tf_json_source *from, tf_config *c) {
    c->pad_token = 1;
    c->buckets = DISTANCES;
    TF_TRY(tf_encoder_read(from, 1e-12, c));
    return tf_encoder_offset_positions(from, c);
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {{"attention.self.query", "attention.attn.q"},
                                      {"attention.self.key", "attention.attn.k"},
                                      {"attention.self.value", "attention.attn.v"},
                                      {"attention.output.dense", "attention.attn.o"},
                                      {"attention.output.LayerNorm", "attention.LayerNorm"},
                                      {"masked.dense", "lm_head.dense"},
                                      {"masked.LayerNorm", "lm_head.layer_norm"},
                                      {"masked.bias", "lm_head.bias"}};
    static const tf_rename classifier[] = {{"classifier", "classifier.out_proj"}, {"pooler.dense", "classifier.dense"}};
    tf_rename_leaf(names, sizeof names / sizeof *names, place);
    if (c->head == TF_HEAD_CLASSIFIER && !c->sentence_head)
        tf_rename_leaf(classifier, sizeof classifier / sizeof *classifier, place);
    if (!strcmp(leaf, "embeddings.position_embeddings.weight")) {
        place->first = (size_t)c->pad_token + 1;
        place->rows = c->positions + place->first;
    }
}

static tf_id build(tf_builder *b) {
    tf_graph_scope(b->graph, "encoder.");
    tf_block_weight(b, "relative_attention_bias.weight", tf_dims(b->config->buckets, b->config->heads));
    return tf_encoder_build(b, "tanh", "");
}

const tf_family tf_mpnet_family = {
    .name = "mpnet",
    .model_types = (const char *const[]){"mpnet", NULL},
    .prefixes = (const char *const[]){"mpnet.", NULL},
    .untyped_pairs = true,
    .read = read_mpnet,
    .only = (const tf_json_only[]){TF_ENCODER_ONLY, {"relative_attention_num_buckets", "32"}, {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"MPNetForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"MPNetForTokenClassification", TF_HEAD_TOKENS},
                                             {"MPNetForQuestionAnswering", TF_HEAD_SPAN},
                                             {"MPNetForMaskedLM", TF_HEAD_MASKED},
                                             {"MPNetModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
