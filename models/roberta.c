/**
 * RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT's encoder; positions count from pad_token_id + 1, and one
 * token type serves for pairs too.
 */
#include <string.h>

#include "models/encoder.h"
#include "models/family.h"

static tf_status read_roberta(const tf_json_source *from, tf_config *c) {
    c->pad_token = 1;
    TF_TRY(tf_encoder_read(from, 1e-12, c));
    TF_TRY(tf_json_size(from, "type_vocab_size", 1, 1024, &c->types));
    return tf_encoder_offset_positions(from, c);
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {
        {"masked.dense", "lm_head.dense"}, {"masked.LayerNorm", "lm_head.layer_norm"}, {"masked.bias", "lm_head.bias"}};
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
    return tf_encoder_build(b, "tanh", "");
}

const tf_family tf_roberta_family = {
    .name = "roberta",
    .model_types = (const char *const[]){"roberta", "xlm-roberta", "camembert", NULL},
    .prefixes = (const char *const[]){"roberta.", NULL},
    .untyped_pairs = true,
    .read = read_roberta,
    .only = (const tf_json_only[]){TF_ENCODER_ONLY, {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"RobertaForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"RobertaForTokenClassification", TF_HEAD_TOKENS},
                                             {"RobertaForQuestionAnswering", TF_HEAD_SPAN},
                                             {"RobertaForMaskedLM", TF_HEAD_MASKED},
                                             {"RobertaModel", TF_HEAD_EMBEDDING},
                                             {"XLMRobertaForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"XLMRobertaForTokenClassification", TF_HEAD_TOKENS},
                                             {"XLMRobertaForQuestionAnswering", TF_HEAD_SPAN},
                                             {"XLMRobertaForMaskedLM", TF_HEAD_MASKED},
                                             {"XLMRobertaModel", TF_HEAD_EMBEDDING},
                                             {"CamembertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"CamembertForTokenClassification", TF_HEAD_TOKENS},
                                             {"CamembertForQuestionAnswering", TF_HEAD_SPAN},
                                             {"CamembertForMaskedLM", TF_HEAD_MASKED},
                                             {"CamembertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
