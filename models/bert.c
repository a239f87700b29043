/** BERT (Devlin et al. 2019): LayerNorms after the residual sums; a classifier on a pooled first token. */
#include "models/encoder.h"
#include "models/family.h"

static tf_status read_bert(const tf_json_source *from, tf_config *c) {
    TF_TRY(tf_encoder_read(from, 1e-12, c));
    return tf_json_size(from, "type_vocab_size", 1, 1024, &c->types);
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {{"masked.dense", "cls.predictions.transform.dense"},
                                      {"masked.LayerNorm", "cls.predictions.transform.LayerNorm"},
                                      {"masked.bias", "cls.predictions.bias"}};
    tf_rename_leaf(names, sizeof names / sizeof *names, place);
}

static tf_id build(tf_builder *b) {
    return tf_encoder_build(b, "tanh", "");
}

const tf_family tf_bert_family = {
    .name = "bert",
    .model_types = (const char *const[]){"bert", NULL},
    .prefixes = (const char *const[]){"bert.", NULL},
    .read = read_bert,
    .only = (const tf_json_only[]){TF_ENCODER_ONLY, {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"BertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"BertForTokenClassification", TF_HEAD_TOKENS},
                                             {"BertForQuestionAnswering", TF_HEAD_SPAN},
                                             {"BertForMaskedLM", TF_HEAD_MASKED},
                                             {"BertForPreTraining", TF_HEAD_EMBEDDING},
                                             {"BertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
