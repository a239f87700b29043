/** ELECTRA (Clark et al. 2020), discriminator and generator: BERT's encoder, embeddings that may be narrower. */
#include "models/encoder.h"
#include "models/family.h"

static tf_status read_electra(const tf_json_source *from, tf_config *c) {
    TF_TRY(tf_encoder_read(from, 1e-12, c));
    TF_TRY(tf_json_size(from, "type_vocab_size", 1, 1024, &c->types));
    c->embedding = 128;
    TF_TRY(tf_json_optional_size(from, "embedding_size", 1, 16384, &c->embedding));
    if (c->embedding == c->hidden) c->embedding = 0;
    return TF_OK;
}

static void place(const tf_config *c, const char *leaf, tf_tensor_place *place) {
    static const tf_rename names[] = {{"embeddings.projection", "embeddings_project"},
                                      {"masked.dense", "generator_predictions.dense"},
                                      {"masked.LayerNorm", "generator_predictions.LayerNorm"},
                                      {"masked.bias", "generator_lm_head.bias"}};
    static const tf_rename classifier[] = {{"classifier", "classifier.out_proj"}, {"pooler.dense", "classifier.dense"}};
    tf_rename_leaf(names, sizeof names / sizeof *names, place);
    if (c->head == TF_HEAD_CLASSIFIER && !c->sentence_head)
        tf_rename_leaf(classifier, sizeof classifier / sizeof *classifier, place);
}

static tf_id build(tf_builder *b) {
    return tf_encoder_build(b, "gelu", "exact");
}

const tf_family tf_electra_family = {
    .name = "electra",
    .model_types = (const char *const[]){"electra", NULL},
    .prefixes = (const char *const[]){"electra.", NULL},
    .read = read_electra,
    .only = (const tf_json_only[]){TF_ENCODER_ONLY, {NULL, NULL}},
    .tried = "tiny random models of each head, in the open and in private, against float64",
    .heads = (const struct tf_family_head[]){{"ElectraForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"ElectraForTokenClassification", TF_HEAD_TOKENS},
                                             {"ElectraForQuestionAnswering", TF_HEAD_SPAN},
                                             {"ElectraForMaskedLM", TF_HEAD_MASKED},
                                             {"ElectraForPreTraining", TF_HEAD_EMBEDDING},
                                             {"ElectraModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .place = place,
    .build = build,
};
