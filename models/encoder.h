/**
 * The encoder of Devlin et al. 2019 and its heads, which several families share: they differ in the names of their
 * tensors and in what is added to the embeddings. Leaves have BERT's names.
 */
#ifndef TF_ENCODER_H
#define TF_ENCODER_H

#include "models/blocks.h"

/** The embeddings of token, position and token type, normalised: texts x length x hidden. */
tf_stream tf_encoder_embeddings(tf_builder *b);

/** A layer with LayerNorms after the residual sums; texts x length x hidden in and out. */
tf_stream tf_encoder_layer(tf_builder *b, tf_stream x, int layer);

/** All layers. */
tf_stream tf_encoder_layers(tf_builder *b, tf_stream x);

/** texts x hidden: the mean over the tokens, of length 1. */
tf_id tf_sentence_embedding(tf_builder *b, tf_id x);

#endif
