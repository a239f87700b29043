/**
 * What decoders share (Vaswani et al. 2017; normalisations before the sublayers, as Radford et al. 2019): attention
 * over caches that stay shared between passes, products that several layers of a file make at once, and the head over
 * the vocabulary. A pass takes the next tokens of each text, one or many; prefill and decoding are the same graph.
 */
#ifndef TF_DECODER_H
#define TF_DECODER_H

#include "models/blocks.h"
#include "models/decoding.h"

/** Layers of a file that have the same input: one product makes all their outputs, side by side. */
typedef struct tf_fused {
    const char *name;    /**< of the whole */
    const char *part[3]; /**< the layers' names; ended by NULL */
    size_t in, out[3];
    bool biased;
} tf_fused;

/** x W^T + b for all parts; `angles` (a leaf, or -1) turns the first `rotated` outputs by the tokens' positions. */
tf_id tf_decoder_fused(tf_builder *b, tf_activations x, const tf_fused *fused, tf_id angles, size_t rotated);

/** Root mean square normalisation, its gamma folded into the layers that follow where the builder folds. */
tf_activations tf_decoder_rms_norm(tf_builder *b, tf_id x, tf_norm norm);

/** The columns of x from `first` on. */
tf_id tf_decoder_columns(tf_builder *b, const char *name, tf_id x, size_t first, size_t count);

/** The public leaves of a pass. */
typedef struct tf_decoder_pass {
    tf_id mask, last_mask;       /**< the same where the pass has one row */
    tf_id counted, last_counted; /**< of a pass that evicts; -1 in others */
    tf_id angles;                /**< -1 for learned positions */
} tf_decoder_pass;

tf_decoder_pass tf_decoder_begin(tf_builder *b);

/** Whether only the last token's row is still wanted after the attention of this layer. */
bool tf_decoder_last_only(const tf_builder *b, int layer);

/** x, or its last token's row. */
tf_id tf_decoder_last_token(tf_builder *b, const char *name, tf_id x, bool last_only);

/** texts x rows x heads head_dim, or kv_heads head_dim. */
typedef struct tf_heads {
    tf_id query, key, value;
} tf_heads;

/** Attention of all heads over the layer's caches, to which keys and values of this pass are appended: texts x rows (or
 *  1) x heads head_dim. Where the pass evicts, those rows that its last tokens attended to most, over all heads, become
 *  the caches of what follows. */
tf_id tf_decoder_attention(tf_builder *b, const tf_decoder_pass *pass, const char *name, tf_heads heads, int layer);

/** The embeddings of the tokens: texts x rows x hidden. */
tf_id tf_decoder_tokens(tf_builder *b, const char *table);

/** Logits over the vocabulary from the rows of x, texts x rows (or 1) x vocabulary; `table`: of the embedding, where it
 *  is tied. The rows themselves where no head is wanted. */
tf_id tf_decoder_head(tf_builder *b, tf_activations x, const char *table);

#endif
