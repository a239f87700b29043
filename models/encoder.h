/**
 * The encoder of Devlin et al. 2019 and its heads, which several families share: they differ in the keys of
 * config.json, in the names of their tensors, in what is added to the embeddings, and in the activation of a
 * classifier's first layer. Leaves have BERT's names; a family's `place` says what they are in its own files.
 */
#ifndef TF_ENCODER_H
#define TF_ENCODER_H

#include "models/blocks.h"
#include "models/files/json.h"

/** Reads the keys that BERT, RoBERTa, ELECTRA, ALBERT and MPNet have in common. */
TF_CHECKED tf_status tf_encoder_read(const tf_json_source *from, double default_eps, tf_config *config);

/** Takes the positions that token positions never reach from `config`: RoBERTa counts from pad_token_id + 1. */
TF_CHECKED tf_status tf_encoder_offset_positions(const tf_json_source *from, tf_config *config);

/**
 * The sum of the embeddings of token, position and token type (where the family has them), normalised, and widened
 * where they are narrower than the hidden size: texts x length x hidden.
 */
tf_activations tf_encoder_embeddings(tf_builder *b);

/** A layer with LayerNorms after the residual sums; texts x length x hidden in and out. Of the last layer texts x 1 x
 *  hidden come out where the head reads the first token alone: its query attends to the keys of all. */
tf_activations tf_encoder_layer(tf_builder *b, tf_activations x, int layer);

/** Whether it is the last layer, and its head reads the first token alone. Not where keys have biases by distance,
 * which want as many queries as keys. */
bool tf_encoder_reads_first(const tf_config *config, int layer);

/** The first token's rows of x, texts x 1 x width, or x itself. */
tf_id tf_encoder_first(tf_builder *b, const char *name, tf_id x, bool first);

/** All layers. */
tf_activations tf_encoder_layers(tf_builder *b, tf_activations x);

/** What config's head makes of the last layer; a classifier's pooler has this op as activation. */
tf_id tf_encoder_head(tf_builder *b, tf_activations x, const char *kind, const char *variant);

/** The whole: embeddings, layers, head. */
tf_id tf_encoder_build(tf_builder *b, const char *kind, const char *variant);

/** A name that stands for another: the first entry of a table that fits is taken. */
typedef struct tf_rename {
    const char *from, *to; /**< parts of a name; the rest stays */
} tf_rename;

/** Replaces `from` by `to` once in the name, for the first entry whose `from` it has; then tries the entries after. */
void tf_rename_leaf(const tf_rename *table, size_t entries, tf_tensor_place *place);

/** What config.json must say of an encoder of BERT's kind, for tf_family.only. */
#define TF_ENCODER_ONLY                                                                                                \
    {"position_embedding_type", "absolute"}, {"is_decoder", "false"}, {"add_cross_attention", "false"}, {              \
        "is_encoder_decoder", "false"                                                                                  \
    }

#endif
